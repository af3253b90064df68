// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin that follows calls of functions in an x86_64 kernel and looks
 * at their loads, stores and fences. Its only argument, config=FILE, names the
 * file that says which; see config.c.
 */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "config.h"
#include "context.h"
#include "cost.h"
#include "insn.h"
#include "order.h"
#include "rules.h"

/* Addresses below are no kernel's; firmware runs there. */
#define KERNEL_START	0xffff800000000000ULL

PLUGIN_EXPORT int qemu_plugin_version = PLUGIN_VERSION;

/* What a function did is reported here, as context.c knows nobody who counts or checks. */
static void on_ret(unsigned int cpu, uint32_t info, uint64_t slot, void *data)
{
	struct context *context = context_ret(cpu, info, slot);

	if (!context)
		return;
	pthread_mutex_lock(&context_lock);
	if (config.cost)
		cost_leave(context);
	else
		order_leave(context, (uint64_t)data);
	context_leave(cpu);
	pthread_mutex_unlock(&context_lock);
}

static void translate(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	if (!n || qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0)) < KERNEL_START)
		return;
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t pc = qemu_plugin_insn_vaddr(insn);
		unsigned int flags = insn_decode(qemu_plugin_insn_data(insn),
						 qemu_plugin_insn_size(insn));

		context_translate(insn, pc, flags);
		if (flags & INSN_RET)
			qemu_plugin_register_vcpu_mem_cb(insn, on_ret, QEMU_PLUGIN_CB_NO_REGS,
							 QEMU_PLUGIN_MEM_RW, (void *)pc);
		if (!config.cost)
			order_translate(insn, pc, flags);
	}
	if (config.cost)
		cost_translate(tb);
}

static void report(uint64_t id, void *data)
{
	(void)id;
	(void)data;
	context_report();
	if (!config.cost)
		order_report();
	fprintf(config.out, "end\n");
	fclose(config.out);
}

PLUGIN_EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc,
				      char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "config=", 7)) {
		fprintf(stderr, "the plugin's one argument is config=FILE\n");
		return -1;
	}
	if (!config_read(argv[0] + 7, rules))
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, report, NULL);
	return 0;
}
