// SPDX-License-Identifier: GPL-2.0
/*
 * Test cases for the drain of memcpy_streaming(), and for what the copy and the
 * drain cost where there is nothing to stream.
 */

#include <kunit/nt_insn.h>
#include <kunit/nt_witness.h>
#include <kunit/test.h>
#include <kunit/zd_promise.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/sched.h>

#include "copy_calls.h"
#include "copy_check.h"
#include "fence_order.h"

/*
 * Whether copies stream here: that is found out by making one. Where nobody can
 * observe it, what the tree says.
 */
static bool streams_here(struct kunit *test)
{
	void *const fns[] = { copy_by_stream };
	u8 from[64] __aligned(64) = {}, to[64] __aligned(64);
	struct nt_witness *w;

	if (nt_witness_lacks())
		return STREAMS_HERE;
	/* A copy may call, as memcpy_flushcache() does. */
	w = nt_witness_start(test, fns, ARRAY_SIZE(fns), 2);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(w), "the witness cannot start: %pe", w);
	nt_witness_range(w, to, to + sizeof(to));
	copy_by_stream(to, from, sizeof(to));
	nt_witness_stop(test, w);
	return w->stores;
}

/* Whether the drain is nothing, as it is where copies do not stream. */
static bool drain_is_nothing(void)
{
	return copy_drain_code_end - copy_drain_code_begin == 0;
}

/*
 * Test case: where copies stream the drain compiles to one fence and to nothing
 * else, or to the call of a function that executes one. Where their stores are as
 * ordered as plain ones it may be nothing, and where they do not stream it must.
 */
static void drain_fences(struct kunit *test)
{
	size_t len = copy_drain_code_end - copy_drain_code_begin;
	bool streams, kept;

	zd_requires(test, LACKS_STREAM_COPY);
	streams = streams_here(test);
	zd_requires(test, streams ? nt_witness_lacks() : NULL);
	kept = !LACKS_STREAM_DRAIN &&
	       (((!streams || nt_arch.ordered) && drain_is_nothing()) ||
		(streams && fence_order_drains(copy_drain_code_begin, len)));
	if (!kept && zd_promised(ZD_PROMISE_drain_fences))
		kunit_err(test, "%s%s: the drain is %zu bytes: %*ph\n",
			  LACKS_STREAM_DRAIN ?: streams ? "expected one " : "expected nothing",
			  streams && !LACKS_STREAM_DRAIN ? nt_arch.fence : "", len,
			  (int)min(len, 16), copy_drain_code_begin);
	zd_promise(test, ZD_PROMISE_drain_fences, kept, 1,
		   !streams ? "drains are nothing" :
		   nt_arch.ordered ? "drains are one fence or nothing" : "drains are one fence");
}

/*
 * Test case: where copies do not stream, a copy is no more code than memcpy().
 * Asked with a size unknown to the compiler: for a known one FORTIFY_SOURCE may
 * choose between a call and inline code, which says nothing about the copy.
 */
static void fallback_is_memcpy(struct kunit *test)
{
	long copy = (const u8 *)copy_by_memcpy - (const u8 *)copy_by_stream;
	long plain = (const u8 *)copy_by_nothing - (const u8 *)copy_by_memcpy;

	zd_requires(test, LACKS_STREAM_COPY);
	zd_requires(test, streams_here(test) ? "copies do stream on this architecture" : NULL);
	zd_requires(test, copy <= 0 || plain <= 0 ?
		    "this compiler does not keep functions in their order" : NULL);
	if (copy > plain && zd_promised(ZD_PROMISE_fallback_is_memcpy))
		kunit_err(test, "the copy is %ld bytes of code, memcpy() %ld\n", copy, plain);
	zd_promise(test, ZD_PROMISE_fallback_is_memcpy, copy <= plain, 1,
		   "copies are no more code than memcpy()");
}

struct drained {
	const char *name;
	void (*fn)(void *dst, const void *src, size_t len);
};

static const struct drained drained[] = {
	{ STREAM_COPY_NAME "(len) and drain", copy_then_drain },
	{ STREAM_COPY_NAME "(64) and drain", copy_64_then_drain },
};

KUNIT_ARRAY_PARAM_DESC(drained, drained, name);

/*
 * Test case: in the code that the compiler made of copy and drain, each way
 * through it passes one fence, and copies nothing after that. The copy, the
 * drain or both may be functions that are called.
 */
static void drain_follows(struct kunit *test)
{
	const struct drained *param = test->param_value;
	struct fence_order order;

	zd_requires(test, LACKS_STREAM_COPY);
	zd_requires(test, nt_copy_lacks());
	zd_requires(test, nt_arch.ordered && drain_is_nothing() ?
		    "streaming stores are as ordered as plain ones here, and not drained" : NULL);

	order = fence_order_check(test, param->fn);
	if (order.fault && zd_promised(ZD_PROMISE_drain_follows))
		kunit_err(test, "%pS: %s\n", order.at, order.fault);
	zd_promise(test, ZD_PROMISE_drain_follows, !order.fault, 1,
		   "copies with one fence behind the last store on each way");
}

#define MESSAGE_COPIES	8
#define MESSAGE_WORDS	(MESSAGE_COPIES * 64 / sizeof(u64))
#define MESSAGES	20000

/* How long messages are sent, and how long an answer may take. */
#define MESSAGES_TIME	(HZ / 2)
#define PARTNER_TIME	(5 * HZ)

struct mailbox {
	u64 message[MESSAGE_WORDS];
	u64 image[MESSAGE_WORDS];
	unsigned long flag;
	unsigned long seen;
	bool stop;

	struct completion writer_done;
	struct completion reader_done;

	/* The first word that the reader found wrong, if bad_flag is not 0. */
	unsigned long bad_flag;
	size_t bad_word;
	u64 bad_value;
};

static u64 message_word(unsigned long flag, size_t i)
{
	return (u64)flag << 32 | i;
}

static bool wait_for(struct mailbox *box, unsigned long *what, unsigned long value)
{
	while (READ_ONCE(*what) != value) {
		if (READ_ONCE(box->stop))
			return false;
		cpu_relax();
		cond_resched();
	}
	return true;
}

static int message_writer(void *data)
{
	unsigned long until = jiffies + MESSAGES_TIME;
	struct mailbox *box = data;
	unsigned long flag;
	size_t i;

	for (flag = 1; flag <= MESSAGES && time_before(jiffies, until); flag++) {
		for (i = 0; i < MESSAGE_WORDS; i++)
			box->image[i] = message_word(flag, i);
		for (i = 0; i < MESSAGE_COPIES; i++)
			stream_copy((u8 *)box->message + 64 * i,
				    (u8 *)box->image + 64 * i, 64);
		stream_drain();
		if (LACKS_STREAM_DRAIN)
			wmb();	/* a revision without a drain leaves this to its caller */
		/* Pairs with smp_rmb() in message_reader(). */
		smp_store_release(&box->flag, flag);
		if (!wait_for(box, &box->seen, flag))
			break;
	}
	WRITE_ONCE(box->stop, true);
	complete(&box->writer_done);
	return 0;
}

static int message_reader(void *data)
{
	struct mailbox *box = data;
	unsigned long flag;
	size_t i;

	for (flag = 1; wait_for(box, &box->flag, flag); flag++) {
		smp_rmb();	/* pairs with the release in message_writer() */
		for (i = 0; i < MESSAGE_WORDS && !box->bad_flag; i++) {
			u64 value = READ_ONCE(box->message[i]);

			if (value == message_word(flag, i))
				continue;
			box->bad_flag = flag;
			box->bad_word = i;
			box->bad_value = value;
			WRITE_ONCE(box->stop, true);
		}
		/* The next message must not overtake these loads. */
		smp_mb();
		WRITE_ONCE(box->seen, flag);
	}
	complete(&box->reader_done);
	return 0;
}

static struct task_struct *thread_on(unsigned int cpu, int (*fn)(void *data),
				     struct mailbox *box)
{
	struct task_struct *task = kthread_create(fn, box, "message/%u", cpu);

	if (!IS_ERR(task))
		kthread_bind(task, cpu);
	return task;
}

/*
 * Test case: one CPU copies, drains and sets a flag; another one that sees the
 * flag sees all of the copy.
 *
 * A failure proves that something is wrong; success proves little. QEMU's TCG
 * executes non-temporal stores as plain ones, in order, and would pass without
 * any drain; a real CPU may be lucky. That the fence is there and follows the
 * copy is what drain_follows() shows.
 */
static void message_passing(struct kunit *test)
{
	struct task_struct *reader, *writer;
	struct mailbox *box;
	unsigned int cpu;

	zd_requires(test, LACKS_STREAM_COPY);
	zd_requires(test, num_online_cpus() < 2 ? "only one CPU is online" : NULL);

	box = kunit_kzalloc(test, sizeof(*box), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, box);
	init_completion(&box->writer_done);
	init_completion(&box->reader_done);

	cpu = cpumask_first(cpu_online_mask);
	writer = thread_on(cpu, message_writer, box);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, writer);
	reader = thread_on(cpumask_next(cpu, cpu_online_mask), message_reader, box);
	if (IS_ERR(reader))
		kthread_stop(writer);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, reader);
	wake_up_process(reader);
	wake_up_process(writer);

	/* They end each other; the limit is for a partner that never answers. */
	if (!wait_for_completion_timeout(&box->writer_done, PARTNER_TIME)) {
		WRITE_ONCE(box->stop, true);
		wait_for_completion(&box->writer_done);
	}
	wait_for_completion(&box->reader_done);

	KUNIT_EXPECT_GT_MSG(test, box->seen, 0, "no message was passed");
	if (box->bad_flag)
		KUNIT_FAIL(test, "message %lu: word %zu: expected 0x%llx, saw 0x%llx",
			   box->bad_flag, box->bad_word,
			   message_word(box->bad_flag, box->bad_word), box->bad_value);
	kunit_info(test, "%lu messages; %s\n", box->seen, streams_here(test) ?
		   "an emulator, which executes stores in order, passes them without a drain, too" :
		   "the copies are plain here, so that this shows nothing of a drain");
}

static struct kunit_case drain_cases[] = {
	KUNIT_CASE(drain_fences),
	KUNIT_CASE_PARAM(drain_follows, drained_gen_params),
	KUNIT_CASE(fallback_is_memcpy),
	KUNIT_CASE_SLOW(message_passing),
	{}
};

static struct kunit_suite drain_suite = {
	.name = "memcpy_streaming_drain",
	.test_cases = drain_cases,
};

kunit_test_suite(drain_suite);
