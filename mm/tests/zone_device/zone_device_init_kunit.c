// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for memmap_init_zone_device(): what it makes of struct pages.
 *
 * Each test maps device memory with memremap_pages(), poisons the struct pages
 * that this initialized, calls memmap_init_zone_device() on them again, by
 * whichever path the test is about, and asks two oracles: the model, which is
 * worked out from the arguments, and the slow path.
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/sizes.h>

#include "zone_device_test.h"

/* Where the struct pages of a case are. */
enum zd_memmap {
	ZD_IN_RAM,		/* shared among tails where the kernel does that */
	ZD_IN_RAM_FULL,		/* in RAM, none of them shared */
	ZD_ON_DEVICE,		/* in the first pages of the device memory */
};

struct zd_case {
	enum memory_type type;
	unsigned int order;
	enum zd_memmap memmap;
};

/* A new pgmap type, order or place of the memmap is a line in one of these. */
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

static const struct {
	const char *name;
	unsigned int order;
	enum zd_memmap memmap;
} zd_shapes[] = {
	{ "order 0",				0,	ZD_IN_RAM },
	{ "order 1",				1,	ZD_IN_RAM },
	{ "order 2",				2,	ZD_IN_RAM },
	{ "order 9",				9,	ZD_IN_RAM },
	{ "order 9, full memmap",		9,	ZD_IN_RAM_FULL },
	{ "order 18",				18,	ZD_IN_RAM },
	{ "order 0, memmap on the device",	0,	ZD_ON_DEVICE },
	{ "order 9, memmap on the device",	9,	ZD_ON_DEVICE },
};

/* Each type in each shape, but for the memmaps that no driver puts there. */
static const void *zd_cases_gen_params(struct kunit *test, const void *prev, char *desc)
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
		if (cases[i].memmap == ZD_ON_DEVICE &&
		    cases[i].type != MEMORY_DEVICE_FS_DAX &&
		    cases[i].type != MEMORY_DEVICE_GENERIC)
			continue;
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, %s", zd_types[type].name,
			 zd_shapes[shape].name);
		return &cases[i];
	}
	return NULL;
}

/* Two compound pages, and no fewer pages than a template is worth. */
static unsigned long zd_case_pages(unsigned int order)
{
	return max(2UL << order, 4 * SZ_1M / PAGE_SIZE);
}

/* Map what a case wants; the call that initializes it is the result. */
static struct zd_call zd_map_case(struct kunit *test, const struct zd_case *c)
{
	struct zd_range_args args = {
		.type = c->type,
		.order = c->memmap == ZD_IN_RAM_FULL ? 0 : c->order,
		.nr_pages = zd_case_pages(c->order),
	};
	struct dev_pagemap *pgmap;

	if (c->memmap == ZD_ON_DEVICE) {
		/* On x86 a whole section, or its struct pages are put in RAM. */
		args.memory = ZD_REAL_MEMORY;
		args.nr_pages = PAGES_PER_SECTION;
		args.altmap_pages = PHYS_PFN(PAGES_PER_SECTION * sizeof(struct page));
	}
	pgmap = zd_map(test, &args);
	if (c->memmap == ZD_ON_DEVICE)
		KUNIT_ASSERT_EQ_MSG(test, pgmap->altmap.alloc, args.altmap_pages,
				    "pages of the device in use for struct pages");
	if (c->memmap == ZD_IN_RAM_FULL)
		pgmap = zd_clone_pgmap(test, pgmap, c->type, c->order);
	return zd_call_for(pgmap, 0);
}

/* Skip what needs a template in a tree that has none, by name. */
static void zd_need_template(struct kunit *test)
{
	if (!ZD_HAS_HEAD_TEMPLATE)
		kunit_skip(test, "no template path in mm/mm_init.c");
	if (zd_ref_events_lacks())
		kunit_skip(test, "%s", zd_ref_events_lacks());
	if (zd_slow_pages_lacks())
		kunit_skip(test, "%s", zd_slow_pages_lacks());
}

/*
 * Test case: what memremap_pages() itself, and then the path that the kernel
 * takes by itself, makes of each struct page is what the model says.
 */
static void zd_model_test(struct kunit *test)
{
	static const u8 poisons[] = { ZD_POISON_A, ZD_POISON_B };
	struct zd_call call = zd_map_case(test, test->param_value);
	const struct zd_case *c = test->param_value;
	int i;

	/* The full memmap was mapped as order 0, so that it would be full. */
	if (c->memmap != ZD_IN_RAM_FULL) {
		zd_expect_model(test, &call);
		zd_expect_aliases(test, &call);
	}
	for (i = 0; i < ARRAY_SIZE(poisons); i++) {
		zd_poison(&call, poisons[i]);
		zd_init(&call);
		zd_expect_model(test, &call);
		zd_expect_aliases(test, &call);
	}
}

/*
 * Test case: the slow path, which a listener to page_ref_set forces, builds
 * each page, and issues the events it always has, in number, value and order.
 */
static void zd_slow_path_test(struct kunit *test)
{
	struct zd_call call = zd_map_case(test, test->param_value);
	struct zd_witness w;

	if (zd_ref_events_lacks())
		kunit_skip(test, "%s", zd_ref_events_lacks());

	zd_poison(&call, ZD_POISON_A);
	w = zd_init_watched(test, &call, ZD_TRACED);
	zd_expect_slow(test, &call, &w);
	zd_expect_model(test, &call);
}

/*
 * Test case: slow path and fast path leave the same bytes, padding and all, and
 * they really were two paths. What was there before them differs in each byte,
 * so a byte that either of them left alone shows. In a kernel whose stores a
 * sanitizer watches, there must be none but the slow path.
 */
static void zd_differential_test(struct kunit *test)
{
	struct zd_witness w;
	struct zd_call call;
	struct page *slow;

	zd_need_template(test);
	call = zd_map_case(test, test->param_value);
	if (zd_most_slow_pages(&call) >= zd_nr_written(&call))
		kunit_skip(test, "the template of mm/mm_init.c is not for tails");

	zd_poison(&call, ZD_POISON_A);
	w = zd_init_watched(test, &call, ZD_TRACED);
	zd_expect_slow(test, &call, &w);
	slow = zd_snapshot(test, &call);

	zd_poison(&call, ZD_POISON_B);
	w = zd_init_watched(test, &call, ZD_AS_IS);
	zd_expect_untraced(test, &call, &w);
	zd_expect_same(test, &call, slow);
}

/* Calls on a part of what is mapped: so many pages, so far into a pageblock. */
struct zd_part {
	unsigned long nr_pages;
	unsigned long offset;
};

static const unsigned long zd_part_sizes[] = {
	0, 1, 2, 63, 64, 65, 511, 512, 513,
	PAGES_PER_SECTION - 1, PAGES_PER_SECTION, PAGES_PER_SECTION + 1,
};

static const unsigned long zd_part_offsets[] = { 0, 1, 63, 511 };

static const void *zd_parts_gen_params(struct kunit *test, const void *prev, char *desc)
{
	static struct zd_part parts[ARRAY_SIZE(zd_part_sizes) * ARRAY_SIZE(zd_part_offsets)];
	struct zd_part *part = prev ? (struct zd_part *)prev + 1 : parts;
	unsigned int i = part - parts;

	if (i == ARRAY_SIZE(parts))
		return NULL;
	part->nr_pages = zd_part_sizes[i / ARRAY_SIZE(zd_part_offsets)];
	part->offset = zd_part_offsets[i % ARRAY_SIZE(zd_part_offsets)];
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%lu pages at %lu", part->nr_pages, part->offset);
	return part;
}

/*
 * Test case: a call writes the struct pages that it was asked to, all of them
 * and no others, wherever in a pageblock or section it starts and ends.
 */
static void zd_part_test(struct kunit *test)
{
	const struct zd_part *part = test->param_value;
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_FS_DAX,
		.nr_pages = 2 * PAGES_PER_SECTION + 2 * PAGES_PER_SUBSECTION,
	};
	struct zd_call call = zd_call_for(zd_map(test, &args), 0);
	struct zd_witness w;

	/* The last pages of a section, so that most parts cross into the next. */
	call.start_pfn += PAGES_PER_SECTION - 512 + part->offset;
	call.nr_pages = part->nr_pages;

	zd_poison_guards(&call, ZD_POISON_A);
	zd_poison(&call, ZD_POISON_B);
	w = zd_init_watched(test, &call, ZD_AS_IS);
	zd_expect_model(test, &call);
	zd_expect_guards(test, &call, ZD_POISON_A);
	if (ZD_HAS_HEAD_TEMPLATE && w.slow_pages >= 0)
		zd_expect_untraced(test, &call, &w);
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
		int want = pfn >= call->start_pfn && pfn < zd_end_pfn(call) ?
			   MIGRATE_MOVABLE : MIGRATE_RECLAIMABLE;

		KUNIT_EXPECT_EQ_MSG(test, want, get_pageblock_migratetype(pfn_to_page(pfn)),
				    "migratetype of the pageblock at pfn %#lx, call on [%#lx, %#lx)",
				    pfn, call->start_pfn, zd_end_pfn(call));
	}
}

/*
 * Test case: each pageblock that starts in the range is movable afterwards, and
 * one that starts before it or after it is left as it was.
 */
static void zd_pageblock_test(struct kunit *test)
{
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_FS_DAX,
		.nr_pages = 8 * pageblock_nr_pages,
	};
	struct zd_call whole = zd_call_for(zd_map(test, &args), 0);
	int first, last;

	/* Start and end one page before a pageblock, with it, and one after. */
	for (first = -1; first <= 1; first++) {
		for (last = -1; last <= 1; last++) {
			struct zd_call call = whole;

			call.start_pfn += 2 * pageblock_nr_pages + first;
			call.nr_pages = 3 * pageblock_nr_pages + last - first;
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
		.nr_pages = 4 * SZ_1M / PAGE_SIZE,
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

/* Test case: the struct pages say which node they are on. */
static void zd_node_test(struct kunit *test)
{
	struct zd_range_args args = {
		.type = MEMORY_DEVICE_PRIVATE,
		.nr_pages = 4 * SZ_1M / PAGE_SIZE,
	};
	int other = zd_other_node(), i;

	if (other == NUMA_NO_NODE)
		kunit_skip(test, "needs two NUMA nodes: boot with numa=fake=2");
	for (i = 0; i < 2; i++) {
		struct zd_call call;

		args.nid = i ? other : first_online_node;
		call = zd_call_for(zd_map(test, &args), 0);
		zd_expect_model(test, &call);
		/* Mapped for one node, initialized for the other, and back. */
		call.nid = i ? first_online_node : other;
		zd_init(&call);
		zd_expect_model(test, &call);
	}
}

/*
 * Test case: an initialization leaves nothing of an earlier one with another
 * type, order, pgmap and node, and no poison lends a hand.
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
		.nr_pages = 4 * SZ_1M / PAGE_SIZE,
	};
	struct dev_pagemap *pgmap = zd_map(test, &args);
	int other = zd_other_node(), i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		struct dev_pagemap *clone = zd_clone_pgmap(test, pgmap, steps[i].type,
							   steps[i].order);
		struct zd_call call = zd_call_for(clone, 0);

		if (i % 2 && other != NUMA_NO_NODE)
			call.nid = other;
		zd_init(&call);
		zd_expect_model(test, &call);
	}
}

/*
 * Test case: the path is chosen anew by each call, by whether anybody listens
 * to page_ref_set at that time.
 */
static void zd_toggle_test(struct kunit *test)
{
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_GENERIC,
		.nr_pages = 4 * SZ_1M / PAGE_SIZE,
	};
	struct zd_witness w;
	struct zd_call call;
	int i;

	zd_need_template(test);
	call = zd_call_for(zd_map(test, &args), 0);
	for (i = 0; i < 6; i++) {
		zd_poison(&call, i % 3 ? ZD_POISON_A : ZD_POISON_B);
		w = zd_init_watched(test, &call, i % 2 ? ZD_TRACED : ZD_AS_IS);
		if (i % 2)
			zd_expect_slow(test, &call, &w);
		else
			zd_expect_untraced(test, &call, &w);
		zd_expect_model(test, &call);
	}
}

/* One of two initializations at the same time. */
struct zd_racer {
	struct zd_call call;
	struct completion go;
	struct completion done;
	bool met;
	bool stop;
	struct task_struct *task;
	/* Both count themselves in here, so as to start together. */
	atomic_t *arrived;
	/* How many are at it: a clock may be too coarse to tell. */
	atomic_t *inside;
};

/* Wait for the other one, but not for long: its CPU may be busy elsewhere. */
static void zd_race_start(struct zd_racer *racer)
{
	ktime_t limit = ktime_add_ms(ktime_get(), 100);
	int both = round_up(atomic_inc_return(racer->arrived), 2);

	while (atomic_read(racer->arrived) < both && ktime_before(ktime_get(), limit))
		cpu_relax();
}

static int zd_race(void *data)
{
	struct zd_racer *racer = data;

	for (;;) {
		wait_for_completion(&racer->go);
		if (racer->stop)
			break;
		zd_race_start(racer);
		racer->met = atomic_inc_return(racer->inside) == 2;
		zd_init(&racer->call);
		atomic_dec(racer->inside);
		complete(&racer->done);
	}
	complete(&racer->done);
	return 0;
}

static void zd_stop_racer(void *data)
{
	struct zd_racer *racer = data;

	racer->stop = true;
	complete(&racer->go);
	wait_for_completion(&racer->done);
}

#define ZD_RACES	32
#define ZD_OVERLAPS	4

/*
 * Test case: two ranges, with nothing in common but the code, are initialized
 * at the same time on two CPUs. An image that the two shared would carry the
 * pgmap, type, link or node of one range into the other.
 */
static void zd_concurrent_test(struct kunit *test)
{
	static const struct {
		enum memory_type type;
		unsigned int order;
	} kinds[2] = { { MEMORY_DEVICE_GENERIC, 2 }, { MEMORY_DEVICE_PRIVATE, 1 } };
	atomic_t arrived = ATOMIC_INIT(0), inside = ATOMIC_INIT(0);
	struct zd_racer *racers;
	int i, cpu, round, overlaps = 0;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs: boot with --qemu_args '-smp 2'");
	racers = kunit_kcalloc(test, 2, sizeof(*racers), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, racers);

	cpu = cpumask_first(cpu_online_mask);
	for (i = 0; i < 2; i++) {
		const struct zd_range_args args = {
			.type = kinds[i].type,
			.order = kinds[i].order,
			/* Long enough for a host that shares its CPUs out. */
			.nr_pages = 64 * SZ_1M / PAGE_SIZE,
		};

		racers[i].call = zd_call_for(zd_map(test, &args), 0);
		init_completion(&racers[i].go);
		init_completion(&racers[i].done);
		racers[i].arrived = &arrived;
		racers[i].inside = &inside;
		racers[i].task = kthread_create(zd_race, &racers[i], "zd_race/%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(racers[i].task));
		kthread_bind(racers[i].task, cpu);
		wake_up_process(racers[i].task);
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action_or_reset(test, zd_stop_racer, &racers[i]));
		cpu = cpumask_next(cpu, cpu_online_mask);
	}

	for (round = 0; round < ZD_RACES && overlaps < ZD_OVERLAPS; round++) {
		for (i = 0; i < 2; i++)
			zd_poison(&racers[i].call, ZD_POISON_A);
		for (i = 0; i < 2; i++)
			complete(&racers[i].go);
		for (i = 0; i < 2; i++)
			wait_for_completion(&racers[i].done);
		overlaps += racers[0].met || racers[1].met;
		for (i = 0; i < 2; i++)
			zd_expect_model(test, &racers[i].call);
	}
	if (!overlaps)
		kunit_skip(test, "two CPUs never ran at the same time in %d rounds", round);
}

static struct kunit_case zd_test_cases[] = {
	KUNIT_CASE_PARAM(zd_model_test, zd_cases_gen_params),
	KUNIT_CASE_PARAM(zd_slow_path_test, zd_cases_gen_params),
	KUNIT_CASE_PARAM(zd_differential_test, zd_cases_gen_params),
	KUNIT_CASE_PARAM(zd_part_test, zd_parts_gen_params),
	KUNIT_CASE(zd_pageblock_test),
	KUNIT_CASE(zd_ranges_test),
	KUNIT_CASE(zd_node_test),
	KUNIT_CASE(zd_again_test),
	KUNIT_CASE(zd_toggle_test),
	KUNIT_CASE(zd_concurrent_test),
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
