# SPDX-License-Identifier: GPL-2.0
"""make order: are non-temporal stores drained before anything depends on them?

Boots the suites with a QEMU plugin that sees each store; docs/order.rst explains
the rules.
"""

import os
from dataclasses import dataclass, field
from typing import Callable, List, Sequence

from host import process
from host.messages import say
from checks import mutants
from host import packages
from guest import plugin
from guest import run
from guest import target
from kernel import tree
from guest.plugin import Point, Settings, Watch
from kernel.vmlinux import Kernel, base_name

TARGET = target.TARGETS['x86_64']

# What else is reported is a violation.
WASTES = ('load-from-pending', 'partial-line', 'empty-drain')
WATCHED = 'memmap_init_zone_device'
# Functions are known here by names that every kernel with device memory has.
WRITES = (('prep_compound_head', 'undrained-at-prep-head'),)
TOUCHES = (('pageblock_migratetype_init_range', 'undrained-at-pageblock'),)
STARTS = (('memmap_init_compound', 'undrained-at-compound'),)
# How far from the watched function code of the above may be inlined.
DEPTH = 2


@dataclass
class Found:
	rule: str
	watch: str
	store: int
	offender: int
	addr: int
	cpu: int
	other_cpu: int


@dataclass
class Result:
	name: str
	verdict: run.Verdict
	kernel: Kernel
	memmap: bool = False
	entered: int = 0
	lost: int = 0
	stores: int = 0
	bytes: int = 0
	drains: int = 0
	totals: 'dict[str, int]' = field(default_factory=dict)
	found: List[Found] = field(default_factory=list)

	@property
	def violations(self) -> int:
		return sum(n for rule, n in self.totals.items() if rule not in WASTES)

	@property
	def ok(self) -> bool:
		return self.verdict.ok and not self.violations and not self.lost and self.entered > 0


def memmap_settings(kernel: Kernel) -> Settings:
	"""All rules, for memmap_init_zone_device() and what it calls."""
	watched = kernel.need(WATCHED)
	plugin.need_debug_info(kernel, watched)
	functions = kernel.family(watched, DEPTH)
	points = []
	for names, kind in ((WRITES, 'write'), (TOUCHES, 'touch'), (STARTS, 'enter')):
		for name, rule in names:
			outlined = [f for f in functions if base_name(f.name) == name and '.cold' not in f.name]
			inlined = kernel.ranges_of(name, functions)
			for f in outlined:
				if kind == 'write':
					points.append(Point('write', rule, (f.addr, f.end)))
				else:
					points.append(Point('start', rule, (f.addr, f.end)))
			for start, end, around in inlined:
				ranges = (start, end) if kind != 'enter' else (start, end, around.addr, around.end)
				points.append(Point(kind, rule, ranges))
			if not outlined and not inlined:
				say(f'order: there is no {name}() here, {rule} is not checked')
	return Settings(watches=[Watch(watched)], points=points, memmap=True)


def copy_settings(kernel: Kernel) -> Settings:
	"""The copies of the lib suite: each of them one transfer, not drained."""
	copies = kernel.matching(r'stream_(?:len|\d+)')
	return Settings(watches=[Watch(c, ('plain-store-to-pending', 'written-twice', 'foreign-cpu-touch'))
		for c in copies])


def message_settings(kernel: Kernel) -> Settings:
	"""Copy, drain, flag: nobody may see a message that is not drained."""
	return Settings(watches=[Watch(plugin.find_function(kernel, 'message_writer'), rewrites=True)])


@dataclass
class Check:
	filter: str
	settings: Callable[[Kernel], Settings]
	# A tree without it has nothing for the suite to call.
	needs: str = ''


# Suites that put probes on non-temporal stores cannot be watched.
CHECKS = (
	Check('zone_device_init.*', memmap_settings),
	Check('memcpy_streaming.*', copy_settings, '-DZD_COPY='),
	Check('memcpy_streaming_drain.*', message_settings, '-DZD_DRAIN='),
)


def function_settings(names: Sequence[str], starts: Sequence[str]) -> Callable[[Kernel], Settings]:
	"""All rules, but for those about struct pages, for any functions."""
	def settings(kernel: Kernel) -> Settings:
		points = [Point('start', 'undrained-at-start', (f.addr, f.end))
			for f in (plugin.find_function(kernel, n) for n in starts)]
		return Settings(watches=[Watch(plugin.find_function(kernel, n), rewrites=True) for n in names],
			points=points)
	return settings


def check(prepared: tree.Tree, kernel: Kernel, one: Check) -> Result:
	settings = one.settings(kernel)
	name = one.filter.split('.')[0] or 'all'
	verdict, lines = plugin.boot(prepared, TARGET, kernel, settings, f'order-{name}', filter=one.filter)
	result = Result(name, verdict, kernel, settings.memmap)
	for key in ('entered', 'lost', 'stores', 'bytes', 'drains'):
		setattr(result, key, plugin.number(lines, key))
	for words in lines:
		if words[0] == 'total':
			result.totals[words[1]] = int(words[2])
		elif words[0] == 'found':
			result.found.append(Found(words[1], words[2], int(words[3], 16), int(words[4], 16),
				int(words[5], 16), int(words[6]), int(words[7])))
	return result


def _where(result: Result, found: Found) -> str:
	cpus = f'CPU {found.cpu}'
	if found.other_cpu != found.cpu:
		cpus += f', touched by CPU {found.other_cpu}'
	if not found.addr:
		return cpus
	if not result.memmap:
		return f'address {found.addr:#x}, {cpus}'
	start, size = plugin.memmap(result.kernel)
	offset = found.addr - start
	if not 0 <= offset < 1 << 40:
		return f'address {found.addr:#x}, {cpus}'
	return f'pfn {offset // size:#x}, offset {offset % size:#x} in struct page, {cpus}'


def details(result: Result) -> List[str]:
	lines = []
	shown = [f for f in result.found]
	result.kernel.places([a for f in shown for a in (f.store, f.offender)])
	for rule, total in result.totals.items():
		if not total:
			continue
		kind = 'waste' if rule in WASTES else 'VIOLATION'
		lines.append(f'{kind} {rule}: {total} times')
		for f in (f for f in shown if f.rule == rule):
			lines.append(f'    in {f.watch}(), {_where(result, f)}')
			if f.store != f.offender:
				lines.append(f'        stored by {result.kernel.describe(f.store)}')
			lines.append(f'        offender  {result.kernel.describe(f.offender)}')
	return lines


def summary(result: Result) -> str:
	if result.verdict.problem:
		return f'order: {result.name}: FAILED: {result.verdict.problem}'
	seen = f'{result.entered} calls, {result.stores} non-temporal stores ({result.bytes} bytes), ' \
		f'{result.drains} drains' if result.stores else \
		f'{result.entered} calls, nothing non-temporal was seen'
	wastes = sum(result.totals.get(w, 0) for w in WASTES)
	text = f'order: {result.name}: {seen}; {result.violations} violations, {wastes} wastes'
	if result.verdict.failed:
		text += f'; and {result.verdict.failed} tests failed'
	if result.lost:
		text += f'; {result.lost} calls could not be followed'
	return text


def order() -> int:
	packages.ensure(packages.of_targets([TARGET]))
	names = os.environ.get('FUNCTIONS', '').split()
	chosen = os.environ.get('FILTER', '')
	checks: Sequence[Check] = CHECKS
	if names:
		checks = [Check(chosen, function_settings(names, os.environ.get('STARTS', '').split()))]
	elif chosen:
		checks = [Check(chosen, memmap_settings)]
	with tree.using(tree.plan()) as (prepared,):
		return 0 if _order(prepared, checks) else 1


def _order(prepared: tree.Tree, checks: Sequence[Check]) -> bool:
	run.build(prepared, TARGET)
	kernel = plugin.load(prepared, TARGET)
	results = []
	for one in checks:
		if one.needs not in prepared.features:
			print(f'order: {one.filter}: skipped, this tree has no such copy', flush=True)
			continue
		results.append(check(prepared, kernel, one))
		print('\n'.join([*details(results[-1]), summary(results[-1])]), flush=True)
	return all(r.ok for r in results)


def _mutant(one: mutants.Mutant, origin: tree.Source) -> 'tuple[mutants.Outcome, str]':
	with tree.using(mutants.plan(one, origin)) as (prepared,):
		run.build(prepared, TARGET)
		values = run.boot(prepared, TARGET, filter='zone_device*')
		result = check(prepared, plugin.load(prepared, TARGET), CHECKS[0])
	seen = [r for r, n in result.totals.items() if n and r not in WASTES]
	outcome = mutants.Outcome(one, one.catchers('order')[0], seen, result.verdict.problem)
	return outcome, 'no' if values.ok else 'yes'


def order_mutants() -> int:
	"""Would the rules have noticed? And would values alone?"""
	packages.ensure(packages.of_targets([TARGET]))
	chosen = mutants.load('order', os.environ.get('MUTANTS', '*'))
	origin = tree.source()
	rows = [('mutant', 'rule', 'caught', 'also broken', 'KUnit alone notices')]
	wrong = 0
	for one in chosen:
		outcome, noticed = _mutant(one, origin)
		others = [r for r in outcome.seen if r != outcome.expected]
		expected = 'no' if 'kunit' in one.missed_by else 'yes'
		good = outcome.ok and noticed == expected
		wrong += not good
		rows.append((one.name, outcome.expected, 'yes' if outcome.ok else 'NO',
			', '.join(others) or outcome.problem or '-',
			noticed if noticed == expected else f'{noticed}, NOT AS EXPECTED'))
		say(f'{one.name}: {"caught" if outcome.ok else "NOT CAUGHT"} by {outcome.expected}')
	widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
	for row in rows:
		print('  '.join(f'{c:<{w}}' for c, w in zip(row, widths)).rstrip())
	print(f'{len(chosen)} mutants, {wrong} not as expected', flush=True)
	return 1 if wrong else 0
