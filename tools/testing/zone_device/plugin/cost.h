/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ZD_PLUGIN_COST_H
#define _ZD_PLUGIN_COST_H

struct context;
struct qemu_plugin_tb;

void cost_translate(struct qemu_plugin_tb *tb);
void cost_leave(const struct context *context);

#endif
