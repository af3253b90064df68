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
 * The tools read the two tables below as well, each row on one line: a new
 * promise is a new row, and a new revision a new row of the first table. How the
 * revisions are recognised is said in tools/testing/zone_device/features.sh.
 */
#ifndef _ZONE_DEVICE_PROMISE_H
#define _ZONE_DEVICE_PROMISE_H

#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/types.h>

/**
 * zd_requires() - skip a test that cannot be asked here
 * @test: the test
 * @lacks: what is missing, or NULL
 */
static inline void zd_requires(struct kunit *test, const char *lacks)
{
	if (lacks)
		kunit_skip(test, "%s", lacks);
}

#define ZD_STREAMING	BIT(0)
#define ZD_NONTEMPORAL	BIT(1)
#define ZD_EACH		(ZD_STREAMING | ZD_NONTEMPORAL)

/* C(name, who makes which promise, what is known of the revision) */
#define ZD_CONTRACTS(C)	\
	C(base,		0,		"the kernel without the series") \
	C(streaming,	ZD_STREAMING,	"v4, v5: slow path as a fallback, copies drained") \
	C(nontemporal,	ZD_NONTEMPORAL,	"v11: no fallback, no drain, any alignment") \
	C(unknown,	0,		"none that is known: promises are shown, not judged")

/* P(name, made by, what is promised) */
#define ZD_PROMISES(P)	\
	P(template, ZD_EACH, "a page is copied, but for a first head and first tails") \
	P(traced_builds, ZD_STREAMING, "while page_ref_set is traced each page is built, with its events") \
	P(sanitized_builds, ZD_STREAMING, "in KASAN and KMSAN kernels each page is built") \
	P(altmap_behind, ZD_STREAMING, "nothing is written if an altmap ends behind its range") \
	P(returns_early, ZD_EACH, "a call for no pages returns before pageblocks are set up") \
	P(resched, ZD_EACH, "cond_resched() is called in each section while pages are written") \
	P(pages_stream, ZD_EACH, "copied pages stream, but for heads and the first of pageblocks") \
	P(pages_whole, ZD_EACH, "a page streams in full or not at all") \
	P(streamed_once, ZD_EACH, "no byte is streamed twice in a call") \
	P(never_patched, ZD_STREAMING, "no line that streamed is stored to before it is drained") \
	P(drained_at_compound, ZD_STREAMING, "nothing is pending when a compound page starts") \
	P(drained_at_prep_head, ZD_STREAMING, "nothing is pending when prep_compound_head() writes") \
	P(drained_at_pageblock, ZD_STREAMING, "nothing is pending when pageblocks are set up") \
	P(drained_at_return, ZD_STREAMING, "nothing is pending when memmap_init_zone_device() returns") \
	P(drained_at_remap, ZD_STREAMING, "nothing is pending when memremap_pages() returns") \
	P(handed_over, ZD_STREAMING, "a range can be handed on by smp_store_release() alone") \
	P(copy_aligned, ZD_EACH, "copies of 4n bytes to a multiple of 8 stream in full") \
	P(copy_else_plain, ZD_STREAMING, "no other copy streams at all") \
	P(copy_known, ZD_NONTEMPORAL, "copies of known sizes stream in full at any alignment") \
	P(flushcache_inline, ZD_EACH, "memcpy_flushcache() of known sizes is inline if aligned to 8") \
	P(flushcache_any, ZD_NONTEMPORAL, "memcpy_flushcache() of known sizes is inline if not aligned, too") \
	P(drain_fences, ZD_STREAMING, "the drain is one sfence where copies stream, else nothing") \
	P(drain_follows, ZD_STREAMING, "a fence follows the last store on each way through a copy") \
	P(fallback_is_memcpy, ZD_EACH, "where nothing streams a copy is no more code than memcpy()")

#define ZD_PROMISE_ENUM(name, by, text)	ZD_PROMISE_##name,
enum zd_promise {
	ZD_PROMISES(ZD_PROMISE_ENUM)
	ZD_NR_PROMISES
};

bool zd_promised(enum zd_promise promise);
void zd_promise(struct kunit *test, enum zd_promise promise, u64 kept, u64 of, const char *what);

#endif
