// SPDX-License-Identifier: GPL-2.0
/*
 * Two variants without a kernel tree, to see what the program makes of them.
 * BROKEN is one line of C, what the second does differently.
 */
#include <stddef.h>
#include <string.h>

#include "native.h"

#define PAGE_BYTES 64

#ifndef BROKEN
#define BROKEN
#endif

static void fill(const struct native_range *range)
{
	char *page = (char *)vmemmap_base + range->pfn * PAGE_BYTES;
	unsigned long i;

	for (i = 0; i < range->nr_pages; i++)
		memset(page + i * PAGE_BYTES, range->type + 1, PAGE_BYTES);
}

static void init_fields(const struct native_range *range)
{
	fill(range);
}

char absent[NATIVE_MISSING_SIZE];

static void init_memcpy(const struct native_range *range)
{
	char *page = (char *)vmemmap_base + range->pfn * PAGE_BYTES;
	char *end = page + range->nr_pages * PAGE_BYTES;

	fill(range);
	(void)end;
	BROKEN;
}

static const struct native_variant fields = { "fields", PAGE_BYTES, 32768, init_fields };
static const struct native_variant copy = { "memcpy", PAGE_BYTES, 32768, init_memcpy };

const struct native_variant *const native_variants[] = { &fields, &copy, NULL };
const struct native_missing native_missing[] = { { "absent", absent }, { NULL, NULL } };
