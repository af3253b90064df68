# SPDX-License-Identifier: GPL-2.0
"""What was measured in user space, on what, and what may be said of it."""

from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Dict, List, Optional, Tuple

from bench.stats import Ratio, ratio, WIDEST
from host.machine import asked, human, Machine
from host.messages import Error

DEVICE_PAGE = 4096
# Both have to hold for any tree's text; the program checks its struct page.
STRUCT_PAGE = 64
UNIT = 2 << 20
DEFAULT_ROUNDS = 15
# Of the rounds of one backing, where ROUNDS= does not say how many.
SECONDS = 6

METHODS = {
	'fields': 'field by field', 'memcpy': 'template + memcpy',
	'streaming': 'template + streaming', 'movnti': 'movnti alone', 'memset': 'memset (rep stosb)',
}
BACKINGS = {'4k': '4 KiB pages', 'huge': 'huge pages'}


@dataclass
class Plan:
	size: int
	memmap: int
	warm: int
	llc: int
	rounds: int
	seconds: int
	cpu: int

	def arguments(self) -> List[str]:
		return [f'--{n}={v}' for n, v in vars(self).items() if n != 'size']


def plan(on: Machine, size: str, rounds: Optional[int]) -> Plan:
	if rounds is not None and not 0 < rounds <= 10000:
		raise Error(f'ROUNDS={rounds} is not a number of rounds')
	if size:
		wanted = asked(size, UNIT // STRUCT_PAGE * DEVICE_PAGE) // DEVICE_PAGE * STRUCT_PAGE
	else:
		# What stays in the caches after a pass is to matter little.
		wanted = min(max(16 * on.llc, 256 << 20), 1 << 30, max(on.available // 2, UNIT))
	memmap = wanted // UNIT * UNIT
	# The program is small; a little has to be left for everybody else.
	if memmap + (64 << 20) > on.available * 0.9:
		raise Error(f'SIZE={size} takes {human(memmap)} for the struct pages, and {human(on.available)} '
			'of memory are available')
	return Plan(memmap // STRUCT_PAGE * DEVICE_PAGE, memmap, max(on.l2 // 2 & ~0xffff, 1 << 16),
		on.llc, rounds or DEFAULT_ROUNDS, 0 if rounds else SECONDS, on.cpu)


Key = Tuple[str, str, str]


@dataclass
class Result:
	machine: Machine
	plan: Plan
	trees: Dict[str, str]
	compiler: str
	lines: List[str]
	samples: Dict[Key, List[float]] = field(default_factory=dict)
	backing: Dict[str, Tuple[int, int]] = field(default_factory=dict)
	disturbed: Dict[str, Tuple[int, int]] = field(default_factory=dict)
	hypervisor: str = 'none seen'

	def __post_init__(self) -> None:
		for line in self.lines:
			words = line.split()
			if words[:1] == ['sample']:
				state, backing, method, _round, ns = words[1:]
				self.samples.setdefault((state, backing, method), []).append(float(ns))
			elif words[:1] == ['backing']:
				self.backing[words[1]] = int(words[2]), int(words[3])
			elif words[:1] == ['disturbed']:
				self.disturbed[words[1]] = int(words[2]), int(words[3])
			elif words[:1] == ['hypervisor']:
				self.hypervisor = line[11:].strip() or 'unnamed'
			elif words[:1] == ['page_size'] and words[1] != str(STRUCT_PAGE):
				raise Error(f'struct page has {words[1]} bytes here, and not {STRUCT_PAGE}')

	def _sized(self, state: str) -> int:
		return self.plan.memmap if state == 'cold' else self.plan.warm

	def _against(self, key: Key, other: str = '') -> Optional[Ratio]:
		"""@key against @other, or what it is natural to compare it with."""
		state, backing, method = key
		order = method.partition('-')[2] or '0'
		reference = self.samples.get((state, backing, other or f'fields-{order}'))
		return ratio(reference, self.samples[key]) if reference else None

	def _row(self, key: Key) -> str:
		values = self.samples[key]
		name, _dash, order = key[2].partition('-')
		mid = median(values)
		quarter = quantiles(values, n=4) if len(values) > 1 else [mid, mid, mid]
		speed = self._sized(key[0]) / mid
		size = f'{mid / 1e6:9.2f} ms' if key[0] == 'cold' else f'{mid / 1e3:9.2f} us'
		best = min(values) / (1e6 if key[0] == 'cold' else 1e3)
		what = METHODS[name] + (f', order {order}' if order else '')
		row = f'  {what:<30}{size}{(quarter[2] - quarter[0]) / mid:7.1%}{best:9.2f}{speed:8.1f}'
		against = self._against(key)
		if against and name != 'fields':
			row += f'{against.value:8.2f}'
			row += f'  {against.low:.2f} to {against.high:.2f}' if against.low else ''
			row += f'  cannot judge: {against.problem}' if against.problem else ''
		return row

	def _table(self) -> List[str]:
		lines: List[str] = []
		for state in ('cold', 'warm'):
			for backing in BACKINGS:
				keys = [k for k in self.samples if k[:2] == (state, backing)]
				if not keys:
					continue
				huge, whole = self.backing.get(backing, (0, 1))
				got = f'{huge / whole:.0%} of the memory in huge pages'
				rounds = len(self.samples[keys[0]])
				lines += ['', f'{state} caches, {BACKINGS[backing]} ({got}), '
					f'{human(self._sized(state))} of struct pages, {rounds} rounds',
					f'  {"":<30}{"median":>12}{"IQR":>7}{"best":>9}{"GB/s":>8}{"ratio":>8}  95 % CI']
				lines += [self._row(k) for k in sorted(keys, key=lambda k: (
					k[2].partition('-')[2] or '~', list(METHODS).index(k[2].partition('-')[0])))]
		return lines

	def best(self) -> Optional[Tuple[Key, Ratio]]:
		"""The largest gain of the template path with cold caches that can be
		told from noise."""
		found: List[Tuple[Key, Ratio]] = []
		for key in self.samples:
			against = self._against(key)
			if key[0] == 'cold' and key[2].startswith(('streaming', 'memcpy')) \
					and against and not against.problem:
				found.append((key, against))
		streaming = [f for f in found if f[0][2].startswith('streaming')]
		return max(streaming or found, key=lambda f: f[1].value) if found else None

	def answer(self) -> str:
		"""One sentence: what can this CPU gain at most?"""
		if not any(k[2].startswith(('streaming', 'memcpy')) for k in self.samples):
			limit = [self._against(k) for k in self.samples if k[0] == 'cold' and k[2] == 'movnti']
			sure = [r.value for r in limit if r and not r.problem]
			return 'The tree has no template path; ' + (f'non-temporal stores alone are {max(sure):.2f} '
				'times as fast as field by field: no copy that streams can gain more.' if sure else
				'what it could gain cannot be judged: the samples spread too much.')
		best = self.best()
		if not best:
			problems = [r.problem for r in (self._against(k) for k in self.samples
				if k[0] == 'cold' and k[2].startswith('streaming')) if r and r.problem]
			return f'Cannot judge: {problems[0] if problems else "no samples"}; ' \
				'a quieter machine or more ROUNDS= would help.'
		key, gain = best
		method, _dash, order = key[2].partition('-')
		reached = ratio(self.samples[(*key[:2], 'movnti')], self.samples[key])
		verdict = 'At most' if gain.low > 1 else 'No gain to be seen:' if gain.high >= 1 else 'A loss:'
		return f'{verdict} {gain.value:.2f} times (95 % CI {gain.low:.2f} to {gain.high:.2f}) on this CPU: ' \
			f'{METHODS[method]} against field by field, order {order}, {BACKINGS[key[1]]}, cold caches; ' \
			f'that is {reached.value:.0%} of what non-temporal stores alone reach.'

	def warm(self) -> List[str]:
		"""What small ranges see is another thing, and may be the opposite."""
		said = []
		for name in ('memcpy', 'streaming'):
			found = [r for r in (self._against(k) for k in self.samples
				if k[0] == 'warm' and k[2].startswith(name)) if r and not r.problem]
			if found:
				low, high = min(r.value for r in found), max(r.value for r in found)
				said.append(f'{METHODS[name]} {low:.2f} to {high:.2f} times')
		return [f'Struct pages that fit in the L2, warm: {", ".join(said)}.'] if said else []

	def _facts(self) -> List[str]:
		faults = sum(f for f, _s in self.disturbed.values())
		switches = sum(s for _f, s in self.disturbed.values())
		lines = [f'{human(self.plan.size)} of device memory: {human(self.plan.memmap)} of struct pages',
			f'CPU {self.machine.cpu}: {self.machine.model}, microcode {self.machine.microcode}',
			f'L2 {human(self.machine.l2)}, last level {human(self.machine.llc)}, '
			f'governor {self.machine.governor}, hypervisor {self.hypervisor}, '
			f'Linux {self.machine.kernel}', f'compiler: {self.compiler}']
		lines += [f'{METHODS[n]}: {t}' for n, t in self.trees.items()]
		lines.append(f'disturbed by {switches} other tasks and {faults} page faults')
		if self.plan.memmap < 4 * self.machine.llc:
			lines.append('The struct pages almost fit in the caches: plain stores leave much of '
				'their work for later, where nobody measures it. Use a larger SIZE=.')
		return lines

	def text(self) -> str:
		return '\n'.join([*self._facts(), *self._table(), '',
			'ratio: how many times as fast as field by field, order 0 for the limits; the median over',
			f'the rounds and its 95 % interval. Cannot judge: that interval is wider than {WIDEST:.0%}.',
			'', self.answer(), *self.warm()])

	def as_json(self) -> Dict[str, object]:
		rows = []
		for key, values in self.samples.items():
			against = self._against(key)
			rows.append({'caches': key[0], 'backing': key[1], 'method': key[2], 'samples_ns': values,
				'bytes': self._sized(key[0]), 'median_ns': median(values), 'best_ns': min(values),
				'ratio': vars(against) if against else None})
		best = self.best()
		return {'machine': vars(self.machine), 'hypervisor': self.hypervisor, 'compiler': self.compiler,
			'plan': vars(self.plan), 'trees': self.trees, 'rows': rows, 'answer': self.answer(), 'warm': self.warm(),
			'best': {'row': best[0], **vars(best[1])} if best else None,
			'huge_kib': self.backing, 'faults_and_switches': self.disturbed}
