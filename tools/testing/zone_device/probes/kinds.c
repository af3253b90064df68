// SPDX-License-Identifier: GPL-2.0
/*
 * The kinds of device memory that are counted and timed: those cases of the
 * suites that differ in what a struct page costs, and that can be had in any
 * size.
 */
#include "probes.h"

static bool zd_is_kind(const struct zd_case *c)
{
	return (c->order == 0 || c->order == 9) && c->memmap != ZD_FROM_BOOT &&
	       c->memmap != ZD_FROM_BOOT_IN_PART;
}

/** zd_next_kind() - the kinds, one after the other, as a test's parameters */
const void *zd_next_kind(struct kunit *test, const void *prev, char *desc)
{
	const struct zd_case *c = prev;

	do {
		c = zd_next_case(test, c, desc);
	} while (c && !zd_is_kind(c));
	return c;
}

/** zd_kind_id() - a number for @kind, from 1, in their order */
unsigned int zd_kind_id(const struct zd_case *kind)
{
	char name[KUNIT_PARAM_DESC_SIZE];
	const struct zd_case *c = NULL;
	unsigned int id = 0;

	do {
		c = zd_next_kind(NULL, c, name);
		id++;
	} while (c && c != kind);
	return id;
}
