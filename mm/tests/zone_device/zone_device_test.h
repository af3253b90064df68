/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of memmap_init_zone_device() share.
 *
 * range.c    device memory to work on, and the poison in its struct pages
 * cases.c    the cases that are tested: types, orders, places of the memmap
 * model.c    what each struct page must look like, from the arguments alone
 * witness.c  one call, and what could be observed of how it did its work
 * second_side.c  the same pages made in another way, to compare with
 * oracle.c   expectations: a call's struct pages against model and second side
 */
#ifndef _ZONE_DEVICE_TEST_H
#define _ZONE_DEVICE_TEST_H

#include <kunit/test.h>
#include <kunit/zd_promise.h>
#include <linux/log2.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pgtable.h>

/*
 * As many pages as show what a call does: more than a template is worth, and
 * whole subsections of any arch, whose struct pages fill whole pages.
 */
#define ZD_FEW_PAGES		1024UL

/* Struct pages on each side of a call's that nothing may write to. */
#define ZD_GUARD_PAGES		64

/* Two patterns, so that a byte that was not written shows under one of them. */
#define ZD_POISON_A		0xa5
#define ZD_POISON_B		0x5a

/* Whether a sanitizer wants to see each store: a revision may promise that. */
#define ZD_SANITIZED	(IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_KMSAN))

/**
 * struct zd_call - the arguments of a call of memmap_init_zone_device()
 * @nid: the node whose ZONE_DEVICE is passed
 * @start_pfn: as passed
 * @nr_pages: as passed
 * @pgmap: as passed
 */
struct zd_call {
	int nid;
	unsigned long start_pfn;
	unsigned long nr_pages;
	struct dev_pagemap *pgmap;
};

/*
 * So many pages that they are whole sections, and so are the pages which their
 * struct pages fill: one that is shared with other memory is not put on a device.
 * On powerpc that is a huge page, as the struct pages of RAM have.
 */
static inline unsigned long zd_whole_memmap(void)
{
	const unsigned long size = IS_ENABLED(CONFIG_PPC64) ? PMD_SIZE : PAGE_SIZE;

	return max(PAGES_PER_SECTION, roundup_pow_of_two(size / sizeof(struct page)));
}

enum zd_memory {
	ZD_ADDRESS_SPACE,	/* unused physical addresses with nothing behind */
	ZD_REAL_MEMORY,		/* memory set aside for it at boot */
	ZD_EARLY_MEMORY,	/* such memory in a section that has RAM, too */
	ZD_MEMORY_UP_TO_EARLY,	/* such memory that ends in such a section */
};

/**
 * struct zd_range_args - which device memory a test wants
 * @type: pgmap type
 * @order: order of its compound pages
 * @nr_pages: how many in each range; a multiple of PAGES_PER_SUBSECTION
 * @nr_ranges: how many, 0 for one
 * @nid: node
 * @memory: what is behind it
 * @altmap_pages: so many of the first pages hold the struct pages; needs
 *	ZD_REAL_MEMORY
 */
struct zd_range_args {
	enum memory_type type;
	unsigned int order;
	unsigned long nr_pages;
	int nr_ranges;
	int nid;
	enum zd_memory memory;
	unsigned long altmap_pages;
};

/* Where the struct pages of a case are. */
enum zd_memmap {
	ZD_IN_RAM,		/* shared among tails where the kernel does that */
	ZD_IN_RAM_FULL,		/* in RAM, none of them shared */
	ZD_ON_DEVICE,		/* in the first pages of the device memory */
	ZD_FROM_BOOT,		/* in a section that was there at boot */
	ZD_FROM_BOOT_IN_PART,	/* the last of them only, the first in RAM */
};

/**
 * struct zd_case - a kind of device memory
 * @type: pgmap type
 * @order: order of its compound pages
 * @memmap: where its struct pages are
 */
struct zd_case {
	enum memory_type type;
	unsigned int order;
	enum zd_memmap memmap;
};

/**
 * struct zd_part - a call on a part of what is mapped
 * @nr_pages: so many pages
 * @offset: so far behind the start of the last pageblock of a section
 */
struct zd_part {
	unsigned long nr_pages;
	unsigned long offset;
};

/**
 * struct zd_witness - what was observed of one call
 * @slow_pages: calls of the function that builds one page, or -1
 * @in_place: those of them that built a page of the call where it lies
 * @ref_events: page_ref_set events for the pages of the call, or -1
 * @good_events: pages whose events are those of the unpatched kernel
 * @bad_pfn: the first page whose events are not, or 0
 * @bad_seen: its events
 * @bad_expected: and what they should have been
 */
struct zd_witness {
	long slow_pages;
	long in_place;
	long ref_events;
	unsigned long good_events;
	unsigned long bad_pfn;
	char bad_seen[24];
	char bad_expected[24];
};

enum zd_how {
	ZD_AS_IS,	/* the path that the kernel takes by itself */
	ZD_TRACED,	/* page_ref_set has a listener */
};

/* range.c */
struct dev_pagemap *zd_new_pgmap(struct kunit *test, const struct zd_range_args *args);
struct dev_pagemap *zd_map(struct kunit *test, const struct zd_range_args *args);
struct dev_pagemap *zd_clone_pgmap(struct kunit *test,
				   const struct dev_pagemap *pgmap,
				   enum memory_type type, unsigned int order);
struct zd_call zd_call_for(const struct dev_pagemap *pgmap, int range);
void zd_narrow(const struct zd_call *call);
void zd_poison(const struct zd_call *call, u8 poison);
void zd_poison_guards(const struct zd_call *call, u8 poison);
struct page *zd_snapshot(struct kunit *test, const struct zd_call *call);
int zd_other_node(void);

/* cases.c */
const void *zd_next_case(struct kunit *test, const void *prev, char *desc);
const void *zd_next_part(struct kunit *test, const void *prev, char *desc);
void zd_describe_case(const struct zd_case *c, char *desc);
const char *zd_type_name(enum memory_type type);
struct zd_range_args zd_case_args(const struct zd_case *c, unsigned long nr_pages);
struct zd_call zd_map_case(struct kunit *test, const struct zd_case *c, unsigned long nr_pages);
struct zd_call zd_map_part(struct kunit *test, const struct zd_part *part);

/* model.c */
unsigned long zd_first_pfn(const struct zd_call *call);
unsigned long zd_end_pfn(const struct zd_call *call);
unsigned int zd_order(const struct zd_call *call);
unsigned long zd_nr_written(const struct zd_call *call);
unsigned long zd_next_written(const struct zd_call *call, unsigned long pfn);
void zd_model_page(const struct zd_call *call, unsigned long pfn,
		   struct page *want);
const char *zd_model_field(const struct zd_call *call, unsigned long pfn,
			   unsigned int offset, unsigned int *start,
			   unsigned int *size);
u16 zd_model_events(const struct zd_call *call, unsigned long pfn);

/* witness.c */
int zd_witness_init(struct kunit_suite *suite);
void zd_witness_exit(struct kunit_suite *suite);
void zd_init(const struct zd_call *call);
struct zd_witness zd_init_watched(struct kunit *test, const struct zd_call *call,
				  enum zd_how how);
const char *zd_slow_pages_lacks(void);
const char *zd_ref_events_lacks(void);
bool zd_listen(void);
void zd_listen_no_more(void);
bool zd_was_heard(void);

/* second_side.c */
struct page *zd_second_side(struct kunit *test, const struct zd_call *call, const char **name);

/* oracle.c */
void zd_expect_model(struct kunit *test, const struct zd_call *call);
void zd_expect_same(struct kunit *test, const struct zd_call *call,
		    const struct page *side, const char *name);
void zd_expect_guards(struct kunit *test, const struct zd_call *call, u8 poison);
void zd_expect_aliases(struct kunit *test, const struct zd_call *call);
unsigned long zd_most_built(const struct zd_call *call);

#endif
