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

/*
 * What it comes to that @fn is called: a store if it copies, an sfence if it
 * executes one on each way and copies nothing, else a call that does not matter.
 * A trap if it has an sfence that is neither of these.
 */
static enum nt_insn_kind called(const void *fn, const void *const copies[], int nr)
{
	bool copies_something = false, branched = false, fences = false, more = false;
	const void *at, *end;
	struct nt_insn insn;

	if (is_one_of(fn, copies, nr))
		return NT_INSN_STORE;
	if (!fn || nt_insn_function(fn, &at, &end))
		return NT_INSN_CALL;
	for (at = fn; at < end && !nt_insn_decode(at, &insn); at += insn.len) {
		if (insn.kind == NT_INSN_STORE || is_one_of(insn.target, copies, nr))
			copies_something = true;
		if (insn.kind == NT_INSN_SFENCE) {
			more |= fences || branched;
			fences = true;
		}
		branched |= insn.kind >= NT_INSN_JUMP;
	}
	if (fences && (more || copies_something))
		return NT_INSN_TRAP;
	if (copies_something)
		return NT_INSN_STORE;
	return fences ? NT_INSN_SFENCE : NT_INSN_CALL;
}

/**
 * fence_order_called - is some code the call of a function that fences
 * @code: the code
 * @size: its size in bytes
 *
 * Returns: whether it is one call, of a function that executes one sfence on
 * each way and copies nothing.
 */
bool fence_order_called(const void *code, size_t size)
{
	struct nt_insn insn;

	return !nt_insn_decode(code, &insn) && insn.kind == NT_INSN_CALL &&
	       insn.len == size && called(insn.target, NULL, 0) == NT_INSN_SFENCE;
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
 * one of these before it, or there was nothing to judge. All of it may be in
 * functions that @fn calls.
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
		enum nt_insn_kind does;
		struct nt_insn insn;
		bool leaves;

		at = walk.start + s.offset;
		if (nt_insn_decode(at, &insn))
			return (struct fence_order){ "cannot be decoded", at };

		leaves = insn.kind == NT_INSN_RETURN ||
			 ((insn.kind == NT_INSN_JUMP || insn.kind == NT_INSN_BRANCH) &&
			  (insn.target < walk.start || insn.target >= end));
		does = insn.kind == NT_INSN_CALL || leaves ? called(insn.target, copies, nr) :
							     insn.kind;
		copies_something |= does == NT_INSN_STORE;

		if (does == NT_INSN_STORE && s.fenced)
			return (struct fence_order){ "copies after the sfence", at };
		if (does == NT_INSN_TRAP && insn.kind != NT_INSN_TRAP)
			return (struct fence_order){ "calls what fences in between", at };
		if (does == NT_INSN_SFENCE && s.fenced)
			return (struct fence_order){ "executes a second sfence", at };
		if (leaves && !s.fenced && does != NT_INSN_SFENCE)
			return (struct fence_order){ "leaves without an sfence", at };
		/* A branch that leaves for a fence goes on without it. */
		s.fenced |= does == NT_INSN_SFENCE && !leaves;

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
