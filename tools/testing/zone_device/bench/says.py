# SPDX-License-Identifier: GPL-2.0
"""What the numbers of make bench say, in words: each sentence is made of them.

The same is said of times and, where times mean nothing, of instructions.
"""

from statistics import median
from typing import Dict, List, Optional, Tuple

from bench.model import AGAIN, ALL, AUTHOR, Cost, FIRST, LOOP, Published, Result, REVIEWER, Row, WHAT, WHOLE
from bench.result import counted_as, REVIEWED

# From what the author timed to what the reviewer did, one difference a step.
STEPS: List[Tuple[str, str, str, str]] = [
	('FS_DAX, order 0, altmap', LOOP, AGAIN, 'the loop, FS_DAX, struct pages on the device'),
	('FS_DAX, order 0', LOOP, AGAIN, 'in RAM'),
	(REVIEWED, LOOP, AGAIN, 'PRIVATE'),
	(REVIEWED, WHOLE, AGAIN, 'all of memremap_pages()'),
	(REVIEWED, WHOLE, ALL, 'the first bind in the mean'),
]
# A step that changes the gain by less explains nothing.
NOTABLE = 1.10
# A first bind that takes so much longer has something of its own.
SLOW_FIRST = 1.5
ALIKE = 1.25
# Bytes per struct page that are not the loop's: half of what a page takes.
MUCH_BESIDE = 32


class _Figures:
	"""What is said the same way of times and of counts."""
	unit = verb = ''

	def gain(self, experiment: str, what: str, binds: str = AGAIN) -> Optional[float]:
		"""How many times better the second side is."""
		raise NotImplementedError

	def share(self, experiment: str, side: str) -> Optional[float]:
		"""Of the loop in a memremap_pages()."""
		raise NotImplementedError


class _Times(_Figures):
	"""Milliseconds of a result's samples."""
	unit = 'time'
	verb = 'as fast'

	def __init__(self, result: Result) -> None:
		self.result = result

	def gain(self, experiment: str, what: str, binds: str = AGAIN) -> Optional[float]:
		for row in self.result.rows:
			if row.key == (experiment, what, binds) and row.verdict != 'cannot judge':
				return row.ratio.value
		return None

	def share(self, experiment: str, side: str) -> Optional[float]:
		found = [s.loop_ns / s.whole_ns for s in self.result.samples
			if s.experiment == experiment and s.side == side and s.whole_ns and s.round]
		return median(found) if found else None


class _Counts(_Figures):
	"""Instructions, and bytes, as the cost counter has them."""
	unit = 'instructions'
	verb = 'fewer instructions'

	def __init__(self, cost: Cost) -> None:
		self.sides = cost.sides
		self.tables = {(t.function, t.what): {kind: (one, other) for kind, one, other in t.rows}
			for t in cost.tables}
		self.loop, self.whole = dict.fromkeys(f for f, _what in self.tables)

	def _count(self, function: str, experiment: str, side: str,
		   what: str = 'instructions') -> Optional[float]:
		found = self.tables.get((function, what), {}).get(counted_as(experiment))
		return found[self.sides.index(side)] if found else None

	def stored(self, function: str, experiment: str, side: str) -> Optional[float]:
		"""Bytes per struct page, whichever way they are stored."""
		counts = [self._count(function, experiment, side, w)
			for w in ('bytes stored', 'bytes stored non-temporally')]
		return sum(c for c in counts if c is not None) if None not in counts else None

	def gain(self, experiment: str, what: str, binds: str = AGAIN) -> Optional[float]:
		# The first call is like any other, as far as it is counted.
		if binds != AGAIN:
			return None
		one, other = (self._count(self.loop if what == LOOP else self.whole, experiment, s)
			for s in self.sides)
		return one / other if one and other else None

	def share(self, experiment: str, side: str) -> Optional[float]:
		loop, whole = (self._count(f, experiment, side) for f in (self.loop, self.whole))
		return loop / whole if loop and whole else None


def _dominant(figures: _Figures, experiment: str, sides: List[str]) -> str:
	"""What most of a memremap_pages() is, on each side."""
	one, other = (figures.share(experiment, s) for s in sides)
	loop, whole = (figures.gain(experiment, w) for w in (LOOP, WHOLE))
	if one is None or other is None:
		return ''
	by = ['the memmap loop' if s >= 0.5 else 'what is not the memmap loop' for s in (one, other)]
	who = f'is dominated by {by[0]}' if by[0] == by[1] \
		else f'is dominated by {by[0]} in {sides[0]} and by {by[1]} in {sides[1]}'
	text = f'{experiment}: memremap_pages() {who}: the loop is {one:.0%} of its {figures.unit} in ' \
		f'{sides[0]} and {other:.0%} in {sides[1]}'
	if loop and whole:
		text += f', so that {loop:.2f} times {figures.verb} in the loop is {whole:.2f} times in all'
		# Else there is no limit that anybody would come near.
		if one < 0.9:
			text += f', and no loop, however good, could bring more than {1 / (1 - one):.2f}'
	return text + '.'


def _rest(figures: _Figures, experiments: List[str], sides: List[str]) -> str:
	"""The same of many, in short."""
	where: Dict[str, List[str]] = {}
	for experiment in experiments:
		shares = [share for share in (figures.share(experiment, s) for s in sides) if share is not None]
		if len(shares) == len(sides):
			loops = [s for s, share in zip(sides, shares) if share >= 0.5]
			which = 'in both' if len(loops) == 2 else f'in {loops[0]} only' if loops else 'in neither'
			where.setdefault(which, []).append(f'{experiment} ({shares[0]:.0%}, {shares[1]:.0%})')
	if not where:
		return ''
	return f'In the rest of the square the loop dominates (its share of {figures.unit} in {sides[0]}, ' \
		f'in {sides[1]}) ' + '; '.join(f'{which}: {", ".join(names)}' for which, names in where.items()) + '.'


def _steps(figures: _Figures) -> str:
	"""Which of the differences between the two measurements matters."""
	steps = [(figures.gain(e, w, b), b, name) for e, w, b, name in STEPS]
	known = [(gain, name) for gain, _binds, name in steps if gain is not None]
	if any(gain is None and b == AGAIN for gain, b, _name in steps):
		return ''
	text = ', '.join(f'{name}: {gain:.2f}' for gain, name in known)
	changes = [(max(a[0] / b[0], b[0] / a[0]), b[1]) for a, b in zip(known, known[1:])]
	most = max(changes)
	why = f'The step that changes most is "{most[1]}", by a factor of {most[0]:.2f}' \
		if most[0] >= NOTABLE else 'No step changes it by much'
	return f'From the author\'s measurement to the reviewer\'s, times {figures.verb}: {text}. {why}.'


def _stored(figures: _Counts, experiments: List[str], sides: List[str]) -> str:
	"""What instructions do not show: one may fill a whole page."""
	found, beside = [], []
	for experiment in experiments:
		stored = [(figures.stored(figures.whole, experiment, s), figures.stored(figures.loop, experiment, s))
			for s in sides]
		known = [(w, l) for w, l in stored if w is not None and l is not None]
		if len(known) < len(sides):
			continue
		whole, loop = [w for w, _ in known], [l for _, l in known]
		found.append(f'{experiment}: {whole[0]:.0f} and {whole[1]:.0f}')
		if min(w - l for w, l in zip(whole, loop)) > MUCH_BESIDE:
			beside.append(f'{experiment} ({whole[0] - loop[0]:.0f})')
	if not found:
		return ''
	text = f'Bytes that all of memremap_pages() stores per struct page, in {sides[0]} and in {sides[1]}: ' \
		+ '; '.join(found) + '. '
	return text + ('What is not the loop stores much of it for ' + ', '.join(beside) + ', as where the '
		'allocator zeroes memory that the loop then fills.' if beside else
		'Next to all of it is stored by the loop.')


def _first(result: Result, experiment: str, sides: List[str]) -> str:
	"""What first binds have that others do not."""
	times_as_long, longer = [], []
	for side in sides:
		times: Dict[bool, List[float]] = {True: [], False: []}
		for s in result.samples:
			if s.experiment == experiment and s.side == side:
				times[s.round == 0].append(s.loop_ns)
		if not times[True] or not times[False]:
			return ''
		first, again = (median(times[k]) for k in (True, False))
		times_as_long.append(first / again)
		longer.append((first - again) / 1e6)
	if min(times_as_long) < SLOW_FIRST:
		return ''
	alike = min(longer) * ALIKE >= max(longer)
	return f'{experiment}: the loop of a first bind takes {longer[0]:.0f} ms more than that of a rebind in ' \
		f'{sides[0]} and {longer[1]:.0f} ms more in {sides[1]}' + (': about the same, whatever writes the ' \
		'struct pages, as where the host has yet to find memory for the guest.' if alike else '.')


def _outcome(row: Row, published: Published) -> str:
	found = row.ratio
	binds = {FIRST: 'first bind', AGAIN: 'rebinds', ALL: 'mean of all binds'}[row.binds]
	text = f'{row.experiment}, {WHAT[row.what]}, {binds}: '
	if row.verdict == 'cannot judge':
		return text + f'cannot judge, {row.reason}.'
	return text + f'{found.value:.2f} times as fast (95 % CI {found.low:.2f} to ' \
		f'{found.high:.2f}), published {published.ratio:.2f}: {row.verdict}.'


def says(result: Result) -> List[str]:
	"""Paragraphs, what matters most first."""
	sides = list(result.sides)
	figures: _Figures = _Times(result)
	paragraphs = []
	counts = _Counts(result.cost) if result.cannot_judge and result.cost else None
	if result.cannot_judge:
		paragraphs.append(f'Cannot judge whether the published times are reproduced: {result.cannot_judge}.')
		if not counts:
			return paragraphs
		figures = counts
		paragraphs[0] += ' What follows is about instructions and bytes, which were counted: ' \
			'how long a CPU takes for them they do not say.'
	else:
		paragraphs.append(' '.join(_outcome(r, r.published) for r in result.rows if r.published))
	main = [e.name for e in result.experiments if e.group in (AUTHOR, REVIEWER)]
	others = [e.name for e in result.experiments if e.name not in main]
	paragraphs.append(' '.join(filter(None, (*(_dominant(figures, e, sides) for e in main),
		_rest(figures, others, sides)))))
	paragraphs.append(_steps(figures))
	if counts:
		paragraphs.append(_stored(counts, main, sides))
	else:
		paragraphs.append(' '.join(filter(None, (_first(result, e, sides) for e in main))))
	return [p for p in paragraphs if p]
