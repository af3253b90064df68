// SPDX-License-Identifier: GPL-2.0
/*
 * What is expected of a call of memmap_init_zone_device(), and how a failure
 * reads: PFN, field, expected, seen, and who expects it.
 */
#include "zone_device_test.h"

/* A fault in one page is mostly one in all; so many are enough to see it. */
#define ZD_REPORTS	4

static u64 zd_load(const void *from, unsigned int size)
{
	switch (size) {
	case 1:
		return *(u8 *)from;
	case 2:
		return *(u16 *)from;
	case 4:
		return *(u32 *)from;
	default:
		return *(u64 *)from;
	}
}

/* Report the fields in which two images of a struct page differ. */
static int zd_report(struct kunit *test, const struct zd_call *call,
		     unsigned long pfn, const struct page *want,
		     const struct page *seen, const char *oracle)
{
	unsigned int offset = 0, start, size;
	int reports = 0;

	while (offset < sizeof(*want)) {
		const char *name = zd_model_field(call, pfn, offset, &start, &size);

		if (memcmp((void *)want + start, (void *)seen + start, size)) {
			KUNIT_FAIL(test,
				   "pfn %#lx (page %lu of %lu, order %u): %s at offset %u: expected %#llx, seen %#llx, says the %s",
				   pfn, pfn - zd_first_pfn(call),
				   zd_end_pfn(call) - zd_first_pfn(call),
				   zd_order(call), name, start,
				   zd_load((void *)want + start, size),
				   zd_load((void *)seen + start, size), oracle);
			if (!strcmp(name, "flags"))
				kunit_err(test, "expected %pGp, seen %pGp\n", want, seen);
			if (++reports == ZD_REPORTS)
				return reports;
		}
		offset = start + size;
	}
	return reports;
}

/* Compare all struct pages of a call, with @side or else with the model. */
static void zd_compare(struct kunit *test, const struct zd_call *call,
		       const struct page *side, const char *oracle)
{
	unsigned long first = zd_first_pfn(call), pfn, bad = 0;
	int reports = 0;

	for (pfn = first; pfn < zd_end_pfn(call); pfn = zd_next_written(call, pfn + 1)) {
		const struct page *seen = pfn_to_page(pfn);
		struct page want;

		if (side)
			want = side[pfn - first];
		else
			zd_model_page(call, pfn, &want);
		if (!memcmp(&want, seen, sizeof(want)))
			continue;
		bad++;
		if (reports < ZD_REPORTS)
			reports += zd_report(test, call, pfn, &want, seen, oracle);
	}
	if (bad)
		kunit_err(test, "%lu of %lu struct pages are not as the %s says\n",
			  bad, zd_nr_written(call), oracle);
}

/** zd_expect_model() - each struct page of @call is as the model says */
void zd_expect_model(struct kunit *test, const struct zd_call *call)
{
	zd_compare(test, call, NULL, "model");
}

/** zd_expect_same() - each byte of them is as in @side, from zd_second_side() */
void zd_expect_same(struct kunit *test, const struct zd_call *call,
		    const struct page *side, const char *name)
{
	zd_compare(test, call, side, name);
}

/** zd_expect_guards() - the struct pages on both sides are untouched */
void zd_expect_guards(struct kunit *test, const struct zd_call *call, u8 poison)
{
	unsigned long pfn;

	for (pfn = call->start_pfn - ZD_GUARD_PAGES;
	     pfn < zd_end_pfn(call) + ZD_GUARD_PAGES; pfn++) {
		const u8 *bytes, *hit;

		if (pfn == call->start_pfn)
			pfn = zd_end_pfn(call);
		bytes = (void *)pfn_to_page(pfn);
		hit = memchr_inv(bytes, poison, sizeof(struct page));
		if (!hit)
			continue;
		KUNIT_FAIL(test,
			   "pfn %#lx, %ld pages from the range [%#lx, %#lx): written at offset %td: expected poison %#x, seen %#x",
			   pfn, pfn < call->start_pfn ? (long)(pfn - call->start_pfn) :
						       (long)(pfn - zd_end_pfn(call)),
			   call->start_pfn, zd_end_pfn(call), hit - bytes, poison, *hit);
		return;
	}
}

/** zd_expect_aliases() - shared struct pages look like tails of their head */
void zd_expect_aliases(struct kunit *test, const struct zd_call *call)
{
	/* In the largest compound pages, a prime number of pages apart. */
	unsigned long step = zd_order(call) > 9 ? 61 : 1;
	unsigned long first = zd_first_pfn(call), pfn;

	for (pfn = first; pfn < zd_end_pfn(call); pfn += step) {
		unsigned long index = (pfn - first) & ((1UL << zd_order(call)) - 1);
		const struct page *page = pfn_to_page(pfn);
		const struct page *head = compound_head(page);

		if (zd_next_written(call, pfn) == pfn ||
		    (head == pfn_to_page(pfn - index) && !atomic_read(&page->_refcount)))
			continue;
		KUNIT_FAIL(test,
			   "pfn %#lx, tail %lu of its compound page, which shares its struct page: expected head pfn %#lx and refcount 0, seen head pfn %#lx and refcount %d",
			   pfn, index, pfn - index, page_to_pfn(head),
			   atomic_read(&page->_refcount));
		return;
	}
}

/**
 * zd_most_built() - how many pages a call may build that copies a template
 * @call: the call
 *
 * The first head of the range may be built, to be the template, and so may the
 * first tail of each compound page, as its link to the head may differ.
 */
unsigned long zd_most_built(const struct zd_call *call)
{
	unsigned long heads = (zd_end_pfn(call) - zd_first_pfn(call)) >> zd_order(call);
	unsigned long tails = zd_nr_written(call) - heads;

	return min(heads, 1UL) + min(tails, heads);
}
