# SPDX-License-Identifier: GPL-2.0
"""make cost: what a struct page costs, counted, not timed.

Boots the suite zone_device_cost, without the series and with it, and counts
instructions and bytes by a QEMU plugin. Time is tied to instructions, random
numbers to a seed, and whatever interrupts do is left out: each run prints the
same table.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import report
from checks import Check
from guest import build, plugin
from guest.plugin import Settings, Watch
from guest.target import Target
from host.files import REPO
from host.messages import Error, say
from kernel.tree import Tree
from outcome import Outcome

# What each of our series may cost.
BUDGETS = REPO / 'tools/testing/zone_device/budgets'
# A budget may be exceeded by so much.
SLACK = 1.02

LOOP, WHOLE = 'memmap_init_zone_device', 'memremap_pages'
# In the order in which the plugin counts them.
COUNTS = ('instructions', 'bytes loaded', 'bytes stored', 'bytes stored non-temporally',
	'fences', 'branches')
# One CPU: two take turns on locks, and for how long depends on the host.
QEMU_ARGS = ('-smp', '1', '-icount', 'shift=1,sleep=off', '-rtc', 'base=2020-01-01,clock=vm', '-seed', '1')
# Else the kernel removes lock prefixes when there is one CPU.
KERNEL_ARGS = ('noreplace-smp',)


@dataclass
class Counted:
	"""What a call did, in all; @pages is how many struct pages it wrote."""
	pages: int
	counts: Dict[str, int]

	def per_page(self, what: str) -> float:
		return self.counts[what] / self.pages if self.pages else 0.0


@dataclass
class Table:
	"""Function -> case -> cost, of one kernel."""
	name: str
	compiler: str
	kernel: str
	costs: Dict[str, Dict[str, Counted]] = field(default_factory=lambda: {LOOP: {}, WHOLE: {}})


def compiler(config: Path) -> str:
	"""The compiler, as far as what it makes of the code hangs on it."""
	text = config.read_text()
	for name in ('GCC', 'CLANG'):
		version = re.search(rf'^CONFIG_{name}_VERSION=(\d+)', text, re.M)
		if version and int(version.group(1)):
			return f'{name.lower()} {int(version.group(1)) // 10000}'
	raise Error(f'{config} names no compiler')


def case_names(log: Sequence[str]) -> Dict[int, str]:
	"""What KUnit calls each parameter of the suite's one test."""
	found: Dict[int, str] = {}
	for line in log:
		match = re.search(r'^\s{8,}ok (\d+)(?: -)? (.+?)(?: # .*)?$', line)
		if match:
			found[int(match.group(1))] = match.group(2).strip()
	return found


def count(table: Table, lines: Sequence[Sequence[str]], names: Dict[int, str]) -> None:
	"""Take in what the plugin wrote: of a case's calls the one of the fewest instructions."""
	for words in lines:
		if words[0] != 'cost' or int(words[2]) not in names:
			continue
		counts = dict(zip(COUNTS, (int(w) for w in words[4:])))
		costs, case = table.costs[words[1]], names[int(words[2])]
		if case not in costs or counts['instructions'] < costs[case].counts['instructions']:
			costs[case] = Counted(int(words[3]), counts)


def measure(prepared: Tree, name: str, on: Target,
	    kernel_args: Sequence[str] = ()) -> Table:
	build.build(prepared, on)
	kernel = plugin.load(prepared, on)
	settings = Settings(mode='cost', watches=[Watch(kernel.need(n)) for n in (LOOP, WHOLE)],
		suspends=('__schedule', 'optimized_callback'))
	verdict, lines = plugin.boot(prepared, on, kernel, settings, 'cost',
		filter='zone_device_cost.*', kernel_args=(*KERNEL_ARGS, *kernel_args), qemu_args=QEMU_ARGS)
	if not verdict.ok:
		report.show([verdict])
		raise Error(f'cost: the calls to count were not all made ({verdict.log})')
	table = Table(name, compiler(prepared.build_dir(on.name) / '.config'),
		'.'.join(map(str, prepared.version)))
	log = verdict.log.read_text(errors='replace').splitlines() if verdict.log else []
	count(table, lines, case_names(log))
	if not table.costs[LOOP]:
		raise Error(f'cost: nothing was counted ({verdict.log})')
	return table


def _number(value: float) -> str:
	return f'{value:.2f}' if value < 1000 else f'{value:.0f}'


def _compare(tables: Sequence[Table], function: str, case: str, what: str) -> List[str]:
	values = [t.costs[function][case].per_page(what) if case in t.costs[function] else None
		for t in tables]
	cells = ['-' if v is None else _number(v) for v in values]
	if len(values) == 2:
		base, series = values
		cells.append(f'{series / base:.2f}' if base and series is not None else '-')
	return cells


def show(tables: Sequence[Table]) -> List[str]:
	"""@tables: that of the base, if there is one apart, and of the series."""
	columns = [t.name for t in tables] + (['ratio'] if len(tables) == 2 else [])
	lines = [f'{LOOP}(), per struct page written; fences per 1000']
	cases = list(tables[-1].costs[LOOP])
	for what in COUNTS:
		rows = [[what, *columns]]
		for case in cases:
			cells = _compare(tables, LOOP, case, what)
			if what == 'fences':
				cells = [_number(1000 * t.costs[LOOP][case].per_page(what)) for t in tables] \
					+ cells[len(tables):]
			rows.append([f'  {case}', *cells])
		lines += [*report.align(rows), '']
	lines.append(f'{WHOLE}(), instructions per struct page written, and the share of the above')
	rows = [['', *columns, *(f'share, {t.name}' for t in tables)]]
	for case in (c for c in cases if c in tables[-1].costs[WHOLE]):
		shares = [f'{100 * t.costs[LOOP][case].counts["instructions"] / t.costs[WHOLE][case].counts["instructions"]:.0f} %'
			if case in t.costs[WHOLE] else '-' for t in tables]
		rows.append([f'  {case}', *_compare(tables, WHOLE, case, 'instructions'), *shares])
	return lines + report.align(rows)


def as_json(table: Table) -> Dict[str, Any]:
	return {'compiler': table.compiler, 'kernel': table.kernel, 'costs': {
		function: {case: {'pages': cost.pages, **cost.counts} for case, cost in cases.items()}
		for function, cases in table.costs.items()}}


def over_budget(table: Table, budgets: Dict[str, Any]) -> Tuple[List[str], Optional[str]]:
	"""The budgets that @table exceeds, or why that cannot be said."""
	for what, ours in (('compiler', table.compiler), ('kernel', table.kernel)):
		if budgets[what] != ours:
			return [], f'the budgets are for {what} {budgets[what]}, this is {ours}'
	over = []
	for function, cases in budgets['costs'].items():
		for case, budget in cases.items():
			cost = table.costs[function].get(case)
			if not cost:
				over.append(f'{function}(), {case}: there is a budget and nothing was counted')
				continue
			for what in COUNTS:
				if cost.counts[what] > budget[what] * SLACK:
					over.append(f'{function}(), {case}: {what}: {cost.counts[what]}, '
						f'the budget is {budget[what]}')
	return over, None


class Cost(Check):
	name = 'cost'
	probes = True
	compares = True

	def __init__(self, series: str = '') -> None:
		"""@series: one of ours, if it is the whole of that."""
		self.series = series

	def depends_on(self) -> List[object]:
		return [self.series]

	def run(self, tree: Tree, target: Target) -> Outcome:
		if plugin.lacks(target.arch):
			return Outcome(self.name, target.name, unknown=plugin.lacks(target.arch))
		tables = tables_of(tree, target)
		outcome = Outcome(self.name, target.name, said=show(tables))
		for table in tables:
			outcome.figures.update({f'{table.name}: {function}(), {case}: {what}': cost.per_page(what)
				for function, cases in table.costs.items() for case, cost in cases.items() for what in COUNTS})
		budget = BUDGETS / f'{self.series}.json'
		if not tree.patches or not budget.is_file():
			outcome.unknown = 'the budgets are for the whole of a series that comes with the suites'
			return outcome
		over, reason = over_budget(tables[-1], json.loads(budget.read_text()))
		outcome.unknown = reason or ''
		outcome.failures = [('over budget', over)] if over else []
		outcome.passed, outcome.failed = int(not over and not reason), int(bool(over))
		if outcome.passed:
			outcome.said.append(f'within {budget.relative_to(REPO)}')
		return outcome


class Counts(Check):
	"""What the tree costs, as figures that nobody judges here."""

	name = 'counts'
	probes = True

	def run(self, tree: Tree, target: Target) -> Outcome:
		table = measure(tree, 'tree', target)
		return Outcome(self.name, target.name, passed=1, figures={f'{case}: {what}': cost.per_page(what)
			for case, cost in table.costs[LOOP].items() for what in COUNTS})


def tables_of(tree: Tree, target: Target) -> List[Table]:
	"""Of the base, if there is one apart, and of what is judged."""
	tables = [measure(tree.base, 'base', target)] if tree.base else []
	return [*tables, measure(tree, 'series' if tree.patches else 'tree', target)]


def write_budget(tree: Tree, target: Target, series: str) -> None:
	"""Makes what one of our series costs now its budget."""
	budget = BUDGETS / f'{series}.json'
	budget.write_text(json.dumps(as_json(measure(tree, 'series', target)), indent='\t') + '\n')
	say(f'wrote {budget.relative_to(REPO)}; look at the difference before it is kept')
