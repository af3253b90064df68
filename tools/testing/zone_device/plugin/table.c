// SPDX-License-Identifier: GPL-2.0
/* A hash table that grows, open addressing, nothing ever removed but all. */
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define FIRST_SIZE	64

static struct entry *place(const struct table *table, uint64_t key)
{
	size_t i = (key * 0x9e3779b97f4a7c15ULL) >> 20 & (table->size - 1);

	while (table->entries[i].key && table->entries[i].key != key)
		i = (i + 1) & (table->size - 1);
	return &table->entries[i];
}

/** table_next() - the entry behind @entry, or the first; NULL if there is none */
struct entry *table_next(const struct table *table, struct entry *entry)
{
	entry = entry ? entry + 1 : table->entries;
	while (entry < table->entries + table->size && !entry->key)
		entry++;
	return entry < table->entries + table->size ? entry : NULL;
}

static void grow(struct table *table)
{
	struct table larger = { .size = table->size ? 2 * table->size : FIRST_SIZE };
	struct entry *entry = NULL;

	larger.entries = calloc(larger.size, sizeof(*entry));
	if (!larger.entries)
		abort();
	larger.used = table->used;
	while ((entry = table_next(table, entry)))
		*place(&larger, entry->key) = *entry;
	free(table->entries);
	*table = larger;
}

/** table_find() - the entry of @key, or NULL; good until one is added */
struct entry *table_find(const struct table *table, uint64_t key)
{
	struct entry *entry = table->size ? place(table, key) : NULL;

	return entry && entry->key ? entry : NULL;
}

/** table_add() - the entry of @key, made empty if there was none */
struct entry *table_add(struct table *table, uint64_t key)
{
	struct entry *entry;

	if (2 * table->used >= table->size)
		grow(table);
	entry = place(table, key);
	if (!entry->key) {
		entry->key = key;
		table->used++;
	}
	return entry;
}

void table_clear(struct table *table)
{
	free(table->entries);
	memset(table, 0, sizeof(*table));
}
