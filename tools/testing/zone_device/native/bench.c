// SPDX-License-Identifier: GPL-2.0
/*
 * Times each way to fill the memmap, in turns: what disturbs the machine
 * disturbs all of them, so that ratios within a round hold.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "bench.h"
#include "host.h"
#include "limits.h"

#define MAX_METHODS 16

/* A variant on a memmap of some order, or else one of the limits. */
struct method {
	char name[64];
	const struct native_variant *variant;
	enum native_type type;
	unsigned int order;
	void (*fill)(void *to, size_t size);
};

struct method_list {
	struct method method[MAX_METHODS];
	unsigned int nr;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static struct method *add(struct method_list *list)
{
	if (list->nr == MAX_METHODS)
		native_die("more than %d methods", MAX_METHODS);
	return &list->method[list->nr++];
}

static void add_variants(struct method_list *list, enum native_type type, unsigned int order)
{
	const struct native_variant *const *v;

	for (v = native_variants; *v; v++) {
		struct method *m = add(list);

		snprintf(m->name, sizeof(m->name), "%s-%u", (*v)->name, order);
		m->variant = *v;
		m->type = type;
		m->order = order;
	}
}

static void add_limit(struct method_list *list, const char *name, void (*fill)(void *, size_t))
{
	struct method *m = add(list);

	snprintf(m->name, sizeof(m->name), "%s", name);
	m->fill = fill;
}

static void run(const struct method *m, void *memmap, size_t size)
{
	struct native_range range = {
		.type = m->type, .order = m->order, .pfn = NATIVE_PFN,
	};

	if (m->fill) {
		m->fill(memmap, size);
	} else {
		range.nr_pages = size / m->variant->page_size;
		m->variant->init(&range);
	}
}

static double pass_cold(const struct method *m, void *memmap, const struct native_options *o)
{
	/*
	 * The pass before may have left as much as the caches hold, at the
	 * end: writing that back is not this pass's work.
	 */
	size_t left = o->memmap < 2 * o->llc ? o->memmap : 2 * o->llc;
	double start;

	native_flush((char *)memmap + o->memmap - left, left);
	start = now();
	run(m, memmap, o->memmap);
	return now() - start;
}

static double pass_warm(const struct method *m, void *memmap, const struct native_options *o)
{
	double start, sum = 0;
	int i, times = 50;

	for (i = 0; i < times; i++) {
		native_touch(memmap, o->warm);
		start = now();
		run(m, memmap, o->warm);
		sum += now() - start;
	}
	return sum / times;
}

static void rounds(const struct method_list *list, const char *state, const char *backing,
		   void *memmap, const struct native_options *o,
		   double (*pass)(const struct method *, void *, const struct native_options *))
{
	double start = now();
	unsigned int round, i;

	/* Caches, TLBs and the clock of the core come up to speed. */
	for (i = 0; i < list->nr; i++)
		pass(&list->method[i], memmap, o);
	for (round = 0; round < o->rounds; round++) {
		/* Rotated, every other one backwards: no one always follows another. */
		for (i = 0; i < list->nr; i++) {
			unsigned int place = (i + round / 2) % list->nr;
			const struct method *m = &list->method[round & 1 ? list->nr - 1 - place :
								place];

			printf("sample %s %s %s %u %.0f\n", state, backing, m->name, round,
			       pass(m, memmap, o));
		}
		if (o->seconds && round + 1 >= NATIVE_MIN_ROUNDS &&
		    now() - start > o->seconds * 1e9)
			break;
	}
}

/* What the kernel made of the advice, in KiB. */
static unsigned long anon_huge(const void *area)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long from, to, huge = 0;
	bool inside = false;
	char line[512];

	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from <= (uintptr_t)area && (uintptr_t)area < to;
		else if (inside)
			sscanf(line, "AnonHugePages: %lu kB", &huge);
	}
	if (smaps)
		fclose(smaps);
	return huge;
}

static void bench_backing(const struct method_list *list, const char *backing, int advice,
			  const struct native_options *o)
{
	size_t size = (o->memmap + NATIVE_ALIGN - 1) & -NATIVE_ALIGN;
	size_t mapped = size + NATIVE_ALIGN;
	struct rusage before, after;
	char *area, *memmap;

	area = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		native_die("no memory for a memmap of %zu bytes", o->memmap);
	memmap = (char *)(((uintptr_t)area + NATIVE_ALIGN - 1) & -NATIVE_ALIGN);
	/* Fails where the kernel has no huge pages: smaps says what came of it. */
	madvise(memmap, size, advice);
	memset(memmap, 1, size);
	printf("backing %s %lu %lu\n", backing, anon_huge(memmap), (unsigned long)size >> 10);
	native_place(memmap);
	getrusage(RUSAGE_SELF, &before);
	rounds(list, "cold", backing, memmap, o, pass_cold);
	rounds(list, "warm", backing, memmap, o, pass_warm);
	getrusage(RUSAGE_SELF, &after);
	printf("disturbed %s %ld %ld\n", backing,
	       after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt,
	       after.ru_nivcsw - before.ru_nivcsw);
	munmap(area, mapped);
}

static void print_hypervisor(void)
{
	unsigned int eax, ebx, ecx, edx;
	char vendor[13] = "";

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & 1U << 31))
		return;
	__cpuid(0x40000000, eax, ebx, ecx, edx);
	memcpy(vendor, &ebx, 4);
	memcpy(vendor + 4, &ecx, 4);
	memcpy(vendor + 8, &edx, 4);
	printf("hypervisor %s\n", vendor);
}

int native_bench(const struct native_options *o)
{
	struct method_list list = { .nr = 0 };
	cpu_set_t set;

	if (o->cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(o->cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			native_die("cannot run on CPU %d: %s", o->cpu, strerror(errno));
	}
	print_hypervisor();
	printf("page_size %lu\n", native_variants[0]->page_size);
	add_variants(&list, NATIVE_FS_DAX, 0);
	add_variants(&list, NATIVE_GENERIC, 9);
	add_limit(&list, "movnti", native_stream);
	add_limit(&list, "memset", native_rep_stos);
	bench_backing(&list, "4k", MADV_NOHUGEPAGE, o);
	bench_backing(&list, "huge", MADV_HUGEPAGE, o);
	return 0;
}
