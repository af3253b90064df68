// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for memmap_init_zone_device(): by which path it makes the struct
 * pages, as far as a revision promises one; see promise.h. What it makes of them
 * is tested elsewhere, and does not depend on this.
 */
#include <linux/bitops.h>
#include <linux/kprobes.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/static_call.h>

#include "zone_device_test.h"

/* How many of the pages that @call writes were built, each once. */
static unsigned long zd_built_once(const struct zd_call *call, const struct zd_witness *w)
{
	unsigned long written = zd_nr_written(call), built = w->slow_pages;

	return built <= written ? built : written - min(written, built - written);
}

/*
 * Test case: with a listener to page_ref_set each page is built, and issues the
 * events it always has, in number, value and order.
 */
static void zd_traced_test(struct kunit *test)
{
	struct zd_call call;
	struct zd_witness w;

	zd_requires(test, zd_slow_pages_lacks());
	zd_requires(test, zd_ref_events_lacks());
	call = zd_map_case(test, test->param_value, 0);
	w = zd_init_watched(test, &call, ZD_TRACED);
	if (zd_promised(ZD_PROMISE_traced_builds) && w.bad_pfn)
		kunit_err(test, "pfn %#lx: page_ref_set events with the values: expected %s, seen %s\n",
			  w.bad_pfn, w.bad_expected, w.bad_seen);
	zd_promise(test, ZD_PROMISE_traced_builds,
		   min(zd_built_once(&call, &w), w.good_events), zd_nr_written(&call),
		   "pages built, with their events");
}

/* What has copies not made, or not seen; asked before memory is mapped for them. */
static const char *zd_copies_lack(void)
{
	const char *lacks = zd_slow_pages_lacks();

	return lacks ?: ZD_SANITIZED && zd_promised(ZD_PROMISE_sanitized_builds) ?
	       "KASAN or KMSAN: each page is to be built" : NULL;
}

/* Of the pages that a template is due for, how many were copied. */
static void zd_expect_template(struct kunit *test, const struct zd_call *call)
{
	unsigned long written = zd_nr_written(call), due = written - zd_most_built(call);
	struct zd_witness w;

	zd_requires(test, due ? NULL : "too few pages for a template");
	w = zd_init_watched(test, call, ZD_AS_IS);
	zd_requires(test, w.slow_pages ? NULL :
		    "no page was seen to be built: by an unknown function, or inline");
	zd_promise(test, ZD_PROMISE_template, min(due, written - zd_built_once(call, &w)), due,
		   "pages copied, not built");
}

/* Test case: the pages that a template is due for are copied. */
static void zd_template_test(struct kunit *test)
{
	struct zd_call call;

	zd_requires(test, zd_copies_lack());
	call = zd_map_case(test, test->param_value, 0);
	zd_expect_template(test, &call);
}

/* Test case: the same for parts of pageblocks and sections. */
static void zd_template_part_test(struct kunit *test)
{
	struct zd_call call;

	zd_requires(test, zd_copies_lack());
	call = zd_map_part(test, test->param_value);
	zd_expect_template(test, &call);
}

/*
 * Test case: the path is chosen anew by each call, by whether anybody listens
 * to page_ref_set at that time.
 */
static void zd_toggle_test(struct kunit *test)
{
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_GENERIC,
		.nr_pages = ZD_FEW_PAGES,
	};
	unsigned int built = 0, copied = 0;
	struct zd_call call;
	int i;

	zd_requires(test, zd_copies_lack());
	zd_requires(test, zd_ref_events_lacks());
	call = zd_call_for(zd_map(test, &args), 0);
	for (i = 0; i < 6; i++) {
		const bool traced = i % 2;
		struct zd_witness w;

		zd_poison(&call, i % 3 ? ZD_POISON_A : ZD_POISON_B);
		w = zd_init_watched(test, &call, traced ? ZD_TRACED : ZD_AS_IS);
		built += traced && w.slow_pages == zd_nr_written(&call);
		copied += !traced && w.slow_pages < zd_nr_written(&call);
		zd_expect_model(test, &call);
	}
	zd_promise(test, ZD_PROMISE_template, copied, 3, "calls between traced ones copied");
	zd_promise(test, ZD_PROMISE_traced_builds, built, 3, "traced calls between others built");
}

/* Test case: where a sanitizer wants to see each store, each page is built. */
static void zd_sanitized_test(struct kunit *test)
{
	static const struct zd_case cases[] = {
		{ MEMORY_DEVICE_FS_DAX, 0, ZD_IN_RAM },
		{ MEMORY_DEVICE_GENERIC, 9, ZD_IN_RAM },
		{ MEMORY_DEVICE_GENERIC, 9, ZD_IN_RAM_FULL },
	};
	unsigned long built = 0, written = 0;
	int i;

	zd_requires(test, ZD_SANITIZED ? NULL : "needs CONFIG_KASAN or CONFIG_KMSAN");
	zd_requires(test, zd_slow_pages_lacks());
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct zd_call call = zd_map_case(test, &cases[i], 0);
		struct zd_witness w = zd_init_watched(test, &call, ZD_AS_IS);

		built += zd_built_once(&call, &w);
		written += zd_nr_written(&call);
	}
	zd_promise(test, ZD_PROMISE_sanitized_builds, built, written, "pages built");
}

/*
 * Test case: an altmap that ends behind its range leaves a negative number of
 * pages. None of the pages behind the range is written.
 */
static void zd_altmap_behind_test(struct kunit *test)
{
	static const unsigned long behind[] = { 1, 2, ZD_GUARD_PAGES };
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_FS_DAX,
		.nr_pages = ZD_FEW_PAGES,
	};
	struct dev_pagemap *pgmap = zd_map(test, &args);
	struct dev_pagemap *clone = zd_clone_pgmap(test, pgmap, args.type, 0);
	struct zd_call whole = zd_call_for(pgmap, 0);
	unsigned int kept = 0;
	int i;

	clone->flags |= PGMAP_ALTMAP_VALID;
	for (i = 0; i < ARRAY_SIZE(behind); i++) {
		struct zd_call call = zd_call_for(clone, 0);

		call.nr_pages = ZD_GUARD_PAGES;
		clone->altmap.base_pfn = call.start_pfn;
		clone->altmap.free = call.nr_pages + behind[i];
		zd_poison(&whole, ZD_POISON_A);
		memmap_init_zone_device(&NODE_DATA(call.nid)->node_zones[ZONE_DEVICE],
					call.start_pfn, call.nr_pages, clone);
		kept += !memchr_inv(pfn_to_page(whole.start_pfn), ZD_POISON_A,
				    whole.nr_pages * sizeof(struct page));
	}
	zd_promise(test, ZD_PROMISE_altmap_behind, kept, ARRAY_SIZE(behind),
		   "calls with such an altmap wrote nothing");
}

#if defined(CONFIG_PREEMPT_DYNAMIC) && defined(CONFIG_HAVE_PREEMPT_DYNAMIC_CALL)
/* The range that is being initialized, and the sections a call was seen in. */
static struct {
	struct task_struct *task;
	unsigned long start_pfn;
	unsigned long nr_sections;
	unsigned long seen;
} zd_resched;

static bool zd_is_poisoned(unsigned long pfn)
{
	return !memchr_inv(pfn_to_page(pfn), ZD_POISON_A, sizeof(struct page));
}

/* Stands in for cond_resched(): which section is being written? */
static int zd_resched_called(void)
{
	unsigned long pfn = zd_resched.start_pfn, i;

	if (current != zd_resched.task)
		return 0;
	for (i = 0; i + 1 < zd_resched.nr_sections; i++, pfn += PAGES_PER_SECTION) {
		if (!zd_is_poisoned(pfn) && zd_is_poisoned(pfn + PAGES_PER_SECTION))
			zd_resched.seen |= BIT(i);
	}
	return 0;
}

/*
 * Test case: other tasks get their turn in each section, while the pages of the
 * next one are still to be written.
 */
static void zd_resched_test(struct kunit *test)
{
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_PRIVATE,
		.nr_pages = 4 * PAGES_PER_SECTION,
	};
	struct zd_call call = zd_call_for(zd_map(test, &args), 0);
	void *saved = static_call_query(cond_resched);

	zd_poison(&call, ZD_POISON_A);
	zd_resched.start_pfn = call.start_pfn;
	zd_resched.nr_sections = call.nr_pages / PAGES_PER_SECTION;
	zd_resched.seen = 0;
	zd_resched.task = current;
	static_call_update(cond_resched, zd_resched_called);
	zd_init(&call);
	static_call_update(cond_resched, saved);
	zd_resched.task = NULL;
	/* Behind the last section nothing shows that it is not done yet. */
	zd_promise(test, ZD_PROMISE_resched, hweight_long(zd_resched.seen),
		   zd_resched.nr_sections - 1, "sections with a cond_resched() before the next");
}
#else
static void zd_resched_test(struct kunit *test)
{
	zd_requires(test, "to see cond_resched() needs CONFIG_PREEMPT_DYNAMIC with static calls");
}
#endif

/* By whom a call is made that may say something, and how often it did. */
static struct {
	struct task_struct *task;
	unsigned int said;
} zd_words;

static int zd_words_hit(struct kprobe *kp, struct pt_regs *regs)
{
	if (current == zd_words.task)
		zd_words.said++;
	return 0;
}

/* How often @call gets to its end, where it says so to who debugs it. */
static unsigned int zd_last_words(const struct zd_call *call)
{
	struct kprobe kp = {
		.symbol_name = "__dynamic_pr_debug",
		.pre_handler = zd_words_hit,
	};

	if (!IS_ENABLED(CONFIG_KPROBES) || register_kprobe(&kp))
		return 0;
	zd_words.said = 0;
	zd_words.task = current;
	zd_init(call);
	zd_words.task = NULL;
	unregister_kprobe(&kp);
	return zd_words.said;
}

/* Test case: a call for no pages returns at once, and not at its end. */
static void zd_returns_early_test(struct kunit *test)
{
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_PRIVATE,
		.nr_pages = ZD_FEW_PAGES,
	};
	struct zd_call call = zd_call_for(zd_map(test, &args), 0);
	unsigned int said = zd_last_words(&call);

	zd_requires(test, said ? NULL :
		    "no call is heard to end: needs CONFIG_DYNAMIC_DEBUG and dyndbg= for it");
	call.nr_pages = 0;
	said = zd_last_words(&call);
	zd_promise(test, ZD_PROMISE_returns_early, !said, 1, "calls for no pages returned at once");
}

static struct kunit_case zd_path_cases[] = {
	KUNIT_CASE_PARAM(zd_traced_test, zd_next_case),
	KUNIT_CASE_PARAM(zd_template_test, zd_next_case),
	KUNIT_CASE_PARAM(zd_template_part_test, zd_next_part),
	KUNIT_CASE(zd_toggle_test),
	KUNIT_CASE(zd_sanitized_test),
	KUNIT_CASE(zd_altmap_behind_test),
	KUNIT_CASE(zd_resched_test),
	KUNIT_CASE(zd_returns_early_test),
	{}
};

static struct kunit_suite zd_path_suite = {
	.name = "zone_device_path",
	.suite_init = zd_witness_init,
	.suite_exit = zd_witness_exit,
	.test_cases = zd_path_cases,
};

kunit_test_suite(zd_path_suite);
