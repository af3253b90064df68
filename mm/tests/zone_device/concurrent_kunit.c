// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for memmap_init_zone_device(): more than one CPU. Two calls at the
 * same time, and pages that another CPU reads as soon as it may.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/stringify.h>

#include "zone_device_test.h"

static const char *zd_two_cpus_lack(void)
{
	return num_online_cpus() < 2 ? "needs two CPUs: boot with --qemu_args '-smp 2'" : NULL;
}

/* What two initializations at the same time have in common. */
struct zd_race {
	/* The number of the round that both are to run. */
	unsigned long round;
	/* How many have started, in all rounds; are inside now; are done, in all. */
	atomic_t arrived;
	atomic_t inside;
	atomic_t done;
	/* In how many rounds both were inside at the same time. */
	atomic_t overlaps;
};

/* Calls in a round: they must last longer than a time slice of a busy host. */
#define ZD_TURNS	16

struct zd_racer {
	struct zd_race *race;
	struct zd_call call;
};

/* Start with the other one, whose CPU may be busy elsewhere. */
static void zd_wait_for_both(const struct zd_race *race, unsigned long round)
{
	const ktime_t limit = ktime_add_ms(ktime_get(), 100);

	while (atomic_read(&race->arrived) < 2 * round && ktime_before(ktime_get(), limit))
		cpu_relax();
}

static int zd_race(void *data)
{
	const struct zd_racer *racer = data;
	struct zd_race *race = racer->race;
	unsigned long round = 0;
	unsigned int turn;

	while (!kthread_should_stop()) {
		/* Pairs with the release in zd_concurrent_test(). */
		if (smp_load_acquire(&race->round) == round) {
			usleep_range(50, 100);
			continue;
		}
		round++;
		atomic_inc(&race->arrived);
		zd_wait_for_both(race, round);
		/* Counted, as a clock may be too coarse to tell. */
		if (atomic_inc_return(&race->inside) == 2)
			atomic_inc(&race->overlaps);
		for (turn = 0; turn < ZD_TURNS; turn++)
			zd_init(&racer->call);
		atomic_dec(&race->inside);
		atomic_inc(&race->done);
	}
	return 0;
}

static void zd_stop_task(void *task)
{
	kthread_stop(task);
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
	static const struct zd_range_args args[] = {
		/* Long enough for a host that shares its CPUs out. */
		{ MEMORY_DEVICE_GENERIC, 2, .nr_pages = 16 * ZD_FEW_PAGES },
		{ MEMORY_DEVICE_PRIVATE, 1, .nr_pages = 16 * ZD_FEW_PAGES },
	};
	struct zd_racer *racers = kunit_kcalloc(test, 2, sizeof(*racers), GFP_KERNEL);
	struct zd_race *race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	unsigned int i, round, listened = 0, heard = 0, cpu = cpumask_first(cpu_online_mask);

	KUNIT_ASSERT_NOT_NULL(test, racers);
	KUNIT_ASSERT_NOT_NULL(test, race);
	zd_requires(test, zd_two_cpus_lack());
	for (i = 0; i < 2; i++, cpu = cpumask_next(cpu, cpu_online_mask)) {
		struct task_struct *task;

		racers[i].race = race;
		racers[i].call = zd_call_for(zd_map(test, &args[i]), 0);
		task = kthread_run_on_cpu(zd_race, &racers[i], cpu, "zd_race/%u");
		KUNIT_ASSERT_FALSE(test, IS_ERR(task));
		KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, zd_stop_task, task));
	}

	for (round = 1; round <= ZD_RACES && atomic_read(&race->overlaps) < ZD_OVERLAPS; round++) {
		const bool listens = round % 2 && zd_listen();

		for (i = 0; i < 2; i++)
			zd_poison(&racers[i].call, ZD_POISON_A);
		/* Pairs with the acquire in zd_race(). */
		smp_store_release(&race->round, round);
		if (listens) {
			/* Until one of them is within a call that is traced. */
			while (!zd_was_heard() && atomic_read(&race->done) < 2 * round)
				usleep_range(50, 100);
			heard += zd_was_heard();
			listened++;
			zd_listen_no_more();
		}
		while (atomic_read(&race->done) < 2 * round)
			usleep_range(50, 100);
		for (i = 0; i < 2; i++)
			zd_expect_model(test, &racers[i].call);
	}
	if (zd_promised(ZD_PROMISE_traced_builds))
		KUNIT_EXPECT_EQ_MSG(test, heard, listened, "rounds in which a call was traced");
	zd_requires(test, atomic_read(&race->overlaps) ? NULL :
		    "two CPUs never ran at the same time in " __stringify(ZD_RACES) " rounds");
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
	/* Half a pageblock long, and so many quarters of one behind its start. */
	unsigned int quarters;
} zd_parcels[] = {
	{ "a pageblock starts in it",	0 },
	{ "no pageblock starts in it",	1 },
};

KUNIT_ARRAY_PARAM_DESC(zd_parcels, zd_parcels, name);

/*
 * Test case: another CPU that is told by smp_store_release() that a range is
 * initialized sees all of it. A streaming copy that nothing has drained is not
 * ordered by that. An emulator executes the stores in order, and then a pass
 * proves nothing: that takes somebody who sees which instruction drains them.
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

	zd_requires(test, zd_two_cpus_lack());
	parcel = kunit_kzalloc(test, sizeof(*parcel), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, parcel);
	parcel->call = zd_call_for(zd_map(test, &args), 0);
	parcel->call.start_pfn = pageblock_align(parcel->call.start_pfn) +
				 kind->quarters * pageblock_nr_pages / 4;
	parcel->call.nr_pages = pageblock_nr_pages / 2;

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
		/* A CPU that did not answer for so long will not answer any more. */
		if (time_after_eq(jiffies, limit))
			break;
	}
	migrate_enable();
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	kthread_stop(task);
	KUNIT_ASSERT_EQ_MSG(test, parcel->taken, ZD_PARCELS, "ranges that the other CPU took");
	kunit_info(test, "%lu ranges were seen whole; an emulator, which executes stores in order, shows them so without a drain, too\n",
		   parcel->whole);
	/* Success is no evidence: the stores may have been in order by luck. */
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

/* On its own: pages that are handed over are looked at by other rules. */
static struct kunit_case zd_handover_cases[] = {
	KUNIT_CASE_PARAM(zd_handover_test, zd_parcels_gen_params),
	{}
};

static struct kunit_suite zd_handover_suite = {
	.name = "zone_device_handover",
	.test_cases = zd_handover_cases,
};

kunit_test_suites(&zd_concurrent_suite, &zd_handover_suite);
