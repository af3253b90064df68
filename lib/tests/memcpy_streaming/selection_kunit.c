// SPDX-License-Identifier: GPL-2.0
/*
 * Test cases for memcpy_streaming() and memcpy_flushcache(): which stores they
 * use. Nothing here trusts the source: the non-temporal stores are found in the
 * code that runs, and each one executed is recorded with its address.
 */

#include <kunit/test.h>
#include <linux/align.h>
#include <linux/bitmap.h>
#include <linux/mm.h>

#include "copy_calls.h"
#include "copy_check.h"
#include "nt_insn.h"
#include "nt_witness.h"

#define NR_ALIGNMENTS	16
#define ROOM_PAGES	2

/* The copies call __memcpy_flushcache(), and that memcpy(). */
#define CALL_DEPTH	2

enum stores {
	ALL_STREAM,	/* each byte of the destination non-temporally, once */
	NONE_STREAMS,	/* no non-temporal store at all */
	ALL_OR_NONE,
};

/*
 * Which stores a streaming copy of @len bytes to @dst must use.
 *
 * It is made of memcpy_flushcache(), whose out-of-line part stores words of 8
 * and then of 4 bytes non-temporally, but copies through the cache what comes
 * before the first 8-byte boundary and what follows the last whole 4 bytes. So
 * a transfer stays non-temporal from end to end if it starts at a multiple of 8
 * and is a multiple of 4 long. Any other would be a mixture, with part of its
 * lines in the cache and flushed, and must be a plain memcpy() instead.
 *
 * One such mixture can be avoided: 4 bytes at an odd multiple of 4, if the
 * compiler knows the size, are a single aligned movnti. A copy may use that,
 * or not bother.
 */
static enum stores expected_stores(const void *dst, size_t len, bool fixed)
{
	if (len && IS_ALIGNED((unsigned long)dst, 8) && IS_ALIGNED(len, 4))
		return ALL_STREAM;
	if (fixed && len == 4 && IS_ALIGNED((unsigned long)dst, 4))
		return ALL_OR_NONE;
	return NONE_STREAMS;
}

/* The first byte that was stored twice, or @len if none was. */
static size_t stored_twice(const struct nt_witness *w, size_t len)
{
	static DECLARE_BITMAP(seen, ROOM_PAGES * PAGE_SIZE);
	size_t i, byte;

	bitmap_zero(seen, len);
	for (i = 0; i < w->stores; i++) {
		size_t first = w->log[i].addr - w->lo;

		for (byte = first; byte < first + w->log[i].bytes; byte++) {
			if (__test_and_set_bit(byte, seen))
				return byte;
		}
	}
	return len;
}

static bool check_stores(struct kunit *test, struct nt_witness *w,
			 const char *name, enum stores expected, size_t len)
{
	static const char * const text[] = {
		[ALL_STREAM] = "all",
		[NONE_STREAMS] = "none",
		[ALL_OR_NONE] = "all or none",
	};
	char what[128];
	size_t twice;

	KUNIT_ASSERT_EQ_MSG(test, nt_witness_missed(w), 0,
			    "stores went uncounted");
	KUNIT_ASSERT_LE(test, w->stores, NT_WITNESS_LOG);
	snprintf(what, sizeof(what), "%s: size %zu, dst+%lu", name, len,
		 w->lo % NR_ALIGNMENTS);

	if (w->outside) {
		KUNIT_FAIL(test, "%s: %llu bytes non-temporal outside the destination",
			   what, w->outside);
		return false;
	}
	if (!w->inside && expected != ALL_STREAM)
		return true;
	if (w->inside < len || expected == NONE_STREAMS) {
		KUNIT_FAIL(test, "%s: %llu of %zu bytes non-temporal, expected %s",
			   what, w->inside, len, text[expected]);
		return false;
	}
	twice = stored_twice(w, len);
	if (twice < len) {
		KUNIT_FAIL(test, "%s: byte %zu stored non-temporally twice",
			   what, twice);
		return false;
	}
	return true;
}

static struct nt_witness *watch(struct kunit *test, const struct copy_call *call)
{
	void *const fns[] = { call->fn };
	struct nt_witness *w;

	w = nt_witness_start(test, fns, ARRAY_SIZE(fns), CALL_DEPTH);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, w);
	return w;
}

/* One size, all destination alignments; the source's has no say in it. */
static bool check_selection(struct kunit *test, struct nt_witness *w,
			    struct copy_room *room, const struct copy_call *call,
			    size_t len)
{
	size_t dst, src;

	for (dst = 0; dst < NR_ALIGNMENTS; dst++) {
		void *to = room->dst + COPY_GUARD + dst;

		for (src = 0; src < 9; src += 4) {
			nt_witness_range(w, to, to + len);
			if (!copy_and_check(test, room, call, COPY_GUARD + dst,
					    COPY_GUARD + src, len))
				return false;
			if (!check_stores(test, w, call->name,
					  expected_stores(to, len, call->size),
					  len))
				return false;
		}
	}
	return true;
}

/*
 * Test case: with a size known at run time only, exactly the transfers that can
 * stay non-temporal do, from end to end.
 */
static void runtime_size_selection(struct kunit *test)
{
	struct copy_room *room;
	struct nt_witness *w;
	size_t len;

	skip_if(test, copy_call_lacks(&stream_call));
	skip_if(test, nt_witness_lacks());
	room = copy_room_alloc(test, ROOM_PAGES);
	w = watch(test, &stream_call);

	for (len = 0; len <= 320; len++) {
		if (!check_selection(test, w, room, &stream_call, len))
			return;
	}
	for (len = PAGE_SIZE - 4; len <= PAGE_SIZE + 4; len++) {
		if (!check_selection(test, w, room, &stream_call, len))
			return;
	}
}

static const void *next_fixed_call(const struct copy_call *call, char *desc,
				   bool (*wanted)(const struct copy_call *call))
{
	for (call = call ? call + 1 : fixed_calls;
	     call < fixed_calls + ARRAY_SIZE(fixed_calls); call++) {
		if (wanted(call)) {
			strscpy(desc, call->name, KUNIT_PARAM_DESC_SIZE);
			return call;
		}
	}
	return NULL;
}

static bool is_stream(const struct copy_call *call)
{
	return call->streaming;
}

static const void *stream_fixed_gen_params(struct kunit *test, const void *prev,
					   char *desc)
{
	return next_fixed_call(prev, desc, is_stream);
}

/* Test case: the same for sizes known at compile time. */
static void fixed_size_selection(struct kunit *test)
{
	const struct copy_call *call = test->param_value;
	struct copy_room *room;
	struct nt_witness *w;

	skip_if(test, copy_call_lacks(call));
	skip_if(test, nt_witness_lacks());
	room = copy_room_alloc(test, ROOM_PAGES);
	w = watch(test, call);
	check_selection(test, w, room, call, call->size);
}

static bool is_inline_flushcache(const struct copy_call *call)
{
	size_t size = call->size;

	return !call->streaming &&
	       (size == 4 || size == 8 || size == 16 || size == 32 ||
		size == 48 || size == 64 || size == 80 || size == 96);
}

static const void *flushcache_fixed_gen_params(struct kunit *test,
					       const void *prev, char *desc)
{
	return next_fixed_call(prev, desc, is_inline_flushcache);
}

/*
 * Test case: memcpy_flushcache() of the sizes that have inline code stores them
 * non-temporally, and without a call, wherever the destination is aligned.
 * Misaligned ones are only asked to copy right: see the cases on contents.
 */
static void flushcache_fixed_size(struct kunit *test)
{
	const struct copy_call *call = test->param_value;
	const void *start, *end;
	struct copy_room *room;
	struct nt_witness *w;
	size_t dst, i;

	skip_if(test, copy_call_lacks(call));
	skip_if(test, nt_witness_lacks());
	if (call->size > FLUSHCACHE_INLINE_MAX)
		skip_if(test, "memcpy_flushcache() has no inline code for sizes above 16");
	room = copy_room_alloc(test, ROOM_PAGES);
	w = watch(test, call);
	KUNIT_ASSERT_EQ(test, nt_insn_function(call->fn, &start, &end), 0);

	for (dst = 0; dst < NR_ALIGNMENTS; dst += 8) {
		void *to = room->dst + COPY_GUARD + dst;

		nt_witness_range(w, to, to + call->size);
		if (!copy_and_check(test, room, call, COPY_GUARD + dst,
				    COPY_GUARD, call->size) ||
		    !check_stores(test, w, call->name, ALL_STREAM, call->size))
			return;
		for (i = 0; i < w->stores; i++) {
			const void *ip = (const void *)w->log[i].ip;

			if (ip >= start && ip < end)
				continue;
			KUNIT_FAIL(test, "%s: dst+%zu: stored by %pS, not inline",
				   call->name, dst, ip);
			return;
		}
	}
}

/*
 * Test case: memcpy_flushcache() of a size known at run time only stores what
 * is aligned non-temporally. Should this fail, the witness is blind.
 */
static void flushcache_runtime_size(struct kunit *test)
{
	struct copy_room *room;
	struct nt_witness *w;
	size_t len;

	skip_if(test, copy_call_lacks(&flushcache_call));
	skip_if(test, nt_witness_lacks());
	room = copy_room_alloc(test, ROOM_PAGES);
	w = watch(test, &flushcache_call);

	for (len = 4; len <= 320; len += 4) {
		void *to = room->dst + COPY_GUARD;

		nt_witness_range(w, to, to + len);
		if (!copy_and_check(test, room, &flushcache_call, COPY_GUARD,
				    COPY_GUARD, len) ||
		    !check_stores(test, w, flushcache_call.name, ALL_STREAM, len))
			return;
	}
}

static struct kunit_case selection_cases[] = {
	KUNIT_CASE(flushcache_runtime_size),
	KUNIT_CASE_PARAM(flushcache_fixed_size, flushcache_fixed_gen_params),
	KUNIT_CASE(runtime_size_selection),
	KUNIT_CASE_PARAM(fixed_size_selection, stream_fixed_gen_params),
	{}
};

static struct kunit_suite selection_suite = {
	.name = "memcpy_streaming_selection",
	.test_cases = selection_cases,
};

kunit_test_suite(selection_suite);
