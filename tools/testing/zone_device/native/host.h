/* SPDX-License-Identifier: GPL-2.0 */
/* The program's own parts, to each other. */
#ifndef ZONE_DEVICE_NATIVE_HOST_H
#define ZONE_DEVICE_NATIVE_HOST_H

#include <stdbool.h>
#include <stddef.h>
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

struct native_options {
	size_t memmap;
	size_t warm;
	size_t llc;
	unsigned int rounds;
	/* Of one backing; 0 for no limit. Not before NATIVE_MIN_ROUNDS. */
	double seconds;
	int cpu;
};

#define NATIVE_MIN_ROUNDS 9

/* Says why on stderr, and ends the program. */
noreturn void native_die(const char *format, ...);

/* Makes the struct page of NATIVE_PFN the first of @memmap. */
void native_place(void *memmap);

int native_check(void);
int native_bench(const struct native_options *options);

/* limits.c: what the machine can do at best, with the kernel's means. */
void native_stream(void *to, size_t size);
void native_rep_stos(void *to, size_t size);
void native_flush(void *start, size_t size);
void native_touch(void *start, size_t size);

#endif
