// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of memremap_pages() and memmap_init_zone_device() to be counted from
 * outside: see make cost. It shows that each kind of device memory can be
 * mapped, and nothing else.
 */
#include "probes.h"

/*
 * Test case: one section of each kind of memory is mapped; where there is no
 * such mapping, the loop is called by itself.
 */
static void zd_cost_test(struct kunit *test)
{
	const struct zd_case *c = test->param_value;
	const u64 id = zd_kind_id(c);
	struct zd_call call;

	zd_note_id = c->memmap == ZD_IN_RAM_FULL ? 0 : id;
	call = zd_map_case(test, c, PAGES_PER_SECTION);
	zd_note_id = 0;
	if (c->memmap != ZD_IN_RAM_FULL)
		return;

	zd_note_id = id;
	zd_init(&call);
	zd_note_id = 0;
}

/*
 * Each kind three times, and the cheapest call is what it costs: whichever call
 * finds a slab used up pays for the next one, and which that is changes with
 * all that was allocated since boot.
 */
static struct kunit_case zd_cost_cases[] = {
	KUNIT_CASE_PARAM(zd_cost_test, zd_next_kind),
	KUNIT_CASE_PARAM(zd_cost_test, zd_next_kind),
	KUNIT_CASE_PARAM(zd_cost_test, zd_next_kind),
	{}
};

static struct kunit_suite zd_cost_suite = {
	.name = "zone_device_cost",
	.test_cases = zd_cost_cases,
};

kunit_test_suite(zd_cost_suite);
