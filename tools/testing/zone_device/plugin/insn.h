/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ZD_PLUGIN_INSN_H
#define _ZD_PLUGIN_INSN_H

#include <stddef.h>
#include <stdint.h>

/* What an instruction is, as far as anybody here cares. */
enum {
	INSN_NT_STORE	= 1 << 0,	/* stores around the caches */
	INSN_FENCE	= 1 << 1,	/* sfence or mfence */
	INSN_DRAIN	= 1 << 2,	/* empties the write-combining buffers */
	INSN_CALL	= 1 << 3,
	INSN_RET	= 1 << 4,
	INSN_IRET	= 1 << 5,
	INSN_BRANCH	= 1 << 6,	/* any jump, call and return */
	INSN_STRING	= 1 << 7,	/* string instruction with a repeat prefix */
	INSN_POPF	= 1 << 8,
	INSN_INDIRECT	= 1 << 9,	/* jumps or calls by a pointer in memory */
};

unsigned int insn_decode(const uint8_t *bytes, size_t size);

#endif
