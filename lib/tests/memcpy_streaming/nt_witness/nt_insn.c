// SPDX-License-Identifier: GPL-2.0
/*
 * The code of the running kernel, an instruction at a time: what is the same on
 * each architecture. What the compiler made is looked at, not what the source
 * asked for.
 */

#include <kunit/nt_insn.h>
#include <linux/errno.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/string.h>

/**
 * nt_insn_decode - decode one instruction of the kernel's text
 * @addr: its address
 * @insn: filled in
 *
 * Code under a probe is not what the compiler made: it is refused.
 *
 * Returns: 0, -EINVAL if it is no instruction, -EBUSY if a probe sits on it,
 * -EOPNOTSUPP for a non-temporal store whose address is too unusual.
 */
int nt_insn_decode(const void *addr, struct nt_insn *insn)
{
	int err;

	memset(insn, 0, sizeof(*insn));
	insn->addr = addr;
	err = nt_arch_decode(insn);
	if (!err && insn->kind == NT_INSN_TRAP) {
		guard(preempt)();
		if (get_kprobe((void *)addr))
			return -EBUSY;
	}
	return err;
}

/**
 * nt_insn_store_address - where a non-temporal store is about to write
 * @insn: the store
 * @regs: the registers before it
 *
 * Returns: the address.
 */
unsigned long nt_insn_store_address(const struct nt_insn *insn,
				    struct pt_regs *regs)
{
	unsigned long addr = insn->disp;

	if (insn->base >= 0)
		addr += *(unsigned long *)((void *)regs + insn->base);
	if (insn->index >= 0)
		addr += *(unsigned long *)((void *)regs + insn->index) << insn->scale;
	return addr;
}
NOKPROBE_SYMBOL(nt_insn_store_address);

/**
 * nt_insn_function - the extent of a function in the kernel's text
 * @addr: any address in it
 * @start: its first byte
 * @end: one past its last byte; padding up to the next symbol is included
 *
 * Returns: 0, or -ENOENT where no symbol is known.
 */
int nt_insn_function(const void *addr, const void **start, const void **end)
{
	unsigned long size, offset;

	if (!kallsyms_lookup_size_offset((unsigned long)addr, &size, &offset))
		return -ENOENT;
	*start = addr - offset;
	*end = *start + size;
	return 0;
}
