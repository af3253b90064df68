// SPDX-License-Identifier: GPL-2.0
/*
 * Every variant against the first, byte by byte: the same address, so that
 * pointers agree, two poisons, so that a byte which nobody writes shows, and
 * poison around the range, which must be left alone.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "host.h"

#define GUARD_PAGES 64UL

static const char *const type_names[NATIVE_NR_TYPES] = {
	[NATIVE_PRIVATE] = "PRIVATE",
	[NATIVE_COHERENT] = "COHERENT",
	[NATIVE_FS_DAX] = "FS_DAX",
	[NATIVE_GENERIC] = "GENERIC",
	[NATIVE_PCI_P2PDMA] = "PCI_P2PDMA",
};

static const unsigned int orders[] = { 0, 1, 2, 9 };
/* Of compound pages; with order 0, of pages. */
static const unsigned long counts[] = { 1, 2, 3, 65 };
static const unsigned char poisons[] = { 0x5a, 0xa5 };

struct memmap {
	unsigned char *start;
	unsigned char *expected;
	size_t size;
};

static void run(const struct native_variant *variant, const struct native_range *range,
		const struct memmap *memmap, unsigned char poison)
{
	memset(memmap->start, poison, memmap->size);
	variant->init(range);
}

static bool guards_intact(const struct native_variant *variant, const struct native_range *range,
			  const struct memmap *memmap, unsigned char poison)
{
	size_t first = (range->pfn - NATIVE_PFN) * variant->page_size;
	size_t end = first + range->nr_pages * variant->page_size;
	size_t i;

	for (i = 0; i < memmap->size; i++) {
		if (i == first)
			i = end;
		if (i < memmap->size && memmap->start[i] != poison) {
			printf("# %s wrote outside of the range, %ld bytes from its start\n",
			       variant->name, (long)i - (long)first);
			return false;
		}
	}
	return true;
}

static bool same(const struct native_variant *variant, const struct native_range *range,
		 const struct memmap *memmap, unsigned char poison)
{
	size_t i;

	if (!memcmp(memmap->start, memmap->expected, memmap->size))
		return true;
	for (i = 0; memmap->start[i] == memmap->expected[i]; i++)
		;
	printf("# pfn %lu of %lu, byte %lu of struct page: %s 0x%02x, %s 0x%02x, poison 0x%02x\n",
	       (unsigned long)(i / variant->page_size) - (range->pfn - NATIVE_PFN), range->nr_pages,
	       (unsigned long)(i % variant->page_size), native_variants[0]->name,
	       memmap->expected[i], variant->name, memmap->start[i], poison);
	return false;
}

static bool compare(const struct native_variant *variant, const struct native_range *range)
{
	unsigned long pages = range->pfn - NATIVE_PFN + range->nr_pages + GUARD_PAGES;
	struct memmap memmap = { .size = pages * variant->page_size };
	bool ok = true;
	void *start;
	size_t i;

	/* To the byte: what follows it, the address sanitizer guards. */
	memmap.expected = malloc(memmap.size);
	if (!memmap.expected || posix_memalign(&start, NATIVE_ALIGN, memmap.size))
		native_die("no memory for %zu bytes of struct pages", memmap.size);
	memmap.start = start;
	native_place(memmap.start);
	for (i = 0; i < ARRAY_SIZE(poisons) && ok; i++) {
		run(native_variants[0], range, &memmap, poisons[i]);
		ok = guards_intact(native_variants[0], range, &memmap, poisons[i]);
		memcpy(memmap.expected, memmap.start, memmap.size);
		if (!ok)
			break;
		run(variant, range, &memmap, poisons[i]);
		ok = guards_intact(variant, range, &memmap, poisons[i]) &&
		     same(variant, range, &memmap, poisons[i]);
	}
	free(memmap.start);
	free(memmap.expected);
	return ok;
}

static bool report(const struct native_variant *variant, const struct native_range *range)
{
	bool ok = compare(variant, range);

	printf("%s %s %s order %u, %lu pages from section %+ld\n", ok ? "ok" : "not ok",
	       variant->name, type_names[range->type], range->order, range->nr_pages,
	       (long)(range->pfn - NATIVE_PFN - variant->section_pages));
	return ok;
}

/* Starts a little before a section's end, or at it. */
static int check_variant(const struct native_variant *variant, enum native_type type,
			 unsigned int order)
{
	unsigned long boundary = NATIVE_PFN + variant->section_pages;
	struct native_range range = { .type = type, .order = order };
	int failed = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		/* 65 of the largest would take long and show nothing new. */
		if (order == 9 && counts[i] > 3)
			continue;
		range.nr_pages = counts[i] << order;
		range.nid = i & 1;
		range.pfn = boundary;
		failed += !report(variant, &range);
		range.pfn = boundary - (1UL << order);
		failed += !report(variant, &range);
	}
	/* All of a section and what is on both sides of it. */
	range.pfn = boundary - (1UL << order);
	range.nr_pages = variant->section_pages + (2UL << order);
	failed += !report(variant, &range);
	return failed;
}

int native_check(void)
{
	const struct native_variant *const *v;
	int failed = 0, type;
	size_t i;

	for (v = native_variants + 1; *v; v++)
		for (type = 0; type < NATIVE_NR_TYPES; type++)
			for (i = 0; i < ARRAY_SIZE(orders); i++)
				failed += check_variant(*v, type, orders[i]);
	return failed ? 1 : 0;
}
