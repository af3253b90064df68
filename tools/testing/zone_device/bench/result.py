# SPDX-License-Identifier: GPL-2.0
"""What make bench timed, row by row: a ratio, how sure it is, and a verdict."""

import math
import re
from statistics import mean, median, quantiles
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from bench.model import (AGAIN, ALL, AUTHOR, Experiment, FIRST, LOOP, PRINTED, Published, Result, REVIEWER, Row,
	Sample, SQUARE, WHOLE)
from bench.stats import Ratio, ratio
from host.machine import human
from host.messages import Error

REVIEWED = 'PRIVATE, order 0'
# What the guest's init calls its two kinds -> experiment, and the kind of
# zone_device_cost that does the same work.
NAMESPACES = {
	'fsdax': ('nd_pmem, fsdax', 'FS_DAX, order 0, altmap'),
	'devdax': ('dax_pmem, devdax, align 2 MiB', 'GENERIC, order 9, full, altmap'),
}
_COUNTED_AS = dict(NAMESPACES.values())

# A ratio reproduces another that it misses by no more than this share of the
# effect: of the logarithm, as ratios multiply.
NEAR = 1 / 3
# pr_debug() counts jiffies: so many, at least, and so few may be missing.
CLOCK_STEPS = 10
LOST_STEPS = 3
# The reviewer's mean is over ten where the author's is over thirty.
REVIEWER_SHARE = 3
STRUCT_PAGE = 64
# Fewer struct pages than this many times the last level cache stay in it.
CACHES = 4


def _published(base: float, series: float) -> Published:
	return Published(round(base / series, 4), base, series)


PUBLISHED: Dict[Tuple[str, str, str], Published] = {
	(NAMESPACES['fsdax'][0], PRINTED, FIRST): _published(1466, 1359),
	(NAMESPACES['fsdax'][0], PRINTED, AGAIN): _published(262.12, 108.36),
	(NAMESPACES['devdax'][0], PRINTED, FIRST): _published(1430, 1273),
	(NAMESPACES['devdax'][0], PRINTED, AGAIN): _published(229.12, 100.17),
	(REVIEWED, WHOLE, ALL): Published(0.97),
}


def _must_be(experiment: str, fields: Dict[str, str]) -> None:
	"""A mapping that is not of the kind it was announced as, as when a driver
	puts struct pages elsewhere than it was told, must not be judged as such."""
	kind = counted_as(experiment)
	found = re.match(r'(\w+), order (\d+)', kind)
	# A full memmap in RAM is said to be elsewhere so that none is shared.
	altmap = '1' if kind.endswith(('altmap', 'full')) else '0'
	wanted = {**dict(zip(('type', 'order'), found.groups() if found else ('', ''))), 'altmap': altmap}
	seen = {n: fields.get(n, '') for n in wanted}
	if seen != wanted:
		raise Error(f'bench: {experiment} is not what was mapped: '
			+ ', '.join(f'{n} {seen[n]} and not {w}' for n, w in wanted.items() if seen[n] != w))


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
		fields = dict(re.findall(r'(\w+)=(\w+)', found.group(1)))
		if not experiment:
			continue
		if 'printed_ms' in fields and samples:
			samples[-1].printed_ms = float(fields['printed_ms'])
		elif 'loop_ns' in fields and int(fields['loop_ns']):
			_must_be(experiment, fields)
			whole = float(fields['whole_ns'])
			samples.append(Sample(experiment, side, boot, count, int(fields['written']),
				float(fields['loop_ns']), whole or None))
			count += 1
	return samples


def binds(experiment: str, rounds: int) -> int:
	"""How often a boot maps it, if the author's is bound again @rounds times."""
	if group(experiment) == AUTHOR:
		return rounds + 1
	reviewers = max(rounds // REVIEWER_SHARE, 2)
	# As the suite has it, see bench_kunit.c.
	return reviewers if group(experiment) == REVIEWER else 1 + math.ceil((reviewers - 1) / 3)


def must_be_whole(samples: Sequence[Sample], rounds: int) -> None:
	"""What a boot did not time would be missing from its rows, or shift them,
	and nobody would see it."""
	count: Dict[str, int] = {REVIEWED: 0, **{name: 0 for name in _COUNTED_AS}}
	for sample in samples:
		count[sample.experiment] = count.get(sample.experiment, 0) + 1
		if group(sample.experiment) == AUTHOR and sample.printed_ms is None:
			raise Error(f'bench: {sample.experiment}: memmap_init_zone_device() printed no time of its own')
	for name, seen in count.items():
		if seen != binds(name, rounds):
			raise Error(f'bench: {name}: {seen} binds were timed and not {binds(name, rounds)}')


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
		return [(WHOLE, ALL), (WHOLE, AGAIN), (LOOP, AGAIN)]
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
	"""The samples of one row, by side and pair of boots."""

	def __init__(self, samples: Sequence[Sample], experiment: str, what: str, binds: str) -> None:
		self.what, self.binds = what, binds
		self.samples = [s for s in samples if s.experiment == experiment and s.ms(what) is not None
			and not (binds == FIRST and s.round or binds == AGAIN and not s.round)]
		self.by_pair: Dict[str, Dict[int, List[float]]] = {}
		for sample in self.samples:
			pairs = self.by_pair.setdefault(sample.side, {})
			pairs.setdefault(sample.boot // 2, []).append(sample.ms(what) or 0.0)

	def boots(self, sides: Sequence[str]) -> List[List[float]]:
		"""Of each side one value a boot, those of a pair at the same place."""
		typical = _typical(self.what, self.binds)
		both = sorted(set.intersection(*(set(self.by_pair.get(s, {})) for s in sides)))
		return [[typical(self.by_pair[s][p]) for p in both] for s in sides]

	def all(self, side: str) -> List[float]:
		return [v for values in self.by_pair.get(side, {}).values() for v in values]

	def problem(self, llc: int, step_ms: float) -> str:
		"""What makes these times worth little, however alike they are."""
		small = min(s.written for s in self.samples) * STRUCT_PAGE
		if small < CACHES * llc:
			return f'too small: {human(small)} of struct pages beside {human(llc)} of cache'
		if self.what != PRINTED:
			return ''
		shortest = min(median(self.all(s)) for s in self.by_pair)
		if shortest < CLOCK_STEPS * step_ms:
			return f'too small: {shortest:.0f} ms by a clock of {step_ms:.0f} ms steps'
		for sample in self.samples:
			printed, passed = sample.printed_ms or 0.0, sample.loop_ns / 1e6
			if abs(printed - passed) > LOST_STEPS * step_ms:
				return f'the guest\'s clock lost ticks: {printed:.0f} ms printed, {passed:.0f} ms passed'
		return ''


def judge(found: Ratio, published: Optional[Published], reason: str) -> Tuple[str, str]:
	"""A verdict, and the reason if there can be none."""
	reason = reason or found.problem
	if reason:
		return 'cannot judge', reason
	if not published:
		return ('faster' if found.low > 1 else 'slower' if found.high < 1 else 'no difference'), ''
	claim = math.log(published.ratio)
	# As if faster had been published, whichever it was.
	low, value, high = sorted(math.log(v) * math.copysign(1, claim)
		for v in (found.low, found.value, found.high))
	claim = abs(claim)
	if high < 0:
		return 'opposite', ''
	if high - low > claim:
		return 'cannot judge', f'the interval is too wide to tell {published.ratio:.2f} from 1'
	if low > 0 and abs(value - claim) <= NEAR * claim:
		return 'reproduced', ''
	return 'not reproduced', ''


def _row(timed: Timed, experiment: str, sides: Sequence[str], reason: str,
	 published: Optional[Published]) -> Optional[Row]:
	values = timed.boots(sides)
	if not all(values):
		return None
	# By a clock of steps something may take no time, and have no ratio.
	found = ratio(values[0], values[1], unit='boots') if all(v > 0 for side in values for v in side) else Ratio(0.0)
	verdict, why = judge(found, published, reason)
	return Row(experiment, group(experiment), timed.what, timed.binds,
		{s: median(v) for s, v in zip(sides, values)}, {s: _spread(timed.all(s)) for s in sides}, found,
		published, verdict, why)


def rows(samples: Sequence[Sample], sides: Sequence[str], with_published: bool, cannot_judge: str,
	 llc: int, step_ms: float) -> Iterator[Row]:
	for experiment in dict.fromkeys(s.experiment for s in samples):
		for what, which in _wanted(experiment):
			timed = Timed(samples, experiment, what, which)
			published = PUBLISHED.get((experiment, what, which)) if with_published else None
			row = _row(timed, experiment, sides, cannot_judge or timed.problem(llc, step_ms), published) \
				if timed.samples else None
			if row:
				yield row


METHOD = [
	'Each boot gives one value a row: the mean of its binds where the published figure is a mean or the '
	'clock has steps, else their median. A ratio is that of a base boot to the series boot next to it; '
	'the order within pairs alternates (ABBA), so that a steady drift cancels.',
	'The ratio shown is the median over the pairs, its 95 % interval the order statistics around that '
	'median: right for any distribution, and for so few values. Boots count and not binds, since '
	'binds of one boot share its memory layout and its huge pages and are not independent.',
	f'Reproduced: the interval lies on the published side of 1, and the ratio misses the published effect by '
	f'{NEAR:.0%} of it at most (as logarithms). Opposite: all of the interval is on the other side of 1.',
]


def _about(experiment: str) -> str:
	if group(experiment) == AUTHOR:
		return 'a namespace made by ndctl, struct pages on the device (map=dev), unbound and bound again'
	where = 'on the device (map=dev)' if 'altmap' in experiment else 'in RAM (map=mem)'
	if experiment.endswith('full'):
		return f'struct pages {where}; there is no such mapping, the loop is called by itself'
	return f'memremap_pages() again and again, struct pages {where}'


def collect(samples: Sequence[Sample], sides: Dict[str, str], with_published: bool, facts: Dict[str, str],
	    cannot_judge: str, sizes: Dict[str, int], llc: int, step_ms: float) -> Result:
	"""All that is known after a run, but for what is said of it.

	@sides: the two, first the one that the other is compared with, and what
	kernel each is. @with_published: they are what the published figures are of.
	@cannot_judge: a reason that holds for all. @sizes: bytes of device memory in
	the author's and in the other experiments. @step_ms: of the guest's jiffies.
	"""
	names = list(dict.fromkeys(s.experiment for s in samples))
	return Result(sides, facts, cannot_judge,
		[Experiment(n, group(n), sizes[AUTHOR if group(n) == AUTHOR else REVIEWER], _about(n)) for n in names],
		list(samples), list(rows(samples, list(sides), with_published, cannot_judge, llc, step_ms)), METHOD)
