// SPDX-License-Identifier: GPL-2.0
/*
 * What to look for, a line each, from a file: what is known of a kernel comes
 * from its symbols and debug info, which a script reads better.
 *
 *   out FILE
 *   mode order|cost
 *   window START END SIZE	objects of SIZE bytes, 0 for any memory
 *   watch ADDR NAME RULES FLAGS	RULES: a,b,c or all; FLAGS: rewrites or -
 *   suspend ADDR
 *   stub ADDR
 *   entry START END
 *   note START END MAILBOX
 *   point KIND RULE START END [START END]
 *
 * Numbers are hexadecimal.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "order.h"

#define LINE_SIZE	1024

struct config config;

static const char * const point_kinds[] = {
	[POINT_START]	= "start",
	[POINT_ENTER]	= "enter",
	[POINT_TOUCH]	= "touch",
	[POINT_WRITE]	= "write",
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

static bool read_watch(const char *args)
{
	char rules[LINE_SIZE], flags[LINE_SIZE];
	struct watch *watch;
	char *rule;

	config.watches = grow(config.watches, &config.nr_watches, sizeof(*watch));
	watch = &config.watches[config.nr_watches - 1];
	if (sscanf(args, "%" SCNx64 " %63s %s %s", &watch->addr, watch->name, rules,
		   flags) != 4)
		return false;
	watch->rewrites = !strcmp(flags, "rewrites");
	if (!strcmp(rules, "all")) {
		watch->rules = ~0U;
		return true;
	}
	for (rule = strtok(rules, ","); rule; rule = strtok(NULL, ",")) {
		int nr = order_rule(rule);

		if (nr < 0)
			return false;
		watch->rules |= 1U << nr;
	}
	return true;
}

static bool read_point(const char *args)
{
	char kind[NAME_SIZE], rule[NAME_SIZE];
	struct point *point;
	int got, nr;

	config.points = grow(config.points, &config.nr_points, sizeof(*point));
	point = &config.points[config.nr_points - 1];
	point->index = config.nr_points - 1;
	got = sscanf(args, "%63s %63s %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
		     kind, rule, &point->code.start, &point->code.end,
		     &point->around.start, &point->around.end);
	nr = got < 4 ? -1 : order_rule(rule);
	if (nr < 0)
		return false;
	point->rule = nr;
	for (nr = 0; nr <= POINT_WRITE; nr++) {
		if (strcmp(kind, point_kinds[nr]))
			continue;
		point->kind = nr;
		return got == (nr == POINT_ENTER ? 6 : 4);
	}
	return false;
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

static bool read_line(const char *key, const char *args)
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
		return read_watch(args);
	if (!strcmp(key, "point"))
		return read_point(args);
	if (!strcmp(key, "suspend"))
		return read_addr(args, &config.suspends, &config.nr_suspends);
	if (!strcmp(key, "stub"))
		return read_addr(args, &config.stubs, &config.nr_stubs);
	return false;
}

/** config_read() - read the file @name; complains and says so if it is bad */
bool config_read(const char *name)
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
		good = sscanf(line, "%63s %n", key, &at) == 1 && read_line(key, line + at);
	}
	fclose(file);
	if (!good)
		fprintf(stderr, "%s: not understood: %s\n", name, line);
	else if (!config.out)
		fprintf(stderr, "%s: no line says where to write to\n", name);
	return good && config.out;
}
