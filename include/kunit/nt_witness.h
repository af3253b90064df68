/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KUNIT_NT_WITNESS_H
#define _KUNIT_NT_WITNESS_H

#include <linux/err.h>
#include <linux/kconfig.h>
#include <linux/types.h>

struct kunit;
struct nt_site;
struct task_struct;

/* The first so many stores are remembered one by one, all are counted. */
#define NT_WITNESS_LOG	1152

/**
 * struct nt_store - a non-temporal store that was executed
 * @addr: where it wrote
 * @bytes: how many bytes
 * @ip: the instruction
 */
struct nt_store {
	unsigned long addr;
	unsigned int bytes;
	unsigned long ip;
};

/**
 * struct nt_witness - the non-temporal stores that one task executes
 * @stores: how many since the last reset
 * @inside: bytes that they wrote within the range
 * @outside: bytes that they wrote elsewhere
 * @log: the first NT_WITNESS_LOG of them, in the order of execution
 * @nr_sites: store instructions under observation
 *
 * The rest is private. Only the task that called nt_witness_reset() or
 * nt_witness_range() last is counted, so nothing here needs a lock: what
 * another task or CPU does meanwhile does not count.
 */
struct nt_witness {
	u64 stores;
	u64 inside;
	u64 outside;
	struct nt_store *log;
	int nr_sites;

	struct task_struct *task;
	unsigned long lo;
	unsigned long hi;
	size_t unit;
	unsigned long *touched;
	struct nt_site *sites;
	unsigned long missed;
};

#ifdef CONFIG_NT_WITNESS
struct nt_witness *nt_witness_start(struct kunit *test, void *const fns[],
				    int nr, int depth);
void nt_witness_range(struct nt_witness *w, const void *lo, const void *hi);
void nt_witness_units(struct nt_witness *w, size_t unit, unsigned long *touched);
void nt_witness_reset(struct nt_witness *w);
unsigned long nt_witness_missed(struct nt_witness *w);
void nt_witness_stop(struct kunit *test, struct nt_witness *w);

const char *nt_copy_lacks(void);
const char *nt_flushcache_lacks(void);

static inline const char *nt_witness_lacks(void)
{
	return NULL;
}
#else
static inline struct nt_witness *nt_witness_start(struct kunit *test,
						  void *const fns[],
						  int nr, int depth)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void nt_witness_range(struct nt_witness *w, const void *lo,
				    const void *hi)
{
}

static inline void nt_witness_units(struct nt_witness *w, size_t unit,
				    unsigned long *touched)
{
}

static inline void nt_witness_reset(struct nt_witness *w)
{
}

static inline unsigned long nt_witness_missed(struct nt_witness *w)
{
	return 0;
}

static inline void nt_witness_stop(struct kunit *test, struct nt_witness *w)
{
}

/* Why there is no witness in this kernel, as the reason of a skip; or NULL. */
static inline const char *nt_witness_lacks(void)
{
	if (IS_ENABLED(CONFIG_UML))
		return "UML has no non-temporal stores to observe";
	if (!IS_ENABLED(CONFIG_KPROBES))
		return "observing non-temporal stores needs CONFIG_KPROBES";
	return "no file in nt_witness/ knows this architecture's streaming stores";
}

static inline const char *nt_copy_lacks(void)
{
	return nt_witness_lacks();
}

static inline const char *nt_flushcache_lacks(void)
{
	return nt_witness_lacks();
}
#endif

#endif
