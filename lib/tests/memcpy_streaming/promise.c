// SPDX-License-Identifier: GPL-2.0
/*
 * By which contract the kernel is judged, and what becomes of a promise.
 *
 * The contract is a parameter of the booted kernel, zone_device.contract=, so
 * that nobody has to build a kernel to change it, and so that a patch that
 * breaks a promise cannot choose a contract without it. Without the parameter
 * it is what features.sh says of the tree that was built.
 */
#include <kunit/test.h>
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/stringify.h>

#include "promise.h"

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

#define ZD_CONTRACT_ROW(name, makes, text)	{ #name, makes },
static const struct {
	const char *name;
	unsigned int makes;
} zd_contracts[] = {
	ZD_CONTRACTS(ZD_CONTRACT_ROW)
};

#define ZD_PROMISE_ROW(name, by, text)		{ #name, by, text },
static const struct {
	const char *name;
	unsigned int by;
	const char *text;
} zd_promises[] = {
	ZD_PROMISES(ZD_PROMISE_ROW)
};

static unsigned int zd_contract_makes(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(zd_contracts); i++) {
		if (!strcmp(zd_contracts[i].name, contract))
			return zd_contracts[i].makes;
	}
	return 0;
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

	if (of)
		kunit_info(test, "promise %s: %llu of %llu %s\n", name, kept, of, what);
	if (made && (!partial || !of)) {
		if (kept < of)
			KUNIT_FAIL(test, "promise %s of the contract %s is broken (%s): %llu of %llu %s",
				   name, contract, zd_promises[promise].text, kept, of, what);
		return;
	}
	if (READ_ONCE(test->status) == KUNIT_FAILURE)
		return;
	if (!of)
		kunit_mark_skipped(test, "promise %s is not made by %s, and nothing was seen of it",
				   name, contract);
	else if (made)
		kunit_mark_skipped(test, "promise %s is judged at the end of the series: %llu of %llu %s",
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
