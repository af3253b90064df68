// SPDX-License-Identifier: GPL-2.0
/*
 * What to look for, a line each, from a file: what is known of a kernel comes
 * from its symbols and debug info, which a script reads better.
 *
 *   out FILE
 *   mode order|cost
 *   window START END SIZE	objects of SIZE bytes, 0 for any memory
 *   watch ADDR NAME RULES KIND	RULES: a,b,c or all; KIND: see below, or -
 *   suspend ADDR
 *   stub ADDR
 *   entry START END
 *   note START END MAILBOX
 *   point KIND RULE START END [START END]
 *
 * Numbers are hexadecimal. A watched function of the kind "rewrites" may write
 * again what was drained; "outer" is one whose return alone is judged, next to
 * what is watched in it; "hands-over" is an outer one that tells another CPU of
 * what was written in it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#define LINE_SIZE	1024

struct config config;

static const char * const point_kinds[] = {
	[POINT_START]	= "start",
	[POINT_ENTER]	= "enter",
	[POINT_TOUCH]	= "touch",
	[POINT_WRITE]	= "write",
	NULL
};

static void *grow(void *array, size_t *nr, size_t size)
{
	array = realloc(array, (*nr + 1) * size);
	if (!array)
		abort();
	memset((char *)array + *nr * size, 0, size);
	(*nr)++;
	return array;
}

/* The place of @name in @names, or -1. */
static int find_name(const char * const *names, const char *name)
{
	int i;

	for (i = 0; names[i]; i++) {
		if (!strcmp(names[i], name))
			return i;
	}
	return -1;
}

static bool read_watch(const char *args, const char * const *rules)
{
	char names[LINE_SIZE], kind[LINE_SIZE];
	struct watch *watch;
	char *name;

	config.watches = grow(config.watches, &config.nr_watches, sizeof(*watch));
	watch = &config.watches[config.nr_watches - 1];
	if (sscanf(args, "%" SCNx64 " %63s %s %s", &watch->addr, watch->name, names,
		   kind) != 4)
		return false;
	watch->rewrites = !strcmp(kind, "rewrites");
	watch->hands_over = !strcmp(kind, "hands-over");
	watch->outer = watch->hands_over || !strcmp(kind, "outer");
	if (!strcmp(names, "all")) {
		watch->rules = ~0U;
		return true;
	}
	for (name = strtok(names, ","); name; name = strtok(NULL, ",")) {
		int rule = find_name(rules, name);

		if (rule < 0)
			return false;
		watch->rules |= 1U << rule;
	}
	return true;
}

static bool read_point(const char *args, const char * const *rules)
{
	char kind_name[NAME_SIZE], rule_name[NAME_SIZE];
	struct point *point;
	int got, kind, rule;

	config.points = grow(config.points, &config.nr_points, sizeof(*point));
	point = &config.points[config.nr_points - 1];
	point->index = config.nr_points - 1;
	got = sscanf(args, "%63s %63s %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
		     kind_name, rule_name, &point->code.start, &point->code.end,
		     &point->around.start, &point->around.end);
	if (got < 4)
		return false;
	kind = find_name(point_kinds, kind_name);
	rule = find_name(rules, rule_name);
	if (kind < 0 || rule < 0)
		return false;
	point->kind = kind;
	point->rule = rule;
	return got == (kind == POINT_ENTER ? 6 : 4);
}

static bool read_range(const char *args, struct range *range)
{
	return sscanf(args, "%" SCNx64 " %" SCNx64, &range->start, &range->end) == 2;
}

static bool read_addr(const char *args, uint64_t **addrs, size_t *nr)
{
	*addrs = grow(*addrs, nr, sizeof(**addrs));
	return sscanf(args, "%" SCNx64, &(*addrs)[*nr - 1]) == 1;
}

static bool read_line(const char *key, const char *args, const char * const *rules)
{
	char name[LINE_SIZE];

	if (!strcmp(key, "out")) {
		if (sscanf(args, "%s", name) != 1)
			return false;
		config.out = fopen(name, "w");
		return config.out;
	}
	if (!strcmp(key, "mode")) {
		config.cost = !strcmp(args, "cost");
		return config.cost || !strcmp(args, "order");
	}
	if (!strcmp(key, "window"))
		return sscanf(args, "%" SCNx64 " %" SCNx64 " %" SCNx64, &config.window.start,
			      &config.window.end, &config.object_size) == 3;
	if (!strcmp(key, "note"))
		return sscanf(args, "%" SCNx64 " %" SCNx64 " %" SCNx64, &config.note.start,
			      &config.note.end, &config.mailbox) == 3;
	if (!strcmp(key, "entry"))
		return read_range(args, &config.entry);
	if (!strcmp(key, "watch"))
		return read_watch(args, rules);
	if (!strcmp(key, "point"))
		return read_point(args, rules);
	if (!strcmp(key, "suspend"))
		return read_addr(args, &config.suspends, &config.nr_suspends);
	if (!strcmp(key, "stub"))
		return read_addr(args, &config.stubs, &config.nr_stubs);
	return false;
}

/**
 * config_read() - read the file @name; complains and says so if it is bad
 *
 * The place of a rule's name in @rules, which NULL ends, is its number.
 */
bool config_read(const char *name, const char * const *rules)
{
	char line[LINE_SIZE], key[NAME_SIZE];
	FILE *file = fopen(name, "r");
	bool good = true;
	int at;

	if (!file) {
		perror(name);
		return false;
	}
	config.window.end = ~0ULL;
	while (good && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		good = sscanf(line, "%63s %n", key, &at) == 1 &&
		       read_line(key, line + at, rules);
	}
	fclose(file);
	if (!good)
		fprintf(stderr, "%s: not understood: %s\n", name, line);
	else if (!config.out)
		fprintf(stderr, "%s: no line says where to write to\n", name);
	return good && config.out;
}
