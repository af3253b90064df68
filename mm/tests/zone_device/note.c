// SPDX-License-Identifier: GPL-2.0
/*
 * Tells whoever watches this kernel from outside, as a QEMU plugin does, which
 * struct pages the next call is due to write. To anybody else these are loads
 * that nothing comes of.
 *
 * A watcher that sees neither registers nor values, but the addresses of loads,
 * is told a byte by where it is loaded from. Whoever looks for the symbols is
 * tools/testing/zone_device/order.py.
 */
#include <linux/irqflags.h>

#include "zone_device_test.h"

/* The same as the call's that is being told of, until it is set anew. */
u64 zd_note_id;

/* Read from the kernel's image, before it runs. */
const u64 zd_note_page_size = sizeof(struct page);

u8 zd_note_bytes[256];

/** zd_note() - tell of a call of memmap_init_zone_device() that comes next */
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
