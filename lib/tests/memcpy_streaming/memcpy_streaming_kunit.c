// SPDX-License-Identifier: GPL-2.0
/*
 * Test cases for memcpy_streaming() and memcpy_flushcache(): what they copy.
 */

#include <kunit/test.h>
#include <kunit/zd_promise.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "copy_calls.h"
#include "copy_check.h"

#define MAX_SMALL_SIZE	320
#define NR_ALIGNMENTS	16

/* Small copies straddle a page boundary, the largest with half of its bytes. */
#define SMALL_START	(PAGE_SIZE - MAX_SMALL_SIZE / 2)
#define ROOM_PAGES	3

static const size_t alignments[] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
};

static_assert(ARRAY_SIZE(alignments) == NR_ALIGNMENTS);

static void alignment_desc(const size_t *dst, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "dst+%zu", *dst);
}

KUNIT_ARRAY_PARAM(alignment, alignments, alignment_desc);

/*
 * One destination alignment; stops at the first failure, for thousands would
 * follow. Those at other alignments are parameters, and not hidden by it.
 */
static void any_size(struct kunit *test, const struct copy_call *call)
{
	size_t dst = *(const size_t *)test->param_value;
	struct copy_room *room;
	size_t src, len;

	zd_requires(test, copy_call_lacks(call));
	room = copy_room_alloc(test, ROOM_PAGES);

	for (src = 0; src < NR_ALIGNMENTS; src++) {
		for (len = 0; len <= MAX_SMALL_SIZE; len++) {
			if (!copy_and_check(test, room, call, SMALL_START + dst,
					    SMALL_START + src, len))
				return;
		}
		for (len = PAGE_SIZE - 1; len <= PAGE_SIZE + 1; len++) {
			if (!copy_and_check(test, room, call, COPY_GUARD + dst,
					    COPY_GUARD + src, len))
				return;
		}
	}
	copy_room_check_all(test, room, call->name);
}

/*
 * Test case: sizes from 0 to 320 and around the page size, known at run time
 * only, copied between all alignments, reach the destination and nothing else.
 */
static void stream_any_size(struct kunit *test)
{
	any_size(test, &copy_stream_call);
}

/* Test case: the same for memcpy_flushcache(), which the copy is made of. */
static void flushcache_any_size(struct kunit *test)
{
	any_size(test, &copy_flushcache_call);
}

KUNIT_ARRAY_PARAM_DESC(fixed_call, copy_fixed_calls, name);

/*
 * Test case: sizes known at compile time, which take other code, copied between
 * all alignments, reach the destination and nothing else.
 */
static void fixed_size(struct kunit *test)
{
	const struct copy_call *call = test->param_value;
	struct copy_room *room;
	size_t dst, src;

	zd_requires(test, copy_call_lacks(call));
	room = copy_room_alloc(test, ROOM_PAGES);

	for (dst = 0; dst < NR_ALIGNMENTS; dst++) {
		for (src = 0; src < NR_ALIGNMENTS; src++) {
			if (!copy_and_check(test, room, call, SMALL_START + dst,
					    SMALL_START + src, call->size))
				return;
		}
	}
	copy_room_check_all(test, room, call->name);
}

/*
 * Copies that end where the mapping does. A load too wide at the end of the
 * source changes nothing that could be compared, but it faults here; on UML,
 * which takes such a fault again and again, the guest hangs.
 */
static void up_to_unmapped_page(struct kunit *test, const struct copy_call *call)
{
	size_t len, gap, end = ROOM_PAGES * PAGE_SIZE;
	struct copy_room *room;

	zd_requires(test, copy_call_lacks(call));
	room = copy_room_alloc(test, ROOM_PAGES);

	for (len = 0; len <= MAX_SMALL_SIZE; len++) {
		for (gap = 0; gap < NR_ALIGNMENTS; gap++) {
			if (!copy_and_check(test, room, call, end - gap - len,
					    end - len, len) ||
			    !copy_and_check(test, room, call, end - len,
					    end - gap - len, len))
				return;
		}
	}
	copy_room_check_all(test, room, call->name);
}

/* Test case: neither buffer is touched beyond its end, by loads either. */
static void stream_up_to_unmapped_page(struct kunit *test)
{
	up_to_unmapped_page(test, &copy_stream_call);
}

/* Test case: the same for memcpy_flushcache(). */
static void flushcache_up_to_unmapped_page(struct kunit *test)
{
	up_to_unmapped_page(test, &copy_flushcache_call);
}

/* Test case: the same for sizes known at compile time. */
static void fixed_size_up_to_unmapped_page(struct kunit *test)
{
	const struct copy_call *call = test->param_value;
	size_t end = ROOM_PAGES * PAGE_SIZE - call->size;
	struct copy_room *room;
	size_t gap;

	zd_requires(test, copy_call_lacks(call));
	room = copy_room_alloc(test, ROOM_PAGES);

	for (gap = 0; gap < NR_ALIGNMENTS; gap++) {
		if (!copy_and_check(test, room, call, end - gap, end, call->size) ||
		    !copy_and_check(test, room, call, end, end - gap, call->size))
			return;
	}
	copy_room_check_all(test, room, call->name);
}

/* What a call is given, to be incremented in the arguments themselves. */
struct arguments {
	struct copy_room *room;
	u8 *dst;
	const u8 *src;
	size_t len;
};

static struct arguments arguments_init(struct kunit *test,
				       const struct copy_call *call)
{
	struct copy_room *room;

	zd_requires(test, copy_call_lacks(call));
	room = copy_room_alloc(test, ROOM_PAGES);
	return (struct arguments){
		room, room->dst + SMALL_START, room->src + SMALL_START, 24
	};
}

/* After one call: how often was each evaluated, and was the first value used? */
static void check_arguments(struct kunit *test, struct arguments *a,
			    const struct copy_call *call, bool constant)
{
	size_t times_dst = a->dst - (a->room->dst + SMALL_START);
	size_t times_src = a->src - (a->room->src + SMALL_START);
	size_t times_len = a->len - 24;

	KUNIT_EXPECT_EQ(test, times_dst, 1);
	KUNIT_EXPECT_EQ(test, times_src, 1);
	KUNIT_EXPECT_EQ(test, times_len, constant ? 0 : 1);
	copy_room_check(test, a->room, call->name, SMALL_START, SMALL_START,
			constant ? 64 : 24);
}

/* Test case: the arguments are evaluated once. */
static void stream_side_effects(struct kunit *test)
{
	struct arguments a = arguments_init(test, &copy_stream_call);

	stream_copy(a.dst++, a.src++, a.len++);
	check_arguments(test, &a, &copy_stream_call, false);
}

/* Test case: the same if the size is a constant, and the code another one. */
static void stream_side_effects_fixed_size(struct kunit *test)
{
	struct arguments a = arguments_init(test, &copy_stream_call);

	stream_copy(a.dst++, a.src++, 64);
	check_arguments(test, &a, &copy_stream_call, true);
}

/* Test case: the same for memcpy_flushcache(). */
static void flushcache_side_effects(struct kunit *test)
{
	struct arguments a = arguments_init(test, &copy_flushcache_call);

	memcpy_flushcache(a.dst++, a.src++, a.len++);
	check_arguments(test, &a, &copy_flushcache_call, false);
}

/* Test case: the same for memcpy_flushcache() with a constant size. */
static void flushcache_side_effects_fixed_size(struct kunit *test)
{
	struct arguments a = arguments_init(test, &copy_flushcache_call);

	memcpy_flushcache(a.dst++, a.src++, 64);
	check_arguments(test, &a, &copy_flushcache_call, true);
}

static struct kunit_case contents_cases[] = {
	KUNIT_CASE_PARAM(stream_any_size, alignment_gen_params),
	KUNIT_CASE_PARAM(flushcache_any_size, alignment_gen_params),
	KUNIT_CASE_PARAM(fixed_size, fixed_call_gen_params),
	KUNIT_CASE(stream_up_to_unmapped_page),
	KUNIT_CASE(flushcache_up_to_unmapped_page),
	KUNIT_CASE_PARAM(fixed_size_up_to_unmapped_page, fixed_call_gen_params),
	KUNIT_CASE(stream_side_effects),
	KUNIT_CASE(stream_side_effects_fixed_size),
	KUNIT_CASE(flushcache_side_effects),
	KUNIT_CASE(flushcache_side_effects_fixed_size),
	{}
};

static struct kunit_suite contents_suite = {
	.name = "memcpy_streaming",
	.test_cases = contents_cases,
};

kunit_test_suite(contents_suite);

MODULE_DESCRIPTION("Test cases for memcpy_streaming() and memcpy_flushcache()");
MODULE_LICENSE("GPL");
