// SPDX-License-Identifier: GPL-2.0
/*
 * The memmap initialisation of one or two kernel trees, as a program. It
 * prints facts, one a line; native.py makes sense of them.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "bench.h"
#include "check.h"
#include "host.h"

/* The tree's text is foreign: say what it did, not just that it crashed. */
static void on_crash(int sig, siginfo_t *info, void *context)
{
	uintptr_t ip = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	const struct native_missing *m;
	char text[200] = "";

	for (m = native_missing; m->name; m++)
		if (ip - (uintptr_t)m->object < NATIVE_MISSING_SIZE)
			snprintf(text, sizeof(text),
				 "the tree's text called %s(), which the program does not have\n",
				 m->name);
	if (!text[0] && sig == SIGILL)
		snprintf(text, sizeof(text), "the tree's text ran into a WARN() or BUG() at %#lx\n",
			 (unsigned long)ip);
	if (!text[0])
		snprintf(text, sizeof(text), "the tree's text crashed at %#lx, address %p\n",
			 (unsigned long)ip, info->si_addr);
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		_exit(3);
	_exit(2);
}

static void catch_crashes(void)
{
	struct sigaction action = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGILL, &action, NULL);
}

static void require_alike(void)
{
	const struct native_variant *const *v;

	for (v = native_variants; *v; v++)
		if ((*v)->page_size != native_variants[0]->page_size)
			native_die("struct page has %lu bytes in one tree and %lu in the other",
				   native_variants[0]->page_size, (*v)->page_size);
}

static unsigned long parse(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (!*text || *end)
		native_die("%s is not a number", text);
	return value;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "smallest", required_argument, NULL, 'a' },
		{ "largest", required_argument, NULL, 'z' },
		{ "llc", required_argument, NULL, 'l' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' },
		{ "cpu", required_argument, NULL, 'c' },
		{ }
	};
	struct native_options options = {
		.smallest = 64UL << 10, .largest = 256UL << 20, .llc = 32UL << 20,
		.rounds = NATIVE_MIN_ROUNDS, .cpu = -1,
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'a':
			options.smallest = parse(optarg);
			break;
		case 'z':
			options.largest = parse(optarg);
			break;
		case 'l':
			options.llc = parse(optarg);
			break;
		case 'r':
			options.rounds = parse(optarg);
			break;
		case 's':
			options.seconds = parse(optarg);
			break;
		case 'c':
			options.cpu = parse(optarg);
			break;
		default:
			return 2;
		}
	}
	catch_crashes();
	require_alike();
	if (optind + 1 == argc && !strcmp(argv[optind], "check"))
		return native_check();
	if (optind + 1 == argc && !strcmp(argv[optind], "bench"))
		return native_bench(&options);
	native_die("usage: %s [options] check|bench", argv[0]);
}
