/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ZD_PLUGIN_PENDING_H
#define _ZD_PLUGIN_PENDING_H

#include "context.h"
#include "rules.h"

/* Of all contexts: while there is none, memory accesses are of no interest. */
extern size_t pending_total;

bool pending_add(struct context *context, uint64_t key, uint64_t addr, uint64_t pc);
void pending_accuse(const struct context *context, struct entry *line, enum rule rule,
		    uint64_t pc, uint64_t addr, unsigned int cpu);
void pending_accuse_all(struct context *context, const struct frame *frame, enum rule rule,
			uint64_t pc);
void pending_drained(struct context *context, uint64_t pc);
void pending_touched(struct context *context, uint64_t pc);
void pending_leave(struct context *context, const struct frame *frame);
void pending_sum_up(void);

/* Is something pending that was stored since @frame was entered? */
static inline bool pending_in(const struct context *context, const struct frame *frame)
{
	return context->nr_pending > frame->first;
}

/* Was @line, which is pending, stored to since then? */
static inline bool pending_of(const struct frame *frame, const struct entry *line)
{
	return line->bytes >= frame->first;
}

#endif
