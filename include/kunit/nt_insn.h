/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KUNIT_NT_INSN_H
#define _KUNIT_NT_INSN_H

#include <linux/errno.h>
#include <linux/ptrace.h>
#include <linux/types.h>

/*
 * One instruction of the running kernel, reduced to what the tests ask of it:
 * is it a non-temporal store or a store fence, and where may it go next.
 */

enum nt_insn_kind {
	NT_INSN_PLAIN,		/* of no interest */
	NT_INSN_STORE,		/* a non-temporal store */
	NT_INSN_SFENCE,
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

int nt_insn_decode(const void *addr, struct nt_insn *insn);
unsigned long nt_insn_store_address(const struct nt_insn *insn,
				    struct pt_regs *regs);
#ifdef CONFIG_NT_WITNESS
int nt_insn_function(const void *addr, const void **start, const void **end);
#else
static inline int nt_insn_function(const void *addr, const void **start,
				   const void **end)
{
	return -EOPNOTSUPP;
}
#endif

#endif
