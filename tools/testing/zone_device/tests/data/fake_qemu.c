// SPDX-License-Identifier: GPL-2.0
/*
 * As much of QEMU as the plugin needs, and a guest that is a script:
 *
 *   insn ADDR BYTES		an instruction, in hexadecimal
 *   exec CPU ADDR [r|w ADDR SHIFT]...	execute it, with these accesses
 *
 * Each instruction is a block of its own. Built together with the plugin.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

#define MAX_INSNS	256
#define MAX_FNS		16

struct qemu_plugin_insn {
	uint64_t addr;
	uint8_t bytes[16];
	size_t size;
	struct {
		exec_fn exec;
		mem_fn mem;
		void *data;
	} fns[MAX_FNS];
	int nr;
};

struct qemu_plugin_tb {
	struct qemu_plugin_insn *insn;
};

static struct qemu_plugin_insn insns[MAX_INSNS];
static int nr_insns;
static void (*translate)(uint64_t id, struct qemu_plugin_tb *tb);
static void (*at_exit)(uint64_t id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
					   void (*fn)(uint64_t id, struct qemu_plugin_tb *tb))
{
	translate = fn;
}

void qemu_plugin_register_atexit_cb(uint64_t id, void (*fn)(uint64_t id, void *data),
				    void *data)
{
	at_exit = fn;
}

void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, exec_fn fn,
					    enum qemu_plugin_cb_flags flags, void *data)
{
	insn->fns[insn->nr].exec = fn;
	insn->fns[insn->nr++].data = data;
}

void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, mem_fn fn,
				      enum qemu_plugin_cb_flags flags,
				      enum qemu_plugin_mem_rw rw, void *data)
{
	insn->fns[insn->nr].mem = fn;
	insn->fns[insn->nr++].data = data;
}

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb)
{
	return 1;
}

struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i)
{
	return tb->insn;
}

const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn)
{
	return insn->bytes;
}

size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn)
{
	return insn->size;
}

uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn)
{
	return insn->addr;
}

unsigned int qemu_plugin_mem_size_shift(uint32_t info)
{
	return info & 0xff;
}

bool qemu_plugin_mem_is_store(uint32_t info)
{
	return info & 0x100;
}

/* Where addresses are physical: the lower half of what they are. */
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t info, uint64_t vaddr)
{
	static uint64_t phys;

	phys = vaddr & 0xffffffff;
	return (struct qemu_plugin_hwaddr *)&phys;
}

bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *haddr)
{
	return false;
}

uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *haddr)
{
	return *(const uint64_t *)haddr;
}

static void add_insn(const char *args)
{
	struct qemu_plugin_insn *insn = &insns[nr_insns++];
	struct qemu_plugin_tb tb = { insn };
	char hex[64];

	if (sscanf(args, "%" SCNx64 " %63s", &insn->addr, hex) != 2)
		exit(2);
	for (insn->size = 0; hex[2 * insn->size]; insn->size++)
		sscanf(hex + 2 * insn->size, "%2hhx", &insn->bytes[insn->size]);
	translate(0, &tb);
}

static void execute(char *args)
{
	unsigned int cpu = strtoul(strtok(args, " \n"), NULL, 10);
	uint64_t addr = strtoull(strtok(NULL, " \n"), NULL, 16);
	struct qemu_plugin_insn *insn = insns;
	char *kind;
	int i;

	while (insn->addr != addr) {
		if (++insn == insns + nr_insns)
			exit(2);
	}
	for (i = 0; i < insn->nr; i++) {
		if (insn->fns[i].exec)
			insn->fns[i].exec(cpu, insn->fns[i].data);
	}
	while ((kind = strtok(NULL, " \n"))) {
		uint64_t vaddr = strtoull(strtok(NULL, " \n"), NULL, 16);
		uint32_t info = strtoul(strtok(NULL, " \n"), NULL, 10);

		info |= *kind == 'w' ? 0x100 : 0;
		for (i = 0; i < insn->nr; i++) {
			if (insn->fns[i].mem)
				insn->fns[i].mem(cpu, info, vaddr, insn->fns[i].data);
		}
	}
}

int main(int argc, char **argv)
{
	char line[4096];

	if (qemu_plugin_install(0, NULL, argc - 1, argv + 1))
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		if (!strncmp(line, "insn ", 5))
			add_insn(line + 5);
		else if (!strncmp(line, "exec ", 5))
			execute(line + 5);
	}
	at_exit(0, NULL);
	return 0;
}
