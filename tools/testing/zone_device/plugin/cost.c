// SPDX-License-Identifier: GPL-2.0
/*
 * Counts what watched functions do, with all that they call. A string
 * instruction counts once, however often it repeats.
 *
 * To be used with -icount, and so with one CPU at a time: a locked instruction
 * is then a load and a store, which it is not where CPUs run at the same time.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "api.h"
#include "context.h"
#include "cost.h"
#include "insn.h"

/* Instructions that are executed one after the other. */
struct block {
	uint64_t first;
	uint64_t last;
	unsigned int insns;
	unsigned int fences;
	unsigned int branches;
	unsigned int loaded;
	unsigned int stored;
	bool first_repeats;
	bool last_repeats;
};

static void on_block(unsigned int cpu, void *data)
{
	struct context *context = context_active(cpu);
	const struct block *block = data;
	bool again;

	if (!context)
		return;
	/* Each round of a string instruction is a block of its own. */
	again = block->first_repeats && cpus[cpu].repeating == block->first;
	cpus[cpu].repeating = block->last_repeats ? block->last : 0;
	context->counts[COUNT_INSNS] += block->insns - again;
	context->counts[COUNT_FENCES] += block->fences;
	context->counts[COUNT_BRANCHES] += block->branches;
	context->counts[COUNT_LOADED] += block->loaded;
	context->counts[COUNT_STORED] += block->stored;
}

static void on_access(unsigned int cpu, uint32_t info, uint64_t addr, void *data)
{
	unsigned int size = 1U << qemu_plugin_mem_size_shift(info);
	struct context *context = context_active(cpu);

	(void)addr;
	if (!context)
		return;
	if (!qemu_plugin_mem_is_store(info))
		context->counts[COUNT_LOADED] += size;
	else
		context->counts[data ? COUNT_NT_STORED : COUNT_STORED] += size;
}

/** cost_translate() - see to it that the instructions of @tb are counted */
void cost_translate(struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct block *block = calloc(1, sizeof(*block));

	bool resumes = false;

	if (!block)
		abort();
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		unsigned int flags = insn_decode(qemu_plugin_insn_data(insn),
						 qemu_plugin_insn_size(insn));

		block->insns++;
		block->fences += !!(flags & INSN_FENCE);
		block->branches += !!(flags & INSN_BRANCH);
		block->last = qemu_plugin_insn_vaddr(insn);
		block->last_repeats = flags & INSN_STRING;
		resumes = flags & INSN_IRET && within(&config.entry, block->last);
		if (!i) {
			block->first = block->last;
			block->first_repeats = block->last_repeats;
		}
		/*
		 * QEMU 7.2 also credits these with what the CPU loads and
		 * stores to deliver an interrupt behind them. What they access
		 * themselves is known.
		 */
		if (flags & (INSN_BRANCH | INSN_POPF)) {
			if (flags & (INSN_RET | INSN_POPF))
				block->loaded += 8;
			if (flags & INSN_INDIRECT)
				block->loaded += 8;
			if (flags & INSN_CALL)
				block->stored += 8;
			continue;
		}
		qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_RW,
						 (void *)(uint64_t)(flags & INSN_NT_STORE));
	}
	/* The way back from an interrupt: it is a part of that. */
	if (resumes)
		return;
	/*
	 * Where something is entered or left, that is by the first instruction
	 * of a block, and its callback was registered before this.
	 */
	qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_tb_get_insn(tb, 0), on_block,
					       QEMU_PLUGIN_CB_NO_REGS, block);
}

/** cost_leave() - the function that @context entered last returns */
void cost_leave(const struct context *context)
{
	const struct frame *frame = &context->frames[context->nr_frames - 1];
	const struct note *note = context_last_note();
	int i;

	fprintf(config.out, "cost %s %" PRIu64 " %" PRIu64, frame->watch->name,
		note ? note->id : 0, note ? note->nr : 0);
	for (i = 0; i < NR_COUNTS; i++)
		fprintf(config.out, " %" PRIu64, context->counts[i] - frame->counts[i]);
	fputc('\n', config.out);
}
