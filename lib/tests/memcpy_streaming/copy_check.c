// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers for copies: canaries around the destination, a pattern in the source,
 * and a message that says which byte is wrong.
 */

#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "copy_check.h"

#define CANARY	0xc7

/*
 * The period is prime and so longer than any alignment, and no power of two: a
 * copy shifted by a word, a cache line or a page differs. No byte is a canary.
 */
static u8 pattern_byte(size_t i)
{
	u8 byte = (i % 251) * 3 + i / 251;

	return byte == CANARY ? 0 : byte;
}

KUNIT_DEFINE_ACTION_WRAPPER(vfree_action, vfree, const void *);

static u8 *alloc_pages_before_hole(struct kunit *test, unsigned int pages)
{
	u8 *p = vmalloc(pages * PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, vfree_action, p), 0);
	return p;
}

/* Two buffers of @pages each, which start at a page and end at an unmapped one. */
struct copy_room *copy_room_alloc(struct kunit *test, unsigned int pages)
{
	struct copy_room *room = kunit_kzalloc(test, sizeof(*room), GFP_KERNEL);
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, room);
	room->size = pages * PAGE_SIZE;
	room->dst = alloc_pages_before_hole(test, pages);
	room->src = alloc_pages_before_hole(test, pages);
	room->pattern = alloc_pages_before_hole(test, pages);

	for (i = 0; i < room->size; i++)
		room->pattern[i] = pattern_byte(i);
	memcpy(room->src, room->pattern, room->size);
	memset(room->dst, CANARY, room->size);
	return room;
}

/* Called when something is wrong: find out what, and put all in order again. */
static void report(struct kunit *test, struct copy_room *room, const char *name,
		   size_t dst, size_t src, size_t len)
{
	char what[128];
	size_t i;

	snprintf(what, sizeof(what), "%s: size %zu, dst+%lu, src+%lu", name, len,
		 (unsigned long)(room->dst + dst) % 16,
		 (unsigned long)(room->src + src) % 16);

	for (i = 0; i < room->size; i++) {
		bool inside = i >= dst && i - dst < len;
		u8 expected = inside ? room->pattern[src + i - dst] : CANARY;

		if (room->dst[i] == expected)
			continue;
		KUNIT_FAIL(test, "%s: byte %zd%s: expected 0x%02x, saw 0x%02x",
			   what, (ssize_t)(i - dst), inside ? "" : " (canary)",
			   expected, room->dst[i]);
		break;
	}

	for (i = 0; i < room->size; i++) {
		if (room->src[i] == room->pattern[i])
			continue;
		KUNIT_FAIL(test, "%s: byte %zd of the source: expected 0x%02x, saw 0x%02x",
			   what, (ssize_t)(i - src), room->pattern[i], room->src[i]);
		break;
	}

	memcpy(room->src, room->pattern, room->size);
	memset(room->dst, CANARY, room->size);
}

/*
 * Is exactly @len bytes at @src what @dst now has, between canaries, and is the
 * source as it was? Only what is near is compared, or the hundred thousand
 * calls would take minutes. Leaves the destination ready for the next copy.
 */
bool copy_room_check(struct kunit *test, struct copy_room *room,
		     const char *name, size_t dst, size_t src, size_t len)
{
	size_t before = min(dst, COPY_GUARD);
	size_t behind = min(room->size - dst - len, COPY_GUARD);
	size_t src_lo = src - min(src, COPY_GUARD);
	size_t src_hi = min(src + len + COPY_GUARD, room->size);

	if (memcmp(room->dst + dst, room->pattern + src, len) ||
	    memchr_inv(room->dst + dst - before, CANARY, before) ||
	    memchr_inv(room->dst + dst + len, CANARY, behind) ||
	    memcmp(room->src + src_lo, room->pattern + src_lo, src_hi - src_lo)) {
		report(test, room, name, dst, src, len);
		return false;
	}
	memset(room->dst + dst, CANARY, len);
	return true;
}

/* All of both buffers, once the many copies of a case are done. */
void copy_room_check_all(struct kunit *test, struct copy_room *room,
			 const char *name)
{
	if (memchr_inv(room->dst, CANARY, room->size) ||
	    memcmp(room->src, room->pattern, room->size))
		report(test, room, name, 0, 0, 0);
}

/* Copy @len bytes from offset @src to offset @dst, and see what came of it. */
bool copy_and_check(struct kunit *test, struct copy_room *room,
		    const struct copy_call *call, size_t dst, size_t src,
		    size_t len)
{
	call->fn(room->dst + dst, room->src + src, len);
	return copy_room_check(test, room, call->name, dst, src, len);
}
