// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for memmap_init_zone_device(): which of its stores go around the
 * caches, as far as a revision promises it; see promise.h. Where there is a
 * witness, by watching each non-temporal store that it executes.
 *
 * A suite of its own, as two probes on the same code are one too many.
 */
#include <kunit/nt_witness.h>
#include <linux/bitmap.h>
#include <linux/sizes.h>

#include "zone_device_test.h"

static const struct zd_case zd_streaming_cases[] = {
	{ MEMORY_DEVICE_FS_DAX, 0, ZD_IN_RAM },
	{ MEMORY_DEVICE_PRIVATE, 2, ZD_IN_RAM },
	{ MEMORY_DEVICE_GENERIC, 9, ZD_IN_RAM },
	{ MEMORY_DEVICE_GENERIC, 9, ZD_IN_RAM_FULL },
};

KUNIT_ARRAY_PARAM(zd_streaming_cases, zd_streaming_cases, zd_describe_case);

/*
 * Map and poison what a case wants, and watch the call that initializes it;
 * @nr_streamed is set to how many struct pages were streamed, in part at least.
 */
static struct nt_witness *zd_init_streaming(struct kunit *test, struct zd_call *call,
					    unsigned long *nr_streamed)
{
	static void *const fns[] = { memmap_init_zone_device };
	unsigned long *streamed;
	struct nt_witness *w;

	zd_requires(test, nt_copy_lacks());

	*call = zd_map_case(test, test->param_value, 0);
	zd_poison(call, ZD_POISON_A);
	streamed = kunit_kcalloc(test, BITS_TO_LONGS(call->nr_pages), sizeof(long), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, streamed);

	/* Two calls away from the loop is the copy itself, at the farthest. */
	w = nt_witness_start(test, fns, ARRAY_SIZE(fns), 3);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(w), "no witness: %pe", w);
	nt_witness_range(w, pfn_to_page(zd_first_pfn(call)), pfn_to_page(zd_end_pfn(call)));
	nt_witness_units(w, sizeof(struct page), streamed);
	zd_init(call);
	*nr_streamed = bitmap_weight(streamed, call->nr_pages);
	KUNIT_EXPECT_EQ_MSG(test, nt_witness_missed(w), 0,
			    "non-temporal stores that the witness could not count");
	nt_witness_stop(test, w);
	return w;
}

/*
 * Struct pages that must be written around the caches.
 *
 * Left out may be those that are built for real, and the pages that others
 * have reason to write or read at once: heads of compound pages and, where
 * pageblock setup is part of the loop, the first of each pageblock.
 */
static unsigned long zd_least_streamed(const struct zd_call *call)
{
	unsigned long written = zd_nr_written(call);
	unsigned long left_out = zd_most_built(call) +
				 DIV_ROUND_UP(call->nr_pages, pageblock_nr_pages);

	if (zd_order(call))
		left_out += call->nr_pages >> zd_order(call);
	return written - min(written, left_out);
}

/*
 * Test case: the struct pages that come from a template are written around the
 * caches, each in full, and nothing else is. Where a sanitizer is to see each
 * store, none is.
 */
static void zd_streaming_test(struct kunit *test)
{
	struct zd_call call;
	unsigned long streamed;
	struct nt_witness *w = zd_init_streaming(test, &call, &streamed);
	u64 least = zd_least_streamed(&call);

	zd_expect_model(test, &call);
	KUNIT_EXPECT_EQ_MSG(test, w->outside, 0,
			    "bytes stored non-temporally outside the struct pages of the range");
	if (ZD_SANITIZED && zd_promised(ZD_PROMISE_sanitized_builds)) {
		zd_promise(test, ZD_PROMISE_sanitized_builds, !w->inside, 1,
			   "calls that streamed nothing");
		return;
	}
	zd_promise(test, ZD_PROMISE_pages_stream, min(least, streamed), least,
		   "copied pages that streamed");
	if (!streamed)
		return;
	zd_promise(test, ZD_PROMISE_pages_whole, min(streamed, w->inside / sizeof(struct page)),
		   streamed, "pages that streamed did so in full");
	/* Those that are shared have many addresses, and count once. */
	zd_promise(test, ZD_PROMISE_streamed_once,
		   w->inside <= min(streamed, zd_nr_written(&call)) * sizeof(struct page), 1,
		   "calls that streamed no more than the pages");
}

static struct kunit_case zd_streaming_test_cases[] = {
	KUNIT_CASE_PARAM(zd_streaming_test, zd_streaming_cases_gen_params),
	{}
};

static struct kunit_suite zd_streaming_suite = {
	.name = "zone_device_streaming",
	.test_cases = zd_streaming_test_cases,
};

kunit_test_suite(zd_streaming_suite);
