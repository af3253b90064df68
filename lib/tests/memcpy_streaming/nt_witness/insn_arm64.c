// SPDX-License-Identifier: GPL-2.0
/*
 * arm64: the stores of pairs with a non-temporal hint, the barriers that order
 * stores, and control flow.
 *
 * The architecture says of such a store that its data need not be cached. Of its
 * order it says nothing that it does not say of any store: the exception in the
 * manual is about loads (Arm ARM, "Load/store non-temporal pair"). So a release
 * orders it as it orders other stores, and a drain may be nothing.
 */

#include <kunit/nt_insn.h>
#include <linux/align.h>
#include <linux/array_size.h>
#include <linux/bitfield.h>
#include <linux/errno.h>
#include <linux/string.h>

#include <asm/insn.h>

/* stnp, of general registers and of those for SIMD. */
#define STNP_MASK	0x3bc00000
#define STNP		0x28000000
#define PAIR_OPC	GENMASK(31, 30)
#define PAIR_SIMD	BIT(26)
#define PAIR_DISP	GENMASK(21, 15)
#define PAIR_BASE	GENMASK(9, 5)

/* What a barrier orders, in which domain: to others, and stores among it. */
#define BARRIER_STORES	BIT(9)
#define BARRIER_DOMAIN	GENMASK(11, 10)
#define NON_SHAREABLE	1

static int decode_pair(u32 raw, struct nt_insn *insn)
{
	const unsigned int opc = FIELD_GET(PAIR_OPC, raw), base = FIELD_GET(PAIR_BASE, raw);
	unsigned int size;

	/* Among them sttnp, which stores as user space may. */
	if (raw & PAIR_SIMD ? opc == 3 : opc & 1)
		return -EOPNOTSUPP;
	size = raw & PAIR_SIMD ? 4 << opc : opc ? 8 : 4;
	insn->kind = NT_INSN_STORE;
	insn->bytes = 2 * size;
	insn->base = base == 31 ? offsetof(struct pt_regs, sp) :
				  offsetof(struct pt_regs, regs[base]);
	insn->index = -1;
	insn->disp = sign_extend32(FIELD_GET(PAIR_DISP, raw), 6) * (long)size;
	return 0;
}

static bool orders_stores(u32 raw)
{
	return (aarch64_insn_is_dmb(raw) || aarch64_insn_is_dsb(raw)) &&
	       raw & BARRIER_STORES && FIELD_GET(BARRIER_DOMAIN, raw) != NON_SHAREABLE;
}

static enum nt_insn_kind control_kind(u32 raw)
{
	if (aarch64_insn_is_bl(raw) || aarch64_insn_is_blr(raw) || aarch64_insn_is_blr_auth(raw))
		return NT_INSN_CALL;
	if (aarch64_insn_is_b(raw) || aarch64_insn_is_br(raw) || aarch64_insn_is_br_auth(raw))
		return NT_INSN_JUMP;
	if (aarch64_insn_is_ret(raw) || aarch64_insn_is_ret_auth(raw) ||
	    aarch64_insn_is_eret(raw) || aarch64_insn_is_eret_auth(raw))
		return NT_INSN_RETURN;
	if (aarch64_insn_is_branch_imm(raw))
		return NT_INSN_BRANCH;
	if (aarch64_insn_is_brk(raw))
		return NT_INSN_TRAP;
	return orders_stores(raw) ? NT_INSN_FENCE : NT_INSN_PLAIN;
}

int nt_arch_decode(struct nt_insn *insn)
{
	u32 raw;

	insn->len = AARCH64_INSN_SIZE;
	if (!IS_ALIGNED((unsigned long)insn->addr, AARCH64_INSN_SIZE))
		return -EINVAL;
	raw = le32_to_cpup(insn->addr);
	if ((raw & STNP_MASK) == STNP)
		return decode_pair(raw, insn);

	insn->kind = control_kind(raw);
	if (aarch64_insn_is_branch_imm(raw))
		insn->target = insn->addr + aarch64_get_branch_offset(raw);
	return 0;
}

/* Both widths, and offsets to both sides. */
static void sample(void *dst)
{
	asm volatile("stnp %w1, %w2, [%0]\n\t"
		     "stnp %w1, %w2, [%0, #24]\n\t"
		     "stnp %1, %2, [%0, #64]\n\t"
		     "stnp %1, %2, [%3, #-128]\n\t"
		     "stnp %1, %2, [%3, #-32]"
		     : : "r" (dst), "r" (0x0123456789abcdefUL), "r" (0xfedcba9876543210UL),
			 "r" (dst + 256)
		     : "memory");
}

static const void *const copies[] = { __memcpy };

const struct nt_arch nt_arch = {
	.fence = "dmb or dsb of stores",
	.ordered = true,
	/* The smallest pair is one of 4 bytes each. */
	.granule = 8,
	/* That one copies through the cache, and cleans it. */
	.flushcache = false,
	.copies = copies,
	.nr_copies = ARRAY_SIZE(copies),
	.sample = sample,
};
