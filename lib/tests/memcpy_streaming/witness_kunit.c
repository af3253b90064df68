// SPDX-License-Identifier: GPL-2.0
/*
 * Test cases for the witness itself: what an architecture's file in nt_witness/
 * says of its instructions is what the CPU does when it executes them. A port
 * begins here; all that is said of streaming stores elsewhere rests on it.
 */

#include <kunit/nt_insn.h>
#include <kunit/nt_witness.h>
#include <kunit/test.h>
#include <kunit/zd_promise.h>
#include <linux/bitmap.h>

#include "copy_calls.h"
#include "fence_order.h"

/*
 * Test case: the bytes that a sample of streaming stores changed are those that
 * the witness says they wrote.
 */
static void sees_stores(struct kunit *test)
{
	static DECLARE_BITMAP(said, NT_SAMPLE_SIZE);
	void *const fns[] = { nt_arch.sample };
	struct nt_witness *w;
	size_t i, byte;
	u8 *room;

	zd_requires(test, nt_witness_lacks());
	room = kunit_kzalloc(test, NT_SAMPLE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, room);
	w = nt_witness_start(test, fns, ARRAY_SIZE(fns), 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, w);
	KUNIT_ASSERT_GT_MSG(test, w->nr_sites, 0, "no streaming store was found in the sample");

	nt_witness_range(w, room, room + NT_SAMPLE_SIZE);
	nt_arch.sample(room);
	KUNIT_ASSERT_EQ_MSG(test, nt_witness_missed(w), 0, "stores went uncounted");
	KUNIT_ASSERT_EQ_MSG(test, w->stores, w->nr_sites, "stores that were executed");
	KUNIT_ASSERT_EQ_MSG(test, w->outside, 0, "bytes said to be outside of the sample");

	bitmap_zero(said, NT_SAMPLE_SIZE);
	for (i = 0; i < w->stores; i++)
		bitmap_set(said, w->log[i].addr - w->lo, w->log[i].bytes);
	KUNIT_EXPECT_EQ_MSG(test, bitmap_weight(said, NT_SAMPLE_SIZE), w->inside,
			    "bytes that the stores wrote, each counted once");
	for (byte = 0; byte < NT_SAMPLE_SIZE; byte++) {
		bool written = room[byte], seen = test_bit(byte, said);

		KUNIT_ASSERT_EQ_MSG(test, written, seen,
				    "byte %zu of the sample was %swritten, and the witness says that it %s",
				    byte, written ? "" : "not ", seen ? "was" : "was not");
	}
}

/* Test case: what the kernel's own wmb() compiles to is known for a fence. */
static void sees_fences(struct kunit *test)
{
	zd_requires(test, nt_witness_lacks());
	zd_requires(test, IS_ENABLED(CONFIG_KCSAN_WEAK_MEMORY) ?
		    "CONFIG_KCSAN_WEAK_MEMORY has wmb() call what watches it" : NULL);
	KUNIT_EXPECT_TRUE_MSG(test, fence_order_drains(copy_wmb_code_begin,
						       copy_wmb_code_end - copy_wmb_code_begin),
			      "wmb() is not one %s: %*ph", nt_arch.fence,
			      (int)min(copy_wmb_code_end - copy_wmb_code_begin, 16),
			      copy_wmb_code_begin);
}

static struct kunit_case witness_cases[] = {
	KUNIT_CASE(sees_stores),
	KUNIT_CASE(sees_fences),
	{}
};

static struct kunit_suite witness_suite = {
	.name = "memcpy_streaming_witness",
	.test_cases = witness_cases,
};

kunit_test_suite(witness_suite);
