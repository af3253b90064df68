# SPDX-License-Identifier: GPL-2.0
"""What make bench times, what was published of it, and what it finds out."""

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

from bench.stats import Ratio
from checks import cost

# The memmap loop, memmap_init_zone_device(), and all of memremap_pages().
LOOP, WHOLE = 'loop', 'mapping'
# First binds are those of their boot; the reviewer's mean is over all ten.
FIRST, AGAIN, ALL = 'first bind', 'rebinds', 'all binds'

FSDAX, DEVDAX, REVIEWED = 'nd_pmem, fsdax', 'dax_pmem, devdax, align 2 MiB', 'PRIVATE, order 0'
# What the guest's init calls the kinds of namespace that the author had.
NAMESPACES = {'fsdax': FSDAX, 'devdax': DEVDAX}
# An experiment of the author's -> the kernel's own name for that kind of memory.
KINDS = {FSDAX: 'FS_DAX, order 0, altmap', DEVDAX: 'GENERIC, order 9, altmap'}


@dataclass
class Sample:
	experiment: str
	side: str
	# Over both sides, from 0; round 0 is the first bind in its boot.
	boot: int
	round: int
	# How many struct pages were written.
	written: int
	loop_ns: float
	whole_ns: Optional[float] = None

	def ms(self, what: str) -> Optional[float]:
		value = self.loop_ns if what == LOOP else self.whole_ns
		return value / 1e6 if value is not None else None


# What is timed of an experiment, and of which of its binds -> the ratio that
# was published, if one was. What has no rows of its own has those of OTHERS.
Rows = Dict[Tuple[str, str], Optional[float]]
OTHERS: Rows = {(LOOP, AGAIN): None, (WHOLE, AGAIN): None}
PUBLISHED: Dict[str, Rows] = {
	FSDAX: {(LOOP, AGAIN): 262.12 / 108.36, (LOOP, FIRST): 1466 / 1359, (WHOLE, AGAIN): None},
	DEVDAX: {(LOOP, AGAIN): 229.12 / 100.17, (LOOP, FIRST): 1430 / 1273, (WHOLE, AGAIN): None},
	REVIEWED: {(WHOLE, ALL): 0.97, **OTHERS},
}


@dataclass
class Row:
	"""What was timed of an experiment, of which of its binds."""
	experiment: str
	what: str
	binds: str
	# By side.
	ms: Dict[str, float]
	# The loop's share of a mapping, where that is what was timed.
	share: Dict[str, float]
	ratio: Ratio
	published: Optional[float]
	verdict: str
	reason: str


@dataclass
class Result:
	# The two, first the one that the other is compared with, and its kernel.
	sides: Dict[str, str]
	facts: Dict[str, str]
	# A reason that holds for all rows.
	cannot_judge: str
	samples: List[Sample]
	rows: List[Row]
	when: str = ''
	# Of each side, where time cannot be judged.
	counted: List[cost.Table] = field(default_factory=list)
