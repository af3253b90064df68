// SPDX-License-Identifier: GPL-2.0
/*
 * The second side of a comparison: the struct pages of a call, made in another
 * way than the call makes them by itself.
 *
 * Where a listener to page_ref_set has the kernel build each page, that is the
 * other way. Where it does not, each page is initialized by a call of its own,
 * as if it were of order 0, and the pages are then made compound by the same
 * functions that the unpatched kernel uses. Both count only if each page was
 * seen to be built where it lies: a call that builds an image and copies it,
 * even for a single page, is no other way.
 */
#include "../../internal.h"
#include "zone_device_test.h"

/*
 * Whether a call for @pfn alone builds it where it lies. The pgmap's address is
 * in each page, so it must be the same object, changed for the time of the call.
 */
static bool zd_build_alone(struct kunit *test, const struct zd_call *call, unsigned long pfn)
{
	struct dev_pagemap *pgmap = call->pgmap;
	const struct dev_pagemap saved = *pgmap;
	struct zd_call alone = *call;
	struct zd_witness w;

	pgmap->vmemmap_shift = 0;
	/* An altmap would overrule the PFN. */
	pgmap->flags &= ~PGMAP_ALTMAP_VALID;
	alone.start_pfn = pfn;
	alone.nr_pages = 1;
	w = zd_init_watched(test, &alone, ZD_AS_IS);
	pgmap->vmemmap_shift = saved.vmemmap_shift;
	pgmap->flags = saved.flags;
	return w.in_place > 0;
}

/* Make pages of order 0 into what the call is to make, as the base does it. */
static void zd_make_compound(const struct zd_call *call)
{
	const unsigned long first = zd_first_pfn(call), nr = 1UL << zd_order(call);
	struct page *head = NULL;
	unsigned long pfn;

	for (pfn = first; pfn < zd_end_pfn(call); pfn = zd_next_written(call, pfn + 1)) {
		struct page *page = pfn_to_page(pfn);

		if ((pfn - first) % nr) {
			prep_compound_tail(page, head, zd_order(call));
			set_page_count(page, 0);
			continue;
		}
		if (head)
			prep_compound_head(head, zd_order(call));
		head = page;
		__SetPageHead(head);
	}
	if (head)
		prep_compound_head(head, zd_order(call));
}

static bool zd_build_one_by_one(struct kunit *test, const struct zd_call *call)
{
	unsigned long pfn = zd_first_pfn(call);

	for (; pfn < zd_end_pfn(call); pfn = zd_next_written(call, pfn + 1)) {
		if (!zd_build_alone(test, call, pfn))
			return false;
	}
	if (zd_order(call))
		zd_make_compound(call);
	return true;
}

/**
 * zd_second_side() - make the struct pages of @call in another way
 * @test: the test; it is skipped if this kernel has no other way
 * @call: the call
 * @name: set to what messages are to call it
 *
 * Returns: what the struct pages were then, as zd_snapshot() does.
 */
struct page *zd_second_side(struct kunit *test, const struct zd_call *call, const char **name)
{
	struct zd_witness w;

	zd_requires(test, zd_slow_pages_lacks());
	zd_poison(call, ZD_POISON_A);
	w = zd_init_watched(test, call, ZD_TRACED);
	if (w.ref_events >= 0 && w.in_place >= zd_nr_written(call)) {
		*name = "slow path";
	} else {
		zd_poison(call, ZD_POISON_A);
		zd_requires(test, zd_build_one_by_one(test, call) ? NULL :
			    "no second side: no page is built in place");
		*name = "pages built one by one";
	}
	kunit_info(test, "second side: %s\n", *name);
	return zd_snapshot(test, call);
}
