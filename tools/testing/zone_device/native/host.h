/* SPDX-License-Identifier: GPL-2.0 */
/* What main.c, check.c and bench.c have in common. */
#ifndef ZONE_DEVICE_NATIVE_HOST_H
#define ZONE_DEVICE_NATIVE_HOST_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>

#include "native.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Some PFN that every alignment the code looks at divides: pageblock, section,
 * and the largest folio.
 */
#define NATIVE_PFN 0x1000000UL

/* Struct pages are aligned to what a section's take, as in the vmemmap. */
#define NATIVE_ALIGN (2UL << 20)

/* Says why on stderr, and ends the program. */
static inline noreturn void native_die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

/* Makes the struct page of NATIVE_PFN the first of @memmap. */
static inline void native_place(void *memmap)
{
	vmemmap_base = (unsigned long)memmap - NATIVE_PFN * native_variants[0]->page_size;
}

#endif
