// SPDX-License-Identifier: GPL-2.0
/*
 * Maps each kind of device memory again and again, to be timed: by
 * bench_clock.c where memremap_pages() does it, here where the loop is called
 * by itself. make bench reads the times from the log; no test fails for one.
 */
#include <linux/ktime.h>
#include <linux/math.h>
#include <linux/moduleparam.h>
#include <linux/sizes.h>

#include "zone_device_test.h"

static unsigned long bench_mib = 1024;
module_param(bench_mib, ulong, 0444);
MODULE_PARM_DESC(bench_mib, "MiB of device memory to map");

static unsigned int bench_rounds = 1;
module_param(bench_rounds, uint, 0444);
MODULE_PARM_DESC(bench_rounds,
		 "how often to map the first kind again after the first time; others a third as often");

/* The samples that follow are of this kind, up to the test's result. */
static void zd_announce(struct kunit *test, const struct zd_kind *kind)
{
	kunit_info(test, "zone_device_bench: kind=%s\n", kind->name);
}

static void zd_time_mapping(struct kunit *test, const struct zd_kind *kind,
			    const struct zd_range_args *args, unsigned int rounds)
{
	struct dev_pagemap *pgmap = zd_new_pgmap(test, args);
	unsigned int i;
	void *addr;

	zd_announce(test, kind);
	for (i = 0; i <= rounds; i++) {
		addr = memremap_pages(pgmap, args->nid);
		KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(addr), "memremap_pages() of %lu MiB: %pe",
				       bench_mib, addr);
		memunmap_pages(pgmap);
	}
}

static void zd_time_loop(struct kunit *test, const struct zd_kind *kind,
			 const struct zd_range_args *args, unsigned int rounds)
{
	struct dev_pagemap *pgmap = zd_map(test, args);
	struct zd_call call;
	unsigned int i;
	u64 start;

	pgmap = zd_clone_pgmap(test, pgmap, kind->type, kind->order);
	call = zd_call_for(pgmap, 0);
	zd_announce(test, kind);
	for (i = 0; i <= rounds; i++) {
		start = ktime_get_ns();
		zd_init(&call);
		zd_bench_line(pgmap, ktime_get_ns() - start, 0);
	}
}

/*
 * Test case: one kind of memory is mapped and unmapped, and mapped again; where
 * there is no such mapping, the loop is called by itself.
 */
static void zd_bench_test(struct kunit *test)
{
	const struct zd_kind *kind = test->param_value;
	unsigned long nr_pages = bench_mib * (SZ_1M / PAGE_SIZE);
	struct zd_range_args args;
	unsigned int rounds = bench_rounds;

	args = zd_kind_args(kind, ALIGN_DOWN(nr_pages, PAGES_PER_SECTION));
	KUNIT_ASSERT_NE_MSG(test, 0, args.nr_pages, "bench_mib=%lu is less than a section",
			    bench_mib);
	if (zd_kind_id(kind) > 1)
		rounds = DIV_ROUND_UP(bench_rounds, 3);
	if (kind->full)
		zd_time_loop(test, kind, &args, rounds);
	else
		zd_time_mapping(test, kind, &args, rounds);
}

static struct kunit_case zd_bench_cases[] = {
	KUNIT_CASE_PARAM_ATTR(zd_bench_test, zd_next_kind, {.speed = KUNIT_SPEED_VERY_SLOW}),
	{}
};

static struct kunit_suite zd_bench_suite = {
	.name = "zone_device_bench",
	.test_cases = zd_bench_cases,
};

kunit_test_suite(zd_bench_suite);
