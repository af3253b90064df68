// SPDX-License-Identifier: GPL-2.0
/*
 * Results that are seen. On PREEMPT_RT a thread prints, and kernel_restart() does not wait for
 * it as kernel_power_off() does: of a guest that reboots after the last test, as kunit.py has
 * it, the last results may never get to the console.
 */

#include <linux/init.h>
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/reboot.h>

/* Milliseconds without a line that is printed. */
#define ZD_PATIENCE 10000

static int zd_wait_for_console(struct notifier_block *block, unsigned long action, void *data)
{
	pr_flush(ZD_PATIENCE, true);
	return NOTIFY_DONE;
}

static struct notifier_block zd_reboot = { .notifier_call = zd_wait_for_console };

static int __init zd_wait_at_reboot(void)
{
	return register_reboot_notifier(&zd_reboot);
}
late_initcall(zd_wait_at_reboot);
