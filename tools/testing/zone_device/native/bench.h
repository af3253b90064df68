/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ZONE_DEVICE_NATIVE_BENCH_H
#define ZONE_DEVICE_NATIVE_BENCH_H

#include <stddef.h>

#define NATIVE_MIN_ROUNDS 9

struct native_options {
	size_t memmap;
	size_t warm;
	size_t llc;
	unsigned int rounds;
	/* Of one backing; 0 for no limit. Not before NATIVE_MIN_ROUNDS. */
	double seconds;
	int cpu;
};

int native_bench(const struct native_options *options);

#endif
