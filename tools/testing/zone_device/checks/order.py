# SPDX-License-Identifier: GPL-2.0
"""make order: are non-temporal stores drained before anything depends on them?

Boots the suites with a QEMU plugin that sees each store; docs/order.rst explains
the rules.
"""

from dataclasses import dataclass, field
from typing import Callable, Dict, List, Sequence

from checks import Check
from checks.mutants import Mutant
from guest import boot, build, plugin
from guest.plugin import Point, Settings, Watch
from guest.target import Target
from host.messages import say
from kernel.tree import Tree
from kernel.vmlinux import base_name, Kernel
from outcome import Outcome

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
	verdict: Outcome
	kernel: Kernel
	memmap: bool = False
	entered: int = 0
	lost: int = 0
	stores: int = 0
	bytes: int = 0
	drains: int = 0
	totals: Dict[str, int] = field(default_factory=dict)
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
class Part:
	"""Tests to run, and what to look for in them."""
	filter: str
	settings: Callable[[Kernel], Settings]
	# A tree without it has nothing for the suite to call.
	needs: str = ''


# Suites that put probes on non-temporal stores cannot be watched.
PARTS = (
	Part('zone_device_init.*', memmap_settings),
	Part('memcpy_streaming.*', copy_settings, '-DZD_COPY='),
	Part('memcpy_streaming_drain.*', message_settings, '-DZD_DRAIN='),
)


def function_settings(names: Sequence[str], starts: Sequence[str]) -> Callable[[Kernel], Settings]:
	"""All rules, but for those about struct pages, for any functions."""
	def settings(kernel: Kernel) -> Settings:
		points = [Point('start', 'undrained-at-start', (f.addr, f.end))
			for f in (plugin.find_function(kernel, n) for n in starts)]
		return Settings(watches=[Watch(plugin.find_function(kernel, n), rewrites=True) for n in names],
			points=points)
	return settings


def judge(prepared: Tree, target: Target, kernel: Kernel, one: Part) -> Result:
	settings = one.settings(kernel)
	name = one.filter.split('.')[0] or 'all'
	verdict, lines = plugin.boot(prepared, target, kernel, settings, f'order-{name}', filter=one.filter)
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


class Order(Check):
	name = 'order'

	def __init__(self, filter: str = '', functions: Sequence[str] = (), starts: Sequence[str] = ()) -> None:
		self.parts: Sequence[Part] = PARTS
		if functions:
			self.parts = [Part(filter, function_settings(functions, starts))]
		elif filter:
			self.parts = [Part(filter, memmap_settings)]
		self._asked = [filter, list(functions), list(starts)]

	def depends_on(self) -> List[object]:
		return [*self._asked]

	def run(self, tree: Tree, target: Target) -> Outcome:
		build.build(tree, target)
		kernel = plugin.load(tree, target)
		outcome = Outcome(self.name, target.name)
		for part in self.parts:
			name = part.filter.split('.')[0] or 'all'
			if part.needs not in tree.features:
				outcome.skipped += 1
				outcome.skips.append((name, 'this tree has no such copy'))
				outcome.cases.append((name, 'SKIP'))
				continue
			result = judge(tree, target, kernel, part)
			outcome.run_seconds += result.verdict.run_seconds
			outcome.cases.append((name, 'PASS' if result.ok else 'FAIL'))
			for what, count in (('violations', result.violations), ('stores', result.stores),
					('drains', result.drains), *result.totals.items()):
				outcome.figures[f'{name}, {what}'] = count
			outcome.said += [*details(result), summary(result)]
			if result.ok:
				outcome.passed += 1
			else:
				outcome.failed += 1
				outcome.failures.append((name, [*details(result), summary(result)]))
		return outcome


class OrderMutant(Check):
	"""Would the rules have noticed? And would values alone?"""

	name = 'order-mutant'

	def __init__(self, mutant: Mutant) -> None:
		self.mutant = mutant

	def depends_on(self) -> List[object]:
		return [self.mutant.name]

	def run(self, tree: Tree, target: Target) -> Outcome:
		build.build(tree, target)
		values = boot.boot(tree, target, filter='zone_device*')
		result = judge(tree, target, plugin.load(tree, target), PARTS[0])
		seen = [r for r, n in result.totals.items() if n and r not in WASTES]
		expected = self.mutant.catchers('order')[0]
		others = [r for r in seen if r != expected]
		noticed, meant = ('no' if values.ok else 'yes'), ('no' if 'kunit' in self.mutant.missed_by else 'yes')
		what = f'{"caught" if expected in seen else "NOT CAUGHT"} by {expected}; ' \
			f'also broken: {", ".join(others) or result.verdict.problem or "-"}; KUnit alone notices: {noticed}'
		if noticed != meant:
			what += ', NOT AS EXPECTED'
		if expected not in seen:
			# What there was to be noticed.
			what += f'; {summary(result)}; log: {result.verdict.log}'
		return self.mutant.outcome(self.name, expected in seen and noticed == meant, what)
