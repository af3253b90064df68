# SPDX-License-Identifier: GPL-2.0
"""make order: are non-temporal stores drained before anything depends on them?

Boots the suites with a QEMU plugin that sees each store; docs/order.rst explains
the rules.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Callable, Dict, List, Sequence, Tuple

import contract as contracts
from checks import Check
from checks.mutants import Mutant, not_alone
from checks.order_result import details, drains, Result, summary
from guest import accelerator, boot, build, plugin, qemu
from guest.plugin import Point, Settings, Watch
from guest.target import Target
from host import lanes
from host.messages import say
from kernel.tree import Tree
from kernel.vmlinux import base_name, Kernel
from outcome import Outcome

WATCHED = 'memmap_init_zone_device'
AROUND = 'memremap_pages'
# Functions are known here by names that every kernel with device memory has.
WRITES = (('prep_compound_head', 'undrained-at-prep-head'),)
TOUCHES = (('pageblock_migratetype_init_range', 'undrained-at-pageblock'),)
STARTS = (('memmap_init_compound', 'undrained-at-compound'),)
# How far from the watched function code of the above may be inlined.
DEPTH = 2


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
	watches = [Watch(watched), Watch(kernel.need(AROUND), ('undrained-at-remap', 'foreign-cpu-touch'), 'outer')]
	return Settings(watches=watches, points=points, memmap=True)


# Rule -> the promise that it breaks, and in what that is counted.
MEMMAP_PROMISES = {
	'undrained-at-compound': ('drained_at_compound', 'starts of memmap_init_compound()'),
	'undrained-at-prep-head': ('drained_at_prep_head', 'stores by prep_compound_head()'),
	'undrained-at-pageblock': ('drained_at_pageblock', 'calls that came to their pageblocks'),
	'undrained-at-return': ('drained_at_return', f'calls of {WATCHED}()'),
	'undrained-at-remap': ('drained_at_remap', f'calls of {AROUND}()'),
	'plain-store-to-pending': ('never_patched', 'lines of struct pages'),
	'written-twice': ('streamed_once', 'streaming stores to struct pages'),
	'partial-page': ('pages_whole', 'struct pages, by the stores seen'),
}
COPY_PROMISES = {
	'plain-store-to-pending': ('never_patched', 'lines of copies'),
	'written-twice': ('streamed_once', 'streaming stores of copies'),
}


def handover_settings(kernel: Kernel) -> Settings:
	"""Ranges that another CPU looks at, told by a plain store that they are ready."""
	watched = Watch(kernel.need(WATCHED), ('handed-over-pending', 'foreign-cpu-touch', 'outside-range'))
	gives = Watch(plugin.find_function(kernel, 'zd_hand_over'), ('handed-over-pending',), 'hands-over')
	return Settings(watches=[watched, gives], memmap=True)


HANDOVER_PROMISES = {'handed-over-pending': ('handed_over', 'ranges, at the first look of another CPU')}


def copy_settings(kernel: Kernel) -> Settings:
	"""The copies of the lib suite: each of them one transfer, not drained."""
	copies = kernel.matching(r'stream_(?:len|\d+)')
	return Settings(watches=[Watch(c, ('plain-store-to-pending', 'written-twice', 'foreign-cpu-touch'))
		for c in copies])


def message_settings(kernel: Kernel) -> Settings:
	"""Copy, drain, flag: nobody may see a message that is not drained."""
	return Settings(watches=[Watch(plugin.find_function(kernel, 'message_writer'), kind='rewrites')])


@dataclass
class Part:
	"""Tests to run, and what to look for in them."""
	filter: str
	settings: Callable[[Kernel], Settings]
	promises: Dict[str, Tuple[str, str]] = field(default_factory=dict)
	# A tree without it has nothing for the suite to call.
	needs: str = ''
	# Whether it is said which instructions drained the stores: behind a copy alone
	# it may be any.
	drains: bool = True

	@property
	def name(self) -> str:
		return self.filter.split('.')[0] or 'all'


# Suites with probes on the stores that there are to watch cannot be watched.
PARTS = (
	Part('zone_device_init.*', memmap_settings, MEMMAP_PROMISES),
	Part('zone_device_handover.*', handover_settings, HANDOVER_PROMISES),
	Part('memcpy_streaming.*', copy_settings, COPY_PROMISES, '-DZD_COPY=', drains=False),
	Part('memcpy_streaming_drain.*', message_settings, needs='-DZD_COPY='),
)


def function_settings(names: Sequence[str], starts: Sequence[str]) -> Callable[[Kernel], Settings]:
	"""All rules, but for those about struct pages, for any functions."""
	def settings(kernel: Kernel) -> Settings:
		points = [Point('start', 'undrained-at-start', (f.addr, f.end))
			for f in (plugin.find_function(kernel, n) for n in starts)]
		return Settings(watches=[Watch(plugin.find_function(kernel, n), kind='rewrites') for n in names],
			points=points)
	return settings


# Of a guest: whether struct pages were looked at, its verdict, what the plugin wrote.
Guest = Tuple[bool, Outcome, List[List[str]]]


def _guest(prepared: Tree, target: Target, kernel: Kernel, one: Part) -> Guest:
	settings = one.settings(kernel)
	return (settings.memmap, *plugin.boot(prepared, target, kernel, settings, f'order-{one.name}', filter=one.filter))


def _values(prepared: Tree, target: Target) -> Guest:
	"""Without the plugin: what values alone say."""
	return False, boot.boot(prepared, target, filter='zone_device*', emulate=True, name='values'), []


def _guests(prepared: Tree, target: Target, asked: Dict[str, Callable[[], Guest]]) -> Dict[str, Guest]:
	"""Several at a time: a guest keeps one core busy."""
	# Once for all of them.
	plugin.compiled()
	accelerator.choose(qemu.machine(prepared, target.arch), prepared.build_dir(target.name), emulate=True)
	return lanes.each(asked, target.toolchain.jobs)


def _watched(kernel: Kernel, parts: Sequence[Part], guests: Dict[str, Guest]) -> List[Result]:
	found = []
	for one in parts:
		memmap, verdict, lines = guests[one.name]
		result = Result(one.name, verdict, kernel, memmap, one.promises)
		result.read(lines)
		if not one.drains:
			result.drained = []
		found.append(result)
	return found


class Order(Check):
	name = 'order'
	probes = True

	def __init__(self, filter: str = '', functions: Sequence[str] = (), starts: Sequence[str] = ()) -> None:
		self.parts: Sequence[Part] = PARTS
		if functions:
			self.parts = [Part(filter, function_settings(functions, starts))]
		elif filter:
			self.parts = [Part(filter, memmap_settings, MEMMAP_PROMISES)]
		self._asked = [filter, list(functions), list(starts)]

	def depends_on(self) -> List[object]:
		return [*self._asked]

	def run(self, tree: Tree, target: Target) -> Outcome:
		outcome = Outcome(self.name, target.name, contract=tree.contract, partial=tree.partial)
		outcome.unknown = plugin.lacks(target.arch)
		if outcome.unknown:
			return outcome
		target = target.adding('lines')
		build.build(tree, target)
		kernel = plugin.load(tree, target)
		parts = [p for p in self.parts if p.needs in tree.features]
		guests = _guests(tree, target, {p.name: partial(_guest, tree, target, kernel, p) for p in parts})
		for result in _watched(kernel, parts, guests):
			_add(outcome, result)
		for part in self.parts:
			if part.needs not in tree.features:
				outcome.skipped += 1
				outcome.skips.append((part.name, 'this tree has no such copy'))
				outcome.cases.append((part.name, 'SKIP'))
		outcome.seen = contracts.total(outcome.seen)
		return outcome


def _add(outcome: Outcome, result: Result) -> None:
	"""What one part says, to what all of them do."""
	verdict = result.verdict
	outcome.run_seconds += verdict.run_seconds
	outcome.cases.append((result.name, 'PASS' if result.ok else 'FAIL'))
	for what, count in (('violations', result.violations), ('stores', result.stores), ('drains', result.drains),
			*result.totals.items()):
		outcome.figures[f'{result.name}, {what}'] = count
	outcome.said += [*details(result), *drains(result), summary(result)]
	outcome.seen += result.seen
	outcome.unknown = outcome.unknown or verdict.unknown
	outcome.doubtful = outcome.doubtful or verdict.doubtful
	if result.ok:
		outcome.passed += 1
	else:
		outcome.failed += 1
		outcome.failures.append((result.name, [summary(result), *(f'the test {n} failed' for n, _ in verdict.failures),
			*details(result)]))


class OrderMutant(Check):
	"""Would the rules have noticed? And would values alone?"""

	name = 'order-mutant'
	probes = True

	def __init__(self, mutant: Mutant) -> None:
		self.mutant = mutant

	def depends_on(self) -> List[object]:
		return [self.mutant.name]

	def run(self, tree: Tree, target: Target) -> Outcome:
		target = target.adding('lines')
		build.build(tree, target)
		expected = self.mutant.catchers('order')[0]
		# What is to break a promise alone is looked at wherever there are promises of struct pages.
		parts = [p for p in PARTS if p.promises and not p.needs] if self.mutant.breaks else \
			[next((p for p in PARTS if expected in p.promises), PARTS[0])]
		kernel = plugin.load(tree, target)
		guests = _guests(tree, target, {'values': partial(_values, tree, target),
			**{p.name: partial(_guest, tree, target, kernel, p) for p in parts}})
		_, values, _ = guests.pop('values')
		results = _watched(kernel, parts, guests)
		seen = list(dict.fromkeys(r for result in results for r in result.broken))
		problem = next((r.verdict.problem for r in results if r.verdict.problem), '')
		others = [r for r in seen if r != expected]
		noticed, meant = ('no' if values.ok else 'yes'), ('no' if 'kunit' in self.mutant.missed_by else 'yes')
		what = f'{"caught" if expected in seen else "NOT CAUGHT"} by {expected}; ' \
			f'also broken: {", ".join(others) or problem or "-"}; KUnit alone notices: {noticed}'
		if noticed != meant:
			what += ', NOT AS EXPECTED'
		if expected not in seen:
			# What there was to be noticed.
			what += ''.join(f'; {summary(r)}; log: {r.verdict.log}' for r in results)
		wrong = self._of_promises(tree.contract, results) if self.mutant.breaks and expected in seen else ''
		return self.mutant.outcome(self.name, expected in seen and noticed == meant and not wrong, f'{what}{wrong}')

	def _of_promises(self, contract: str, results: Sequence[Result]) -> str:
		"""What is wrong with the promise that it is said to break, if anything."""
		unseen = next((r for r in results if r.verdict.problem or r.lost or not r.entered), None)
		if unseen:
			return f'; {unseen.name} COULD NOT BE WATCHED: {summary(unseen)}'
		broken = contracts.broken(contract, [s for r in results for s in r.seen])
		if broken != [self.mutant.breaks]:
			return not_alone(self.mutant, broken)
		without = [rule for r in results for rule in r.broken if rule not in r.promises]
		return f'; FAILS WITHOUT THE PROMISE: {", ".join(without)}' if without else ''
