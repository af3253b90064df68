/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ZD_PLUGIN_CONFIG_H
#define _ZD_PLUGIN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NAME_SIZE	64
#define MAX_RULES	32

struct range {
	uint64_t start;
	uint64_t end;
};

static inline bool within(const struct range *range, uint64_t addr)
{
	return addr >= range->start && addr < range->end;
}

/* A function that is looked into, with all it calls. */
struct watch {
	uint64_t addr;
	char name[NAME_SIZE];
	unsigned int rules;	/* those that apply to it */
	bool rewrites;		/* what was drained may be written again */
	bool outer;		/* of it only the return is judged, and calls in it */
	bool hands_over;	/* outer, and tells another CPU before it returns */
};

enum point_kind {
	POINT_START,	/* the first instruction of a function */
	POINT_ENTER,	/* into an inlined function, from around it */
	POINT_TOUCH,	/* an inlined function calls, or uses memory */
	POINT_WRITE,	/* a function stores to the window */
};

/* Code before which nothing may be pending. */
struct point {
	enum point_kind kind;
	unsigned int rule;
	unsigned int index;
	struct range code;
	struct range around;	/* POINT_ENTER: the function it is inlined in */
};

/* Filled in once, before the guest runs. */
struct config {
	FILE *out;
	bool cost;		/* count what is done, and check nothing */
	struct range window;	/* where stores are looked at */
	uint64_t object_size;	/* of what is in the window, or 0 */
	struct range entry;	/* code that interrupts come in and go by */
	struct range note;	/* the function that tells what comes next, */
	uint64_t mailbox;	/* by the bytes it reads here */
	struct watch *watches;
	size_t nr_watches;
	uint64_t *suspends;	/* functions that are not looked into */
	size_t nr_suspends;
	uint64_t *stubs;	/* where the CPU enters for an interrupt */
	size_t nr_stubs;
	struct point *points;
	size_t nr_points;
};

extern struct config config;

bool config_read(const char *name, const char * const *rules);

#endif
