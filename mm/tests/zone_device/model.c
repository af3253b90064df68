// SPDX-License-Identifier: GPL-2.0
/*
 * What memmap_init_zone_device() must make of each struct page, worked out
 * from its arguments alone and with none of the functions that do it.
 *
 * The table below is the specification. It is read from top to bottom, and a
 * row overwrites what rows above it say about the same bytes: prep_compound_head()
 * puts fields of the folio where tail pages have fields of their own. A new
 * field of struct page or struct folio is a new row.
 */
#include <linux/memory_hotplug.h>
#include <linux/page-flags.h>
#include <linux/poison.h>
#include <linux/sizes.h>

#include "zone_device_test.h"

/**
 * struct zd_page - a struct page and its place in a call
 * @call: the call
 * @pfn: its PFN
 * @head_pfn: the PFN of its compound page's head, or its own
 * @index: @pfn - @head_pfn
 * @order: of its compound page
 * @is: what it is there, of the bits below
 */
struct zd_page {
	const struct zd_call *call;
	unsigned long pfn;
	unsigned long head_pfn;
	unsigned long index;
	unsigned int order;
	unsigned int is;
};

/* Where a row of the table applies. */
#define HEAD	BIT(0)	/* heads of compound pages, and pages of order 0 */
#define TAIL	BIT(1)	/* all tails */
#define TAIL_1	BIT(2)	/* the first tail, which is also a part of its folio */
#define TAIL_2	BIT(3)	/* the second one */
#define ALL	(HEAD | TAIL)

static u64 zero(const struct zd_page *p)
{
	return 0;
}

static u64 minus_one(const struct zd_page *p)
{
	return -1;
}

static u64 flags(const struct zd_page *p)
{
	u64 flags = BIT(PG_reserved);

	flags |= (u64)ZONE_DEVICE << ZONES_PGSHIFT;
	flags |= (u64)p->call->nid << NODES_PGSHIFT;
#ifdef SECTION_IN_PAGE_FLAGS
	flags |= (u64)pfn_to_section_nr(p->pfn) << SECTIONS_PGSHIFT;
#endif
#ifndef LAST_CPUPID_NOT_IN_PAGE_FLAGS
	/* No CPU and no task has touched it: all ones. */
	flags |= (u64)LAST_CPUPID_MASK << LAST_CPUPID_PGSHIFT;
#endif
	/* A KASAN tag of 0xff, "matches all", is stored as 0. */
	if (p->order && !p->index)
		flags |= BIT(PG_head);
	return flags;
}

static u64 flags_of_first_tail(const struct zd_page *p)
{
	/* The order of the folio is in the low byte of the first tail's flags. */
	return (flags(p) & ~0xffULL) | p->order;
}

static u64 pgmap(const struct zd_page *p)
{
	return (unsigned long)p->call->pgmap;
}

static u64 link_to_head(const struct zd_page *p)
{
	unsigned long head = (unsigned long)pfn_to_page(p->head_pfn);
	unsigned long size = sizeof(struct page) << p->order;

	/* Bit 0 says that it is a tail; the rest is the head, or its mask. */
	if (IS_ENABLED(CONFIG_HUGETLB_PAGE_OPTIMIZE_VMEMMAP) &&
	    is_power_of_2(sizeof(struct page)))
		return -size | 1;
	return head | 1;
}

static u64 tail_mapping(const struct zd_page *p)
{
	return (unsigned long)TAIL_MAPPING;
}

static u64 refcount_of_head(const struct zd_page *p)
{
	return p->call->pgmap->type == MEMORY_DEVICE_GENERIC ? 1 : 0;
}

static u64 __maybe_unused pages_in_folio(const struct zd_page *p)
{
	return 1ULL << p->order;
}

static u64 deferred_list(const struct zd_page *p)
{
	struct folio *folio = (struct folio *)pfn_to_page(p->head_pfn);

	/* A list head that is empty points to itself, twice. */
	return (unsigned long)&folio->_deferred_list;
}

#ifdef LAST_CPUPID_NOT_IN_PAGE_FLAGS
static u64 last_cpupid(const struct zd_page *p)
{
	return LAST_CPUPID_MASK;
}
#endif

#ifdef WANT_PAGE_VIRTUAL
static u64 virtual(const struct zd_page *p)
{
	return (unsigned long)__va(PFN_PHYS(p->pfn));
}
#endif

/**
 * struct zd_field - a row of the table
 * @name: as in the definition of the struct
 * @offset: in struct page
 * @size: in bytes; 1, 2, 4 or 8
 * @where: in which pages of a call
 * @min_order: and from which order on
 * @want: its value
 */
struct zd_field {
	const char *name;
	unsigned int offset;
	unsigned int size;
	unsigned int where;
	unsigned int min_order;
	u64 (*want)(const struct zd_page *p);
};

#define PAGE_FIELD(member, where, want)	\
	{ #member, offsetof(struct page, member), \
	  sizeof_field(struct page, member), where, 0, want }

/* A member of struct folio that lies in its page number @nr. */
#define FOLIO_FIELD(member, nr, where, min_order, want) \
	{ "folio." #member, offsetof(struct folio, member) - (nr) * sizeof(struct page), \
	  sizeof_field(struct folio, member), where, min_order, want }

static const struct zd_field zd_fields[] = {
	PAGE_FIELD(flags,		ALL,	flags),
	FOLIO_FIELD(pgmap, 0,		HEAD, 0, pgmap),
	PAGE_FIELD(compound_info,	TAIL,	link_to_head),
	PAGE_FIELD(zone_device_data,	ALL,	zero),
	PAGE_FIELD(mapping,		HEAD,	zero),
	PAGE_FIELD(mapping,		TAIL,	tail_mapping),
	PAGE_FIELD(share,		ALL,	zero),
	PAGE_FIELD(private,		ALL,	zero),
	PAGE_FIELD(_mapcount,		ALL,	minus_one),
	PAGE_FIELD(_refcount,		HEAD,	refcount_of_head),
	PAGE_FIELD(_refcount,		TAIL,	zero),
#ifdef CONFIG_MEMCG
	PAGE_FIELD(memcg_data,		ALL,	zero),
#elif defined(CONFIG_SLAB_OBJ_EXT)
	PAGE_FIELD(_unused_slab_obj_exts, ALL,	zero),
#endif
#ifdef WANT_PAGE_VIRTUAL
	PAGE_FIELD(virtual,		ALL,	virtual),
#endif
#ifdef LAST_CPUPID_NOT_IN_PAGE_FLAGS
	PAGE_FIELD(_last_cpupid,	ALL,	last_cpupid),
#endif
#ifdef CONFIG_KMSAN
	PAGE_FIELD(kmsan_shadow,	ALL,	zero),
	PAGE_FIELD(kmsan_origin,	ALL,	zero),
#endif

	/* What prep_compound_head() writes over the first two tails. */
	FOLIO_FIELD(_flags_1, 1,		TAIL_1, 1, flags_of_first_tail),
	FOLIO_FIELD(_large_mapcount, 1,		TAIL_1, 1, minus_one),
#ifdef CONFIG_PAGE_MAPCOUNT
	FOLIO_FIELD(_nr_pages_mapped, 1,	TAIL_1, 1, zero),
#endif
#ifdef CONFIG_64BIT
	FOLIO_FIELD(_entire_mapcount, 1,	TAIL_1, 1, minus_one),
	FOLIO_FIELD(_pincount, 1,		TAIL_1, 1, zero),
#endif
#ifdef CONFIG_MM_ID
	FOLIO_FIELD(_mm_id_mapcount[0], 1,	TAIL_1, 1, minus_one),
	FOLIO_FIELD(_mm_id_mapcount[1], 1,	TAIL_1, 1, minus_one),
	FOLIO_FIELD(_mm_ids, 1,			TAIL_1, 1, zero),
#endif
#ifdef NR_PAGES_IN_LARGE_FOLIO
	FOLIO_FIELD(_nr_pages, 1,		TAIL_1, 1, pages_in_folio),
#endif
	FOLIO_FIELD(_deferred_list.next, 2,	TAIL_2, 2, deferred_list),
	FOLIO_FIELD(_deferred_list.prev, 2,	TAIL_2, 2, deferred_list),
};

static unsigned int zd_is(unsigned long index)
{
	switch (index) {
	case 0:
		return HEAD;
	case 1:
		return TAIL | TAIL_1;
	case 2:
		return TAIL | TAIL_2;
	default:
		return TAIL;
	}
}

static struct zd_page zd_page(const struct zd_call *call, unsigned long pfn)
{
	unsigned int order = zd_order(call);
	unsigned long index = (pfn - zd_first_pfn(call)) & ((1UL << order) - 1);

	return (struct zd_page) {
		.call = call,
		.pfn = pfn,
		.head_pfn = pfn - index,
		.index = index,
		.order = order,
		.is = zd_is(index),
	};
}

static bool zd_applies(const struct zd_field *field, const struct zd_page *p)
{
	return (field->where & p->is) && p->order >= field->min_order;
}

static void zd_store(void *to, unsigned int size, u64 value)
{
	switch (size) {
	case 1:
		*(u8 *)to = value;
		break;
	case 2:
		*(u16 *)to = value;
		break;
	case 4:
		*(u32 *)to = value;
		break;
	default:
		*(u64 *)to = value;
	}
}

/** zd_first_pfn() - the first page that @call is due to write */
unsigned long zd_first_pfn(const struct zd_call *call)
{
	const struct dev_pagemap *pgmap = call->pgmap;

	/* The pages that hold the memmap itself come first and are not ours. */
	if (pgmap->flags & PGMAP_ALTMAP_VALID)
		return pgmap->altmap.base_pfn + pgmap->altmap.reserve +
		       pgmap->altmap.free;
	return call->start_pfn;
}

/** zd_end_pfn() - one past the last page of @call */
unsigned long zd_end_pfn(const struct zd_call *call)
{
	return call->start_pfn + call->nr_pages;
}

/** zd_order() - the order of the compound pages of @call */
unsigned int zd_order(const struct zd_call *call)
{
	return call->pgmap->vmemmap_shift;
}

/* With powerpc's other MMU none are shared. */
static bool zd_maps_by_hash(void)
{
#ifdef CONFIG_PPC64
	return !radix_enabled();
#else
	return false;
#endif
}

/*
 * Struct pages of a compound page that are memory of their own. In RAM, and
 * where they fill pages, all but the first two pages of them are one and the
 * same page, mapped again and again; unless they are there from boot.
 */
static unsigned long zd_distinct(const struct zd_call *call, unsigned long head_pfn)
{
	unsigned long nr = 1UL << zd_order(call);

	if (!IS_ENABLED(CONFIG_ARCH_WANT_OPTIMIZE_DAX_VMEMMAP) || zd_maps_by_hash() ||
	    !is_power_of_2(sizeof(struct page)) ||
	    (call->pgmap->flags & PGMAP_ALTMAP_VALID) ||
	    early_section(__pfn_to_section(head_pfn)))
		return nr;
	return min(nr, 2 * PAGE_SIZE / sizeof(struct page));
}

/**
 * zd_next_written() - the next page whose struct page is due to be written
 * @call: the call
 * @pfn: a page of it, or its end
 *
 * Returns: @pfn itself, the next head where @pfn is a tail that shares its
 * struct page, or the end of the call.
 */
unsigned long zd_next_written(const struct zd_call *call, unsigned long pfn)
{
	struct zd_page p;

	/* Most calls are of order 0, and each of their struct pages is written. */
	if (!zd_order(call))
		return pfn;
	p = zd_page(call, pfn);
	return p.index < zd_distinct(call, p.head_pfn) ? pfn : p.head_pfn + (1UL << p.order);
}

/** zd_nr_written() - how many struct pages @call is due to write */
unsigned long zd_nr_written(const struct zd_call *call)
{
	unsigned long pfn = zd_first_pfn(call), nr = 0;

	if (!zd_order(call))
		return zd_end_pfn(call) - pfn;
	for (; pfn < zd_end_pfn(call); pfn += 1UL << zd_order(call))
		nr += zd_distinct(call, pfn);
	return nr;
}

/** zd_model_page() - what @call must make of the struct page of @pfn */
void zd_model_page(const struct zd_call *call, unsigned long pfn,
		   struct page *want)
{
	struct zd_page p = zd_page(call, pfn);
	const struct zd_field *field;

	/* Padding is zero. */
	memset(want, 0, sizeof(*want));
	for (field = zd_fields; field < zd_fields + ARRAY_SIZE(zd_fields); field++) {
		if (zd_applies(field, &p))
			zd_store((void *)want + field->offset, field->size,
				 field->want(&p));
	}
}

/**
 * zd_model_field() - the name of a byte of a struct page
 * @call: the call
 * @pfn: the page
 * @offset: of the byte
 * @start: set to the offset of the field that it belongs to
 * @size: set to that field's size
 */
const char *zd_model_field(const struct zd_call *call, unsigned long pfn,
			   unsigned int offset, unsigned int *start,
			   unsigned int *size)
{
	struct zd_page p = zd_page(call, pfn);
	int i;

	for (i = ARRAY_SIZE(zd_fields) - 1; i >= 0; i--) {
		const struct zd_field *field = &zd_fields[i];

		if (zd_applies(field, &p) && offset >= field->offset &&
		    offset < field->offset + field->size) {
			*start = field->offset;
			*size = field->size;
			return field->name;
		}
	}
	*start = offset;
	*size = 1;
	return "(padding)";
}

/**
 * zd_model_events() - the page_ref_set events of a page, in order
 * @call: the call
 * @pfn: the page
 *
 * init_page_count() sets 1; then the type has its say, and then, for a tail,
 * memmap_init_compound().
 *
 * Returns: a digit in octal for each event, value + 1, the last one lowest.
 */
u16 zd_model_events(const struct zd_call *call, unsigned long pfn)
{
	struct zd_page p = zd_page(call, pfn);
	u16 events = 02;

	if (call->pgmap->type != MEMORY_DEVICE_GENERIC)
		events = events << 3 | 01;
	if (p.index)
		events = events << 3 | 01;
	return events;
}
