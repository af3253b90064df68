/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What instruments need in a kernel, next to the suites.
 *
 * kinds.c        the kinds of device memory that are counted and timed
 * note.c         tells a watcher outside of the kernel of each call
 * bench_clock.c  how long each call took, if the bench is built in
 */
#ifndef _ZONE_DEVICE_PROBES_H
#define _ZONE_DEVICE_PROBES_H

#include "zone_device_test.h"

/* kinds.c */
const void *zd_next_kind(struct kunit *test, const void *prev, char *desc);
unsigned int zd_kind_id(const struct zd_case *kind);

/* note.c */
extern u64 zd_note_id;
extern const u64 zd_note_page_size;
extern u8 zd_note_bytes[256];
void zd_note(const struct zd_call *call);

/* bench_clock.c */
void zd_bench_line(const struct dev_pagemap *pgmap, u64 loop_ns, u64 whole_ns);

#endif
