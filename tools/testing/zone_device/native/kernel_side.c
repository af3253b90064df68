// SPDX-License-Identifier: GPL-2.0
/*
 * What stands between the program and the tree's memmap_init_zone_device():
 * compiled against the tree's headers with the tree's flags, once for each
 * variant, with NATIVE_NAME its name.
 */
#include <linux/memory_hotplug.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/stringify.h>
#include <asm/processor.h>

#include "native.h"

static const enum memory_type native_memory_type[NATIVE_NR_TYPES] = {
	[NATIVE_PRIVATE] = MEMORY_DEVICE_PRIVATE,
	[NATIVE_COHERENT] = MEMORY_DEVICE_COHERENT,
	[NATIVE_FS_DAX] = MEMORY_DEVICE_FS_DAX,
	[NATIVE_GENERIC] = MEMORY_DEVICE_GENERIC,
	[NATIVE_PCI_P2PDMA] = MEMORY_DEVICE_PCI_P2PDMA,
};

/* clean_cache_range() asks it for the size of a cache line. */
struct cpuinfo_x86 boot_cpu_data __weak = { .x86_clflush_size = 64 };

static struct pglist_data native_node;

static void native_init(const struct native_range *range)
{
	struct zone *zone = &native_node.node_zones[ZONE_DEVICE];
	struct dev_pagemap *pgmap = (struct dev_pagemap *)native_pgmap;

	BUILD_BUG_ON(sizeof(*pgmap) > NATIVE_PGMAP_SIZE);

	native_node.node_id = range->nid;
	zone->zone_pgdat = &native_node;
	zone_set_nid(zone, range->nid);

	pgmap->type = native_memory_type[range->type];
	pgmap->vmemmap_shift = range->order;
	/* With an altmap no tail struct pages are shared: all are written. */
	pgmap->flags = PGMAP_ALTMAP_VALID;
	pgmap->altmap.base_pfn = range->pfn;

	memmap_init_zone_device(zone, range->pfn, range->nr_pages, pgmap);
}

const struct native_variant __PASTE(native_variant_, NATIVE_NAME) = {
	.name = __stringify(NATIVE_NAME),
	.page_size = sizeof(struct page),
	.section_pages = PAGES_PER_SECTION,
	.init = native_init,
};
