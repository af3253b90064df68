// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for memmap_init_zone_device(): more than one CPU. Two calls at the
 * same time, and pages that another CPU reads as soon as it may.
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/sizes.h>
#include <linux/stringify.h>

#include "../../../lib/tests/memcpy_streaming/promise.h"
#include "zone_device_test.h"

/* One of two initializations at the same time. */
struct zd_racer {
	struct zd_call call;
	struct completion go;
	struct completion done;
	bool met;
	bool stop;
	struct task_struct *task;
	/* Both count themselves in here, so as to start together. */
	atomic_t *arrived;
	/* How many are at it: a clock may be too coarse to tell. */
	atomic_t *inside;
};

/* Wait for the other one, but not for long: its CPU may be busy elsewhere. */
static void zd_race_start(struct zd_racer *racer)
{
	ktime_t limit = ktime_add_ms(ktime_get(), 100);
	int both = round_up(atomic_inc_return(racer->arrived), 2);

	while (atomic_read(racer->arrived) < both && ktime_before(ktime_get(), limit))
		cpu_relax();
}

static int zd_race(void *data)
{
	struct zd_racer *racer = data;

	for (;;) {
		wait_for_completion(&racer->go);
		if (racer->stop)
			break;
		zd_race_start(racer);
		racer->met = atomic_inc_return(racer->inside) == 2;
		zd_init(&racer->call);
		atomic_dec(racer->inside);
		complete(&racer->done);
	}
	complete(&racer->done);
	return 0;
}

static void zd_stop_racer(void *data)
{
	struct zd_racer *racer = data;

	racer->stop = true;
	complete(&racer->go);
	wait_for_completion(&racer->done);
}

#define ZD_RACES	32
#define ZD_OVERLAPS	4

/*
 * Test case: two ranges, with nothing in common but the code, are initialized
 * at the same time on two CPUs. An image that the two shared would carry the
 * pgmap, type, link or node of one range into the other. In every other round
 * somebody listens to page_ref_set when they start, and stops meanwhile.
 */
static void zd_concurrent_test(struct kunit *test)
{
	static const struct {
		enum memory_type type;
		unsigned int order;
	} kinds[2] = { { MEMORY_DEVICE_GENERIC, 2 }, { MEMORY_DEVICE_PRIVATE, 1 } };
	atomic_t arrived = ATOMIC_INIT(0), inside = ATOMIC_INIT(0);
	struct zd_racer *racers;
	int i, cpu, round, overlaps = 0;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs: boot with --qemu_args '-smp 2'");
	racers = kunit_kcalloc(test, 2, sizeof(*racers), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, racers);

	cpu = cpumask_first(cpu_online_mask);
	for (i = 0; i < 2; i++) {
		const struct zd_range_args args = {
			.type = kinds[i].type,
			.order = kinds[i].order,
			/* Long enough for a host that shares its CPUs out. */
			.nr_pages = 64 * SZ_1M / PAGE_SIZE,
		};

		racers[i].call = zd_call_for(zd_map(test, &args), 0);
		init_completion(&racers[i].go);
		init_completion(&racers[i].done);
		racers[i].arrived = &arrived;
		racers[i].inside = &inside;
		racers[i].task = kthread_create(zd_race, &racers[i], "zd_race/%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(racers[i].task));
		kthread_bind(racers[i].task, cpu);
		wake_up_process(racers[i].task);
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action_or_reset(test, zd_stop_racer, &racers[i]));
		cpu = cpumask_next(cpu, cpu_online_mask);
	}

	for (round = 0; round < ZD_RACES && overlaps < ZD_OVERLAPS; round++) {
		const bool listens = round % 2 && zd_listen();

		for (i = 0; i < 2; i++)
			zd_poison(&racers[i].call, ZD_POISON_A);
		for (i = 0; i < 2; i++)
			complete(&racers[i].go);
		if (listens)
			zd_listen_no_more();
		for (i = 0; i < 2; i++)
			wait_for_completion(&racers[i].done);
		overlaps += racers[0].met || racers[1].met;
		for (i = 0; i < 2; i++)
			zd_expect_model(test, &racers[i].call);
	}
	zd_requires(test, overlaps ? NULL : "two CPUs never ran at the same time in "
					    __stringify(ZD_RACES) " rounds");
}

/* A range that one CPU initializes and another one reads. */
struct zd_parcel {
	struct zd_call call;
	/* How many times it was handed over, and taken. */
	unsigned long given;
	unsigned long taken;
	/* How often each page was as the model says. */
	unsigned long whole;
};

static bool zd_is_whole(const struct zd_call *call)
{
	unsigned long pfn;

	for (pfn = zd_first_pfn(call); pfn < zd_end_pfn(call); pfn++) {
		struct page want;

		zd_model_page(call, pfn, &want);
		if (memcmp(&want, pfn_to_page(pfn), sizeof(want)))
			return false;
	}
	return true;
}

/* Takes the parcel each time that it is given, until it is told to stop. */
static int zd_receive(void *data)
{
	struct zd_parcel *parcel = data;

	while (!kthread_should_stop()) {
		/* Pairs with the release in zd_hand_over(). */
		unsigned long given = smp_load_acquire(&parcel->given);

		if (given == parcel->taken) {
			cpu_relax();
			cond_resched();
			continue;
		}
		parcel->whole += zd_is_whole(&parcel->call);
		/* Pairs with the acquire in zd_handover_test(). */
		smp_store_release(&parcel->taken, given);
	}
	return 0;
}

/* Order nothing but by the release: that is a plain store on x86. */
static noinline void zd_hand_over(struct zd_parcel *parcel)
{
	zd_init(&parcel->call);
	/* Pairs with the acquire in zd_receive(). */
	smp_store_release(&parcel->given, parcel->given + 1);
}

#define ZD_PARCELS	16

static const struct zd_parcel_kind {
	const char *name;
	/* In pages behind the start of a pageblock. */
	unsigned long offset;
	unsigned long nr_pages;
} zd_parcels[] = {
	{ "a pageblock starts in it",	  0, 256 },
	{ "no pageblock starts in it",	128, 256 },
};

KUNIT_ARRAY_PARAM_DESC(zd_parcels, zd_parcels, name);

/*
 * Test case: another CPU that is told by smp_store_release() that a range is
 * initialized sees all of it. A streaming copy that nothing has drained is not
 * ordered by that. An emulator executes the stores in order, and then a pass
 * proves nothing: make order sees by which instruction they were drained, if by
 * any.
 */
static void zd_handover_test(struct kunit *test)
{
	const struct zd_parcel_kind *kind = test->param_value;
	const struct zd_range_args args = {
		.type = MEMORY_DEVICE_PRIVATE,
		.nr_pages = 2 * pageblock_nr_pages,
	};
	struct zd_parcel *parcel;
	struct task_struct *task;
	unsigned long limit;
	int cpu, i;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs: boot with --qemu_args '-smp 2'");
	parcel = kunit_kzalloc(test, sizeof(*parcel), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, parcel);
	parcel->call = zd_call_for(zd_map(test, &args), 0);
	parcel->call.start_pfn = pageblock_align(parcel->call.start_pfn) + kind->offset;
	parcel->call.nr_pages = kind->nr_pages;

	migrate_disable();
	cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
	task = kthread_create(zd_receive, parcel, "zd_receive");
	if (!IS_ERR(task)) {
		kthread_bind(task, cpu);
		wake_up_process(task);
	}
	for (i = 0; !IS_ERR(task) && i < ZD_PARCELS; i++) {
		zd_poison(&parcel->call, ZD_POISON_A);
		zd_hand_over(parcel);
		limit = jiffies + 5 * HZ;
		/* Pairs with the release in zd_receive(). */
		while (smp_load_acquire(&parcel->taken) != parcel->given &&
		       time_before(jiffies, limit))
			cpu_relax();
		/* It would not take the next one either. */
		if (time_after_eq(jiffies, limit))
			break;
	}
	migrate_enable();
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	kthread_stop(task);
	KUNIT_ASSERT_EQ_MSG(test, parcel->taken, ZD_PARCELS, "ranges that the other CPU took");
	/* That all went well proves nothing, so it is no evidence. */
	zd_promise(test, ZD_PROMISE_handed_over, parcel->whole,
		   parcel->whole < ZD_PARCELS ? ZD_PARCELS : 0,
		   "ranges seen whole by another CPU");
}

static struct kunit_case zd_concurrent_cases[] = {
	KUNIT_CASE(zd_concurrent_test),
	{}
};

static struct kunit_suite zd_concurrent_suite = {
	.name = "zone_device_concurrent",
	.test_cases = zd_concurrent_cases,
};

/* On its own, as make order has other rules for it. */
static struct kunit_case zd_handover_cases[] = {
	KUNIT_CASE_PARAM(zd_handover_test, zd_parcels_gen_params),
	{}
};

static struct kunit_suite zd_handover_suite = {
	.name = "zone_device_handover",
	.test_cases = zd_handover_cases,
};

kunit_test_suites(&zd_concurrent_suite, &zd_handover_suite);
