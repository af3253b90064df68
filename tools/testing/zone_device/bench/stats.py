# SPDX-License-Identifier: GPL-2.0
"""How many times as fast, and how sure that is."""

from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Optional, Sequence, Tuple

CONFIDENCE = 0.95
# An interval that is wider than this share of the ratio decides nothing that
# the two published measurements differ in.
WIDEST = 0.15
FEWEST = 6


@dataclass
class Ratio:
	"""How many times as fast as the reference."""
	value: float
	low: float = 0.0
	high: float = 0.0
	problem: str = ''


def interval(values: Sequence[float]) -> Optional[Tuple[float, float]]:
	"""The narrowest symmetric pair of order statistics that has the median
	between them with 95 %. Holds for any distribution, skewed ones included,
	as long as the rounds are independent; too few rounds have none."""
	n = len(values)
	ordered = sorted(values)
	best = None
	for k in range(n // 2):
		# The median is missed when k or fewer values are on one side of it.
		missed = 2 * sum(comb(n, i) for i in range(k + 1)) / 2 ** n
		if missed <= 1 - CONFIDENCE:
			best = ordered[k], ordered[n - 1 - k]
	return best


def ratio(reference: Sequence[float], other: Sequence[float], unit: str = 'rounds') -> Ratio:
	"""Of the two in the same round (@unit says what a pair is called), since what
	disturbs a round disturbs both."""
	paired = [r / o for r, o in zip(reference, other)]
	value = median(paired)
	found = interval(paired)
	if not found:
		return Ratio(value, problem=f'fewer than {FEWEST} {unit}')
	low, high = found
	wide = (high - low) / value
	problem = f'the interval is {wide:.0%} wide' if wide > WIDEST else ''
	return Ratio(value, low, high, problem)
