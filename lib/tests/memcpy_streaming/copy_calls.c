// SPDX-License-Identifier: GPL-2.0
/*
 * The calls under test, each compiled on its own: a size is constant only where
 * the compiler sees it, and the code that it made for one call can be told from
 * that of another.
 */

#include <linux/objtool.h>

#include "copy_calls.h"

static noinline __noclone void stream_len(void *dst, const void *src, size_t len)
{
	stream_copy(dst, src, len);
}

static noinline __noclone void flushcache_len(void *dst, const void *src, size_t len)
{
	memcpy_flushcache(dst, src, len);
}

const struct copy_call stream_call = {
	STREAM_COPY_NAME "(len)", true, 0, stream_len
};

const struct copy_call flushcache_call = {
	"memcpy_flushcache(len)", false, 0, flushcache_len
};

#define DEFINE_STREAM(n)						\
static noinline __noclone						\
void stream_##n(void *dst, const void *src, size_t len)			\
{									\
	stream_copy(dst, src, n);					\
}

#define DEFINE_FLUSHCACHE(n)						\
static noinline __noclone						\
void flushcache_##n(void *dst, const void *src, size_t len)		\
{									\
	memcpy_flushcache(dst, src, n);					\
}

/* Sizes that take, or just miss, code of their own. */
DEFINE_STREAM(4)	DEFINE_FLUSHCACHE(4)
DEFINE_STREAM(8)	DEFINE_FLUSHCACHE(8)
DEFINE_STREAM(12)	DEFINE_FLUSHCACHE(12)
DEFINE_STREAM(16)	DEFINE_FLUSHCACHE(16)
DEFINE_STREAM(24)	DEFINE_FLUSHCACHE(24)
DEFINE_STREAM(32)	DEFINE_FLUSHCACHE(32)
DEFINE_STREAM(40)	DEFINE_FLUSHCACHE(40)
DEFINE_STREAM(48)	DEFINE_FLUSHCACHE(48)
DEFINE_STREAM(56)	DEFINE_FLUSHCACHE(56)
DEFINE_STREAM(64)	DEFINE_FLUSHCACHE(64)
DEFINE_STREAM(72)	DEFINE_FLUSHCACHE(72)
DEFINE_STREAM(80)	DEFINE_FLUSHCACHE(80)
DEFINE_STREAM(88)	DEFINE_FLUSHCACHE(88)
DEFINE_STREAM(96)	DEFINE_FLUSHCACHE(96)
DEFINE_STREAM(128)	DEFINE_FLUSHCACHE(128)

#define STREAM(n)	{ STREAM_COPY_NAME "(" #n ")", true, n, stream_##n }
#define FLUSHCACHE(n)	{ "memcpy_flushcache(" #n ")", false, n, flushcache_##n }

const struct copy_call fixed_calls[NR_FIXED_CALLS] = {
	STREAM(4),		FLUSHCACHE(4),
	STREAM(8),		FLUSHCACHE(8),
	STREAM(12),		FLUSHCACHE(12),
	STREAM(16),		FLUSHCACHE(16),
	STREAM(24),		FLUSHCACHE(24),
	STREAM(32),		FLUSHCACHE(32),
	STREAM(40),		FLUSHCACHE(40),
	STREAM(48),		FLUSHCACHE(48),
	STREAM(56),		FLUSHCACHE(56),
	STREAM(64),		FLUSHCACHE(64),
	STREAM(72),		FLUSHCACHE(72),
	STREAM(80),		FLUSHCACHE(80),
	STREAM(88),		FLUSHCACHE(88),
	STREAM(96),		FLUSHCACHE(96),
	STREAM(128),	FLUSHCACHE(128),
};

noinline __noclone void copy_then_drain(void *dst, const void *src, size_t len)
{
	stream_copy(dst, src, len);
	stream_drain();
}

noinline __noclone void copy_64_then_drain(void *dst, const void *src, size_t len)
{
	stream_copy(dst, src, 64);
	stream_drain();
}

/*
 * Marks what a statement compiles to by two labels that nothing may be moved
 * across. They are looked at, and never jumped to.
 */
#define CODE_LABEL(label)	".globl " #label "\n" #label ":\n" ANNOTATE_NOENDBR

#define DEFINE_CODE_MARK(name, statement)				\
static noinline __noclone __used					\
void name##_function(void *dst, const void *src, size_t len)		\
{									\
	asm volatile(CODE_LABEL(name##_begin) ::: "memory");		\
	statement;							\
	asm volatile(CODE_LABEL(name##_end) ::: "memory");		\
}

DEFINE_CODE_MARK(drain_code, stream_drain())
DEFINE_CODE_MARK(stream_copy_code, stream_copy(dst, src, len))
DEFINE_CODE_MARK(memcpy_code, memcpy(dst, src, len))
