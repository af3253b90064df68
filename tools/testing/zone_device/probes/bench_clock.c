// SPDX-License-Identifier: GPL-2.0
/*
 * How long memremap_pages() takes, and how much of that is the memmap loop:
 * both of the same call, by the same clock, whoever makes it. Each call leaves
 * a line in the kernel's log, for make bench.
 *
 * The two probes add some microseconds to calls that take milliseconds, to
 * either kernel the same.
 */
#define pr_fmt(fmt) "zone_device_bench: " fmt

#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/sched.h>

#include "probes.h"

struct zd_clock {
	struct dev_pagemap *pgmap;
	u64 start;
};

/*
 * Whose call of memremap_pages() goes on. Others at the same time are not
 * timed: only a test, or a driver that binds, makes one.
 */
static struct task_struct *zd_clock_task;
static u64 zd_clock_loop_ns;

/** zd_bench_line() - a sample, for whoever reads the log */
void zd_bench_line(const struct dev_pagemap *pgmap, u64 loop_ns, u64 whole_ns)
{
	unsigned long pages = 0, written = 0;
	int i;

	for (i = 0; i < pgmap->nr_range; i++) {
		struct zd_call call = {
			.start_pfn = PHYS_PFN(pgmap->ranges[i].start),
			.nr_pages = PHYS_PFN(range_len(&pgmap->ranges[i])),
			.pgmap = (struct dev_pagemap *)pgmap,
		};

		pages += call.nr_pages;
		written += zd_nr_written(&call);
	}
	pr_info("type=%s order=%lu altmap=%d pages=%lu written=%lu loop_ns=%llu whole_ns=%llu\n",
		zd_type_name(pgmap->type), pgmap->vmemmap_shift,
		!!(pgmap->flags & PGMAP_ALTMAP_VALID), pages, written, loop_ns, whole_ns);
}

static int zd_whole_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct zd_clock *clock = (struct zd_clock *)ri->data;

	if (cmpxchg(&zd_clock_task, NULL, current))
		return 1;
	zd_clock_loop_ns = 0;
	clock->pgmap = (struct dev_pagemap *)regs_get_kernel_argument(regs, 0);
	clock->start = ktime_get_ns();
	return 0;
}

static int zd_whole_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	u64 now = ktime_get_ns();
	struct zd_clock *clock = (struct zd_clock *)ri->data;

	if (!IS_ERR_VALUE(regs_return_value(regs)))
		zd_bench_line(clock->pgmap, zd_clock_loop_ns, now - clock->start);
	WRITE_ONCE(zd_clock_task, NULL);
	return 0;
}

static int zd_loop_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct zd_clock *clock = (struct zd_clock *)ri->data;

	if (READ_ONCE(zd_clock_task) != current)
		return 1;
	clock->start = ktime_get_ns();
	return 0;
}

static int zd_loop_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct zd_clock *clock = (struct zd_clock *)ri->data;

	zd_clock_loop_ns += ktime_get_ns() - clock->start;
	return 0;
}

static struct kretprobe zd_clock_probes[] = {
	{
		.kp.symbol_name = "memremap_pages",
		.entry_handler = zd_whole_entry,
		.handler = zd_whole_return,
		.data_size = sizeof(struct zd_clock),
	},
	{
		.kp.symbol_name = "memmap_init_zone_device",
		.entry_handler = zd_loop_entry,
		.handler = zd_loop_return,
		.data_size = sizeof(struct zd_clock),
	},
};

static int __init zd_clock_init(void)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(zd_clock_probes); i++) {
		err = register_kretprobe(&zd_clock_probes[i]);
		if (err) {
			pr_err("no probe on %s(): %d\n", zd_clock_probes[i].kp.symbol_name, err);
			return err;
		}
	}
	return 0;
}
late_initcall(zd_clock_init);
