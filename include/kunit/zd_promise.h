/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What one revision of the series promises and another does not.
 *
 * What any kernel must do, patched or not, is an invariant: a test that finds it
 * broken fails. A promise is what a revision says on top of that. A contract is
 * the list of promises of a revision: read a column down. A broken promise fails
 * only a kernel that is judged by a contract that has it; for the others the
 * test is skipped and says what it saw.
 *
 * The two tables are in lib/tests/memcpy_streaming/promise.c. By which contract
 * a kernel is judged is said at boot, by zone_device.contract=.
 */
#ifndef _KUNIT_ZD_PROMISE_H
#define _KUNIT_ZD_PROMISE_H

#include <kunit/test.h>
#include <linux/types.h>

/**
 * zd_requires() - end a test that cannot be asked here as a skipped one
 * @test: the test
 * @lacks: what is missing, or NULL
 */
static inline void zd_requires(struct kunit *test, const char *lacks)
{
	if (!lacks)
		return;
	/* kunit_skip() would make of one that has failed one that is skipped. */
	if (READ_ONCE(test->status) == KUNIT_FAILURE)
		__kunit_abort(test);
	kunit_skip(test, "%s", lacks);
}

enum zd_promise {
	ZD_PROMISE_template,
	ZD_PROMISE_traced_builds,
	ZD_PROMISE_sanitized_builds,
	ZD_PROMISE_altmap_behind,
	ZD_PROMISE_returns_early,
	ZD_PROMISE_resched,
	ZD_PROMISE_pages_stream,
	ZD_PROMISE_pages_whole,
	ZD_PROMISE_streamed_once,
	ZD_PROMISE_never_patched,
	ZD_PROMISE_drained_at_compound,
	ZD_PROMISE_drained_at_prep_head,
	ZD_PROMISE_drained_at_pageblock,
	ZD_PROMISE_drained_at_return,
	ZD_PROMISE_drained_at_remap,
	ZD_PROMISE_handed_over,
	ZD_PROMISE_copy_aligned,
	ZD_PROMISE_copy_else_plain,
	ZD_PROMISE_copy_known,
	ZD_PROMISE_flushcache_inline,
	ZD_PROMISE_flushcache_any,
	ZD_PROMISE_drain_fences,
	ZD_PROMISE_drain_follows,
	ZD_PROMISE_fallback_is_memcpy,
};

bool zd_promised(enum zd_promise promise);
void zd_promise(struct kunit *test, enum zd_promise promise, u64 kept, u64 of, const char *what);

#endif
