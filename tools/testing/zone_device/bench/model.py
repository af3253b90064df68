# SPDX-License-Identifier: GPL-2.0
"""What make bench found out: what its JSON file holds, here and for whoever
reads the file."""

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Dict, get_args, get_origin, get_type_hints, List, Optional, Tuple, Union

from bench.stats import Ratio

FORMAT = 'zone-device-bench 1'
AUTHOR, REVIEWER, SQUARE = 'author', 'reviewer', 'square'
PRINTED, LOOP, WHOLE = 'printed', 'loop', 'whole'
WHAT = {PRINTED: 'memmap loop, as pr_debug() prints it', LOOP: 'memmap loop',
	WHOLE: 'memremap_pages()'}
# First binds are those of their boot; the reviewer's mean is over all ten.
FIRST, AGAIN, ALL = 'first', 'again', 'all'
BINDS = {FIRST: 'first bind', AGAIN: 'rebinds', ALL: 'all binds'}


@dataclass(frozen=True)
class Experiment:
	name: str
	group: str
	# Bytes of device memory.
	size: int
	about: str


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
	printed_ms: Optional[float] = None

	def ms(self, what: str) -> Optional[float]:
		if what == PRINTED:
			return self.printed_ms
		value = self.loop_ns if what == LOOP else self.whole_ns
		return value / 1e6 if value is not None else None


@dataclass(frozen=True)
class Published:
	ratio: float
	base_ms: Optional[float] = None
	series_ms: Optional[float] = None


@dataclass
class Row:
	"""What was timed of an experiment, of which of its binds: side -> figure."""
	experiment: str
	group: str
	what: str
	binds: str
	median_ms: Dict[str, float]
	iqr: Dict[str, Optional[float]]
	ratio: Ratio
	published: Optional[Published]
	verdict: str
	reason: str

	@property
	def key(self) -> Tuple[str, str, str]:
		return self.experiment, self.what, self.binds


# A kind of memory, and what was counted of it on each side.
Counted = Tuple[str, Optional[float], Optional[float]]


@dataclass
class Table:
	"""What was counted of a function."""
	name: str
	function: str
	what: str
	rows: List[Counted]


@dataclass
class Cost:
	about: str
	sides: List[str]
	tables: List[Table]


@dataclass
class Result:
	# The two, first the one that the other is compared with, and its kernel.
	sides: Dict[str, str]
	facts: Dict[str, str]
	# A reason that holds for all rows.
	cannot_judge: str
	experiments: List[Experiment]
	samples: List[Sample]
	rows: List[Row]
	method: List[str]
	cost: Optional[Cost] = None
	when: str = ''
	says: List[str] = field(default_factory=list)

	def as_json(self) -> Dict[str, object]:
		return {'format': FORMAT, **asdict(self)}

	@classmethod
	def from_json(cls, known: Dict[str, Any]) -> 'Result':
		"""Raises KeyError, TypeError or ValueError where it is not one."""
		made: Result = _decode(cls, known)
		return made


def _decode(kind: Any, value: Any) -> Any:
	"""What JSON makes of a @kind, made one again."""
	origin, inside = get_origin(kind), get_args(kind)
	if origin is Union:
		return None if value is None else _decode(inside[0], value)
	if is_dataclass(kind):
		hints = get_type_hints(kind)
		return kind(**{f.name: _decode(hints[f.name], value[f.name]) for f in fields(kind)})
	wanted: Dict[Any, Any] = {tuple: list, float: (int, float)}
	if not isinstance(value, wanted.get(origin or kind, origin or kind)) or isinstance(value, bool):
		raise TypeError(f'{value!r} is no {getattr(kind, "__name__", kind)}')
	if origin is tuple:
		return tuple(_decode(k, v) for k, v in zip(inside, value, strict=True))
	if origin is list:
		return [_decode(inside[0], v) for v in value]
	if origin is dict:
		return {k: _decode(inside[1], v) for k, v in value.items()}
	return value
