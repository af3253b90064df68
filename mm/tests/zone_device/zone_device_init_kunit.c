// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for memmap_init_zone_device(): what it makes of struct pages, in
 * any kernel, patched or not.
 *
 * Each test maps device memory with memremap_pages(), poisons the struct pages
 * that this initialized, calls memmap_init_zone_device() on them again, and asks
 * two oracles: the model, which is worked out from the arguments, and the same
 * pages made in another way.
 */
#include <linux/mm.h>
#include <linux/page-isolation.h>

#include "zone_device_test.h"

/*
 * Test case: what memremap_pages() itself, and then a call with and without a
 * listener to page_ref_set, makes of each struct page is what the model says.
 */
static void zd_model_test(struct kunit *test)
{
	static const struct {
		u8 poison;
		enum zd_how how;
	} calls[] = {
		{ ZD_POISON_A, ZD_AS_IS },
		{ ZD_POISON_B, ZD_AS_IS },
		{ ZD_POISON_A, ZD_TRACED },
	};
	struct zd_call call = zd_map_case(test, test->param_value, 0);
	const struct zd_case *c = test->param_value;
	int i;

	/* The full memmap was mapped as order 0, so that it would be full. */
	if (c->memmap != ZD_IN_RAM_FULL) {
		zd_expect_model(test, &call);
		zd_expect_aliases(test, &call);
	}
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		zd_poison(&call, calls[i].poison);
		zd_init_watched(test, &call, calls[i].how);
		zd_expect_model(test, &call);
		zd_expect_aliases(test, &call);
	}
}

/*
 * Test case: a call leaves the same bytes, padding and all, as the second side,
 * and they really were two ways. What was there before them differs in each
 * byte, so that a byte that either of them left alone shows.
 */
static void zd_differential_test(struct kunit *test)
{
	struct zd_call call;
	struct page *side;
	struct zd_witness w;
	const char *name;

	/* Before memory is mapped in vain. */
	zd_requires(test, zd_slow_pages_lacks());
	call = zd_map_case(test, test->param_value, 0);
	side = zd_second_side(test, &call, &name);
	zd_poison(&call, ZD_POISON_B);
	w = zd_init_watched(test, &call, ZD_AS_IS);
	zd_expect_same(test, &call, side, name);
	zd_requires(test, w.slow_pages >= zd_nr_written(&call) ?
			  "one way only: this kernel builds each page" : NULL);
}

/*
 * Test case: a call writes the struct pages that it was asked to, all of them
 * and no others, wherever in a pageblock or section it starts and ends.
 */
static void zd_part_test(struct kunit *test)
{
	struct zd_call call = zd_map_part(test, test->param_value);

	zd_poison_guards(&call, ZD_POISON_A);
	zd_poison(&call, ZD_POISON_B);
	zd_init(&call);
	zd_expect_model(test, &call);
	zd_expect_guards(test, &call, ZD_POISON_A);
}

/* Test case: the same for a call on a single compound page. */
static void zd_one_compound_test(struct kunit *test)
{
	static const unsigned int orders[] = { 1, 2, 9 };
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_GENERIC,
		.nr_pages = 2 * ZD_FEW_PAGES,
	};
	struct dev_pagemap *pgmap = zd_map(test, &args);
	int i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		struct dev_pagemap *clone = zd_clone_pgmap(test, pgmap, args.type, orders[i]);
		struct zd_call call = zd_call_for(clone, 0);

		call.nr_pages = 1UL << orders[i];
		call.start_pfn += max(call.nr_pages, 1UL * ZD_GUARD_PAGES);
		/* The clone says by an altmap of no pages that none are shared. */
		clone->altmap.base_pfn = call.start_pfn;
		zd_poison_guards(&call, ZD_POISON_A);
		zd_poison(&call, ZD_POISON_B);
		zd_init(&call);
		zd_expect_model(test, &call);
		zd_expect_guards(test, &call, ZD_POISON_A);
	}
}

/* Test case: where an altmap takes all pages of a range none is written. */
static void zd_altmap_whole_test(struct kunit *test)
{
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_FS_DAX,
		.nr_pages = ZD_FEW_PAGES,
	};
	struct dev_pagemap *pgmap = zd_map(test, &args);
	struct dev_pagemap *clone = zd_clone_pgmap(test, pgmap, args.type, 0);
	struct zd_call call = zd_call_for(clone, 0), nothing;

	call.start_pfn += ZD_GUARD_PAGES;
	call.nr_pages = ZD_GUARD_PAGES;
	clone->flags |= PGMAP_ALTMAP_VALID;
	clone->altmap.base_pfn = call.start_pfn;
	clone->altmap.free = call.nr_pages;
	KUNIT_ASSERT_EQ(test, zd_first_pfn(&call), zd_end_pfn(&call));

	/* All of the pages are the altmap's, so none of them may be written. */
	nothing = call;
	nothing.start_pfn += call.nr_pages;
	nothing.nr_pages = 0;
	zd_poison_guards(&nothing, ZD_POISON_A);
	zd_init(&call);
	zd_expect_guards(test, &nothing, ZD_POISON_A);
}

/*
 * Test case: as little as can be mapped, behind an altmap of its size, is
 * initialized. No pageblock starts among its pages, since that of the subsection
 * starts in the altmap's; so what sets up pageblocks does nothing, and orders
 * nothing by the way. x86 does not use such an altmap: it takes RAM for the struct
 * pages of a part of a section.
 */
static void zd_subsection_test(struct kunit *test)
{
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_COHERENT,
		.nr_pages = PAGES_PER_SUBSECTION,
		.memory = ZD_REAL_MEMORY,
		.altmap_pages = PFN_UP(PAGES_PER_SUBSECTION * sizeof(struct page)),
	};
	struct zd_call call;

	zd_requires(test, is_power_of_2(sizeof(struct page)) &&
		    IS_ALIGNED(PAGES_PER_SUBSECTION * sizeof(struct page), PAGE_SIZE) ? NULL :
		    "struct pages of a subsection share a page with others");
	zd_requires(test, IS_ENABLED(CONFIG_RISCV) || IS_ENABLED(CONFIG_LOONGARCH) ?
		    "vmemmap_populate_hugepages() takes huge pages from an altmap, or none" : NULL);
	call = zd_call_for(zd_map(test, &args), 0);
	KUNIT_ASSERT_EQ_MSG(test, zd_first_pfn(&call) - call.start_pfn, args.altmap_pages,
			    "pages that the altmap takes");
	zd_expect_model(test, &call);
	zd_poison(&call, ZD_POISON_A);
	zd_init(&call);
	zd_expect_model(test, &call);
}

static void zd_mark_pageblocks(const struct zd_call *whole)
{
	unsigned long pfn;

	for (pfn = whole->start_pfn; pfn < zd_end_pfn(whole); pfn += pageblock_nr_pages)
		init_pageblock_migratetype(pfn_to_page(pfn), MIGRATE_RECLAIMABLE, false);
}

static void zd_expect_pageblocks(struct kunit *test, const struct zd_call *whole,
				 const struct zd_call *call)
{
	unsigned long pfn;

	for (pfn = whole->start_pfn; pfn < zd_end_pfn(whole); pfn += pageblock_nr_pages) {
		int want = pfn >= zd_first_pfn(call) && pfn < zd_end_pfn(call) ?
			   MIGRATE_MOVABLE : MIGRATE_RECLAIMABLE;
		int seen = get_pageblock_migratetype(pfn_to_page(pfn));

		KUNIT_EXPECT_EQ_MSG(test, want, seen,
				    "migratetype of the pageblock at pfn %#lx, call on [%#lx, %#lx), to write from %#lx on",
				    pfn, call->start_pfn, zd_end_pfn(call), zd_first_pfn(call));
	}
}

/*
 * Test case: each pageblock that starts in the range is movable afterwards, and
 * one that starts before it or after it is left as it was; with an altmap, one
 * that starts in what the altmap takes, too. No pages have no pageblock.
 */
static void zd_pageblock_test(struct kunit *test)
{
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_FS_DAX,
		.nr_pages = 8 * pageblock_nr_pages,
	};
	struct dev_pagemap *pgmap = zd_map(test, &args);
	struct dev_pagemap *clone = zd_clone_pgmap(test, pgmap, args.type, 0);
	struct zd_call whole = zd_call_for(pgmap, 0);
	struct zd_call none = whole;
	int first, last;

	zd_requires(test, page_group_by_mobility_disabled ?
		    "too little memory to group pageblocks of this size by mobility" : NULL);
	none.start_pfn += 2 * pageblock_nr_pages;
	none.nr_pages = 0;
	zd_mark_pageblocks(&whole);
	zd_init(&none);
	zd_expect_pageblocks(test, &whole, &none);

	clone->flags |= PGMAP_ALTMAP_VALID;
	clone->altmap.free = pageblock_nr_pages;

	/* Start and end one page before a pageblock, with it, and one after. */
	for (first = -1; first <= 1; first++) {
		for (last = -1; last <= 1; last++) {
			struct zd_call call = whole;

			call.start_pfn += 2 * pageblock_nr_pages + first;
			call.nr_pages = 3 * pageblock_nr_pages + last - first;
			zd_mark_pageblocks(&whole);
			zd_init(&call);
			zd_expect_pageblocks(test, &whole, &call);

			call.pgmap = clone;
			clone->altmap.base_pfn = call.start_pfn;
			zd_mark_pageblocks(&whole);
			zd_init(&call);
			zd_expect_pageblocks(test, &whole, &call);
		}
	}
}

/* Test case: each of several ranges of one pgmap is initialized. */
static void zd_ranges_test(struct kunit *test)
{
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_GENERIC,
		.order = 2,
		.nr_pages = ZD_FEW_PAGES,
		.nr_ranges = 3,
	};
	struct dev_pagemap *pgmap = zd_map(test, &args);
	int i;

	for (i = 0; i < args.nr_ranges; i++) {
		struct zd_call call = zd_call_for(pgmap, i);

		zd_expect_model(test, &call);
		zd_poison(&call, ZD_POISON_A);
	}
	for (i = 0; i < args.nr_ranges; i++) {
		struct zd_call call = zd_call_for(pgmap, i);

		zd_init(&call);
		zd_expect_model(test, &call);
	}
}

/* Whether a zone may be asked for pages that it does not span: CONFIG_DEBUG_VM looks. */
#define ZD_ACROSS_NODES		(!IS_ENABLED(CONFIG_DEBUG_VM))

/* Test case: the struct pages say which node they are on. */
static void zd_node_test(struct kunit *test)
{
	struct zd_range_args args = {
		.type = MEMORY_DEVICE_PRIVATE,
		.nr_pages = ZD_FEW_PAGES,
	};
	int other = zd_other_node(), i;

	zd_requires(test, other != NUMA_NO_NODE ? NULL : IS_ENABLED(CONFIG_NUMA_EMU) ?
		    "needs two NUMA nodes: boot with numa=fake=2" :
		    "needs two NUMA nodes, and this kernel has no CONFIG_NUMA_EMU to emulate them");
	for (i = 0; i < 2; i++) {
		struct zd_call call;

		args.nid = i ? other : first_online_node;
		call = zd_call_for(zd_map(test, &args), 0);
		zd_expect_model(test, &call);
		if (!ZD_ACROSS_NODES)
			continue;
		/* Mapped for one node, initialized for the other, and back. */
		call.nid = i ? first_online_node : other;
		zd_init(&call);
		zd_expect_model(test, &call);
	}
}

/*
 * Test case: an initialization leaves nothing of an earlier one with another
 * type, order, pgmap and node. Nothing is poisoned in between.
 */
static void zd_again_test(struct kunit *test)
{
	static const struct {
		enum memory_type type;
		unsigned int order;
	} steps[] = {
		{ MEMORY_DEVICE_GENERIC, 9 },
		{ MEMORY_DEVICE_PRIVATE, 0 },
		{ MEMORY_DEVICE_COHERENT, 2 },
		{ MEMORY_DEVICE_GENERIC, 0 },
		{ MEMORY_DEVICE_FS_DAX, 1 },
		{ MEMORY_DEVICE_PCI_P2PDMA, 9 },
		{ MEMORY_DEVICE_FS_DAX, 0 },
		{ MEMORY_DEVICE_GENERIC, 9 },
	};
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_FS_DAX,
		.nr_pages = ZD_FEW_PAGES,
	};
	struct dev_pagemap *pgmap = zd_map(test, &args);
	int other = zd_other_node(), i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		struct dev_pagemap *clone = zd_clone_pgmap(test, pgmap, steps[i].type,
							   steps[i].order);
		struct zd_call call = zd_call_for(clone, 0);

		if (i % 2 && other != NUMA_NO_NODE && ZD_ACROSS_NODES)
			call.nid = other;
		zd_init(&call);
		zd_expect_model(test, &call);
	}
}

static struct kunit_case zd_test_cases[] = {
	KUNIT_CASE_PARAM(zd_model_test, zd_next_case),
	KUNIT_CASE_PARAM(zd_differential_test, zd_next_case),
	KUNIT_CASE_PARAM(zd_part_test, zd_next_part),
	KUNIT_CASE(zd_one_compound_test),
	KUNIT_CASE(zd_altmap_whole_test),
	KUNIT_CASE(zd_subsection_test),
	KUNIT_CASE(zd_pageblock_test),
	KUNIT_CASE(zd_ranges_test),
	KUNIT_CASE(zd_node_test),
	KUNIT_CASE(zd_again_test),
	{}
};

static struct kunit_suite zd_suite = {
	.name = "zone_device_init",
	.suite_init = zd_witness_init,
	.suite_exit = zd_witness_exit,
	.test_cases = zd_test_cases,
};

kunit_test_suite(zd_suite);

MODULE_DESCRIPTION("KUnit tests for the initialization of ZONE_DEVICE struct pages");
MODULE_LICENSE("GPL");
