# SPDX-License-Identifier: GPL-2.0
"""What make bench timed, row by row: a ratio, how sure it is, and a verdict.

A result is what its JSON file holds, here and for whoever reads the file; see
collect() for its parts.
"""

import math
import re
from dataclasses import asdict, dataclass
from statistics import mean, median, quantiles
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from stats import Ratio, ratio

FORMAT = 'zone-device-bench 1'
AUTHOR, REVIEWER, SQUARE = 'author', 'reviewer', 'square'
PRINTED, LOOP, WHOLE = 'printed', 'loop', 'whole'
WHAT = {PRINTED: 'memmap loop, as pr_debug() prints it', LOOP: 'memmap loop',
	WHOLE: 'memremap_pages()'}
# First binds are those of their boot; the reviewer's mean is over all ten.
FIRST, AGAIN, ALL = 'first', 'again', 'all'
BINDS = {FIRST: 'first bind', AGAIN: 'rebinds', ALL: 'all binds'}

REVIEWED = 'PRIVATE, order 0'
# What the guest's init calls its two kinds -> experiment, and the kind of
# zone_device_cost that does the same work.
NAMESPACES = {
	'fsdax': ('nd_pmem, fsdax', 'FS_DAX, order 0, altmap'),
	'devdax': ('dax_pmem, devdax, align 2 MiB', 'GENERIC, order 9, full, altmap'),
}
_COUNTED_AS = dict(NAMESPACES.values())

# A verdict wants this share, at least, of what was published, and not more
# beyond it: shares of the logarithm, as ratios multiply.
NEAR = 0.5
# pr_debug() counts jiffies.
CLOCK_STEPS = 10


@dataclass(frozen=True)
class Published:
	ratio: float
	base_ms: Optional[float] = None
	series_ms: Optional[float] = None


def _published(base: float, series: float) -> Published:
	return Published(round(base / series, 4), base, series)


PUBLISHED: Dict[Tuple[str, str, str], Published] = {
	(NAMESPACES['fsdax'][0], PRINTED, FIRST): _published(1466, 1359),
	(NAMESPACES['fsdax'][0], PRINTED, AGAIN): _published(262.12, 108.36),
	(NAMESPACES['devdax'][0], PRINTED, FIRST): _published(1430, 1273),
	(NAMESPACES['devdax'][0], PRINTED, AGAIN): _published(229.12, 100.17),
	(REVIEWED, WHOLE, ALL): Published(0.97),
}


@dataclass
class Sample:
	experiment: str
	side: str
	# Over both sides, from 0; round 0 is the first bind in its boot.
	boot: int
	round: int
	loop_ns: float
	whole_ns: Optional[float] = None
	printed_ms: Optional[float] = None

	def ms(self, what: str) -> Optional[float]:
		if what == PRINTED:
			return self.printed_ms
		value = self.loop_ns if what == LOOP else self.whole_ns
		return value / 1e6 if value is not None else None


def read(lines: Sequence[str], side: str, boot: int) -> List[Sample]:
	"""The samples that a guest's log holds."""
	samples: List[Sample] = []
	experiment = ''
	count = 0
	for line in lines:
		if re.search(r' (?:not )?ok \d+ ', line):
			experiment = ''
			continue
		found = re.search(r'zone_device_bench: (.*)', line)
		if not found:
			continue
		kind = re.match(r'kind=(.+)', found.group(1))
		if kind:
			name = kind.group(1).strip()
			experiment = NAMESPACES[name][0] if name in NAMESPACES else name
			count = 0
			continue
		fields = dict(re.findall(r'(\w+)=(\d+)', found.group(1)))
		if not experiment:
			continue
		if 'printed_ms' in fields and samples:
			samples[-1].printed_ms = float(fields['printed_ms'])
		elif 'loop_ns' in fields and int(fields['loop_ns']):
			whole = float(fields['whole_ns'])
			samples.append(Sample(experiment, side, boot, count, float(fields['loop_ns']), whole or None))
			count += 1
	return samples


def group(experiment: str) -> str:
	if experiment in _COUNTED_AS:
		return AUTHOR
	return REVIEWER if experiment == REVIEWED else SQUARE


def counted_as(experiment: str) -> str:
	"""The kind of memory that the cost counter has counted."""
	return _COUNTED_AS.get(experiment, experiment)


def _wanted(experiment: str) -> List[Tuple[str, str]]:
	"""The rows of an experiment: what was timed, and which binds."""
	if group(experiment) == AUTHOR:
		return [(PRINTED, FIRST), (PRINTED, AGAIN), (LOOP, AGAIN), (WHOLE, AGAIN)]
	if group(experiment) == REVIEWER:
		return [(WHOLE, ALL), (LOOP, ALL)]
	return [(LOOP, AGAIN), (WHOLE, AGAIN)]


def _typical(what: str, binds: str) -> Callable[[Sequence[float]], float]:
	"""The mean where the published figure is one, and where the clock has
	steps; else the median, which a single disturbance does not move."""
	return mean if what == PRINTED or binds == ALL else median


def _spread(values: Sequence[float]) -> Optional[float]:
	if len(values) < 2:
		return None
	quarter = quantiles(values, n=4)
	return (quarter[2] - quarter[0]) / median(values) if median(values) else None


class Timed:
	"""The samples of one row, by side and boot."""

	def __init__(self, samples: Sequence[Sample], experiment: str, what: str, binds: str) -> None:
		self.what, self.binds = what, binds
		self.by_boot: Dict[str, Dict[int, List[float]]] = {}
		for sample in samples:
			value = sample.ms(what)
			if sample.experiment != experiment or value is None or \
					binds == FIRST and sample.round or binds == AGAIN and not sample.round:
				continue
			self.by_boot.setdefault(sample.side, {}).setdefault(sample.boot, []).append(value)

	def boots(self, side: str) -> List[float]:
		"""One value a boot, in the order of time."""
		typical = _typical(self.what, self.binds)
		return [typical(v) for _boot, v in sorted(self.by_boot.get(side, {}).items())]

	def all(self, side: str) -> List[float]:
		return [v for values in self.by_boot.get(side, {}).values() for v in values]


def judge(found: Ratio, published: Optional[Published], reason: str) -> Tuple[str, str]:
	"""A verdict, and the reason if there can be none."""
	reason = reason or found.problem
	if reason:
		return 'cannot judge', reason
	if not published:
		return ('faster' if found.low > 1 else 'slower' if found.high < 1 else 'no difference'), ''
	claim = math.log(published.ratio)
	# As if faster had been published, whichever it was.
	low, high = sorted(math.log(v) * math.copysign(1, claim) for v in (found.low, found.high))
	if high < 0:
		return 'opposite', ''
	near = low <= abs(claim) * (1 + NEAR) and high >= abs(claim) * (1 - NEAR)
	if low > 0:
		return ('reproduced' if near else 'not reproduced'), ''
	if near:
		return 'cannot judge', 'the interval holds both the published ratio and no difference'
	return 'not reproduced', ''


def _row(timed: Timed, experiment: str, sides: Sequence[str], reason: str, step_ms: float,
	 published: Optional[Published]) -> Optional[Dict[str, Any]]:
	values = [timed.boots(s) for s in sides]
	if not all(values):
		return None
	found = ratio(*values, unit='boots') if all(v > 0 for side in values for v in side) \
		else Ratio(0.0, problem='too small: some took no time by its clock')
	shortest = min(median(v) for v in values)
	if not reason and timed.what == PRINTED and shortest < CLOCK_STEPS * step_ms:
		reason = f'too small: {shortest:.0f} ms by a clock of {step_ms:.0f} ms steps'
	verdict, why = judge(found, published, reason)
	return {'experiment': experiment, 'group': group(experiment), 'what': timed.what,
		'binds': timed.binds, 'median_ms': {s: median(v) for s, v in zip(sides, values)},
		'iqr': {s: _spread(timed.all(s)) for s in sides}, 'ratio': asdict(found),
		'published': asdict(published) if published else None, 'verdict': verdict, 'reason': why}


def rows(samples: Sequence[Sample], sides: Sequence[str], reasons: Dict[str, str], step_ms: float,
	 with_published: bool = True) -> Iterator[Dict[str, Any]]:
	"""@reasons: why an experiment, or with '' any, cannot be judged."""
	for experiment in dict.fromkeys(s.experiment for s in samples):
		reason = reasons.get('') or reasons.get(experiment, '')
		for what, binds in _wanted(experiment):
			timed = Timed(samples, experiment, what, binds)
			published = PUBLISHED.get((experiment, what, binds)) if with_published else None
			row = _row(timed, experiment, sides, reason, step_ms, published)
			if row:
				yield row


METHOD = [
	'Each boot gives one value a row: the mean of its binds where the published figure is a mean or the '
	'clock has steps, else their median. A ratio is that of a base boot to the series boot next to it; '
	'the order within pairs alternates (ABBA), so that a steady drift cancels.',
	'The ratio shown is the median over the pairs, its 95 % interval the order statistics around that '
	'median: right for any distribution, and for so few values. Boots count and not binds, since '
	'binds of one boot share its memory layout and its huge pages and are not independent.',
	f'Reproduced: the interval lies on the published side of 1 and reaches {NEAR:.0%} to {1 + NEAR:.0%} of '
	'the published effect (as logarithms). Opposite: all of it is on the other side.',
]


def _about(experiment: str) -> str:
	if group(experiment) == AUTHOR:
		return 'a namespace made by ndctl, struct pages on the device (map=dev), unbound and bound again'
	where = 'on the device (map=dev)' if 'altmap' in experiment else 'in RAM (map=mem)'
	if experiment.endswith('full'):
		return f'struct pages {where}; there is no such mapping, the loop is called by itself'
	return f'memremap_pages() again and again, struct pages {where}'


def collect(samples: Sequence[Sample], sides: Dict[str, str], facts: Dict[str, str],
	    reasons: Dict[str, str], sizes: Dict[str, int], cost: Optional[Dict[str, Any]],
	    when: str, step_ms: float) -> Dict[str, Any]:
	"""All that is known after a run.

	@sides: the two, first the one that the other is compared with, and what
	kernel each is; what is published is of a base and a series. @sizes: bytes
	of device memory in the author's and in the other experiments.
	"""
	names = list(dict.fromkeys(s.experiment for s in samples))
	published = 'base' in sides
	return {'format': FORMAT, 'when': when, 'sides': sides, 'facts': facts,
		'cannot_judge': reasons.get('', ''), 'experiments': [{'name': n, 'group': group(n),
			'size': sizes[AUTHOR if group(n) == AUTHOR else REVIEWER], 'about': _about(n)} for n in names],
		'samples': [asdict(s) for s in samples],
		'rows': list(rows(samples, list(sides), reasons, step_ms, published)),
		'method': METHOD, 'cost': cost}
