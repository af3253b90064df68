// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of memremap_pages() and memmap_init_zone_device() to be counted from
 * outside, each once and without a probe near it: see make cost. By themselves
 * they show little, that each kind of device memory can be mapped.
 */
#include "zone_device_test.h"

/*
 * Test case: one section of each kind of memory is mapped; where there is no
 * such mapping, the loop is called by itself.
 */
static void zd_cost_test(struct kunit *test)
{
	const struct zd_kind *kind = test->param_value;
	struct zd_range_args args = zd_kind_args(kind, PAGES_PER_SECTION);
	struct dev_pagemap *pgmap;
	struct zd_call call;

	zd_note_id = kind->full ? 0 : zd_kind_id(kind);
	pgmap = zd_map(test, &args);
	zd_note_id = 0;
	if (!kind->full)
		return;

	pgmap = zd_clone_pgmap(test, pgmap, kind->type, kind->order);
	call = zd_call_for(pgmap, 0);
	zd_note_id = zd_kind_id(kind);
	zd_init(&call);
	zd_note_id = 0;
}

static struct kunit_case zd_cost_cases[] = {
	KUNIT_CASE_PARAM(zd_cost_test, zd_next_kind),
	{}
};

static struct kunit_suite zd_cost_suite = {
	.name = "zone_device_cost",
	.test_cases = zd_cost_cases,
};

kunit_test_suite(zd_cost_suite);
