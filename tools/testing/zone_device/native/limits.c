// SPDX-License-Identifier: GPL-2.0
/* Stores and nothing else, for the machine's limits; and cache states. */
#include "limits.h"

#define LINE 64

/* Non-temporal stores of 8 bytes, as the kernel's own: it may not use SSE. */
void native_stream(void *to, size_t size)
{
	const unsigned long value = 0x0123456789abcdefUL;
	char *p = to, *end = p + size;

	for (; p < end; p += LINE)
		__asm__ volatile("movnti %1, (%0)\n\t"
				 "movnti %1, 8(%0)\n\t"
				 "movnti %1, 16(%0)\n\t"
				 "movnti %1, 24(%0)\n\t"
				 "movnti %1, 32(%0)\n\t"
				 "movnti %1, 40(%0)\n\t"
				 "movnti %1, 48(%0)\n\t"
				 "movnti %1, 56(%0)"
				 : : "r"(p), "r"(value) : "memory");
	__asm__ volatile("sfence" : : : "memory");
}

/* The kernel's memset() on a CPU that has fast string stores. */
void native_rep_stos(void *to, size_t size)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(0) : "memory");
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
