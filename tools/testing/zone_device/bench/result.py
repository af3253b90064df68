# SPDX-License-Identifier: GPL-2.0
"""What make bench timed, row by row: a ratio, how sure it is, and a verdict."""

import math
import re
from statistics import mean, median
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from bench.model import (AGAIN, ALL, DEVDAX, FIRST, FSDAX, KINDS, NAMESPACES, OTHERS, PUBLISHED, REVIEWED, Row,
	Sample, WHOLE)
from bench.stats import Ratio, ratio
from host.machine import human
from host.messages import Error

# A ratio reproduces another that it misses by no more than this share of the
# effect: of the logarithm, as ratios multiply.
NEAR = 1 / 3
# The reviewer's mean is over ten where the author's is over thirty.
REVIEWER_SHARE = 3
STRUCT_PAGE = 64
# Fewer struct pages than this many times the last level cache stay in it.
CACHES = 4


def _must_be(experiment: str, fields: Dict[str, str]) -> None:
	"""A mapping that is not of the kind it was announced as, as when a driver
	puts struct pages elsewhere than it was told, must not be judged as such."""
	kind = KINDS.get(experiment, experiment)
	found = re.match(r'(\w+), order (\d+)', kind)
	# A full memmap in RAM is said to be elsewhere so that none is shared.
	altmap = '1' if kind.endswith(('altmap', 'full')) else '0'
	wanted = {**dict(zip(('type', 'order'), found.groups() if found else ('', ''))), 'altmap': altmap}
	wrong = [f'{n} {fields.get(n, "")} and not {w}' for n, w in wanted.items() if fields.get(n) != w]
	if wrong:
		raise Error(f'bench: {experiment} is not what was mapped: {", ".join(wrong)}')


def read(lines: Sequence[str], side: str, boot: int) -> List[Sample]:
	"""The samples that a guest's log holds."""
	samples: List[Sample] = []
	experiment, count = '', 0
	for line in lines:
		# What is mapped after a test's result is no experiment's.
		if re.search(r' (?:not )?ok \d+ ', line):
			experiment = ''
		found = re.search(r'zone_device_bench: (?:kind=(.+)|(.*))', line)
		if found and found.group(1):
			name = found.group(1).strip()
			experiment, count = NAMESPACES.get(name, name), 0
		elif found and experiment:
			fields = dict(re.findall(r'(\w+)=(\w+)', found.group(2)))
			if int(fields.get('loop_ns', 0)):
				_must_be(experiment, fields)
				samples.append(Sample(experiment, side, boot, count, int(fields['written']),
					float(fields['loop_ns']), float(fields['whole_ns']) or None))
				count += 1
	return samples


def reviewers(rounds: int) -> int:
	"""How often a boot maps what the reviewer did, if the author's is bound again
	@rounds times."""
	return max(rounds // REVIEWER_SHARE, 2)


def must_be_whole(samples: Sequence[Sample], rounds: int) -> None:
	"""What a boot did not time would be missing from its rows, or shift them,
	and nobody would see it."""
	names = [s.experiment for s in samples]
	for name, wanted in ((FSDAX, rounds + 1), (DEVDAX, rounds + 1), (REVIEWED, reviewers(rounds))):
		if names.count(name) != wanted:
			raise Error(f'bench: {name}: {names.count(name)} binds were timed and not {wanted}')


def judge(found: Ratio, published: Optional[float], reason: str) -> Tuple[str, str]:
	"""A verdict, and the reason if there can be none."""
	reason = reason or found.problem
	if reason:
		return 'cannot judge', reason
	if not published:
		return ('faster' if found.low > 1 else 'slower' if found.high < 1 else 'no difference'), ''
	claim = math.log(published)
	# As if faster had been published, whichever it was.
	low, value, high = sorted(math.log(v) * math.copysign(1, claim)
		for v in (found.low, found.value, found.high))
	claim = abs(claim)
	if high < 0:
		return 'opposite', ''
	if high - low > claim:
		return 'cannot judge', f'the interval is too wide to tell {published:.2f} from 1'
	if low > 0 and abs(value - claim) <= NEAR * claim:
		return 'reproduced', ''
	return 'not reproduced', ''


def _problem(samples: Sequence[Sample], llc: int) -> str:
	"""What makes these times worth little, however alike they are."""
	small = min(s.written for s in samples) * STRUCT_PAGE
	return f'too small: {human(small)} of struct pages beside {human(llc)} of cache' if small < CACHES * llc else ''


def _boots(samples: Sequence[Sample], sides: Sequence[str], what: str, which: str) -> List[List[float]]:
	"""Of each side one value a boot, those of neighbours at the same place: the
	mean where the published figure is one over first binds and others alike; else
	the median, which a single disturbance does not move."""
	typical = mean if which == ALL else median
	of: Dict[Tuple[str, int], List[float]] = {}
	for sample in samples:
		of.setdefault((sample.side, sample.boot // 2), []).append(sample.ms(what) or 0.0)
	pairs = sorted({pair for _side, pair in of if all((s, pair) in of for s in sides)})
	return [[typical(of[s, p]) for p in pairs] for s in sides]


def rows(samples: Sequence[Sample], sides: Sequence[str], with_published: bool, cannot_judge: str,
	 llc: int) -> Iterator[Row]:
	"""@sides: the two, first the one that the other is compared with.
	@with_published: they are what the published figures are of. @cannot_judge: a
	reason that holds for all."""
	for experiment in dict.fromkeys(s.experiment for s in samples):
		for (what, which), published in PUBLISHED.get(experiment, OTHERS).items():
			timed = [s for s in samples if s.experiment == experiment and s.ms(what) is not None
				and (which == ALL or (which == FIRST) == (s.round == 0))]
			one, other = _boots(timed, sides, what, which)
			if not one:
				continue
			found = ratio(one, other, unit='boots')
			published = published if with_published else None
			share = {side: median(s.loop_ns / s.whole_ns for s in timed if s.side == side and s.whole_ns)
				for side in sides} if what == WHOLE and which == AGAIN else {}
			yield Row(experiment, what, which, {s: median(v) for s, v in zip(sides, (one, other))}, share, found,
				published, *judge(found, published, cannot_judge or _problem(timed, llc)))
