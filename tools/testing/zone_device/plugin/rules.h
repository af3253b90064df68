/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ZD_PLUGIN_RULES_H
#define _ZD_PLUGIN_RULES_H

#include <stdbool.h>
#include <stdint.h>

enum rule {
	PLAIN_STORE,
	FOREIGN_TOUCH,
	HANDED_OVER,
	AT_COMPOUND,
	AT_PREP_HEAD,
	AT_PAGEBLOCK,
	AT_START,
	AT_RETURN,
	AT_REMAP,
	OUTSIDE,
	TWICE,
	PARTIAL_OBJECT,
	PENDING_LOAD,
	PARTIAL_LINE,
	EMPTY_DRAIN,
	NR_RULES
};

/* Their names, for config_read(); NULL follows the last. */
extern const char * const rules[];

/**
 * struct breach - a rule is broken
 * @store: the non-temporal store that is at fault
 * @pc: the instruction at which it is so
 * @addr: about what memory
 * @cpu: where
 */
struct breach {
	uint64_t store;
	uint64_t pc;
	uint64_t addr;
	unsigned int cpu;
};

struct context;
struct watch;

void rules_report(const struct context *context, const struct watch *watch, enum rule rule,
		  const struct breach *breach);
void rules_seen(enum rule rule, int kept, int of);
void rules_sum_up(void);

#endif
