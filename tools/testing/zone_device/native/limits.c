// SPDX-License-Identifier: GPL-2.0
/* Stores and nothing else, for the machine's limits; and cache states. */
#include <stdalign.h>

#include "limits.h"

#define LINE 64

/*
 * Not zero, for which some CPUs have a short cut. All words are the same, so that
 * a register of any width that is loaded from the start has the right bytes.
 */
#define WORD 0x0123456789abcdefUL
alignas(LINE) const unsigned long native_template[8] = {
	WORD, WORD, WORD, WORD, WORD, WORD, WORD, WORD,
};

/*
 * What is wider than a word is in register 0, of whatever width: the compiler
 * knows all of it as xmm0. @last leaves the upper half of it clean.
 */
#define DEFINE_STORES(name, load, stores, last)					\
static void name(void *to, size_t size)						\
{										\
	char *p = to, *end = p + size;						\
										\
	__asm__ volatile(load "\n1:\t"						\
			 stores							\
			 "add $64, %0\n\t"					\
			 "cmp %1, %0\n\t"					\
			 "jb 1b\n\t"						\
			 "sfence\n\t"						\
			 last							\
			 : "+&r"(p) : "r"(end), "r"(native_template)		\
			 : "memory", "cc", "rax", "xmm0");			\
}

#define AT(offset, store) store ", " #offset "(%0)\n\t"

/* As the kernel, which may not use wider registers. */
#define NT8(offset) "mov " #offset "(%2), %%rax\n\t" AT(offset, "movnti %%rax")

DEFINE_STORES(nt8, "", NT8(0) NT8(8) NT8(16) NT8(24) NT8(32) NT8(40) NT8(48) NT8(56), "")

DEFINE_STORES(nt16, "movdqa (%2), %%xmm0",
	      AT(0, "movntdq %%xmm0") AT(16, "movntdq %%xmm0")
	      AT(32, "movntdq %%xmm0") AT(48, "movntdq %%xmm0"), "")
DEFINE_STORES(plain16, "movdqa (%2), %%xmm0",
	      AT(0, "movdqa %%xmm0") AT(16, "movdqa %%xmm0")
	      AT(32, "movdqa %%xmm0") AT(48, "movdqa %%xmm0"), "")
DEFINE_STORES(nt32, "vmovdqa (%2), %%ymm0",
	      AT(0, "vmovntdq %%ymm0") AT(32, "vmovntdq %%ymm0"), "vzeroupper")
DEFINE_STORES(plain32, "vmovdqa (%2), %%ymm0",
	      AT(0, "vmovdqa %%ymm0") AT(32, "vmovdqa %%ymm0"), "vzeroupper")
DEFINE_STORES(nt64, "vmovdqa64 (%2), %%zmm0", AT(0, "vmovntdq %%zmm0"), "vzeroupper")
DEFINE_STORES(plain64, "vmovdqa64 (%2), %%zmm0", AT(0, "vmovdqa64 %%zmm0"), "vzeroupper")

const struct native_limit *native_limits(void)
{
	static const struct native_limit with_sse[] = {
		{ "nt8", nt8 }, { "nt16", nt16 }, { "plain16", plain16 }, { }
	};
	static const struct native_limit with_avx[] = {
		{ "nt8", nt8 }, { "nt32", nt32 }, { "plain32", plain32 }, { }
	};
	static const struct native_limit with_avx512[] = {
		{ "nt8", nt8 }, { "nt64", nt64 }, { "plain64", plain64 }, { }
	};

	if (__builtin_cpu_supports("avx512f"))
		return with_avx512;
	return __builtin_cpu_supports("avx") ? with_avx : with_sse;
}

void native_flush(void *start, size_t size)
{
	char *p = start, *end = p + size;

	for (; p < end; p += LINE)
		__asm__ volatile("clflush (%0)" : : "r"(p) : "memory");
	__asm__ volatile("mfence" : : : "memory");
}

/* One plain store a line leaves it in the nearest cache that holds so many. */
void native_touch(void *start, size_t size)
{
	char *p = start, *end = p + size;

	for (; p < end; p += LINE)
		__asm__ volatile("movb $0x5a, (%0)" : : "r"(p) : "memory");
	__asm__ volatile("mfence" : : : "memory");
}
