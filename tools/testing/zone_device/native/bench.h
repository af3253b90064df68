/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ZONE_DEVICE_NATIVE_BENCH_H
#define ZONE_DEVICE_NATIVE_BENCH_H

#include <stddef.h>

#define NATIVE_MIN_ROUNDS 7

struct native_options {
	/* Of the struct pages: these two and the powers of two between them. */
	size_t smallest;
	size_t largest;
	size_t llc;
	unsigned int rounds;
	/* Of one size in one state; 0 for no limit. Not before NATIVE_MIN_ROUNDS. */
	double seconds;
	int cpu;
};

int native_bench(const struct native_options *options);

#endif
