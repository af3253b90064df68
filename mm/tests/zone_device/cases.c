// SPDX-License-Identifier: GPL-2.0
/*
 * The kinds of device memory, each type in each shape, and parts of what is
 * mapped. A new type or order is a line in one of the tables; where the memmap may
 * lie is in enum zd_memmap, and zd_case_args() has it put there.
 */
#include "zone_device_test.h"

static const struct {
	const char *name;
	enum memory_type type;
} zd_types[] = {
	{ "PRIVATE",	MEMORY_DEVICE_PRIVATE },
	{ "COHERENT",	MEMORY_DEVICE_COHERENT },
	{ "FS_DAX",	MEMORY_DEVICE_FS_DAX },
	{ "GENERIC",	MEMORY_DEVICE_GENERIC },
	{ "PCI_P2PDMA",	MEMORY_DEVICE_PCI_P2PDMA },
};

/* Struct pages by the hundred thousand, where none of them are shared. */
#define ZD_HUGE_ORDER		18

static const struct {
	const char *name;
	unsigned int order;
	enum zd_memmap memmap;
} zd_shapes[] = {
	{ "order 0",		0,	ZD_IN_RAM },
	{ "order 1",		1,	ZD_IN_RAM },
	{ "order 2",		2,	ZD_IN_RAM },
	{ "order 9",		9,	ZD_IN_RAM },
	{ "order 9, full",	9,	ZD_IN_RAM_FULL },
	{ "order 18",		ZD_HUGE_ORDER, ZD_IN_RAM },
	{ "order 0, altmap",	0,	ZD_ON_DEVICE },
	{ "order 9, altmap",	9,	ZD_ON_DEVICE },
	{ "order 0, early",	0,	ZD_FROM_BOOT },
	{ "order 9, early",	9,	ZD_FROM_BOOT },
	{ "order 9, early in part", 9,	ZD_FROM_BOOT_IN_PART },
};

/* Whether it takes a minute, where others take a second. */
static bool zd_is_long(const struct zd_case *c)
{
	const bool shared = IS_ENABLED(CONFIG_ARCH_WANT_OPTIMIZE_DAX_VMEMMAP) &&
			    is_power_of_2(sizeof(struct page));

	return c->order == ZD_HUGE_ORDER && !shared;
}

/*
 * Only what is memory can hold struct pages, or lie beside RAM. PRIVATE is
 * nothing that a CPU can read, and the memory of a PCI device is not cached.
 * What takes long is done for the one type that is mapped so.
 */
static bool zd_exists(const struct zd_case *c)
{
	if (zd_is_long(c) && c->type != MEMORY_DEVICE_GENERIC)
		return false;
	return c->memmap == ZD_IN_RAM || c->memmap == ZD_IN_RAM_FULL ||
	       (c->type != MEMORY_DEVICE_PRIVATE && c->type != MEMORY_DEVICE_PCI_P2PDMA);
}

/** zd_type_name() - what a pgmap type is called */
const char *zd_type_name(enum memory_type type)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(zd_types); i++) {
		if (zd_types[i].type == type)
			return zd_types[i].name;
	}
	return "unknown";
}

/**
 * zd_describe_case() - what a case is called, in names of tests
 * @c: the case
 * @desc: set to it; %KUNIT_PARAM_DESC_SIZE bytes
 */
void zd_describe_case(const struct zd_case *c, char *desc)
{
	const char *name = "a shape without a name";
	int i;

	for (i = 0; i < ARRAY_SIZE(zd_shapes); i++) {
		if (zd_shapes[i].order == c->order && zd_shapes[i].memmap == c->memmap)
			name = zd_shapes[i].name;
	}
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, %s", zd_type_name(c->type), name);
}

/** zd_next_case() - the cases, one after the other, as a test's parameters */
const void *zd_next_case(struct kunit *test, const void *prev, char *desc)
{
	static struct zd_case cases[ARRAY_SIZE(zd_types) * ARRAY_SIZE(zd_shapes)];
	const struct zd_case *last = prev;
	unsigned int i = 0;

	if (last)
		i = last - cases + 1;
	for (; i < ARRAY_SIZE(cases); i++) {
		unsigned int type = i / ARRAY_SIZE(zd_shapes);
		unsigned int shape = i % ARRAY_SIZE(zd_shapes);

		cases[i].type = zd_types[type].type;
		cases[i].order = zd_shapes[shape].order;
		cases[i].memmap = zd_shapes[shape].memmap;
		if (!zd_exists(&cases[i]))
			continue;
		zd_describe_case(&cases[i], desc);
		return &cases[i];
	}
	return NULL;
}

/**
 * zd_case_args() - what to map for a case
 * @c: the case
 * @nr_pages: how many pages, a multiple of PAGES_PER_SECTION; 0 for as few as
 *	show it
 *
 * A full memmap in RAM cannot be had for an order other than 0: there, it is
 * what to map for a clone of the pgmap and direct calls; see zd_map_case().
 */
struct zd_range_args zd_case_args(const struct zd_case *c, unsigned long nr_pages)
{
	struct zd_range_args args = {
		.type = c->type,
		.order = c->memmap == ZD_IN_RAM_FULL ? 0 : c->order,
		/* At least two compound pages, but for those that take long. */
		.nr_pages = nr_pages ?: max((zd_is_long(c) ? 1UL : 2UL) << c->order, ZD_FEW_PAGES),
	};

	if (c->memmap == ZD_FROM_BOOT)
		args.memory = ZD_EARLY_MEMORY;
	if (c->memmap == ZD_FROM_BOOT_IN_PART)
		args.memory = ZD_MEMORY_UP_TO_EARLY;
	if (c->memmap == ZD_ON_DEVICE) {
		args.memory = ZD_REAL_MEMORY;
		/* What is behind the struct pages has to be whole compound pages. */
		args.nr_pages = ALIGN(args.nr_pages, zd_whole_memmap());
		args.altmap_pages = ALIGN(PFN_UP(args.nr_pages * sizeof(struct page)),
					  1UL << c->order);
	}
	return args;
}

/**
 * zd_map_case() - map what a case wants
 * @test: the test; skipped, with the reason, if this machine has none
 * @c: the case
 * @nr_pages: as zd_case_args() has it
 *
 * Returns: the call that initializes it; for a full memmap its pgmap is a clone
 * of what is mapped.
 */
struct zd_call zd_map_case(struct kunit *test, const struct zd_case *c, unsigned long nr_pages)
{
	const struct zd_range_args args = zd_case_args(c, nr_pages);
	struct dev_pagemap *pgmap = zd_map(test, &args);

	/* Of any other size they share their last page with others, and it is in RAM. */
	if (c->memmap == ZD_ON_DEVICE && is_power_of_2(sizeof(struct page)))
		KUNIT_ASSERT_EQ_MSG(test, pgmap->altmap.alloc,
				    PFN_UP(args.nr_pages * sizeof(struct page)),
				    "pages of the device in use for struct pages");
	else if (c->memmap == ZD_ON_DEVICE)
		KUNIT_ASSERT_GT_MSG(test, pgmap->altmap.alloc, 0,
				    "pages of the device in use for struct pages");
	if (c->memmap == ZD_IN_RAM_FULL)
		pgmap = zd_clone_pgmap(test, pgmap, c->type, c->order);
	return zd_call_for(pgmap, 0);
}

/** zd_next_part() - calls on parts of what is mapped, as a test's parameters */
const void *zd_next_part(struct kunit *test, const void *prev, char *desc)
{
	const unsigned long sizes[] = {
		0, 1, 2, 63, 64, 65,
		pageblock_nr_pages - 1, pageblock_nr_pages, pageblock_nr_pages + 1,
		PAGES_PER_SECTION - 1, PAGES_PER_SECTION, PAGES_PER_SECTION + 1,
	};
	const unsigned long offsets[] = { 0, 1, 63, pageblock_nr_pages - 1 };
	static struct zd_part parts[ARRAY_SIZE(sizes) * ARRAY_SIZE(offsets)];
	struct zd_part *part = prev ? (struct zd_part *)prev + 1 : parts;
	unsigned int i = part - parts;
	/* Where a section is a pageblock the last three sizes are those before them. */
	unsigned int again = pageblock_nr_pages == PAGES_PER_SECTION ? 3 * ARRAY_SIZE(offsets) : 0;

	if (i == ARRAY_SIZE(parts) - again)
		return NULL;
	part->nr_pages = sizes[i / ARRAY_SIZE(offsets)];
	part->offset = offsets[i % ARRAY_SIZE(offsets)];
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%lu pages at %lu", part->nr_pages, part->offset);
	return part;
}

/** zd_map_part() - map memory with room on both sides; the call for the part */
struct zd_call zd_map_part(struct kunit *test, const struct zd_part *part)
{
	struct zd_range_args args = {
		.type = MEMORY_DEVICE_FS_DAX,
	};
	/* The last pages of a section, so that most parts cross into the next. */
	unsigned long first = PAGES_PER_SECTION - pageblock_nr_pages;
	struct zd_call call;

	/* A section may be a single pageblock, and have no room for guards before. */
	if (first < ZD_GUARD_PAGES)
		first += PAGES_PER_SECTION;
	args.nr_pages = first + pageblock_nr_pages + PAGES_PER_SECTION + ZD_FEW_PAGES;
	/*
	 * Where a page of struct pages is shared with the next section, x86 takes a huge
	 * one for a page table if what is mapped behind it is a part of a section.
	 */
	if (!is_power_of_2(sizeof(struct page)))
		args.nr_pages = ALIGN(args.nr_pages, PAGES_PER_SECTION);
	call = zd_call_for(zd_map(test, &args), 0);
	call.start_pfn += first + part->offset;
	call.nr_pages = part->nr_pages;
	zd_narrow(&call);
	return call;
}
