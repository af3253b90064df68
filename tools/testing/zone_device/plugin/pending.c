// SPDX-License-Identifier: GPL-2.0
/*
 * Which cache lines hold stores that nothing has drained, and what becomes of
 * them, be it after the watched function has returned.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pending.h"

#define MAX_FATES	256

size_t pending_total;

/* What ended the waiting of a call's last lines. */
enum fate {
	WITHIN,		/* an instruction in the call drained them */
	AFTER,		/* one behind its return did */
	TOUCHED,	/* another CPU came before that */
	NEVER,		/* nothing did, until the guest ended */
};

static const char * const fates[] = {
	[WITHIN]  = "within",
	[AFTER]	  = "after",
	[TOUCHED] = "touched",
	[NEVER]	  = "never",
};

static struct {
	const struct watch *watch;
	enum fate fate;
	uint64_t pc;
	uint64_t calls;
} seen[MAX_FATES];
static size_t nr_seen;

static void count_fate(const struct watch *watch, enum fate fate, uint64_t pc, uint64_t calls)
{
	size_t i;

	for (i = 0; i < nr_seen; i++) {
		if (seen[i].watch == watch && seen[i].fate == fate && seen[i].pc == pc)
			break;
	}
	if (i == MAX_FATES)
		return;
	if (i == nr_seen) {
		seen[i].watch = watch;
		seen[i].fate = fate;
		seen[i].pc = pc;
		nr_seen++;
	}
	seen[i].calls += calls;
}

/* The calls that returned with something pending. */
static void end_late(struct context *context, enum fate fate, uint64_t pc)
{
	struct entry *late = NULL;

	while ((late = table_next(&context->late, late)))
		count_fate(&config.watches[late->key - 1], fate, pc, late->bytes);
	table_clear(&context->late);
}

static void append(struct context *context, uint64_t key)
{
	if (context->nr_pending == context->max_pending) {
		context->max_pending = context->max_pending ? 2 * context->max_pending : 64;
		context->pending = realloc(context->pending,
					   context->max_pending * sizeof(*context->pending));
		if (!context->pending)
			abort();
	}
	context->pending[context->nr_pending++] = key;
	__atomic_fetch_add(&pending_total, 1, __ATOMIC_RELAXED);
}

/**
 * pending_add() - a line is stored to non-temporally
 *
 * Returns: whether no store of this call to it was pending before.
 */
bool pending_add(struct context *context, uint64_t key, uint64_t addr, uint64_t pc)
{
	const struct frame *frame = context->call ? context->call : &context->frames[0];
	bool known = table_find(&context->waiting, key);
	struct entry *line = table_add(&context->waiting, key);

	/* Its place among those pending is what it has for bytes. */
	if (known && pending_of(frame, line))
		return false;
	line->bytes = context->nr_pending;
	line->addr = addr;
	line->pc = pc;
	line->accused = 0;
	append(context, key);
	return true;
}

/** pending_accuse() - a pending line breaks @rule; it is accused of each thing once */
void pending_accuse(const struct context *context, struct entry *line, enum rule rule,
		    uint64_t pc, uint64_t addr, unsigned int cpu)
{
	const struct breach breach = { line->pc, pc, addr, cpu };

	if (line->accused & 1U << rule)
		return;
	line->accused |= 1U << rule;
	rules_report(context, context->judged, rule, &breach);
}

/** pending_accuse_all() - all that was stored since @frame was entered breaks @rule */
void pending_accuse_all(struct context *context, const struct frame *frame, enum rule rule,
			uint64_t pc)
{
	size_t i = context->accused[rule];

	/* Most of them were pending the last time already. */
	for (i = i < frame->first ? frame->first : i; i < context->nr_pending; i++) {
		const struct entry *line = table_find(&context->waiting, context->pending[i]);
		const struct breach breach = { line->pc, pc, line->addr, context->cpu };

		rules_report(context, frame->watch, rule, &breach);
	}
	context->accused[rule] = i;
}

/** pending_drained() - the instruction at @pc drains all that @context has stored */
void pending_drained(struct context *context, uint64_t pc)
{
	unsigned int i;

	for (i = 0; i < context->nr_frames; i++) {
		if (pending_in(context, &context->frames[i]))
			context->frames[i].drained = pc;
		context->frames[i].first = 0;
	}
	end_late(context, AFTER, pc);
	table_clear(&context->waiting);
	memset(context->accused, 0, sizeof(context->accused));
	__atomic_fetch_sub(&pending_total, context->nr_pending, __ATOMIC_RELAXED);
	context->nr_pending = 0;
}

/** pending_touched() - at @pc another CPU touches what is pending */
void pending_touched(struct context *context, uint64_t pc)
{
	end_late(context, TOUCHED, pc);
}

/** pending_leave() - the function of @frame, which has streamed, returns */
void pending_leave(struct context *context, const struct frame *frame)
{
	if (pending_in(context, frame))
		table_add(&context->late, frame->watch - config.watches + 1)->bytes++;
	else
		count_fate(frame->watch, WITHIN, frame->drained, 1);
}

void pending_sum_up(void)
{
	struct context *context;
	size_t i;

	for (context = contexts; context; context = context->next)
		end_late(context, NEVER, 0);
	for (i = 0; i < nr_seen; i++)
		fprintf(config.out, "drained %s %s %" PRIx64 " %" PRIu64 "\n",
			seen[i].watch->name, fates[seen[i].fate], seen[i].pc, seen[i].calls);
}
