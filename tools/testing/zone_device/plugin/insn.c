// SPDX-License-Identifier: GPL-2.0
/*
 * Just enough of an x86_64 decoder: which instructions store around the caches,
 * which drain such stores, and which lead elsewhere. It is told the length, so
 * it need not work that out.
 */
#include <stdbool.h>

#include "insn.h"

enum { PFX_NONE, PFX_66, PFX_F3, PFX_F2 };
enum { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A, MAP_OTHER };

struct insn {
	unsigned int prefix;	/* PFX_, legacy or that of VEX and EVEX */
	unsigned int map;	/* MAP_ */
	uint8_t opcode;
	uint8_t modrm;		/* 0 where the instruction ends before */
	bool vex;		/* VEX or EVEX */
	bool lock;
	bool rep;
	bool rex_r;
};

static bool in_memory(const struct insn *insn)
{
	return insn->modrm < 0xc0;
}

static unsigned int reg_field(const struct insn *insn)
{
	return insn->modrm >> 3 & 7;
}

/* SDM vol. 2: the MOVNT, MASKMOV and MOVDIR instructions. */
static bool is_nt_store(const struct insn *insn)
{
	bool plain = insn->prefix == PFX_NONE, p66 = insn->prefix == PFX_66;

	if (insn->map == MAP_0F38 && !insn->vex)
		return in_memory(insn) &&
		       ((insn->opcode == 0xf9 && plain) ||	/* movdiri */
			(insn->opcode == 0xf8 && p66));		/* movdir64b */
	if (insn->map != MAP_0F)
		return false;

	switch (insn->opcode) {
	case 0xc3:	/* movnti */
		return in_memory(insn) && plain && !insn->vex;
	case 0xe7:	/* movntq, movntdq */
		return in_memory(insn) && (p66 || (plain && !insn->vex));
	case 0x2b:	/* movntps, movntpd; movntss, movntsd */
		return in_memory(insn) && (plain || p66 || !insn->vex);
	case 0xf7:	/* maskmovq, maskmovdqu: to where rdi points */
		return !in_memory(insn) && (p66 || (plain && !insn->vex));
	}
	return false;
}

static bool is_fence(const struct insn *insn)
{
	return insn->map == MAP_0F && insn->opcode == 0xae && !insn->vex &&
	       insn->prefix == PFX_NONE && insn->modrm >= 0xf0;
}

/*
 * SDM vol. 3, "Serializing Instructions". WRMSR is left out: whether it is one
 * depends on the register, which cannot be seen here.
 */
static bool is_serializing(const struct insn *insn)
{
	if (insn->vex)
		return false;
	if (insn->map == MAP_0F38)	/* invept, invvpid */
		return insn->prefix == PFX_66 && insn->opcode >= 0x80 && insn->opcode <= 0x81;
	if (insn->map != MAP_0F)
		return false;

	switch (insn->opcode) {
	case 0x00:	/* lldt, ltr */
		return reg_field(insn) == 2 || reg_field(insn) == 3;
	case 0x01:	/* lgdt, lidt, invlpg; serialize */
		if (in_memory(insn))
			return reg_field(insn) == 2 || reg_field(insn) == 3 ||
			       reg_field(insn) == 7;
		return insn->modrm == 0xe8;
	case 0x22:	/* mov to a control register, but for cr8 */
		return !(insn->rex_r && !reg_field(insn));
	case 0x09:	/* wbinvd; with F3 it is wbnoinvd, which is none */
		return insn->prefix == PFX_NONE;
	case 0x08:	/* invd */
	case 0x23:	/* mov to a debug register */
	case 0xa2:	/* cpuid */
	case 0xaa:	/* rsm */
		return true;
	}
	return false;
}

static unsigned int classify(const struct insn *insn)
{
	if (is_nt_store(insn))
		return INSN_NT_STORE;
	if (is_fence(insn))
		return INSN_FENCE | INSN_DRAIN;
	if (insn->lock || is_serializing(insn))
		return INSN_DRAIN;
	if (insn->vex)
		return 0;
	if (insn->map == MAP_0F)
		return insn->opcode >= 0x80 && insn->opcode <= 0x8f ? INSN_BRANCH : 0;
	if (insn->map != MAP_ONE)
		return 0;

	switch (insn->opcode) {
	case 0x70 ... 0x7f:
	case 0xe0 ... 0xe3:
	case 0xe9:
	case 0xeb:
		return INSN_BRANCH;
	case 0xe8:
		return INSN_BRANCH | INSN_CALL;
	case 0xc2:
	case 0xc3:
		return INSN_BRANCH | INSN_RET;
	case 0xcf:
		return INSN_BRANCH | INSN_IRET | INSN_DRAIN;
	case 0xff:
		if (reg_field(insn) < 2 || reg_field(insn) > 5)
			return 0;
		return INSN_BRANCH | (reg_field(insn) <= 3 ? INSN_CALL : 0) |
		       (in_memory(insn) ? INSN_INDIRECT : 0);
	case 0x9d:
		return INSN_POPF;
	case 0x86:
	case 0x87:	/* xchg locks without a prefix */
		return in_memory(insn) ? INSN_DRAIN : 0;
	case 0x6c ... 0x6f:
	case 0xa4 ... 0xa7:
	case 0xaa ... 0xaf:
		return insn->rep ? INSN_STRING : 0;
	}
	return 0;
}

static bool legacy_prefix(struct insn *insn, uint8_t byte)
{
	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case 0x3e:
	case 0x64: case 0x65: case 0x67:
		return true;
	case 0x66:
		/* F2 and F3 take precedence, in whatever order they come. */
		if (insn->prefix == PFX_NONE)
			insn->prefix = PFX_66;
		return true;
	case 0xf0:
		insn->lock = true;
		return true;
	case 0xf2:
	case 0xf3:
		insn->prefix = byte == 0xf2 ? PFX_F2 : PFX_F3;
		insn->rep = true;
		return true;
	}
	return false;
}

/**
 * insn_decode() - what an instruction is
 * @bytes: the instruction
 * @size: its length
 *
 * Returns: the INSN_ flags that apply.
 */
unsigned int insn_decode(const uint8_t *bytes, size_t size)
{
	static const unsigned int vex_pp[] = { PFX_NONE, PFX_66, PFX_F3, PFX_F2 };
	struct insn insn = {};
	size_t i = 0;

	while (i < size && legacy_prefix(&insn, bytes[i]))
		i++;
	if (i < size && bytes[i] >= 0x40 && bytes[i] <= 0x4f)
		insn.rex_r = bytes[i++] & 4;
	if (i >= size)
		return 0;

	if (bytes[i] == 0xc5 && i + 2 < size) {
		insn.vex = true;
		insn.map = MAP_0F;
		insn.prefix = vex_pp[bytes[i + 1] & 3];
		i += 2;
	} else if ((bytes[i] == 0xc4 && i + 3 < size) || (bytes[i] == 0x62 && i + 4 < size)) {
		unsigned int map = bytes[i + 1] & (bytes[i] == 0xc4 ? 0x1f : 7);

		insn.vex = true;
		insn.map = map >= MAP_0F && map <= MAP_0F3A ? map : MAP_OTHER;
		insn.prefix = vex_pp[bytes[i + 2] & 3];
		i += bytes[i] == 0xc4 ? 3 : 4;
	} else if (bytes[i] == 0x0f && i + 1 < size) {
		insn.map = MAP_0F;
		i++;
		if ((bytes[i] == 0x38 || bytes[i] == 0x3a) && i + 1 < size)
			insn.map = bytes[i++] == 0x38 ? MAP_0F38 : MAP_0F3A;
	}
	insn.opcode = bytes[i];
	insn.modrm = i + 1 < size ? bytes[i + 1] : 0;
	return classify(&insn);
}
