// SPDX-License-Identifier: GPL-2.0
/*
 * Does one store fence follow all copying, on every way through a function?
 *
 * On one CPU a missing fence changes no value, and which instruction comes last
 * in memory says little about which is executed last. So the code is walked as
 * a CPU could walk it: each instruction once with the fence behind it and once
 * without.
 */

#include <kunit/nt_insn.h>
#include <kunit/test.h>
#include <linux/bitops.h>

#include "fence_order.h"

/* An instruction, with or without the fence behind it. */
struct state {
	unsigned int offset;
	bool fenced;
};

struct walk {
	const void *start;
	size_t size;
	struct state *todo;
	unsigned int nr_todo;
	unsigned long *seen;
};

static void visit(struct walk *walk, const void *addr, bool fenced)
{
	struct state next = { addr - walk->start, fenced };

	if (!__test_and_set_bit(2 * next.offset + fenced, walk->seen))
		walk->todo[walk->nr_todo++] = next;
}

static bool is_one_of(const void *target, const void *const copies[], int nr)
{
	while (nr--) {
		if (copies[nr] == target)
			return true;
	}
	return false;
}

/**
 * fence_order_check - does one sfence follow all copying in a function
 * @test: the test that wants to know
 * @fn: the function
 * @copies: functions that, if called, copy
 * @nr: how many
 *
 * On each way from entry to exit there must be exactly one sfence, and neither
 * a non-temporal store nor a call of one of @copies behind it. There must be
 * one of these before it, or there was nothing to judge.
 *
 * Returns: the first fault found, if any.
 */
struct fence_order fence_order_check(struct kunit *test, const void *fn,
				     const void *const copies[], int nr)
{
	bool copies_something = false;
	const void *end, *at = fn;
	struct walk walk = { };

	if (nt_insn_function(fn, &walk.start, &end))
		return (struct fence_order){ "has no symbol", fn };
	walk.size = end - walk.start;
	/* A state is queued once: two for each byte are enough. */
	walk.todo = kunit_kcalloc(test, 2 * walk.size, sizeof(*walk.todo),
				  GFP_KERNEL);
	walk.seen = kunit_kcalloc(test, BITS_TO_LONGS(2 * walk.size),
				  sizeof(*walk.seen), GFP_KERNEL);
	if (!walk.todo || !walk.seen)
		return (struct fence_order){ "out of memory", fn };

	visit(&walk, walk.start, false);
	while (walk.nr_todo) {
		struct state s = walk.todo[--walk.nr_todo];
		bool leaves, copy;
		struct nt_insn insn;

		at = walk.start + s.offset;
		if (nt_insn_decode(at, &insn))
			return (struct fence_order){ "cannot be decoded", at };

		leaves = insn.kind == NT_INSN_RETURN ||
			 ((insn.kind == NT_INSN_JUMP || insn.kind == NT_INSN_BRANCH) &&
			  (insn.target < walk.start || insn.target >= end));
		copy = insn.kind == NT_INSN_STORE ||
		       ((insn.kind == NT_INSN_CALL || leaves) &&
			is_one_of(insn.target, copies, nr));
		copies_something |= copy;

		if (copy && s.fenced)
			return (struct fence_order){ "copies after the sfence", at };
		if (leaves && !s.fenced)
			return (struct fence_order){ "leaves without an sfence", at };
		if (insn.kind == NT_INSN_SFENCE) {
			if (s.fenced)
				return (struct fence_order){ "executes a second sfence", at };
			s.fenced = true;
		}

		if (!leaves && insn.target && insn.kind != NT_INSN_CALL)
			visit(&walk, insn.target, s.fenced);
		if (insn.kind != NT_INSN_RETURN && insn.kind != NT_INSN_JUMP &&
		    insn.kind != NT_INSN_TRAP)
			visit(&walk, at + insn.len, s.fenced);
	}

	if (!copies_something)
		return (struct fence_order){ "does not copy", fn };
	return (struct fence_order){ };
}
