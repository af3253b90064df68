// SPDX-License-Identifier: GPL-2.0
/*
 * One range at a time is written by one CPU and then looked at by another: was
 * something of it pending at the first look?
 */
#include "handover.h"
#include "rules.h"

bool handover_waits;

static struct range range;
static unsigned int giver;
/* By whom something of it is pending, or NULL. */
static const struct context *pending;

/** handover_begin() - a call that wrote what it was told to write returns */
void handover_begin(const struct context *context)
{
	if (!context->note.end)
		return;
	range.start = context->note.start;
	range.end = context->note.end;
	giver = context->cpu;
	pending = context->nr_pending ? context : NULL;
	handover_waits = true;
}

/** handover_drained() - nothing that @context stored is pending any more */
void handover_drained(const struct context *context)
{
	if (pending == context)
		pending = NULL;
}

/** handover_touch() - a CPU looks at, or writes, what is at @addr */
void handover_touch(unsigned int cpu, uint64_t addr)
{
	if (!handover_waits || cpu == giver || !within(&range, addr))
		return;
	handover_waits = false;
	rules_seen(HANDED_OVER, !pending, 1);
}
