/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MEMCPY_STREAMING_COPY_CHECK_H
#define _MEMCPY_STREAMING_COPY_CHECK_H

#include <linux/types.h>

#include "copy_calls.h"

struct kunit;

/* What no copy should reach: no store is wider. */
#define COPY_GUARD	64

/**
 * struct copy_room - a destination and a source to copy between
 * @dst: destination buffer, all canaries between two copies
 * @src: source buffer, filled with a pattern
 * @pattern: what @src must still contain
 * @size: size of each
 */
struct copy_room {
	u8 *dst;
	u8 *src;
	u8 *pattern;
	size_t size;
};

struct copy_room *copy_room_alloc(struct kunit *test, unsigned int pages);
bool copy_room_check(struct kunit *test, struct copy_room *room,
		     const char *name, size_t dst, size_t src, size_t len);
void copy_room_check_all(struct kunit *test, struct copy_room *room,
			 const char *name);
bool copy_and_check(struct kunit *test, struct copy_room *room,
		    const struct copy_call *call, size_t dst, size_t src,
		    size_t len);

#endif
