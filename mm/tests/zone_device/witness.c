// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of memmap_init_zone_device(), and what can be seen of the way that
 * they take: how often the function was called that builds one page, and the
 * page_ref_set events of the pages.
 *
 * Two paths that end in the same bytes cannot be told apart by the bytes. A
 * test that compares them must know from here that there were two.
 */
#include <linux/kprobes.h>
#include <linux/memory_hotplug.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>
#include <trace/events/page_ref.h>

#include "zone_device_test.h"

/*
 * What has been known to build one page; the compiler may inline any of them,
 * or call it by another name.
 */
static const char * const zd_slow_functions[] = {
	"__init_zone_device_page",
	"__init_single_page",
	"__init_zone_device_page.isra.0",
	"__init_single_page.isra.0",
	"__init_zone_device_page.constprop.0",
	"__init_single_page.constprop.0",
};

struct zd_slow_probe {
	struct kprobe kp;
	bool registered;
	long hits;
	long in_place;
};

static struct zd_slow_probe zd_slow_probes[ARRAY_SIZE(zd_slow_functions)];
static int zd_nr_slow_probes;

/* The call that is being watched, and by whom it was made. */
static struct {
	struct task_struct *task;
	const struct page *first;
	unsigned long nr_pages;
	u16 *events;	/* as zd_model_events() has them, a page each */
	long nr_events;
	unsigned long last;
	bool unordered;
} zd_watch;

/* Whether an event of device memory has come since somebody listens. */
static bool zd_heard;

/* The page is the first argument of all of them, if it can be told. */
static bool zd_is_in_place(struct pt_regs *regs)
{
#ifdef CONFIG_HAVE_FUNCTION_ARG_ACCESS_API
	const struct page *page = (void *)regs_get_kernel_argument(regs, 0);

	return page >= zd_watch.first && page < zd_watch.first + zd_watch.nr_pages;
#else
	return false;
#endif
}
NOKPROBE_SYMBOL(zd_is_in_place);

static int zd_slow_hit(struct kprobe *kp, struct pt_regs *regs)
{
	struct zd_slow_probe *probe = container_of(kp, struct zd_slow_probe, kp);

	if (current == zd_watch.task) {
		probe->hits++;
		probe->in_place += zd_is_in_place(regs);
	}
	return 0;
}
NOKPROBE_SYMBOL(zd_slow_hit);

static void __maybe_unused zd_ref_event(void *data, struct page *page, int value)
{
	unsigned long index = page - zd_watch.first;

	/* Others set the counts of pages, too, but not of these. */
	if (is_zone_device_page(page))
		WRITE_ONCE(zd_heard, true);
	if (current != zd_watch.task || !zd_watch.events || index >= zd_watch.nr_pages)
		return;
	zd_watch.nr_events++;
	zd_watch.unordered |= index < zd_watch.last;
	zd_watch.last = index;
	/* Three bits an event; 7 is a value that was never heard of. */
	zd_watch.events[index] <<= 3;
	zd_watch.events[index] |= value < 0 || value > 5 ? 7 : value + 1;
}

/** zd_witness_init() - put the probes in place, as a suite's suite_init */
int zd_witness_init(struct kunit_suite *suite)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(zd_slow_probes); i++) {
		struct zd_slow_probe *probe = &zd_slow_probes[i];

		memset(probe, 0, sizeof(*probe));
		probe->kp.symbol_name = zd_slow_functions[i];
		probe->kp.pre_handler = zd_slow_hit;
		if (!IS_ENABLED(CONFIG_KPROBES) || register_kprobe(&probe->kp))
			continue;
		probe->registered = true;
		zd_nr_slow_probes++;
	}
	return 0;
}

/** zd_witness_exit() - take them away, as its suite_exit */
void zd_witness_exit(struct kunit_suite *suite)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(zd_slow_probes); i++) {
		if (zd_slow_probes[i].registered)
			unregister_kprobe(&zd_slow_probes[i].kp);
		zd_slow_probes[i].registered = false;
	}
	zd_nr_slow_probes = 0;
}

/** zd_slow_pages_lacks() - why slow pages cannot be counted, or NULL */
const char *zd_slow_pages_lacks(void)
{
	if (!IS_ENABLED(CONFIG_KPROBES))
		return "counting the slow path's work needs CONFIG_KPROBES";
	if (!zd_nr_slow_probes)
		return "no function that builds one page is out of line in this kernel";
	return NULL;
}

/** zd_ref_events_lacks() - why nobody can listen to page_ref_set, or NULL */
const char *zd_ref_events_lacks(void)
{
	if (!IS_ENABLED(CONFIG_DEBUG_PAGE_REF))
		return "page_ref_set events need CONFIG_DEBUG_PAGE_REF";
	return NULL;
}

/* Without the option there is no tracepoint to link to. */
#ifdef CONFIG_DEBUG_PAGE_REF
/** zd_listen() - be a listener to page_ref_set, until zd_listen_no_more() */
bool zd_listen(void)
{
	WRITE_ONCE(zd_heard, false);
	return !register_trace_page_ref_set(zd_ref_event, NULL);
}

void zd_listen_no_more(void)
{
	unregister_trace_page_ref_set(zd_ref_event, NULL);
	tracepoint_synchronize_unregister();
}
#else
bool zd_listen(void)
{
	return false;
}

void zd_listen_no_more(void)
{
}
#endif

/** zd_was_heard() - whether an event of device memory has come to who listens */
bool zd_was_heard(void)
{
	return READ_ONCE(zd_heard);
}

/** zd_init() - make the call */
void zd_init(const struct zd_call *call)
{
	memmap_init_zone_device(&NODE_DATA(call->nid)->node_zones[ZONE_DEVICE],
				call->start_pfn, call->nr_pages, call->pgmap);
}

static void zd_describe_events(u16 events, char *to, size_t size)
{
	size_t len = 0;
	int shift;

	strscpy(to, events ? "" : "none", size);
	for (shift = 15; shift >= 0; shift -= 3) {
		unsigned int event = events >> shift & 7;

		if (event)
			len += scnprintf(to + len, size - len, "%s%d",
					 len ? " " : "", event - 1);
	}
}

/* Each page's events ought to be those of the model, in the order of pages. */
static void zd_check_events(const struct zd_call *call, struct zd_witness *w)
{
	unsigned long first = zd_first_pfn(call), pfn, next = first;

	if (zd_watch.unordered) {
		w->bad_pfn = first + zd_watch.last;
		strscpy(w->bad_seen, "not in order of PFN", sizeof(w->bad_seen));
		strscpy(w->bad_expected, "in order of PFN", sizeof(w->bad_expected));
		return;
	}
	for (pfn = first; pfn < zd_end_pfn(call); pfn++) {
		u16 seen = zd_watch.events[pfn - first], want = 0;

		if (pfn >= next) {
			next = zd_next_written(call, pfn);
			if (pfn == next)
				want = zd_model_events(call, pfn);
		}
		if (seen == want) {
			w->good_events += !!want;
			continue;
		}
		if (w->bad_pfn)
			continue;
		w->bad_pfn = pfn;
		zd_describe_events(seen, w->bad_seen, sizeof(w->bad_seen));
		zd_describe_events(want, w->bad_expected, sizeof(w->bad_expected));
	}
}

/**
 * zd_init_watched() - make the call, and say what could be seen of it
 * @test: the test
 * @call: the call; one at a time
 * @how: with %ZD_TRACED there is a listener to page_ref_set meanwhile
 */
struct zd_witness zd_init_watched(struct kunit *test, const struct zd_call *call,
				  enum zd_how how)
{
	const bool traced = how == ZD_TRACED && !zd_ref_events_lacks();
	struct zd_witness w = { .slow_pages = -1, .in_place = -1, .ref_events = -1 };
	unsigned long nr_pages = zd_end_pfn(call) - zd_first_pfn(call);
	u16 *events = NULL;
	int i;

	if (traced) {
		events = kvcalloc(nr_pages + 1, sizeof(*events), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, events);
	}
	for (i = 0; i < ARRAY_SIZE(zd_slow_probes); i++) {
		zd_slow_probes[i].hits = 0;
		zd_slow_probes[i].in_place = 0;
	}
	zd_watch.first = pfn_to_page(zd_first_pfn(call));
	zd_watch.nr_pages = nr_pages;
	zd_watch.events = events;
	zd_watch.nr_events = 0;
	zd_watch.last = 0;
	zd_watch.unordered = false;
	zd_watch.task = current;

	if (!traced) {
		zd_init(call);
	} else if (zd_listen()) {
		zd_init(call);
		zd_listen_no_more();
		w.ref_events = zd_watch.nr_events;
		zd_check_events(call, &w);
	} else {
		KUNIT_FAIL(test, "no listener could be registered to page_ref_set");
	}
	zd_watch.task = NULL;
	kvfree(events);

	/* One may be inlined into another: the outermost that is left counts. */
	for (i = 0; zd_nr_slow_probes && i < ARRAY_SIZE(zd_slow_probes); i++) {
		w.slow_pages = max(w.slow_pages, zd_slow_probes[i].hits);
		w.in_place = max(w.in_place, zd_slow_probes[i].in_place);
	}
	return w;
}
