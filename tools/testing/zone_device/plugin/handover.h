/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ZD_PLUGIN_HANDOVER_H
#define _ZD_PLUGIN_HANDOVER_H

#include "context.h"

/* A range has been written and nobody else has looked at it. */
extern bool handover_waits;

void handover_begin(const struct context *context);
void handover_drained(const struct context *context);
void handover_touch(unsigned int cpu, uint64_t addr);

#endif
