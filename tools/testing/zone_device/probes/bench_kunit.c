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

#include "probes.h"

static unsigned long bench_mib = 1024;
module_param(bench_mib, ulong, 0444);
MODULE_PARM_DESC(bench_mib, "MiB of device memory to map");

static unsigned int bench_rounds = 1;
module_param(bench_rounds, uint, 0444);
MODULE_PARM_DESC(bench_rounds,
		 "how often to map the first kind again after the first time; others a third as often");

/* The samples that follow are of this case, up to the test's result. */
static void zd_announce(struct kunit *test)
{
	char name[KUNIT_PARAM_DESC_SIZE];

	zd_describe_case(test->param_value, name);
	kunit_info(test, "zone_device_bench: kind=%s\n", name);
}

static void zd_time_mapping(struct kunit *test, const struct zd_range_args *args,
			    unsigned int rounds)
{
	struct dev_pagemap *pgmap = zd_new_pgmap(test, args);
	unsigned int i;
	void *addr;

	zd_announce(test);
	for (i = 0; i <= rounds; i++) {
		addr = memremap_pages(pgmap, args->nid);
		KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(addr), "memremap_pages() of %lu MiB: %pe",
				       bench_mib, addr);
		memunmap_pages(pgmap);
	}
}

static void zd_time_loop(struct kunit *test, unsigned long nr_pages, unsigned int rounds)
{
	struct zd_call call = zd_map_case(test, test->param_value, nr_pages);
	unsigned int i;
	u64 start;

	zd_announce(test);
	for (i = 0; i <= rounds; i++) {
		start = ktime_get_ns();
		zd_init(&call);
		zd_bench_line(call.pgmap, ktime_get_ns() - start, 0);
	}
}

/*
 * Test case: one kind of memory is mapped and unmapped, and mapped again; where
 * there is no such mapping, the loop is called by itself.
 */
static void zd_bench_test(struct kunit *test)
{
	const struct zd_case *c = test->param_value;
	unsigned long nr_pages = ALIGN_DOWN(bench_mib * (SZ_1M / PAGE_SIZE), PAGES_PER_SECTION);
	struct zd_range_args args = zd_case_args(c, nr_pages);
	unsigned int rounds = bench_rounds;

	KUNIT_ASSERT_NE_MSG(test, 0, nr_pages, "bench_mib=%lu is less than a section", bench_mib);
	if (zd_kind_id(c) > 1)
		rounds = DIV_ROUND_UP(bench_rounds, 3);
	if (c->memmap == ZD_IN_RAM_FULL)
		zd_time_loop(test, nr_pages, rounds);
	else
		zd_time_mapping(test, &args, rounds);
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
