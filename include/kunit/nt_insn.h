/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KUNIT_NT_INSN_H
#define _KUNIT_NT_INSN_H

#include <linux/compiler_attributes.h>
#include <linux/errno.h>
#include <linux/ptrace.h>
#include <linux/types.h>

/*
 * One instruction of the running kernel, reduced to what the tests ask of it:
 * is it a non-temporal store or a store fence, and where may it go next. What
 * an architecture's instructions are is told in one file, insn_$(SRCARCH).c in
 * lib/tests/memcpy_streaming/nt_witness: nt_arch_decode() and nt_arch. Where there
 * is none, what needs it is skipped.
 */

enum nt_insn_kind {
	NT_INSN_PLAIN,		/* of no interest */
	NT_INSN_STORE,		/* a non-temporal store */
	NT_INSN_FENCE,		/* earlier stores, such ones too, come before later ones */
	NT_INSN_CALL,		/* comes back; target NULL if indirect */
	NT_INSN_JUMP,		/* does not come back; target NULL if indirect */
	NT_INSN_BRANCH,		/* jumps to target or goes on */
	NT_INSN_RETURN,
	NT_INSN_TRAP,		/* nothing is executed after it */
};

/**
 * struct nt_insn - a decoded instruction
 * @addr: where it is
 * @len: its length in bytes
 * @kind: what it is
 * @target: for calls, jumps and branches, where to
 * @bytes: for a non-temporal store, how many bytes it writes
 * @base: for a store, offset of the base register in struct pt_regs or -1
 * @index: for a store, offset of the index register in struct pt_regs or -1
 * @scale: for a store, log2 of what the index is multiplied with
 * @disp: for a store, displacement, the address of the next instruction
 *	added if it is relative to that
 */
struct nt_insn {
	const void *addr;
	unsigned int len;
	enum nt_insn_kind kind;
	const void *target;
	unsigned int bytes;
	int base;
	int index;
	unsigned int scale;
	long disp;
};

/**
 * struct nt_arch - what the tests have to know of an architecture's streaming
 * @fence: what an NT_INSN_FENCE is called there, for messages
 * @ordered: streaming stores are as ordered as plain ones are there, as its
 *	manual has it: a drain may be nothing
 * @granule: a copy of a multiple of this, to a multiple of 8, can stream in full
 * @flushcache: memcpy_flushcache() streams
 * @copies: functions that copy, beside memcpy()
 * @nr_copies: how many
 * @sample: executes each form of a streaming store of general registers, all of
 *	them within NT_SAMPLE_SIZE bytes and none of them on bytes that
 *	another one writes; no byte that it writes is zero
 */
struct nt_arch {
	const char *fence;
	bool ordered;
	unsigned int granule;
	bool flushcache;
	const void *const *copies;
	int nr_copies;
	void (*sample)(void *dst);
};

#define NT_SAMPLE_SIZE	256

/**
 * nt_arch_decode() - decode an instruction, in an architecture's own file
 * @insn: @addr is where it is, all else is zero; filled in
 *
 * Returns: as nt_insn_decode(), which calls it.
 */
int nt_arch_decode(struct nt_insn *insn);

int nt_insn_decode(const void *addr, struct nt_insn *insn);
unsigned long nt_insn_store_address(const struct nt_insn *insn,
				    struct pt_regs *regs);

#ifdef CONFIG_NT_WITNESS
extern const struct nt_arch nt_arch;
int nt_insn_function(const void *addr, const void **start, const void **end);
#else
/* Nobody asks before nt_witness_lacks() said so. */
static const struct nt_arch nt_arch __maybe_unused = { .fence = "fence", .granule = 1 };

static inline int nt_insn_function(const void *addr, const void **start,
				   const void **end)
{
	return -EOPNOTSUPP;
}
#endif

#endif
