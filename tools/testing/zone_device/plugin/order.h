/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ZD_PLUGIN_ORDER_H
#define _ZD_PLUGIN_ORDER_H

#include <stdint.h>

struct context;
struct qemu_plugin_insn;

void order_translate(struct qemu_plugin_insn *insn, uint64_t pc, unsigned int flags);
void order_leave(struct context *context, uint64_t pc);
void order_report(void);

#endif
