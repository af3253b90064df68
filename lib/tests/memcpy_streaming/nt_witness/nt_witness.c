// SPDX-License-Identifier: GPL-2.0
/*
 * A witness for non-temporal stores: finds them in given functions and in what
 * those call, puts a kprobe on each, and counts the bytes that they write.
 *
 * Values in memory cannot tell a streaming copy from a plain one, and what the
 * source says is not what ran. This can, and does.
 */

#include <kunit/nt_insn.h>
#include <kunit/nt_witness.h>
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/bitops.h>
#include <linux/kprobes.h>
#include <linux/sched.h>
#include <linux/slab.h>

/* A depth that reaches more than this reaches too far to be meant. */
#define MAX_FUNCTIONS	512
#define MAX_SITES	256

struct nt_site {
	struct kprobe kp;
	struct nt_insn insn;
	struct nt_witness *w;
};

struct scan {
	struct kunit *test;
	struct nt_witness *w;
	int nr_functions;
	struct {
		const void *start;
		int depth;
	} functions[MAX_FUNCTIONS];
};

static int site_hit(struct kprobe *kp, struct pt_regs *regs)
{
	struct nt_site *site = container_of(kp, struct nt_site, kp);
	struct nt_witness *w = site->w;
	unsigned long addr, end, lo, hi;
	unsigned int inside;

	if (current != w->task)
		return 0;

	addr = nt_insn_store_address(&site->insn, regs);
	end = addr + site->insn.bytes;
	if (w->stores < NT_WITNESS_LOG) {
		w->log[w->stores].addr = addr;
		w->log[w->stores].bytes = site->insn.bytes;
		w->log[w->stores].ip = (unsigned long)site->insn.addr;
	}
	lo = max(addr, w->lo);
	hi = min(end, w->hi);
	inside = lo < hi ? hi - lo : 0;
	w->inside += inside;
	if (inside && w->touched)
		__set_bit((lo - w->lo) / w->unit, w->touched);
	w->outside += site->insn.bytes - inside;
	w->stores++;
	return 0;
}
NOKPROBE_SYMBOL(site_hit);

static int add_site(struct scan *scan, const struct nt_insn *insn)
{
	struct nt_witness *w = scan->w;
	struct nt_site *site;

	if (w->nr_sites == MAX_SITES)
		return -E2BIG;
	site = &w->sites[w->nr_sites++];
	site->w = w;
	site->insn = *insn;
	site->kp.addr = (kprobe_opcode_t *)insn->addr;
	site->kp.pre_handler = site_hit;
	return 0;
}

/* Functions are looked at in the order in which they are found: nearest first. */
static int add_function(struct scan *scan, const void *addr, int depth)
{
	const void *start, *end;
	int i;

	if (nt_insn_function(addr, &start, &end))
		return -ENOENT;
	for (i = 0; i < scan->nr_functions; i++) {
		if (scan->functions[i].start == start)
			return 0;
	}
	if (scan->nr_functions == MAX_FUNCTIONS)
		return -E2BIG;
	scan->functions[i].start = start;
	scan->functions[i].depth = depth;
	scan->nr_functions++;
	return 0;
}

static int scan_function(struct scan *scan, const void *fn, int depth)
{
	const void *start, *end, *p;
	struct nt_insn insn;
	int err;

	err = nt_insn_function(fn, &start, &end);
	for (p = start; !err && p < end; p += insn.len) {
		err = nt_insn_decode(p, &insn);
		if (err)
			break;
		if (insn.kind == NT_INSN_STORE) {
			err = add_site(scan, &insn);
		} else if (depth && insn.target &&
			   (insn.target < start || insn.target >= end)) {
			err = add_function(scan, insn.target, depth - 1);
			/* A jump into nowhere is one that kprobes put there. */
			if (err == -ENOENT)
				err = insn.kind == NT_INSN_CALL ? 0 : -EBUSY;
		}
		if (err)
			break;
	}
	if (err)
		kunit_err(scan->test, "no witness: error %d at %pS\n", err, p);
	return err;
}

static int find_sites(struct kunit *test, struct nt_witness *w,
		      void *const fns[], int nr, int depth)
{
	struct scan *scan = kvzalloc_obj(*scan);
	int i, err = 0;

	if (!scan)
		return -ENOMEM;
	scan->test = test;
	scan->w = w;
	for (i = 0; i < nr && !err; i++)
		err = add_function(scan, fns[i], depth);
	for (i = 0; i < scan->nr_functions && !err; i++)
		err = scan_function(scan, scan->functions[i].start,
				    scan->functions[i].depth);
	kvfree(scan);
	return err;
}

/* For register_kprobes() and its like, which want pointers. */
static struct kprobe **site_probes(struct nt_witness *w)
{
	struct kprobe **kps = kvmalloc_objs(*kps, w->nr_sites);
	int i;

	for (i = 0; kps && i < w->nr_sites; i++)
		kps[i] = &w->sites[i].kp;
	return kps;
}

static void remove_probes(void *data)
{
	struct nt_witness *w = data;
	struct kprobe **kps = site_probes(w);
	int i;

	if (kps) {
		unregister_kprobes(kps, w->nr_sites);
		kvfree(kps);
		return;
	}
	for (i = 0; i < w->nr_sites; i++)
		unregister_kprobe(&w->sites[i].kp);
}

/**
 * nt_witness_start - watch the non-temporal stores of some functions
 * @test: the test that wants to know
 * @fns: the functions; any address within each will do
 * @nr: how many
 * @depth: how far to follow direct calls and jumps out of them: 0 is not at
 *	all, 1 is what they call, 2 is what that calls
 *
 * What is called through a pointer is not found; nor is anything deeper than
 * @depth. Start the witness before any other probe is put on code that it will
 * look at: instructions replaced by probes are refused. It counts from the
 * first nt_witness_reset() or nt_witness_range() on, and ends with the test at
 * the latest. Until then more than one may run, but not on the same code.
 *
 * A hit costs two traps. Nothing is allocated or locked on it.
 *
 * Returns: the witness, or an ERR_PTR: -EBUSY where a probe is in the way,
 * -E2BIG where too much code is reached, -EOPNOTSUPP where a store's address
 * is not understood, or what kprobes had to say. An error is a failure of the
 * test, not a reason to skip it: nt_witness_lacks() gives those.
 */
struct nt_witness *nt_witness_start(struct kunit *test, void *const fns[],
				    int nr, int depth)
{
	struct nt_witness *w;
	struct kprobe **kps;
	int err;

	/* All of it outlives a test function that is aborted by an assertion. */
	w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);
	if (!w)
		return ERR_PTR(-ENOMEM);
	w->log = kunit_kcalloc(test, NT_WITNESS_LOG, sizeof(*w->log), GFP_KERNEL);
	w->sites = kunit_kcalloc(test, MAX_SITES, sizeof(*w->sites), GFP_KERNEL);
	if (!w->log || !w->sites)
		return ERR_PTR(-ENOMEM);

	/* Probes that are gone may have left jumps behind for a while. */
	wait_for_kprobe_optimizer();
	err = find_sites(test, w, fns, nr, depth);
	if (err)
		return ERR_PTR(err);
	if (!w->nr_sites)
		return w;

	kps = site_probes(w);
	if (!kps)
		return ERR_PTR(-ENOMEM);
	err = register_kprobes(kps, w->nr_sites);
	kvfree(kps);
	if (err)
		return ERR_PTR(err);
	err = kunit_add_action_or_reset(test, remove_probes, w);
	return err ? ERR_PTR(err) : w;
}

/**
 * nt_witness_range - count anew, bytes in a range apart from all others
 * @w: the witness
 * @lo: first byte of the range
 * @hi: one past its last byte
 */
void nt_witness_range(struct nt_witness *w, const void *lo, const void *hi)
{
	w->lo = (unsigned long)lo;
	w->hi = (unsigned long)hi;
	nt_witness_reset(w);
}

/**
 * nt_witness_units - remember as well which parts of the range were stored to
 * @w: the witness
 * @unit: the size of a part; a store is held to be in the one it starts in
 * @touched: a bit for each part of the range of nt_witness_range(), or NULL
 */
void nt_witness_units(struct nt_witness *w, size_t unit, unsigned long *touched)
{
	w->unit = unit;
	w->touched = touched;
}

/**
 * nt_witness_reset - count anew, and only what the calling task does
 * @w: the witness
 */
void nt_witness_reset(struct nt_witness *w)
{
	w->missed += nt_witness_missed(w);
	w->stores = 0;
	w->inside = 0;
	w->outside = 0;
	w->task = current;
}

/**
 * nt_witness_missed - stores that went uncounted since the last reset
 * @w: the witness
 *
 * A kprobe hit within another one's handler is not reported. As long as this
 * is 0 the counts are exact.
 *
 * Returns: how many, whichever task executed them.
 */
unsigned long nt_witness_missed(struct nt_witness *w)
{
	unsigned long missed = 0;
	int i;

	for (i = 0; i < w->nr_sites; i++)
		missed += w->sites[i].kp.nmissed;
	return missed - w->missed;
}

/**
 * nt_witness_stop - take the probes away before the test ends
 * @test: as given to nt_witness_start()
 * @w: the witness; what it counted remains readable
 */
void nt_witness_stop(struct kunit *test, struct nt_witness *w)
{
	if (w->nr_sites)
		kunit_release_action(test, remove_probes, w);
}

/**
 * nt_copy_lacks - why no copy here may be asked whether it streams
 *
 * A revision of the series promises a copy that streams on x86_64. On another
 * architecture it is the port that does, by having one.
 *
 * Returns: the reason, for a test to be skipped, or NULL.
 */
const char *nt_copy_lacks(void)
{
#ifndef ZD_STREAMS
	if (!IS_ENABLED(CONFIG_X86_64))
		return "this architecture has no streaming copy of its own, but the generic one";
#endif
	return NULL;
}

/**
 * nt_flushcache_lacks - why nobody may ask whether memcpy_flushcache() streams
 *
 * Returns: the reason, for a test to be skipped, or NULL.
 */
const char *nt_flushcache_lacks(void)
{
	if (!nt_arch.flushcache)
		return "memcpy_flushcache() is not made of streaming stores on this architecture";
	return NULL;
}
