// SPDX-License-Identifier: GPL-2.0
/*
 * Times each way to fill the memmap, in turns: what disturbs the machine
 * disturbs all of them, so that ratios within a round hold. Then the next size.
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
/* A pass that is shorter than the filling of so much is repeated. */
#define LEAST_FILLED (4UL << 20)

/* One of the variants, or else one of the limits. */
struct method {
	const char *name;
	const struct native_variant *variant;
	const struct native_limit *limit;
};

struct method_list {
	struct method method[MAX_METHODS];
	unsigned int nr;
};

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void add(struct method_list *list, struct method method)
{
	if (list->nr == MAX_METHODS)
		native_die("more than %d methods", MAX_METHODS);
	list->method[list->nr++] = method;
}

static struct method_list all_methods(void)
{
	struct method_list list = { .nr = 0 };
	const struct native_variant *const *v;
	const struct native_limit *l;

	for (v = native_variants; *v; v++)
		add(&list, (struct method){ .name = (*v)->name, .variant = *v });
	for (l = native_limits(); l->name; l++)
		add(&list, (struct method){ .name = l->name, .limit = l });
	return list;
}

static void run(const struct method *m, void *memmap, size_t size)
{
	struct native_range range = { .type = NATIVE_FS_DAX, .pfn = NATIVE_PFN };

	if (m->limit) {
		m->limit->fill(memmap, size);
	} else {
		range.nr_pages = size / m->variant->page_size;
		m->variant->init(&range);
	}
}

static const struct state {
	const char *name;
	void (*make)(void *start, size_t size);
} states[] = {
	/* Writing back what the pass before has left is not this pass's work. */
	{ "cold", native_flush },
	{ "warm", native_touch },
};

static double pass(const struct method *m, const struct state *state, char *memmap, size_t size,
		   const struct native_options *o)
{
	size_t i, times = size < LEAST_FILLED ? LEAST_FILLED / size : 1;
	/* The caches hold no more than the end of what was written last. */
	size_t held = size < 2 * o->llc ? size : 2 * o->llc;
	double used, start, wall, sum = 0;

	for (i = 0; i < times; i++) {
		state->make(memmap + size - held, held);
		used = now(CLOCK_THREAD_CPUTIME_ID);
		start = now(CLOCK_MONOTONIC);
		run(m, memmap, size);
		wall = now(CLOCK_MONOTONIC) - start;
		used = now(CLOCK_THREAD_CPUTIME_ID) - used;
		/*
		 * The time used has what it takes to ask for it in it; the
		 * other one has what other tasks took of the CPU.
		 */
		sum += used < wall ? used : wall;
	}
	return sum / times;
}

static void rounds(const struct method_list *list, const struct state *state, char *memmap,
		   size_t size, const struct native_options *o)
{
	double start = now(CLOCK_MONOTONIC);
	unsigned int round, i;

	/* Caches, TLBs and the clock of the core come up to speed. */
	for (i = 0; i < list->nr; i++)
		pass(&list->method[i], state, memmap, size, o);
	for (round = 0; round < o->rounds; round++) {
		/* Rotated, every other one backwards: no one always follows another. */
		for (i = 0; i < list->nr; i++) {
			unsigned int place = (i + round / 2) % list->nr;
			const struct method *m = &list->method[round & 1 ? list->nr - 1 - place :
								place];

			printf("sample %s %zu %s %u %.0f\n", state->name, size, m->name, round,
			       pass(m, state, memmap, size, o));
		}
		if (o->seconds && round + 1 >= NATIVE_MIN_ROUNDS &&
		    now(CLOCK_MONOTONIC) - start > o->seconds * 1e9)
			break;
	}
}

/* A limit that left out a byte would be none. */
static void check_limits(char *memmap, size_t size)
{
	const char *wanted = (const char *)native_template;
	const struct native_limit *l;
	size_t i;

	for (l = native_limits(); l->name; l++) {
		memset(memmap, 0, size);
		l->fill(memmap, size);
		for (i = 0; i < size; i++)
			if (memmap[i] != wanted[i % sizeof(native_template)])
				native_die("%s does not store byte %zu", l->name, i);
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

static void sweep(const struct native_options *o)
{
	size_t mapped = o->largest + NATIVE_ALIGN, size;
	struct method_list list = all_methods();
	struct rusage before, after;
	char *area, *memmap;
	size_t i;

	area = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		native_die("no memory for a memmap of %zu bytes", o->largest);
	memmap = (char *)(((uintptr_t)area + NATIVE_ALIGN - 1) & -NATIVE_ALIGN);
	/*
	 * The kernel maps its memmap with huge pages, too. This fails where there
	 * are none to be had: smaps says what came of it.
	 */
	madvise(memmap, o->largest, MADV_HUGEPAGE);
	memset(memmap, 1, o->largest);
	printf("huge %lu %zu\n", anon_huge(memmap), o->largest >> 10);
	check_limits(memmap, o->smallest);
	native_place(memmap);
	getrusage(RUSAGE_SELF, &before);
	for (size = o->smallest; size <= o->largest; size *= 2)
		for (i = 0; i < ARRAY_SIZE(states); i++)
			rounds(&list, &states[i], memmap, size, o);
	getrusage(RUSAGE_SELF, &after);
	printf("disturbed %ld %ld\n",
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
	cpu_set_t set;

	if (o->cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(o->cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			native_die("cannot run on CPU %d: %s", o->cpu, strerror(errno));
	}
	print_hypervisor();
	printf("page_size %lu\n", native_variants[0]->page_size);
	sweep(o);
	return 0;
}
