// SPDX-License-Identifier: GPL-2.0
/*
 * The rules by name, how often each was broken, and how often it could have
 * been. Which of them is an invariant, a promise or a waste is not known here.
 * See ../docs/order.rst.
 */
#include <assert.h>
#include <inttypes.h>

#include "context.h"
#include "rules.h"

#define SHOWN	8

const char * const rules[] = {
	[PLAIN_STORE]	 = "plain-store-to-pending",
	[FOREIGN_TOUCH]	 = "foreign-cpu-touch",
	[HANDED_OVER]	 = "handed-over-pending",
	[AT_COMPOUND]	 = "undrained-at-compound",
	[AT_PREP_HEAD]	 = "undrained-at-prep-head",
	[AT_PAGEBLOCK]	 = "undrained-at-pageblock",
	[AT_START]	 = "undrained-at-start",
	[AT_RETURN]	 = "undrained-at-return",
	[AT_REMAP]	 = "undrained-at-remap",
	[OUTSIDE]	 = "outside-range",
	[TWICE]		 = "written-twice",
	[PARTIAL_OBJECT] = "partial-page",
	[PENDING_LOAD]	 = "load-from-pending",
	[PARTIAL_LINE]	 = "partial-line",
	[EMPTY_DRAIN]	 = "empty-drain",
	[NR_RULES]	 = NULL
};

static_assert(NR_RULES <= MAX_RULES, "a rule is a bit of struct watch and of struct entry");

static struct {
	uint64_t total;
	/* How often it could have been broken, and was not, if counted here. */
	uint64_t of;
	uint64_t kept;
	/* Stores and offenders that have been shown already. */
	unsigned int nr_shown;
	uint64_t stores[SHOWN];
	uint64_t offenders[SHOWN];
} found[NR_RULES];

/** rules_report() - @rule is broken in a call of the function of @watch */
void rules_report(const struct context *context, const struct watch *watch, enum rule rule,
		  const struct breach *breach)
{
	unsigned int i;

	if (!(watch->rules & 1U << rule))
		return;
	found[rule].total++;
	for (i = 0; i < found[rule].nr_shown; i++) {
		if (found[rule].stores[i] == breach->store &&
		    found[rule].offenders[i] == breach->pc)
			return;
	}
	if (i == SHOWN)
		return;
	found[rule].stores[i] = breach->store;
	found[rule].offenders[i] = breach->pc;
	found[rule].nr_shown++;
	fprintf(config.out, "found %s %s %" PRIx64 " %" PRIx64 " %" PRIx64 " %u %u\n",
		rules[rule], watch->name, breach->store, breach->pc, breach->addr,
		context->cpu, breach->cpu);
	fflush(config.out);
}

/** rules_seen() - @rule could have been broken @of times more, and was not @kept times */
void rules_seen(enum rule rule, int kept, int of)
{
	found[rule].kept += kept;
	found[rule].of += of;
}

void rules_sum_up(void)
{
	int i;

	for (i = 0; i < NR_RULES; i++)
		fprintf(config.out, "total %s %" PRIu64 "\nkept %s %" PRIu64 " %" PRIu64 "\n",
			rules[i], found[i].total, rules[i], found[i].kept, found[i].of);
}
