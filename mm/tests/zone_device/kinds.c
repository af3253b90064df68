// SPDX-License-Identifier: GPL-2.0
/*
 * The kinds of device memory that are counted and timed: a line of what make
 * cost and make bench print is a line here.
 */
#include "zone_device_test.h"

/*
 * None shares struct pages on the device, and none of order 0 can. There is
 * none of PRIVATE with an altmap, as memunmap_pages() would free its struct
 * pages as if in RAM.
 */
static const struct zd_kind zd_kinds[] = {
	{ "PRIVATE, order 0", MEMORY_DEVICE_PRIVATE, 0 },
	{ "PRIVATE, order 9, optimised", MEMORY_DEVICE_PRIVATE, 9 },
	{ "PRIVATE, order 9, full", MEMORY_DEVICE_PRIVATE, 9, .full = true },
	{ "COHERENT, order 0", MEMORY_DEVICE_COHERENT, 0 },
	{ "COHERENT, order 0, altmap", MEMORY_DEVICE_COHERENT, 0, .altmap = true },
	{ "COHERENT, order 9, optimised", MEMORY_DEVICE_COHERENT, 9 },
	{ "COHERENT, order 9, full", MEMORY_DEVICE_COHERENT, 9, .full = true },
	{ "COHERENT, order 9, full, altmap", MEMORY_DEVICE_COHERENT, 9, .altmap = true },
	{ "FS_DAX, order 0", MEMORY_DEVICE_FS_DAX, 0 },
	{ "FS_DAX, order 0, altmap", MEMORY_DEVICE_FS_DAX, 0, .altmap = true },
	{ "FS_DAX, order 9, optimised", MEMORY_DEVICE_FS_DAX, 9 },
	{ "FS_DAX, order 9, full", MEMORY_DEVICE_FS_DAX, 9, .full = true },
	{ "FS_DAX, order 9, full, altmap", MEMORY_DEVICE_FS_DAX, 9, .altmap = true },
	{ "GENERIC, order 0", MEMORY_DEVICE_GENERIC, 0 },
	{ "GENERIC, order 0, altmap", MEMORY_DEVICE_GENERIC, 0, .altmap = true },
	{ "GENERIC, order 9, optimised", MEMORY_DEVICE_GENERIC, 9 },
	{ "GENERIC, order 9, full", MEMORY_DEVICE_GENERIC, 9, .full = true },
	{ "GENERIC, order 9, full, altmap", MEMORY_DEVICE_GENERIC, 9, .altmap = true },
};

KUNIT_ARRAY_PARAM_DESC(zd_kinds, zd_kinds, name);

/** zd_next_kind() - the kinds, one after the other, as a test's parameters */
const void *zd_next_kind(struct kunit *test, const void *prev, char *desc)
{
	return zd_kinds_gen_params(test, prev, desc);
}

/** zd_kind_id() - a number for @kind, from 1, in the order of the table */
u64 zd_kind_id(const struct zd_kind *kind)
{
	return kind - zd_kinds + 1;
}

/**
 * zd_kind_args() - what to map to have memory of a kind
 * @kind: the kind
 * @nr_pages: how much, a multiple of PAGES_PER_SECTION
 *
 * A full memmap in RAM cannot be had for an order other than 0: there, it is
 * what to map for zd_clone_pgmap() and a direct call.
 */
struct zd_range_args zd_kind_args(const struct zd_kind *kind, unsigned long nr_pages)
{
	struct zd_range_args args = {
		.type = kind->type,
		.order = kind->full ? 0 : kind->order,
		.nr_pages = nr_pages,
	};

	if (kind->altmap) {
		args.memory = ZD_REAL_MEMORY;
		args.altmap_pages = PHYS_PFN(nr_pages * sizeof(struct page));
	}
	return args;
}
