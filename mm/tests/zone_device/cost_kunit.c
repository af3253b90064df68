// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of memremap_pages() and memmap_init_zone_device() to be counted from
 * outside, each once and without a probe near it: see make cost. By themselves
 * they show little, that each kind of device memory can be mapped.
 */
#include <linux/sizes.h>

#include "zone_device_test.h"

struct zd_cost {
	const char *name;
	enum memory_type type;
	unsigned int order;
	bool altmap;
	bool full;
};

/*
 * A line of the table that make cost prints is a line here. None shares struct
 * pages on the device, and none of order 0 can. There is none of PRIVATE with
 * an altmap, as memunmap_pages() would free its struct pages as if in RAM.
 */
static const struct zd_cost zd_costs[] = {
	{ "PRIVATE, order 0", MEMORY_DEVICE_PRIVATE, 0 },
	{ "PRIVATE, order 9, optimised", MEMORY_DEVICE_PRIVATE, 9 },
	{ "PRIVATE, order 9, full", MEMORY_DEVICE_PRIVATE, 9, .full = true },
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

KUNIT_ARRAY_PARAM_DESC(zd_costs, zd_costs, name);

/*
 * Test case: one section of each kind of memory is mapped. A full memmap in RAM
 * cannot be had for order 9; its loop is called by itself.
 */
static void zd_cost_test(struct kunit *test)
{
	const struct zd_cost *c = test->param_value;
	struct zd_range_args args = {
		.type = c->type,
		.order = c->full ? 0 : c->order,
		.nr_pages = PAGES_PER_SECTION,
	};
	struct dev_pagemap *pgmap;
	struct zd_call call;

	if (c->altmap) {
		args.memory = ZD_REAL_MEMORY;
		args.altmap_pages = PHYS_PFN(PAGES_PER_SECTION * sizeof(struct page));
	}
	zd_note_id = c->full ? 0 : c - zd_costs + 1;
	pgmap = zd_map(test, &args);
	zd_note_id = 0;
	if (!c->full)
		return;

	pgmap = zd_clone_pgmap(test, pgmap, c->type, c->order);
	call = zd_call_for(pgmap, 0);
	zd_note_id = c - zd_costs + 1;
	zd_init(&call);
	zd_note_id = 0;
}

static struct kunit_case zd_cost_cases[] = {
	KUNIT_CASE_PARAM(zd_cost_test, zd_costs_gen_params),
	{}
};

static struct kunit_suite zd_cost_suite = {
	.name = "zone_device_cost",
	.test_cases = zd_cost_cases,
};

kunit_test_suite(zd_cost_suite);
