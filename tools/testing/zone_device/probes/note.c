// SPDX-License-Identifier: GPL-2.0
/*
 * Tells whoever watches this kernel from outside, as a QEMU plugin does, which
 * struct pages each call of memmap_init_zone_device() is due to write. To
 * anybody else these are loads whose values nobody uses.
 *
 * A plugin sees neither registers nor values, but the addresses of loads. So a
 * byte is told by the place in zd_note_bytes[] that it is loaded from. The
 * plugin finds that array by its name; see guest/plugin.py and plugin/context.c.
 */
#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/kprobes.h>
#include <linux/mmzone.h>
#include <linux/moduleparam.h>

#include "probes.h"

static bool note;
module_param(note, bool, 0444);
MODULE_PARM_DESC(note, "Somebody watches: tell of each call of memmap_init_zone_device()");

/* Goes out with each note: what the calls are counted as, or 0. */
u64 zd_note_id;

/* Read from the kernel's image, before it runs. */
const u64 zd_note_page_size = sizeof(struct page);

u8 zd_note_bytes[256];

/** zd_note() - tell of a call of memmap_init_zone_device() */
noinline void zd_note(const struct zd_call *call)
{
	const u64 words[] = {
		zd_note_id,
		(u64)pfn_to_page(zd_first_pfn(call)),
		(u64)pfn_to_page(zd_end_pfn(call)),
		zd_nr_written(call),
	};
	unsigned long flags;
	int i;

	/* From one CPU, in one go. */
	local_irq_save(flags);
	for (i = 0; i < sizeof(words); i++)
		READ_ONCE(zd_note_bytes[(words[i / 8] >> i % 8 * 8) & 0xff]);
	local_irq_restore(flags);
}

static int zd_note_entry(struct kprobe *kp, struct pt_regs *regs)
{
	const struct zone *zone = (void *)regs_get_kernel_argument(regs, 0);
	const struct zd_call call = {
		.nid = zone_to_nid(zone),
		.start_pfn = regs_get_kernel_argument(regs, 1),
		.nr_pages = regs_get_kernel_argument(regs, 2),
		.pgmap = (void *)regs_get_kernel_argument(regs, 3),
	};

	zd_note(&call);
	return 0;
}

static struct kprobe zd_note_probe = {
	.symbol_name = "memmap_init_zone_device",
	.pre_handler = zd_note_entry,
};

static int __init zd_note_init(void)
{
	int err;

	/* The suites' own probes on that function may need the same bytes. */
	if (!note)
		return 0;
	err = register_kprobe(&zd_note_probe);
	if (err)
		pr_err("zone_device_probes: no probe on memmap_init_zone_device(): %d\n", err);
	return err;
}
late_initcall(zd_note_init);
