// SPDX-License-Identifier: GPL-2.0
/*
 * Test cases for memcpy_streaming() and memcpy_flushcache(): which stores they
 * use, as far as a revision promises it; see promise.h. Nothing here trusts the
 * source: the non-temporal stores are found in the code that runs, and each one
 * executed is recorded with its address.
 */

#include <kunit/nt_insn.h>
#include <kunit/nt_witness.h>
#include <kunit/test.h>
#include <kunit/zd_promise.h>
#include <linux/align.h>
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "copy_calls.h"
#include "copy_check.h"

#define NR_ALIGNMENTS	16
#define ROOM_PAGES	2

/* The copies call __memcpy_flushcache(), and that memcpy(). */
#define CALL_DEPTH	2

/* What became of a transfer. */
enum stores {
	ALL_STREAM,	/* each byte of the destination non-temporally, once */
	NONE_STREAMS,	/* no non-temporal store at all */
	MIXED,		/* some of it, or some of it twice */
};

/*
 * What the revisions say of the stores of a copy of @len bytes to @dst. On x86 it
 * is made of memcpy_flushcache(), whose out-of-line part stores words of 8 and then
 * of 4 bytes non-temporally, but copies through the cache what comes before the
 * first 8-byte boundary and what follows the last whole 4 bytes.
 */
static bool is_aligned_copy(const void *dst, size_t len, size_t fixed)
{
	return len && IS_ALIGNED((unsigned long)dst, 8) && IS_ALIGNED(len, nt_arch.granule);
}

/*
 * All others would be a mixture, with part of their lines in the cache and
 * flushed. But for one: 4 bytes at an odd multiple of 4, if the compiler knows
 * the size, are a single aligned movnti. A copy may use that, or not bother.
 */
static bool is_other_copy(const void *dst, size_t len, size_t fixed)
{
	return !is_aligned_copy(dst, len, fixed) &&
	       !(fixed && len == 4 && IS_ALIGNED((unsigned long)dst, 4));
}

static bool is_inline_size(size_t size)
{
	return size == 4 || size == 8 || size == 16 || size == 32 ||
	       size == 48 || size == 64 || size == 80 || size == 96;
}

static bool is_known_copy(const void *dst, size_t len, size_t fixed)
{
	return is_inline_size(fixed) && IS_ALIGNED(fixed, nt_arch.granule);
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

/* What became of a transfer; a store beside the destination fails the test. */
static enum stores stores_of(struct kunit *test, struct nt_witness *w, const char *name, size_t len)
{
	KUNIT_ASSERT_EQ_MSG(test, nt_witness_missed(w), 0, "stores went uncounted");
	KUNIT_ASSERT_LE(test, w->stores, NT_WITNESS_LOG);
	KUNIT_ASSERT_EQ_MSG(test, w->outside, 0,
			    "%s: size %zu, dst+%lu: bytes non-temporal outside the destination",
			    name, len, w->lo % NR_ALIGNMENTS);
	if (!w->inside)
		return NONE_STREAMS;
	return w->inside == len && stored_twice(w, len) == len ? ALL_STREAM : MIXED;
}

static struct nt_witness *watch(struct kunit *test, const struct copy_call *call)
{
	void *const fns[] = { call->fn };
	struct nt_witness *w;

	w = nt_witness_start(test, fns, ARRAY_SIZE(fns), CALL_DEPTH);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, w);
	return w;
}

/* Which transfers a test is about, what must become of them, and what has. */
struct selection {
	enum zd_promise promise;
	bool (*about)(const void *dst, size_t len, size_t fixed);
	enum stores wanted;
	u64 kept;
	u64 of;
};

/* Say it of the first few transfers that are not as promised. */
static void count_transfer(struct kunit *test, struct selection *s, struct nt_witness *w,
			   const char *name, size_t len)
{
	enum stores seen = stores_of(test, w, name, len);

	s->of++;
	s->kept += seen == s->wanted;
	if (seen != s->wanted && s->of - s->kept <= 4 && zd_promised(s->promise))
		kunit_err(test, "%s: size %zu, dst+%lu: %llu of %zu bytes non-temporal, expected %s%s\n",
			  name, len, w->lo % NR_ALIGNMENTS, w->inside, len,
			  s->wanted == ALL_STREAM ? "all" : "none",
			  w->inside == len && seen == MIXED ? ", each once" : "");
}

/* One size at each alignment of the destination; the source's does not matter. */
static void count_size(struct kunit *test, struct selection *s, struct nt_witness *w,
		       struct copy_room *room, const struct copy_call *call, size_t len)
{
	size_t dst, src;

	for (dst = 0; dst < NR_ALIGNMENTS; dst++) {
		void *to = room->dst + COPY_GUARD + dst;

		if (!s->about(to, len, call->size))
			continue;
		for (src = 0; src < 9; src += 4) {
			nt_witness_range(w, to, to + len);
			if (!copy_and_check(test, room, call, COPY_GUARD + dst,
					    COPY_GUARD + src, len))
				return;
			count_transfer(test, s, w, call->name, len);
		}
	}
}

static void select_by(struct kunit *test, struct selection s, const char *what)
{
	const struct copy_call *call = test->param_value;
	struct copy_room *room;
	struct nt_witness *w;
	size_t len;

	zd_requires(test, copy_call_lacks(call));
	zd_requires(test, nt_copy_lacks());
	room = copy_room_alloc(test, ROOM_PAGES);
	w = watch(test, call);

	if (call->size) {
		count_size(test, &s, w, room, call, call->size);
	} else {
		for (len = 0; len <= 320; len++)
			count_size(test, &s, w, room, call, len);
		for (len = SZ_4K - 4; len <= SZ_4K + 4; len++)
			count_size(test, &s, w, room, call, len);
	}
	zd_requires(test, s.of ? NULL : "there is no such transfer of this size");
	zd_promise(test, s.promise, s.kept, s.of, what);
}

/* Test case: an aligned transfer stays non-temporal from end to end. */
static void copy_aligned(struct kunit *test)
{
	const struct selection s = { ZD_PROMISE_copy_aligned, is_aligned_copy, ALL_STREAM };

	select_by(test, s, "aligned transfers that streamed in full");
}

/* Test case: a transfer that would be a mixture is a plain memcpy() instead. */
static void copy_else_plain(struct kunit *test)
{
	const struct selection s = { ZD_PROMISE_copy_else_plain, is_other_copy, NONE_STREAMS };

	select_by(test, s, "other transfers that did not stream");
}

/* Test case: the known sizes stay non-temporal whatever the alignment. */
static void copy_known(struct kunit *test)
{
	const struct selection s = { ZD_PROMISE_copy_known, is_known_copy, ALL_STREAM };

	select_by(test, s, "transfers of known sizes that streamed in full");
}

static const void *next_fixed_call(const struct copy_call *call, char *desc,
				   bool (*wanted)(const struct copy_call *call))
{
	for (call = call ? call + 1 : copy_fixed_calls;
	     call < copy_fixed_calls + ARRAY_SIZE(copy_fixed_calls); call++) {
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

/* The size that is known at run time only, and then those known before. */
static const void *stream_gen_params(struct kunit *test, const void *prev, char *desc)
{
	if (!prev) {
		strscpy(desc, copy_stream_call.name, KUNIT_PARAM_DESC_SIZE);
		return &copy_stream_call;
	}
	return next_fixed_call(prev == &copy_stream_call ? NULL : prev, desc, is_stream);
}

static bool is_known_stream(const struct copy_call *call)
{
	return call->streaming && is_inline_size(call->size);
}

static const void *known_gen_params(struct kunit *test, const void *prev, char *desc)
{
	return next_fixed_call(prev, desc, is_known_stream);
}

static bool is_inline_flushcache(const struct copy_call *call)
{
	return !call->streaming && is_inline_size(call->size);
}

static const void *flushcache_fixed_gen_params(struct kunit *test,
					       const void *prev, char *desc)
{
	return next_fixed_call(prev, desc, is_inline_flushcache);
}

/* Whether the last transfer was stored by the function's own code alone. */
static bool is_stored_inline(struct kunit *test, const struct nt_witness *w,
			     const struct copy_call *call)
{
	const void *start, *end;
	size_t i;

	KUNIT_ASSERT_EQ(test, nt_insn_function(call->fn, &start, &end), 0);
	for (i = 0; i < w->stores; i++) {
		const void *ip = (const void *)w->log[i].ip;

		if (ip < start || ip >= end)
			return false;
	}
	return w->stores;
}

static void flushcache_fixed(struct kunit *test, enum zd_promise promise, bool aligned,
			     const char *what)
{
	const struct copy_call *call = test->param_value;
	struct copy_room *room;
	struct nt_witness *w;
	u64 kept = 0, of = 0;
	size_t dst;

	zd_requires(test, nt_flushcache_lacks());
	room = copy_room_alloc(test, ROOM_PAGES);
	w = watch(test, call);

	for (dst = 0; dst < NR_ALIGNMENTS; dst++) {
		void *to = room->dst + COPY_GUARD + dst;

		if (IS_ALIGNED(dst, 8) != aligned)
			continue;
		of++;
		nt_witness_range(w, to, to + call->size);
		if (!copy_and_check(test, room, call, COPY_GUARD + dst, COPY_GUARD, call->size))
			return;
		kept += stores_of(test, w, call->name, call->size) == ALL_STREAM &&
			is_stored_inline(test, w, call);
	}
	zd_promise(test, promise, kept, of, what);
}

/*
 * Test case: memcpy_flushcache() of the sizes that have inline code stores them
 * non-temporally, and without a call, where the destination is aligned.
 */
static void flushcache_inline(struct kunit *test)
{
	flushcache_fixed(test, ZD_PROMISE_flushcache_inline, true,
			 "aligned transfers that streamed in full, inline");
}

/* Test case: and at any other alignment. */
static void flushcache_any(struct kunit *test)
{
	flushcache_fixed(test, ZD_PROMISE_flushcache_any, false,
			 "other transfers that streamed in full, inline");
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

	zd_requires(test, nt_flushcache_lacks());
	room = copy_room_alloc(test, ROOM_PAGES);
	w = watch(test, &copy_flushcache_call);

	for (len = 4; len <= 320; len += 4) {
		void *to = room->dst + COPY_GUARD;

		nt_witness_range(w, to, to + len);
		if (!copy_and_check(test, room, &copy_flushcache_call, COPY_GUARD, COPY_GUARD, len))
			return;
		KUNIT_ASSERT_EQ_MSG(test, ALL_STREAM,
				    stores_of(test, w, copy_flushcache_call.name, len),
				    "memcpy_flushcache() of %zu aligned bytes", len);
	}
}

static struct kunit_case selection_cases[] = {
	KUNIT_CASE(flushcache_runtime_size),
	KUNIT_CASE_PARAM(flushcache_inline, flushcache_fixed_gen_params),
	KUNIT_CASE_PARAM(flushcache_any, flushcache_fixed_gen_params),
	KUNIT_CASE_PARAM(copy_aligned, stream_gen_params),
	KUNIT_CASE_PARAM(copy_else_plain, stream_gen_params),
	KUNIT_CASE_PARAM(copy_known, known_gen_params),
	{}
};

static struct kunit_suite selection_suite = {
	.name = "memcpy_streaming_selection",
	.test_cases = selection_cases,
};

kunit_test_suite(selection_suite);
