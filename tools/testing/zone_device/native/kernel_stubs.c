// SPDX-License-Identifier: GPL-2.0
/*
 * What memmap_init_zone_device() calls and reads outside of what is linked in.
 * Without the tree's headers, so that a change of a type does not matter: the
 * functions take what they are given and do nothing.
 */
#include <stdalign.h>

#include "native.h"

alignas(64) char native_pgmap[NATIVE_PGMAP_SIZE];

unsigned long vmemmap_base;
unsigned long jiffies;
/* No section is an early one. */
void *mem_section;
unsigned int pageblock_order = 9;

/* Per pageblock, not per page; it is the same work in all variants. */
void init_pageblock_migratetype(void)
{
}

void set_pageblock_migratetype(void)
{
}

int __cond_resched(void)
{
	return 0;
}

int _printk(const char *format)
{
	(void)format;
	return 0;
}

unsigned int jiffies_to_msecs(unsigned long j)
{
	return j;
}
