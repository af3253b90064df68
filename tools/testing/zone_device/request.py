# SPDX-License-Identifier: GPL-2.0
"""The kernel, the series and the tree that a user's variables name."""

from typing import Optional, Tuple

from host.messages import Error
from kernel import commits, source, tree
from kernel.source import Source
from kernel.tree import Plan
from options import Options


def kernel(given: Options) -> Tuple[Source, str]:
	"""The kernel to start from, and the series for it as SERIES= has it."""
	if not given.range:
		return source.chosen(given.kdir, given.ktarball), given.series
	for name, value in (('SERIES', given.series), ('KTARBALL', given.ktarball)):
		if value:
			raise Error(f'RANGE= and {name}= are both given: which one?')
	origin, series = commits.chosen(given.kdir, given.range)
	return origin, str(series)


def plan(given: Options, origin: Optional[Tuple[Source, str]] = None) -> Plan:
	"""The one tree that most commands look at; @origin if that is known."""
	start, series = origin or kernel(given)
	return tree.plan(start, series, given.series_upto, contract=given.contract)
