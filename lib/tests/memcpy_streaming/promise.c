// SPDX-License-Identifier: GPL-2.0
/*
 * By which contract the kernel is judged, and what becomes of a promise.
 *
 * The contract is a parameter of the booted kernel, zone_device.contract=, so
 * that nobody has to build a kernel to change it, and so that a patch that
 * breaks a promise cannot choose a contract without it. Without the parameter
 * it is that of the copy which the build has found in the tree.
 */
#include <kunit/test.h>
#include <kunit/zd_promise.h>
#include <linux/bits.h>
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/stringify.h>

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX	"zone_device."

#ifndef ZD_CONTRACT
#define ZD_CONTRACT	base
#endif

static char *contract = __stringify(ZD_CONTRACT);
module_param(contract, charp, 0444);
MODULE_PARM_DESC(contract, "Whose promises are judged: base, streaming, nontemporal, unknown");

static bool partial;
module_param(partial, bool, 0444);
MODULE_PARM_DESC(partial, "The series is not complete: promises may not be kept yet");

/* Who makes a promise. */
#define STREAMING	BIT(0)
#define NONTEMPORAL	BIT(1)
#define EACH		(STREAMING | NONTEMPORAL)

/* A new revision is a row here, and its bit in the rows of its promises. */
static const struct {
	const char *name;
	unsigned int makes;
	const char *text;
} zd_contracts[] = {
	{ "base", 0, "the kernel without the series" },
	{ "streaming", STREAMING, "v4, v5: slow path as a fallback, copies drained" },
	{ "nontemporal", NONTEMPORAL, "v11: no fallback, no drain, any alignment" },
	{ "unknown", 0, "none that is known: promises are shown, not judged" },
};

/* A new promise is a row here, and its name in zd_promise.h. */
static const struct {
	const char *name;
	unsigned int by;
	const char *text;
} zd_promises[] = {
	[ZD_PROMISE_template] = { "template", EACH,
		"a page is copied, but for a first head and first tails" },
	[ZD_PROMISE_traced_builds] = { "traced_builds", STREAMING,
		"while page_ref_set is traced each page is built, with its events" },
	[ZD_PROMISE_sanitized_builds] = { "sanitized_builds", STREAMING,
		"in KASAN and KMSAN kernels each page is built" },
	[ZD_PROMISE_altmap_behind] = { "altmap_behind", STREAMING,
		"nothing is written if an altmap ends behind its range" },
	[ZD_PROMISE_returns_early] = { "returns_early", EACH,
		"a call for no pages returns at once" },
	[ZD_PROMISE_resched] = { "resched", EACH,
		"cond_resched() is called in each section while pages are written" },
	[ZD_PROMISE_pages_stream] = { "pages_stream", EACH,
		"copied pages stream, but for heads and the first of pageblocks" },
	[ZD_PROMISE_pages_whole] = { "pages_whole", EACH,
		"a page streams in full or not at all" },
	[ZD_PROMISE_streamed_once] = { "streamed_once", EACH,
		"no byte is streamed twice in a call" },
	[ZD_PROMISE_never_patched] = { "never_patched", STREAMING,
		"no line that streamed is stored to before it is drained" },
	[ZD_PROMISE_drained_at_compound] = { "drained_at_compound", STREAMING,
		"nothing is pending when a compound page starts" },
	[ZD_PROMISE_drained_at_prep_head] = { "drained_at_prep_head", STREAMING,
		"nothing is pending when prep_compound_head() writes" },
	[ZD_PROMISE_drained_at_pageblock] = { "drained_at_pageblock", STREAMING,
		"nothing is pending when pageblocks are set up" },
	[ZD_PROMISE_drained_at_return] = { "drained_at_return", STREAMING,
		"nothing is pending when memmap_init_zone_device() returns" },
	[ZD_PROMISE_drained_at_remap] = { "drained_at_remap", STREAMING,
		"nothing is pending when memremap_pages() returns" },
	[ZD_PROMISE_handed_over] = { "handed_over", STREAMING,
		"a range can be handed on by smp_store_release() alone" },
	[ZD_PROMISE_copy_aligned] = { "copy_aligned", EACH,
		"copies to a multiple of 8 that stores can make up stream in full" },
	[ZD_PROMISE_copy_else_plain] = { "copy_else_plain", STREAMING,
		"no other copy streams at all" },
	[ZD_PROMISE_copy_known] = { "copy_known", NONTEMPORAL,
		"copies of known sizes stream in full at any alignment" },
	[ZD_PROMISE_flushcache_inline] = { "flushcache_inline", EACH,
		"memcpy_flushcache() of known sizes is inline if aligned to 8" },
	[ZD_PROMISE_flushcache_any] = { "flushcache_any", NONTEMPORAL,
		"memcpy_flushcache() of known sizes is inline if not aligned, too" },
	[ZD_PROMISE_drain_fences] = { "drain_fences", STREAMING,
		"the drain is one fence where streaming stores want one, else nothing" },
	[ZD_PROMISE_drain_follows] = { "drain_follows", STREAMING,
		"a fence follows the last store on each way through a copy" },
	[ZD_PROMISE_fallback_is_memcpy] = { "fallback_is_memcpy", EACH,
		"where nothing streams a copy is no more code than memcpy()" },
};

/* Which of zd_contracts[] it is, or how many there are if it is none of them. */
static unsigned int zd_contract(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(zd_contracts); i++) {
		if (!strcmp(zd_contracts[i].name, contract))
			break;
	}
	return i;
}

static unsigned int zd_contract_makes(void)
{
	unsigned int i = zd_contract();

	return i < ARRAY_SIZE(zd_contracts) ? zd_contracts[i].makes : 0;
}

/** zd_promised() - whether the contract that is judged by has @promise */
bool zd_promised(enum zd_promise promise)
{
	return zd_promises[promise].by & zd_contract_makes();
}

/**
 * zd_promise() - what a test has seen of a promise, as its last word
 * @test: the test
 * @promise: the promise
 * @kept: how often it was kept
 * @of: how often it could have been; with 0 nothing was seen
 * @what: of what, for messages
 *
 * A promise that was made and is broken fails @test. Where it was not made, or
 * the series is not complete, @test cannot fail for it: it is marked as
 * skipped, unless it has failed for something else. The tools sum up the line
 * that this prints.
 */
void zd_promise(struct kunit *test, enum zd_promise promise, u64 kept, u64 of, const char *what)
{
	const char *name = zd_promises[promise].name;
	const bool made = zd_promised(promise);

	if (zd_contract() == ARRAY_SIZE(zd_contracts))
		KUNIT_FAIL(test, "zone_device.contract=%s is no contract that is known", contract);
	if (of)
		kunit_info(test, "promise %s: %llu of %llu %s\n", name, kept, of, what);
	if (made && (!partial || !of)) {
		if (kept < of)
			KUNIT_FAIL(test,
				   "promise %s of the contract %s is broken (%s): %llu of %llu %s",
				   name, contract, zd_promises[promise].text, kept, of, what);
		return;
	}
	if (READ_ONCE(test->status) == KUNIT_FAILURE)
		return;
	if (!of)
		kunit_mark_skipped(test, "promise %s is not made by %s, and nothing was seen of it",
				   name, contract);
	else if (made)
		kunit_mark_skipped(test,
				   "promise %s is judged at the end of the series: %llu of %llu %s",
				   name, kept, of, what);
	else
		kunit_mark_skipped(test, "promise %s is not made by %s: %llu of %llu %s",
				   name, contract, kept, of, what);
}

static int __init zd_contract_say(void)
{
	pr_info("zone_device: judged by the contract %s%s\n", contract,
		partial ? ", of a series that is not complete" : "");
	return 0;
}
late_initcall(zd_contract_say);
