/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MEMCPY_STREAMING_COPY_CALLS_H
#define _MEMCPY_STREAMING_COPY_CALLS_H

#include <linux/kconfig.h>
#include <linux/string.h>
#include <linux/stringify.h>
#include <linux/types.h>

/*
 * The names of the copy under test and of its drain are bound here and nowhere
 * else. ZD_COPY, ZD_DRAIN and ZD_STREAMS come from the build, which reads them in
 * the tree; without them the stubs keep the cases compiling, which skip before a
 * call.
 */
#ifdef ZD_COPY
#define stream_copy		ZD_COPY
#define STREAM_COPY_NAME	__stringify(ZD_COPY)
#define LACKS_STREAM_COPY	NULL
#else
#define stream_copy		memcpy
#define STREAM_COPY_NAME	"streaming copy"
#define LACKS_STREAM_COPY	"no streaming copy in include/linux/string.h"
#endif

#ifdef ZD_DRAIN
#define stream_drain()		ZD_DRAIN()
#define LACKS_STREAM_DRAIN	NULL
#else
#define stream_drain()		do { } while (0)
#define LACKS_STREAM_DRAIN	"no drain for the streaming copy in this tree"
#endif

/* An arch without a copy of its own has memcpy(), and a drain that is nothing. */
#define STREAMS_HERE		__is_defined(ZD_STREAMS)

enum {
#define SIZE(n)	COPY_SIZE_##n,
#include "fixed_sizes.h"
#undef SIZE
	NR_FIXED_SIZES
};

/* Each both ways. */
#define NR_FIXED_CALLS	(2 * NR_FIXED_SIZES)

/**
 * struct copy_call - a copy, compiled into a function of its own
 * @name: for messages
 * @streaming: the copy under test; else it is memcpy_flushcache()
 * @size: the size that the compiler knew, 0 if it knew none
 * @fn: the function; its last argument is ignored if the size is fixed
 */
struct copy_call {
	const char *name;
	bool streaming;
	size_t size;
	void (*fn)(void *dst, const void *src, size_t len);
};

extern const struct copy_call copy_stream_call, copy_flushcache_call;
extern const struct copy_call copy_fixed_calls[NR_FIXED_CALLS];

static inline const char *copy_call_lacks(const struct copy_call *call)
{
	return call->streaming ? LACKS_STREAM_COPY : NULL;
}

void copy_then_drain(void *dst, const void *src, size_t len);
void copy_64_then_drain(void *dst, const void *src, size_t len);

/* One behind the other, so that their sizes are known. */
void copy_by_stream(void *dst, const void *src, size_t len);
void copy_by_memcpy(void *dst, const void *src, size_t len);
void copy_by_nothing(void *dst, const void *src, size_t len);

/* The machine code of one statement: from name_begin to before name_end. */
#define DECLARE_CODE_MARK(name)	extern const u8 name##_begin[], name##_end[]

DECLARE_CODE_MARK(copy_drain_code);
DECLARE_CODE_MARK(copy_wmb_code);

#endif
