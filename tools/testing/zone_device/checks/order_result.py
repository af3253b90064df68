# SPDX-License-Identifier: GPL-2.0
"""What the order checker has seen in one boot: which rules were broken, which of
them are promises, and by which instructions stores were drained."""

from dataclasses import dataclass, field
from typing import Dict, List, Tuple

import contract as contracts
from contract import Seen
from guest import plugin
from kernel.vmlinux import Kernel
from outcome import Outcome
from report import align

# What costs something, and is no wrong order.
WASTES = ('plain-store-to-pending', 'load-from-pending', 'partial-line', 'empty-drain')
# Rules of which the plugin says what there was to see: of so many lines, say.
COUNTED = {'plain-store-to-pending': 'lines', 'written-twice': 'stores', 'partial-page': 'pages'}
# Instructions that drain, of which the table names as many.
DRAINS_SHOWN = 5


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
class Drained:
	"""What became of the last lines of so many calls: drained 'within' the call or
	'after' it by the instruction at @pc, 'touched' by another CPU, or 'never'."""
	watch: str
	when: str
	pc: int
	calls: int


@dataclass
class Result:
	name: str
	verdict: Outcome
	kernel: Kernel
	memmap: bool = False
	# Rule -> the promise that it breaks, and in what that is counted. Any other
	# rule is an invariant, or a waste.
	promises: Dict[str, Tuple[str, str]] = field(default_factory=dict)
	entered: int = 0
	lost: int = 0
	stores: int = 0
	bytes: int = 0
	lines: int = 0
	pages: int = 0
	drains: int = 0
	totals: Dict[str, int] = field(default_factory=dict)
	# Rule -> how often it was kept, and could have been.
	kept: Dict[str, Tuple[int, int]] = field(default_factory=dict)
	found: List[Found] = field(default_factory=list)
	drained: List[Drained] = field(default_factory=list)

	def read(self, lines: List[List[str]]) -> None:
		"""What the plugin wrote."""
		for key in ('entered', 'lost', 'stores', 'bytes', 'lines', 'pages', 'drains'):
			setattr(self, key, plugin.number(lines, key))
		for words in lines:
			if words[0] == 'total':
				self.totals[words[1]] = int(words[2])
			elif words[0] == 'kept':
				self.kept[words[1]] = int(words[2]), int(words[3])
			elif words[0] == 'drained':
				self.drained.append(Drained(words[1], words[2], int(words[3], 16), int(words[4])))
			elif words[0] == 'found':
				self.found.append(Found(words[1], words[2], int(words[3], 16), int(words[4], 16),
					int(words[5], 16), int(words[6]), int(words[7])))

	def _made(self, rule: str) -> bool:
		"""Whether the contract has the promise that @rule breaks."""
		name = self.promises[rule][0]
		return any(self.verdict.contract in p.by for p in contracts.PROMISES if p.name == name)

	def kind(self, rule: str) -> str:
		"""What a breach of it is called."""
		if rule in self.promises:
			if self._made(rule):
				return 'not yet' if self.verdict.partial else 'VIOLATION'
			if rule not in WASTES:
				return f'not promised by {self.verdict.contract}'
		return 'waste' if rule in WASTES else 'VIOLATION'

	@property
	def broken(self) -> List[str]:
		"""The rules whose breach is a failure."""
		return [r for r, n in self.totals.items() if n and self.kind(r) == 'VIOLATION']

	def _count(self, rules: List[str]) -> int:
		return sum(self.totals[r] for r in rules)

	@property
	def violations(self) -> int:
		return self._count(self.broken)

	@property
	def wastes(self) -> int:
		return self._count([r for r in self.totals if self.kind(r) == 'waste'])

	@property
	def excused(self) -> int:
		"""Promises that were broken and not made, or not made yet."""
		return self._count(list(self.totals)) - self.violations - self.wastes

	@property
	def ok(self) -> bool:
		return self.verdict.ok and not self.violations and not self.lost and self.entered > 0

	@property
	def seen(self) -> List[Seen]:
		"""The evidence for each promise."""
		found = []
		for rule, (name, what) in self.promises.items():
			if rule in COUNTED:
				of = getattr(self, COUNTED[rule])
				kept = of - self.totals.get(rule, 0)
			else:
				kept, of = self.kept.get(rule, (0, 0))
			if of:
				found.append(Seen(name, kept, of, what))
		return found


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
	result.kernel.places([a for f in result.found for a in (f.store, f.offender)])
	for rule, total in result.totals.items():
		if not total:
			continue
		promise = f' (promise {result.promises[rule][0]})' if rule in result.promises else ''
		lines.append(f'{result.kind(rule)} {rule}{promise}: {total} times')
		for f in (f for f in result.found if f.rule == rule):
			lines.append(f'    in {f.watch}(), {_where(result, f)}')
			if f.store != f.offender:
				lines.append(f'        stored by {result.kernel.describe(f.store)}')
			lines.append(f'        offender  {result.kernel.describe(f.offender)}')
	return lines


def _instruction(kernel: Kernel, pc: int) -> str:
	"""Its name, and where it is."""
	found = kernel.disassemble(pc, pc + 15)
	words = found[0][1].split() if found else ['?']
	name = ' '.join(words[:2]) if words[0] == 'lock' else words[0]
	return f'{name} in {kernel.describe(pc)}'


def _shares(result: Result, found: List[Drained], of: int) -> List[str]:
	found = sorted(found, key=lambda d: -d.calls)
	rows = []
	for one in found[:DRAINS_SHOWN]:
		where = _instruction(result.kernel, one.pc) if one.pc else ''
		what = {'touched': 'touched by another CPU, undrained', 'never': 'never drained'}.get(one.when,
			f'drained by {where}')
		rows.append([f'{one.calls}', f'{100 * one.calls / of:.0f} %', what])
	rest = sum(d.calls for d in found[DRAINS_SHOWN:])
	if rest:
		rows.append([f'{rest}', f'{100 * rest / of:.0f} %', 'drained by others'])
	return [f'    {l}' for l in align(rows, 0, 'left')] if rows else []


def drains(result: Result) -> List[str]:
	"""For each watched function: what drained the last that its calls had streamed."""
	lines = []
	for watch in dict.fromkeys(d.watch for d in result.drained):
		of_it = [d for d in result.drained if d.watch == watch]
		within = [d for d in of_it if d.when == 'within']
		late = [d for d in of_it if d.when != 'within']
		calls, pending = sum(d.calls for d in of_it), sum(d.calls for d in late)
		lines.append(f'{result.name}: {calls} calls of {watch}() streamed; still pending at return: {pending}')
		lines += _shares(result, within, calls)
		if late:
			lines += [f'  of those {pending}, behind the return:', *_shares(result, late, pending)]
	return lines


def summary(result: Result) -> str:
	if result.verdict.problem:
		return f'order: {result.name}: FAILED: {result.verdict.problem}'
	seen = f'{result.entered} calls, {result.stores} non-temporal stores ({result.bytes} bytes), ' \
		f'{result.drains} drains' if result.stores else \
		f'{result.entered} calls, nothing non-temporal was seen'
	text = f'order: {result.name}: {seen}; {result.violations} violations, {result.wastes} wastes'
	if result.excused:
		text += f', {result.excused} not promised'
	if result.verdict.failed:
		text += f'; and {result.verdict.failed} tests failed'
	if result.lost:
		text += f'; {result.lost} calls could not be followed'
	return text
