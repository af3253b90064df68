/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the two halves of the program: kernel_side.c is compiled against the
 * headers of a kernel tree, all else against libc's. Only what means the same
 * to both may stand here.
 */
#ifndef ZONE_DEVICE_NATIVE_H
#define ZONE_DEVICE_NATIVE_H

enum native_type {
	NATIVE_PRIVATE,
	NATIVE_COHERENT,
	NATIVE_FS_DAX,
	NATIVE_GENERIC,
	NATIVE_PCI_P2PDMA,
	NATIVE_NR_TYPES,
};

/* What memmap_init_zone_device() is to initialise. */
struct native_range {
	enum native_type type;
	unsigned int order;
	int nid;
	unsigned long pfn;
	unsigned long nr_pages;
};

/* One build of the tree's text; it defines nothing else that is global. */
struct native_variant {
	const char *name;
	/* sizeof(struct page) */
	unsigned long page_size;
	unsigned long section_pages;
	void (*init)(const struct native_range *range);
};

/* NULL-terminated; the first is the reference: field by field. */
extern const struct native_variant *const native_variants[];

/*
 * Its address is in every struct page, so all variants use the same. Large
 * enough for any struct dev_pagemap: kernel_side.c makes sure.
 */
#define NATIVE_PGMAP_SIZE 4096
extern char native_pgmap[NATIVE_PGMAP_SIZE];

/* What the tree's text needs of the kernel, but never calls. */
struct native_missing {
	const char *name;
	const char *object;
};

#define NATIVE_MISSING_SIZE 4096
extern const struct native_missing native_missing[];

/* The tree's own variable: where the struct page of PFN 0 would be. */
extern unsigned long vmemmap_base;

#endif
