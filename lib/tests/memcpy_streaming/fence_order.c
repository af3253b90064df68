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
#include <linux/string.h>

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

	/* Only what does not return is called as the last thing that a function does. */
	if (next.offset >= walk->size)
		return;
	if (!__test_and_set_bit(2 * next.offset + fenced, walk->seen))
		walk->todo[walk->nr_todo++] = next;
}

static bool is_copy(const void *target)
{
	int i;

	for (i = 0; i < nt_arch.nr_copies; i++) {
		if (nt_arch.copies[i] == target)
			return true;
	}
	return target == memcpy;
}

/*
 * What it comes to that @fn is called: a store if it copies, a fence if it
 * executes one on each way and copies nothing, else a call that does not matter.
 * A trap if it has a fence that is neither of these.
 */
static enum nt_insn_kind called(const void *fn)
{
	bool copies_something = false, branched = false, fences = false, more = false;
	const void *at, *end;
	struct nt_insn insn;

	if (is_copy(fn))
		return NT_INSN_STORE;
	if (!fn || nt_insn_function(fn, &at, &end))
		return NT_INSN_CALL;
	for (at = fn; at < end && !nt_insn_decode(at, &insn); at += insn.len) {
		if (insn.kind == NT_INSN_STORE || is_copy(insn.target))
			copies_something = true;
		if (insn.kind == NT_INSN_FENCE) {
			more |= fences || branched;
			fences = true;
		}
		branched |= insn.kind >= NT_INSN_JUMP;
	}
	if (fences && (more || copies_something))
		return NT_INSN_TRAP;
	if (copies_something)
		return NT_INSN_STORE;
	return fences ? NT_INSN_FENCE : NT_INSN_CALL;
}

/**
 * fence_order_drains - is some code a fence and nothing else
 * @code: the code
 * @size: its size in bytes
 *
 * Returns: whether it is one fence, or one call, of a function that executes one
 * fence on each way and copies nothing.
 */
bool fence_order_drains(const void *code, size_t size)
{
	struct nt_insn insn;

	return size && !nt_insn_decode(code, &insn) && insn.len == size &&
	       (insn.kind == NT_INSN_FENCE || (insn.kind == NT_INSN_CALL &&
					       called(insn.target) == NT_INSN_FENCE));
}

/**
 * fence_order_check - does one fence follow all copying in a function
 * @test: the test that wants to know
 * @fn: the function
 *
 * On each way from entry to exit there must be exactly one fence, and neither
 * a non-temporal store nor a call of a function that copies behind it. There
 * must be one of these before it, or there was nothing to judge. All of it may
 * be in functions that @fn calls.
 *
 * Returns: the first fault found, if any.
 */
struct fence_order fence_order_check(struct kunit *test, const void *fn)
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
		enum nt_insn_kind does;
		struct nt_insn insn;
		bool leaves;

		at = walk.start + s.offset;
		if (nt_insn_decode(at, &insn))
			return (struct fence_order){ "cannot be decoded", at };

		leaves = insn.kind == NT_INSN_RETURN ||
			 ((insn.kind == NT_INSN_JUMP || insn.kind == NT_INSN_BRANCH) &&
			  (insn.target < walk.start || insn.target >= end));
		does = insn.kind == NT_INSN_CALL || leaves ? called(insn.target) :
							     insn.kind;
		copies_something |= does == NT_INSN_STORE;

		if (does == NT_INSN_STORE && s.fenced)
			return (struct fence_order){ "copies after the fence", at };
		if (does == NT_INSN_TRAP && insn.kind != NT_INSN_TRAP)
			return (struct fence_order){ "calls what fences in between", at };
		if (does == NT_INSN_FENCE && s.fenced)
			return (struct fence_order){ "executes a second fence", at };
		if (leaves && !s.fenced && does != NT_INSN_FENCE)
			return (struct fence_order){ "leaves without a fence", at };
		/* A branch that leaves for a fence goes on without it. */
		s.fenced |= does == NT_INSN_FENCE && !leaves;

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
