/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who is within a watched function: not a CPU but a task, that is interrupted,
 * scheduled away, and goes on elsewhere.
 */
#ifndef _ZD_PLUGIN_CONTEXT_H
#define _ZD_PLUGIN_CONTEXT_H

#include <pthread.h>

#include "config.h"
#include "table.h"

#define MAX_CPUS	64
#define MAX_FRAMES	8
#define MAX_CALLS	512
#define NOTE_WORDS	4
#define MAX_NOTES	64

/* What is counted of a watched function. */
enum {
	COUNT_INSNS,
	COUNT_LOADED,		/* bytes */
	COUNT_STORED,		/* bytes, plainly */
	COUNT_NT_STORED,	/* bytes, non-temporally */
	COUNT_FENCES,
	COUNT_BRANCHES,
	NR_COUNTS
};

/**
 * struct note - what the guest said about the call that it is about to make
 * @id: which it is
 * @start: the first byte of the objects that it is to write
 * @end: the first behind them
 * @nr: how many of them
 */
struct note {
	uint64_t id;
	uint64_t start;
	uint64_t end;
	uint64_t nr;
};

/* Where the return address of a function is: at addr, or may be 8 above. */
struct slot {
	uint64_t addr;	/* 0 for none */
	bool or_above;
};

/* A watched function that has been called and has not returned. */
struct frame {
	const struct watch *watch;
	struct slot slot;
	uint64_t counts[NR_COUNTS];	/* as they were */

	/* order.c and below */
	bool streamed;		/* something, pending or not */
	size_t first;		/* what is pending from here on is its own */
	uint64_t drained;	/* the last instruction that drained something of it */
	uint32_t touched;	/* rules of points that it came by, a bit each, */
	uint32_t spoilt;	/* and those that it broke there */
};

/*
 * It outlives the functions for as long as something that they stored is
 * pending: then there is no frame.
 */
struct context {
	struct context *next;	/* among all there are */
	unsigned int cpu;	/* where it runs, or ran last */
	unsigned int interrupts;	/* that it is under */
	struct slot parked;	/* that of the function that it waits for */
	struct frame frames[MAX_FRAMES];
	unsigned int nr_frames;

	/* order.c and below */
	struct frame *call;	/* that the rules are about; others are around or in it */
	const struct watch *judged;	/* the function of the last call */
	const struct watch *around;	/* one that the last call was made by, or NULL */
	struct table lines;	/* stored to in the call */
	struct table objects;
	struct table waiting;	/* lines that are pending */
	uint64_t *pending;	/* their keys, as they became so */
	size_t nr_pending;
	size_t max_pending;
	size_t accused[MAX_RULES];	/* as many of them broke the rule */
	struct table late;	/* watches + 1, and the calls that left lines pending */
	uint64_t filling;	/* the line last stored to, or 0 */
	struct note note;	/* what it was to write; all 0 if not known */
	uint64_t was_in;	/* a bit for each point */

	/* cost.c */
	uint64_t counts[NR_COUNTS];
};

struct cpu {
	struct context *context;	/* NULL while not within anything */
	uint64_t calls[MAX_CALLS];	/* return slots, innermost last */
	unsigned int nr_calls;
	bool transfers;	/* a call or ret has yet to use the stack */
	uint64_t resumed;	/* end of the last iret's frame, or 0 after a call or ret */
	uint64_t repeating;	/* string instruction executed last, or 0 */
	uint64_t note[NOTE_WORDS];
	unsigned int nr_note;
};

extern struct cpu cpus[MAX_CPUS];
extern struct context *contexts;
/* Guards contexts, their tables and the output. */
extern pthread_mutex_t context_lock;

/* The context whose own code @cpu executes, or NULL. */
static inline struct context *context_active(unsigned int cpu)
{
	struct context *context = cpus[cpu].context;

	return context && !context->interrupts ? context : NULL;
}

struct qemu_plugin_insn;
void context_translate(struct qemu_plugin_insn *insn, uint64_t pc, unsigned int flags);
struct context *context_ret(unsigned int cpu, uint32_t info, uint64_t slot);
void context_leave(unsigned int cpu);
void context_end(unsigned int cpu);
const struct note *context_note(uint64_t addr);
const struct note *context_last_note(void);
void context_report(void);

#endif
