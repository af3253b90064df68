# SPDX-License-Identifier: GPL-2.0
"""What was measured in user space, on what, and what may be said of it."""

from dataclasses import dataclass, field
from statistics import median
from typing import Dict, List, Optional, Tuple

from bench.stats import Ratio, ratio, WIDEST
from host.machine import asked, human, Machine
from host.messages import Error
from report import align

DEVICE_PAGE = 4096
# Both have to hold for any tree's text; the program checks its struct page.
STRUCT_PAGE = 64
# Of the struct pages.
SMALLEST = 64 << 10
LARGEST = 1 << 30
DEFAULT_ROUNDS = 15
# Of the rounds of one size in one state, where ROUNDS= does not say how many.
SECONDS = 1

STATES = ('cold', 'warm')
FIELDS, MEMCPY, STREAMING, LIMIT = 'fields', 'memcpy', 'streaming', 'limit'
METHODS = {
	FIELDS: 'field by field', MEMCPY: 'template + memcpy', STREAMING: 'template + streaming',
	LIMIT: 'limit: stores alone',
}


@dataclass
class Plan:
	smallest: int
	largest: int
	llc: int
	rounds: int
	seconds: int
	cpu: int

	@property
	def sizes(self) -> List[int]:
		return [1 << n for n in range(self.smallest.bit_length() - 1, self.largest.bit_length())]

	def arguments(self) -> List[str]:
		return [f'--{n}={v}' for n, v in vars(self).items()]


def device(struct_pages: int) -> int:
	return struct_pages // STRUCT_PAGE * DEVICE_PAGE


def sizes(on: Machine, size: str, rounds: Optional[int]) -> Plan:
	if rounds is not None and not 0 < rounds <= 10000:
		raise Error(f'ROUNDS={rounds} is not a number of rounds')
	wanted = asked(size, device(SMALLEST)) // DEVICE_PAGE * STRUCT_PAGE if size \
		else max(min(LARGEST, on.available // 2), SMALLEST)
	largest = 1 << wanted.bit_length() - 1
	# The program is small; a little has to be left for everybody else.
	if largest + (64 << 20) > on.available * 0.9:
		raise Error(f'{f"SIZE={size}" if size else "bench-native"} takes {human(largest)} for the struct pages, '
			f'and {human(on.available)} of memory are available')
	return Plan(SMALLEST, largest, on.llc, rounds or DEFAULT_ROUNDS, 0 if rounds else SECONDS, on.cpu)


@dataclass
class Crossing:
	"""Whether, with caches in one state, the streaming copy is faster than memcpy()."""
	state: str
	# The struct pages from which on it is, and the last ones for which it is
	# the other way round.
	faster: Optional[int]
	slower: Optional[int]
	sizes: List[int]

	def says(self) -> str:
		last = human(self.sizes[-1])
		slower = f'; at {human(self.slower)} it is slower' if self.slower else ''
		if self.faster == self.sizes[0]:
			said = 'streaming is faster than the plain template at every size'
		elif self.faster:
			said = f'streaming overtakes the plain template at {human(self.faster)} of struct pages ' \
				f'({human(device(self.faster))} of device memory){slower}'
		elif self.slower == self.sizes[-1]:
			said = f'streaming does not overtake the plain template, up to {last}'
		else:
			said = f'cannot judge whether streaming overtakes the plain template, up to {last}: intervals have 1 in ' \
				f'them, or are wider than {WIDEST:.0%}{slower}'
		return f'{self.state} caches: {said}'


Key = Tuple[str, int, str]


@dataclass
class Result:
	machine: Machine
	plan: Plan
	trees: Dict[str, str]
	compiler: str
	lines: List[str]
	samples: Dict[Key, List[float]] = field(default_factory=dict)
	# KiB in huge pages, and of all.
	huge: Tuple[int, int] = (0, 1)
	# By page faults, and by other tasks.
	disturbed: Tuple[int, int] = (0, 0)
	hypervisor: str = 'none seen'

	def __post_init__(self) -> None:
		for line in self.lines:
			words = line.split()
			if words[:1] == ['sample']:
				state, size, method, _round, ns = words[1:]
				self.samples.setdefault((state, int(size), method), []).append(float(ns))
			elif words[:1] == ['huge']:
				self.huge = int(words[1]), int(words[2])
			elif words[:1] == ['disturbed']:
				self.disturbed = int(words[1]), int(words[2])
			elif words[:1] == ['hypervisor']:
				self.hypervisor = line[11:].strip() or 'unnamed'
			elif words[:1] == ['page_size'] and words[1] != str(STRUCT_PAGE):
				raise Error(f'struct page has {words[1]} bytes here, and not {STRUCT_PAGE}')

	def limit(self, state: str, size: int) -> str:
		"""The stores that the CPU did fastest there."""
		return min((k for k in self.samples if k[:2] == (state, size) and k[2] not in METHODS),
			key=lambda k: median(self.samples[k]))[2]

	@property
	def methods(self) -> List[str]:
		"""What is compared with field by field."""
		measured = {k[2] for k in self.samples}
		return [m for m in (MEMCPY, STREAMING) if m in measured] + [LIMIT]

	def ratio(self, state: str, size: int, method: str, other: str = FIELDS) -> Ratio:
		"""How many times as fast as @other."""
		name = self.limit(state, size) if method == LIMIT else method
		return ratio(self.samples[state, size, other], self.samples[state, size, name])

	def crossings(self) -> List[Crossing]:
		if not {MEMCPY, STREAMING} <= set(self.methods):
			return []
		found = []
		for state in STATES:
			ratios = {s: self.ratio(state, s, STREAMING, MEMCPY) for s in self.plan.sizes}
			# One size where noise hides it, among larger ones, does not make it undone.
			faster = next((s for s, r in ratios.items() if r.low > 1 and not r.problem and
				all(ratios[t].value > 1 for t in ratios if t > s)), None)
			slower = [s for s, r in ratios.items() if r.high < 1 and not r.problem]
			found.append(Crossing(state, faster, max(slower, default=None), self.plan.sizes))
		return found

	def answer(self) -> str:
		"""One sentence: what can this CPU gain at most? A device is large, and
		nothing of its struct pages is in the caches."""
		size, method = self.plan.largest, next((m for m in (STREAMING, MEMCPY) if m in self.methods), LIMIT)
		gain, stores = self.ratio('cold', size, method), self.limit('cold', size)
		where = f'{human(size)} of struct pages, cold caches'
		if gain.problem:
			return f'Cannot judge what there is to gain ({where}): {gain.problem}; ' \
				'a quieter machine or more ROUNDS= would help.'
		sure = f'{gain.value:.2f} times (95 % CI {gain.low:.2f} to {gain.high:.2f})'
		if method == LIMIT:
			return f'The tree has no template path; stores alone ({stores}) are {sure} as fast as field by ' \
				f'field ({where}): no copy can gain more.'
		verdict = 'A gain' if gain.low > 1 else 'No gain to be seen' if gain.high >= 1 else 'A loss'
		return f'{verdict}: {METHODS[method]} is {sure} as fast as field by field ({where}). At most: ' \
			f'{self.ratio("cold", size, LIMIT).value:.2f} times, by stores alone ({stores}).'

	def _cells(self, state: str, size: int) -> List[str]:
		cells = []
		for method in self.methods:
			found = self.ratio(state, size, method)
			spread = f'±{(found.high - found.low) / 2 / found.value:.0%}' if found.low else '±?'
			cells.append(f'{found.value:.2f} {spread:>4}')
		return [*cells, self.limit(state, size)]

	def _table(self) -> List[str]:
		head = [*self.methods, 'by']
		rows = [[human(s), *(c for state in STATES for c in self._cells(state, s))] for s in self.plan.sizes]
		lines = align([['pages', *head * len(STATES)], *rows], 0)
		# Over the columns of each state, which are as wide as those of the other.
		half = (max(map(len, lines)) - len(lines[1].split('  ')[0])) // len(STATES)
		return ['struct'.rjust(7) + ''.join(f'{f"{state} caches":^{half}}' for state in STATES).rstrip(), *lines]

	def _facts(self) -> List[str]:
		faults, switches = self.disturbed
		rounds = {len(v) for v in self.samples.values()}
		lines = [f'CPU {self.machine.cpu}: {self.machine.model}, microcode {self.machine.microcode}',
			f'{self.machine.caches()}, governor {self.machine.governor}, hypervisor {self.hypervisor}, '
			f'Linux {self.machine.kernel}', f'compiler: {self.compiler}']
		lines += [f'{METHODS[n]}: {t}' for n, t in self.trees.items()]
		lines.append(f'{min(rounds)} to {max(rounds)} rounds a size, disturbed by {switches} other tasks and {faults} page '
			f'faults; {self.huge[0] / self.huge[1]:.0%} of the memory in huge pages')
		if self.plan.largest < 4 * self.machine.llc:
			lines.append('The largest almost fits in the caches: plain stores leave much of their work for '
				'later, where nobody measures it. Use a larger SIZE=.')
		return lines

	def _busy(self) -> List[str]:
		often = 10 * self.disturbed[1] > sum(map(len, self.samples.values()))
		return ['The machine was busy with other tasks: expect other ratios where it is not.'] if often else []

	def text(self) -> str:
		return '\n'.join([*self._facts(), '', 'How many times as fast as field by field:', '', *self._table(), '',
			'The median of the ratios within one round, ± half of its 95 % interval. A device has 64 times',
			'as much memory as struct pages. Limit: the same bytes stored again and again and nothing else;',
			'by: which stores were fastest, non-temporal (nt) or plain, and how many bytes each.',
			'', self.answer(), *(c.says() for c in self.crossings()), *self._busy()])

	def as_json(self) -> Dict[str, object]:
		sweep = [{'caches': state, 'struct_pages_bytes': size, 'limit_by': self.limit(state, size),
			**{m: vars(self.ratio(state, size, m)) for m in self.methods},
			'samples_ns': {k[2]: v for k, v in self.samples.items() if k[:2] == (state, size)}}
			for state in STATES for size in self.plan.sizes]
		faults, switches = self.disturbed
		return {'machine': vars(self.machine), 'hypervisor': self.hypervisor, 'compiler': self.compiler,
			'plan': vars(self.plan), 'trees': self.trees, 'sweep': sweep, 'answer': self.answer(), 'busy': bool(self._busy()),
			'crossings': {c.state: {'faster': c.faster, 'slower': c.slower} for c in self.crossings()},
			'huge_kib': self.huge, 'page_faults': faults, 'other_tasks': switches}
