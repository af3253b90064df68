// SPDX-License-Identifier: GPL-2.0
/*
 * x86_64: the non-temporal stores, the fence behind them and control flow, read
 * with the decoder that kprobes uses.
 */

#include <kunit/nt_insn.h>
#include <linux/array_size.h>
#include <linux/errno.h>
#include <linux/string.h>

#include <asm/insn.h>

/* In the order of the hardware's register numbers. */
static const int reg_offset[] = {
	offsetof(struct pt_regs, ax),	offsetof(struct pt_regs, cx),
	offsetof(struct pt_regs, dx),	offsetof(struct pt_regs, bx),
	offsetof(struct pt_regs, sp),	offsetof(struct pt_regs, bp),
	offsetof(struct pt_regs, si),	offsetof(struct pt_regs, di),
	offsetof(struct pt_regs, r8),	offsetof(struct pt_regs, r9),
	offsetof(struct pt_regs, r10),	offsetof(struct pt_regs, r11),
	offsetof(struct pt_regs, r12),	offsetof(struct pt_regs, r13),
	offsetof(struct pt_regs, r14),	offsetof(struct pt_regs, r15),
};

/* SIMD prefixes, legacy or within VEX and EVEX: none, 66, F3, F2. */
enum { PFX_NONE, PFX_66, PFX_F3, PFX_F2 };

static unsigned int vector_bytes(struct insn *insn)
{
	if (insn_is_evex(insn))
		return 16 << ((insn->vex_prefix.bytes[3] >> 5) & 3);
	if (insn_is_avx_or_xop(insn))
		return X86_VEX_L(insn->vex_prefix.bytes[2]) ? 32 : 16;
	return 16;
}

/*
 * Bytes that a non-temporal store writes, 0 if @insn is none. maskmovq and
 * maskmovdqu are left out: their mask decides, and the kernel has no use for
 * them.
 */
static unsigned int nt_store_bytes(struct insn *insn)
{
	bool vex = insn_is_avx_or_xop(insn);
	int pfx = insn_last_prefix_id(insn);
	u8 op;

	if (vex ? insn_is_xop(insn) || insn_vex_m_bits(insn) != 1 :
		  insn->opcode.nbytes != 2 || insn->opcode.bytes[0] != 0x0f)
		return 0;
	if (!insn->modrm.nbytes || X86_MODRM_MOD(insn->modrm.value) == 3)
		return 0;

	op = insn->opcode.bytes[vex ? 0 : 1];
	if (op == 0xc3 && !vex && pfx == PFX_NONE)	/* movnti */
		return insn->opnd_bytes == 8 ? 8 : 4;
	if (op == 0xe7 && pfx == PFX_66)		/* movntdq */
		return vector_bytes(insn);
	if (op == 0xe7 && pfx == PFX_NONE && !vex)	/* movntq */
		return 8;
	if (op == 0x2b && (pfx == PFX_NONE || pfx == PFX_66))
		return vector_bytes(insn);		/* movntps, movntpd */
	if (op == 0x2b && pfx == PFX_F3 && !vex)	/* movntss */
		return 4;
	if (op == 0x2b && pfx == PFX_F2 && !vex)	/* movntsd */
		return 8;
	return 0;
}

static bool uses_segment(struct insn *insn)
{
	insn_byte_t p;

	for_each_insn_prefix(insn, p) {
		if (p == 0x64 || p == 0x65)
			return true;
	}
	return false;
}

/* Split the memory operand, so that a probe has nothing left to decode. */
static int split_address(struct insn *insn, struct nt_insn *out)
{
	unsigned int rex = insn->rex_prefix.nbytes == 1 ? insn->rex_prefix.value : 0;
	unsigned int mod = X86_MODRM_MOD(insn->modrm.value);
	unsigned int base = X86_MODRM_RM(insn->modrm.value);
	unsigned int index = 4;

	/* What kernel code has no reason to do is refused, not guessed at. */
	if (insn->rex_prefix.nbytes > 1 || insn->addr_bytes != 8 ||
	    insn_is_avx_or_xop(insn) || uses_segment(insn))
		return -EOPNOTSUPP;

	out->base = -1;
	out->index = -1;
	out->scale = 0;
	out->disp = insn->displacement.nbytes == 1 ?
		(s8)insn->displacement.value : (s32)insn->displacement.value;

	if (insn_rip_relative(insn)) {
		out->disp += (long)out->addr + out->len;
		return 0;
	}
	if (insn->sib.nbytes) {
		base = X86_SIB_BASE(insn->sib.value);
		index = X86_SIB_INDEX(insn->sib.value) + (X86_REX_X(rex) ? 8 : 0);
		out->scale = X86_SIB_SCALE(insn->sib.value);
		if (index != 4)
			out->index = reg_offset[index];
		if (mod == 0 && base == 5)
			return 0;
	}
	out->base = reg_offset[base + (X86_REX_B(rex) ? 8 : 0)];
	return 0;
}

static enum nt_insn_kind control_kind(struct insn *insn)
{
	u8 op = insn->opcode.bytes[0];

	if (insn_is_avx_or_xop(insn))
		return NT_INSN_PLAIN;

	switch (op) {
	case 0xe8:
		return NT_INSN_CALL;
	case 0xe9:
	case 0xeb:
		return NT_INSN_JUMP;
	case 0x70 ... 0x7f:
	case 0xe0 ... 0xe3:
		return NT_INSN_BRANCH;
	case 0xc2:
	case 0xc3:
		return NT_INSN_RETURN;
	case 0xcc:
		return NT_INSN_TRAP;
	case 0xff:
		if (X86_MODRM_REG(insn->modrm.value) == 2)
			return NT_INSN_CALL;
		if (X86_MODRM_REG(insn->modrm.value) == 4)
			return NT_INSN_JUMP;
		return NT_INSN_PLAIN;
	case 0x0f:
		op = insn->opcode.bytes[1];
		if (op >= 0x80 && op <= 0x8f)
			return NT_INSN_BRANCH;
		if (op == 0x0b || op == 0xb9 || op == 0xff)
			return NT_INSN_TRAP;
		if (op == 0xae && !insn_last_prefix_id(insn) &&
		    insn->modrm.value >= 0xf8)
			return NT_INSN_FENCE;
		return NT_INSN_PLAIN;
	}
	return NT_INSN_PLAIN;
}

int nt_arch_decode(struct nt_insn *insn)
{
	struct insn raw;

	if (insn_decode_kernel(&raw, insn->addr) < 0)
		return -EINVAL;

	insn->len = raw.length;
	insn->bytes = nt_store_bytes(&raw);
	if (insn->bytes) {
		insn->kind = NT_INSN_STORE;
		return split_address(&raw, insn);
	}

	insn->kind = control_kind(&raw);
	if (insn->kind >= NT_INSN_CALL && insn->kind <= NT_INSN_BRANCH &&
	    raw.opcode.bytes[0] != 0xff) {
		long disp = raw.immediate.nbytes == 1 ?
			(s8)raw.immediate.value : (s32)raw.immediate.value;

		insn->target = insn->addr + raw.length + disp;
	}
	return 0;
}

/* Both widths of movnti, and each part that an address may have. */
static void sample(void *dst)
{
	asm volatile("movnti %k1, (%0)\n\t"
		     "movnti %1, 24(%0)\n\t"
		     "movnti %1, (%0,%2,8)\n\t"
		     "movnti %k1, 160(%0,%2,2)\n\t"
		     "movnti %1, -32(%3)"
		     : : "r" (dst), "r" (0x0123456789abcdefUL), "r" (10UL), "r" (dst + 256)
		     : "memory");
}

static const void *const copies[] = { __memcpy_flushcache, __memcpy };

const struct nt_arch nt_arch = {
	.fence = "sfence",
	/* A streaming store may be seen after a plain one that follows it. */
	.ordered = false,
	/* movnti writes 4 bytes or 8. */
	.granule = 4,
	.flushcache = true,
	.copies = copies,
	.nr_copies = ARRAY_SIZE(copies),
	.sample = sample,
};
