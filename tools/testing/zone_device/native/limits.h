/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ZONE_DEVICE_NATIVE_LIMITS_H
#define ZONE_DEVICE_NATIVE_LIMITS_H

#include <stddef.h>

/* What the machine can do at best, with the kernel's means. */
void native_stream(void *to, size_t size);
void native_rep_stos(void *to, size_t size);
void native_flush(void *start, size_t size);
void native_touch(void *start, size_t size);

#endif
