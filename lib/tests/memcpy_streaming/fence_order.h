/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MEMCPY_STREAMING_FENCE_ORDER_H
#define _MEMCPY_STREAMING_FENCE_ORDER_H

struct kunit;

/**
 * struct fence_order - what is wrong with the fences of a function
 * @fault: what; NULL if nothing is
 * @at: the instruction where it shows
 */
struct fence_order {
	const char *fault;
	const void *at;
};

#ifdef CONFIG_NT_WITNESS
bool fence_order_drains(const void *code, size_t size);
struct fence_order fence_order_check(struct kunit *test, const void *fn);
#else
static inline bool fence_order_drains(const void *code, size_t size)
{
	return false;
}

static inline struct fence_order fence_order_check(struct kunit *test,
						   const void *fn)
{
	return (struct fence_order){ "cannot be decoded", fn };
}
#endif

#endif
