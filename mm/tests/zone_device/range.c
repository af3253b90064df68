// SPDX-License-Identifier: GPL-2.0
/*
 * Device memory for the tests: mapped by the real memremap_pages(), so that
 * the struct pages under test are those of a real vmemmap.
 */
#include <kunit/resource.h>
#include <linux/init.h>
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/memory_hotplug.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "zone_device_test.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX	"zone_device."

static char *memory;
module_param(memory, charp, 0444);
MODULE_PARM_DESC(memory, "Memory set aside for the tests, nn!ss as in x86's memmap=, that mem= has cut off");

/* Make what memmap= makes on x86: an entry among the addresses in use. */
static int __init zd_set_aside(void)
{
	static struct resource res = {
		.name = "zone_device.memory",
		.flags = IORESOURCE_MEM,
		.desc = IORES_DESC_PERSISTENT_MEMORY_LEGACY,
	};
	char *rest;
	u64 size;

	if (!memory)
		return 0;
	size = memparse(memory, &rest);
	if (*rest != '!' || !size)
		return -EINVAL;
	res.start = memparse(rest + 1, NULL);
	res.end = res.start + size - 1;
	return insert_resource(&iomem_resource, &res);
}
late_initcall(zd_set_aside);

static void zd_folio_free(struct folio *folio)
{
}

static vm_fault_t zd_migrate_to_ram(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

/* No page is ever handed out, so neither is called; some types demand them. */
static const struct dev_pagemap_ops zd_pgmap_ops = {
	.folio_free = zd_folio_free,
	.migrate_to_ram = zd_migrate_to_ram,
};

/* What is sought, and where it was found. */
struct zd_room {
	u64 size;
	u64 align;
	bool starts_early;
	bool ends_early;
	phys_addr_t start;
};

/* Whether the section of @addr was there at boot, for RAM elsewhere in it. */
static bool zd_is_early(phys_addr_t addr)
{
	return early_section(__pfn_to_section(PHYS_PFN(addr)));
}

static int zd_take_first(struct resource *res, void *data)
{
	struct zd_room *room = data;
	phys_addr_t start = ALIGN(res->start, room->align);

	for (; start + room->size - 1 <= res->end; start += room->align) {
		if (zd_is_early(start) == room->starts_early &&
		    zd_is_early(start + room->size - 1) == room->ends_early) {
			room->start = start;
			return 1;
		}
	}
	return 0;
}

static void zd_release_region(void *data)
{
	struct resource *res = data;

	release_mem_region(res->start, resource_size(res));
}

/*
 * What a pgmap of these tests is owned by. Only its pages from @start_pfn to @end_pfn
 * are ever poisoned, or any if these are equal; see zd_narrow().
 */
struct zd_owner {
	int nid;
	unsigned long start_pfn;
	unsigned long end_pfn;
};

static void zd_kvfree(void *data)
{
	kvfree(data);
}

static void zd_unmap(void *data)
{
	struct dev_pagemap *pgmap = data;
	const struct zd_owner *owner = pgmap->owner;
	int i;

	/* The struct pages may be poisoned, and unmapping reads them. */
	for (i = 0; i < pgmap->nr_range; i++) {
		struct zd_call call = zd_call_for(pgmap, i);

		if (owner->end_pfn != owner->start_pfn) {
			call.start_pfn = owner->start_pfn;
			call.nr_pages = owner->end_pfn - owner->start_pfn;
		}
		zd_init(&call);
	}
	memunmap_pages(pgmap);
}

/*
 * What is in use of the addresses that this arch can map: the tree, cut off there.
 * There may be more of them than there are sections for: arm64 has addresses of
 * 52 bits in its direct map if virtual ones have as many, and sections for 48.
 */
static struct resource zd_mappable(void)
{
	const u64 sections_end = (1ULL << MAX_PHYSMEM_BITS) - 1;
	const struct range range = mhp_get_pluggable_range(true);
	struct resource window = iomem_resource;

	/* The search is for the last room, and ends with a section if this does. */
	window.start = max_t(u64, window.start, range.start);
	window.end = min3((u64)window.end, range.end, sections_end);
	window.end = ALIGN_DOWN(window.end + 1, 1ULL << PA_SECTION_SHIFT) - 1;
	/* The last section ends where powerpc's vmalloc area begins, and is refused. */
	if (IS_ENABLED(CONFIG_PPC64))
		window.end -= 1ULL << PA_SECTION_SHIFT;
	return window;
}

static phys_addr_t zd_address_space(struct kunit *test, u64 size, u64 align)
{
	struct resource window = zd_mappable();
	struct resource *res;

	/* Aligned to a section by itself; more takes room to choose from. */
	res = request_free_mem_region(&window, size + align, "kunit");
	zd_requires(test, IS_ERR(res) ? "too few physical addresses that nothing uses" : NULL);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, zd_release_region, res));
	return ALIGN(res->start, align ?: 1);
}

#ifdef CONFIG_X86
#define ZD_SET_ASIDE	"boot with memmap=nn!ss"
#else
#define ZD_SET_ASIDE	"boot with mem= and what it leaves as zone_device.memory=nn!ss"
#endif

/* Why there is no such memory. */
static const char *zd_no_memory(u64 size, enum zd_memory memory)
{
	switch (memory) {
	case ZD_MEMORY_UP_TO_EARLY:
		if (!IS_ENABLED(CONFIG_X86))
			return "no memory set aside in front of RAM: what mem= leaves is behind it";
		return "no memory set aside that ends in a section that has RAM: " ZD_SET_ASIDE;
	case ZD_EARLY_MEMORY:
		if (size > 1ULL << PA_SECTION_SHIFT)
			return "a section is too small for it";
		return "no memory set aside in a section that has RAM: " ZD_SET_ASIDE;
	default:
		return "no memory set aside for the device: " ZD_SET_ASIDE;
	}
}

static phys_addr_t zd_real_memory(struct kunit *test, u64 size, u64 align, enum zd_memory memory)
{
	u64 least = memory == ZD_REAL_MEMORY ? zd_whole_memmap() : PAGES_PER_SUBSECTION;
	struct zd_room room = {
		.size = size,
		.align = max(align, least * PAGE_SIZE),
		.starts_early = memory == ZD_EARLY_MEMORY,
		.ends_early = memory != ZD_REAL_MEMORY,
	};

	walk_iomem_res_desc(IORES_DESC_PERSISTENT_MEMORY_LEGACY, IORESOURCE_MEM,
			    0, -1, &room, zd_take_first);
	if (!room.start)
		zd_requires(test, zd_no_memory(size, memory));
	return room.start;
}

static const char *zd_memory_lacks(const struct zd_range_args *args)
{
	if (args->type == MEMORY_DEVICE_PRIVATE && !IS_ENABLED(CONFIG_DEVICE_PRIVATE))
		return "needs CONFIG_DEVICE_PRIVATE";
	if (args->type == MEMORY_DEVICE_PCI_P2PDMA && !IS_ENABLED(CONFIG_PCI_P2PDMA))
		return "needs CONFIG_PCI_P2PDMA";
	if (args->type == MEMORY_DEVICE_PCI_P2PDMA && IS_ENABLED(CONFIG_S390))
		return "arch_add_memory() in arch/s390/mm/init.c takes no pgprot but PAGE_KERNEL";
	if (args->order > MAX_FOLIO_ORDER)
		return "needs folios of that order, CONFIG_HAVE_GIGANTIC_FOLIOS";
	return NULL;
}

/**
 * zd_new_pgmap() - find device memory for the time of a test
 * @test: the test; skipped, with the reason, if this machine has none
 * @args: what it wants
 *
 * Returns: a pgmap for memremap_pages(), not mapped yet; it and the memory go
 * when the test ends.
 */
struct dev_pagemap *zd_new_pgmap(struct kunit *test, const struct zd_range_args *args)
{
	static_assert(ZD_FEW_PAGES % PAGES_PER_SUBSECTION == 0);
	static_assert(ZD_FEW_PAGES * sizeof(struct page) % PAGE_SIZE == 0);
	int nr_ranges = args->nr_ranges ?: 1;
	u64 size = (u64)args->nr_pages * PAGE_SIZE;
	const u64 align = (u64)PAGE_SIZE << args->order;
	struct dev_pagemap *pgmap;
	u64 stride = nr_ranges > 1 ? 2 * size : size;
	const u64 section = 1ULL << PA_SECTION_SHIFT;
	struct zd_owner *owner;
	phys_addr_t start;
	int i;

	zd_requires(test, zd_memory_lacks(args));

	pgmap = kunit_kzalloc(test, struct_size(pgmap, ranges, nr_ranges), GFP_KERNEL);
	owner = kunit_kzalloc(test, sizeof(*owner), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pgmap);
	KUNIT_ASSERT_NOT_NULL(test, owner);
	owner->nid = args->nid;
	pgmap->type = args->type;
	pgmap->vmemmap_shift = args->order;
	pgmap->ops = &zd_pgmap_ops;
	pgmap->owner = owner;
	pgmap->nr_range = nr_ranges;

	/* With a part of a section riscv unmaps the struct pages of all of it. */
	if (IS_ENABLED(CONFIG_RISCV) && nr_ranges > 1)
		stride = ALIGN(stride, section);
	/* As much again is left free after each range: they must not adjoin. */
	if (args->memory == ZD_ADDRESS_SPACE)
		start = zd_address_space(test, nr_ranges * stride, align > section ? align : 0);
	else
		start = zd_real_memory(test, size, align, args->memory);
	for (i = 0; i < nr_ranges; i++) {
		pgmap->ranges[i].start = start + i * stride;
		pgmap->ranges[i].end = pgmap->ranges[i].start + size - 1;
	}
	if (args->altmap_pages) {
		const struct vmem_altmap altmap = {
			.base_pfn = PHYS_PFN(start),
			.end_pfn = PHYS_PFN(start + size - 1),
			.free = args->altmap_pages,
		};

		pgmap->flags |= PGMAP_ALTMAP_VALID;
		/* Where it ends is a constant. */
		memcpy(&pgmap->altmap, &altmap, sizeof(altmap));
	}
	return pgmap;
}

/**
 * zd_map() - map device memory for the time of a test
 * @test: the test; skipped, with the reason, if this machine has none
 * @args: what it wants
 *
 * Returns: the pgmap; it and the memory go when the test ends.
 */
struct dev_pagemap *zd_map(struct kunit *test, const struct zd_range_args *args)
{
	struct dev_pagemap *pgmap = zd_new_pgmap(test, args);
	void *addr = memremap_pages(pgmap, args->nid);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(addr), "memremap_pages() of %lu MiB: %pe",
			       args->nr_pages / (SZ_1M / PAGE_SIZE), addr);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, zd_unmap, pgmap));
	return pgmap;
}

/**
 * zd_clone_pgmap() - another pgmap for direct calls on mapped memory
 * @test: the test
 * @pgmap: what the memory is mapped with
 * @type: the type of the clone
 * @order: its order
 *
 * Where @pgmap has full struct pages (those of order 0 always have), the clone
 * keeps them full: it says, as one with an altmap does, that none are shared. A
 * call that does not start where @pgmap does needs its altmap.base_pfn there.
 *
 * Returns: the clone, freed when the test ends.
 */
struct dev_pagemap *zd_clone_pgmap(struct kunit *test,
				   const struct dev_pagemap *pgmap,
				   enum memory_type type, unsigned int order)
{
	size_t size = struct_size(pgmap, ranges, pgmap->nr_range);
	struct dev_pagemap *clone = kunit_kmalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, clone);
	memcpy(clone, pgmap, size);
	clone->type = type;
	clone->vmemmap_shift = order;
	if (order && !pgmap->vmemmap_shift) {
		clone->flags |= PGMAP_ALTMAP_VALID;
		clone->altmap.base_pfn = PHYS_PFN(pgmap->ranges[0].start);
	}
	return clone;
}

/**
 * zd_call_for() - the call that memremap_pages() makes for a range
 * @pgmap: from zd_map() or zd_clone_pgmap()
 * @range: index of the range
 */
struct zd_call zd_call_for(const struct dev_pagemap *pgmap, int range)
{
	const struct zd_owner *owner = pgmap->owner;

	return (struct zd_call) {
		.nid = owner->nid,
		.start_pfn = PHYS_PFN(pgmap->ranges[range].start),
		.nr_pages = PHYS_PFN(range_len(&pgmap->ranges[range])),
		.pgmap = (struct dev_pagemap *)pgmap,
	};
}

/**
 * zd_narrow() - promise to poison no more than a call's struct pages and its guards
 * @call: the call, of order 0, on a part of a single range that has no altmap
 *
 * All that may be poisoned is made again before it is unmapped; the rest is spared.
 */
void zd_narrow(const struct zd_call *call)
{
	struct zd_owner *owner = call->pgmap->owner;

	WARN_ON_ONCE(call->pgmap->nr_range > 1 || call->pgmap->flags & PGMAP_ALTMAP_VALID);
	owner->start_pfn = call->start_pfn - ZD_GUARD_PAGES;
	owner->end_pfn = zd_end_pfn(call) + ZD_GUARD_PAGES;
}

/** zd_poison() - overwrite each struct page that @call is due to write */
void zd_poison(const struct zd_call *call, u8 poison)
{
	unsigned long pfn = zd_first_pfn(call);

	for (; pfn < zd_end_pfn(call); pfn = zd_next_written(call, pfn + 1))
		memset(pfn_to_page(pfn), poison, sizeof(struct page));
}

/**
 * zd_poison_guards() - overwrite the struct pages on both sides of a call's
 *
 * They must exist: the call is on a part of what is mapped. A pageblock whose
 * first struct page is poisoned cannot be asked for its type any more.
 */
void zd_poison_guards(const struct zd_call *call, u8 poison)
{
	const size_t size = ZD_GUARD_PAGES * sizeof(struct page);

	memset(pfn_to_page(call->start_pfn) - ZD_GUARD_PAGES, poison, size);
	memset(pfn_to_page(call->start_pfn + call->nr_pages), poison, size);
}

/** zd_snapshot() - copy the struct pages that @call is due to write */
struct page *zd_snapshot(struct kunit *test, const struct zd_call *call)
{
	unsigned long first = zd_first_pfn(call), pfn;
	struct page *copy;

	copy = kvmalloc_array(zd_end_pfn(call) - first + 1, sizeof(*copy), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, copy);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, zd_kvfree, copy));
	for (pfn = first; pfn < zd_end_pfn(call); pfn = zd_next_written(call, pfn + 1))
		copy[pfn - first] = *pfn_to_page(pfn);
	return copy;
}

/** zd_other_node() - a node with memory other than the first, or NUMA_NO_NODE */
int zd_other_node(void)
{
	int nid = next_online_node(first_online_node);

	return nid < MAX_NUMNODES ? nid : NUMA_NO_NODE;
}
