/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ZD_PLUGIN_TABLE_H
#define _ZD_PLUGIN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct entry - what is known of a cache line, or of an object
 * @key: which it is; never 0
 * @bytes: a line: a bit for each byte stored non-temporally;
 *	an object: how many bytes were; else what is counted of it
 * @addr: where such a store went
 * @pc: and which it was
 * @accused: a bit for each rule that it was reported for
 */
struct entry {
	uint64_t key;
	uint64_t bytes;
	uint64_t addr;
	uint64_t pc;
	uint32_t accused;
};

struct table {
	struct entry *entries;
	size_t size;
	size_t used;
};

struct entry *table_find(const struct table *table, uint64_t key);
struct entry *table_add(struct table *table, uint64_t key);
struct entry *table_next(const struct table *table, struct entry *entry);
void table_clear(struct table *table);

#endif
