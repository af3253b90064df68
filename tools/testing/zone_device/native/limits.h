/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ZONE_DEVICE_NATIVE_LIMITS_H
#define ZONE_DEVICE_NATIVE_LIMITS_H

#include <stddef.h>

/*
 * Stores of one struct page's worth of bytes again and again, and nothing else:
 * what no initialisation that writes each of them can beat.
 */
struct native_limit {
	/* Non-temporal or plain, and the bytes that one store writes. */
	const char *name;
	void (*fill)(void *to, size_t size);
};

/* Those that this CPU can do; the last one has no name. */
const struct native_limit *native_limits(void);

/* What native_limit.fill() stores. */
extern const unsigned long native_template[8];

void native_flush(void *start, size_t size);
void native_touch(void *start, size_t size);

#endif
