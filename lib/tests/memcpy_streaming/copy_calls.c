// SPDX-License-Identifier: GPL-2.0
/*
 * The calls under test, each compiled on its own: a size is constant only where
 * the compiler sees it, and the code that it made for one call can be told from
 * that of another.
 */

#include <linux/objtool.h>

#include <asm/barrier.h>

#include "copy_calls.h"

static noinline __noclone void stream_len(void *dst, const void *src, size_t len)
{
	stream_copy(dst, src, len);
}

static noinline __noclone void flushcache_len(void *dst, const void *src, size_t len)
{
	memcpy_flushcache(dst, src, len);
}

const struct copy_call copy_stream_call = {
	STREAM_COPY_NAME "(len)", true, 0, stream_len
};

const struct copy_call copy_flushcache_call = {
	"memcpy_flushcache(len)", false, 0, flushcache_len
};

#define SIZE(n)								\
static noinline __noclone						\
void stream_##n(void *dst, const void *src, size_t len)			\
{									\
	stream_copy(dst, src, n);					\
}									\
									\
static noinline __noclone						\
void flushcache_##n(void *dst, const void *src, size_t len)		\
{									\
	memcpy_flushcache(dst, src, n);					\
}

#include "fixed_sizes.h"
#undef SIZE

const struct copy_call copy_fixed_calls[NR_FIXED_CALLS] = {
#define SIZE(n)								\
	[2 * COPY_SIZE_##n] = {						\
		STREAM_COPY_NAME "(" #n ")", true, n, stream_##n	\
	},								\
	[2 * COPY_SIZE_##n + 1] = {					\
		"memcpy_flushcache(" #n ")", false, n, flushcache_##n	\
	},
#include "fixed_sizes.h"
#undef SIZE
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

DEFINE_CODE_MARK(copy_drain_code, stream_drain())
/* Orders nothing: the code that it is made of is looked at. */
DEFINE_CODE_MARK(copy_wmb_code, wmb())

/*
 * What is measured of these is all up to the next one: behind a condition the
 * compiler may put code anywhere in a function. The build keeps them in order.
 */
noinline __noclone void copy_by_stream(void *dst, const void *src, size_t len)
{
	stream_copy(dst, src, len);
}

noinline __noclone void copy_by_memcpy(void *dst, const void *src, size_t len)
{
	memcpy(dst, src, len);
}

noinline __noclone void copy_by_nothing(void *dst, const void *src, size_t len)
{
}
