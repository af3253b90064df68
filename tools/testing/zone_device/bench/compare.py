# SPDX-License-Identifier: GPL-2.0
"""make compare: two results of make bench beside each other.

Times of two runs are not compared, let alone of two machines: what each run
says of its own two kernels is.
"""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from bench.model import BINDS, Result, Row, WHAT
from host.messages import Error
from report import align

NAMES = ('A', 'B')


def read(path: str, known: Dict[str, Any]) -> Result:
	"""What JSON= wrote to @path, if all is there that is looked at."""
	try:
		result = Result.from_json(known)
		compare(result, result)
	except (KeyError, TypeError, IndexError, AttributeError, ValueError) as err:
		raise Error(f'{path} is a damaged result of make bench: {type(err).__name__}: {err}') from None
	return result


def judge(one: Row, other: Row, known: Sequence[str] = ()) -> str:
	"""Whether two runs say the same of a row; reasons that are @known are not
	said again."""
	for name, row in zip(NAMES, (one, other)):
		if row.verdict == 'cannot judge':
			return 'cannot judge' + (f': {name}: {row.reason}' if row.reason not in known else '')
	if one.ratio.low > other.ratio.high:
		return 'differ: less gain in B'
	if other.ratio.low > one.ratio.high:
		return 'differ: more gain in B'
	return 'do not differ'


def _ratio(row: Row) -> str:
	found = row.ratio
	interval = f' ({found.low:.2f} to {found.high:.2f})' if found.low else ''
	return f'{found.value:.2f}{interval}'


def _counts(result: Result) -> Dict[str, Tuple[Optional[float], Optional[float]]]:
	tables = result.cost.tables if result.cost else []
	return {f'{t.name}: {kind}': (one, other) for t in tables for kind, one, other in t.rows}


def compare(one: Result, other: Result) -> List[str]:
	if list(one.sides) != list(other.sides):
		raise Error(f'one compares {" with ".join(one.sides)}, the other {" with ".join(other.sides)}')
	lines = []
	known = [r.cannot_judge for r in (one, other)]
	facts = [(f, one.facts.get(f, '-'), other.facts.get(f, '-')) for f in {**one.facts, **other.facts}]
	different = [('not the same', *NAMES), *(f for f in facts if f[1] != f[2])]
	lines += align(different, 3) if len(different) > 1 else ['all that is recorded of the two runs is the same']
	first, second = ({r.key: r for r in result.rows} for result in (one, other))
	table = [['ratio (95 % CI)', 'timed', 'of', *NAMES, '']]
	for key in (k for k in first if k in second):
		table.append([key[0], WHAT[key[1]], BINDS[key[2]], _ratio(first[key]), _ratio(second[key]),
			judge(first[key], second[key], known)])
	lines += ['', *align(table, 3, 'left')]
	lines += [f'cannot judge: {name}: {reason}' for name, reason in zip(NAMES, known) if reason]
	missing = [k[0] for k in {**first, **second} if (k in first) != (k in second)]
	if missing:
		lines.append(f'in one of them only: {"; ".join(dict.fromkeys(missing))}')
	counted, again = _counts(one), _counts(other)
	changed = [(n, v, again[n]) for n, v in counted.items() if n in again and v != again[n]]
	if changed:
		lines += ['', *align([['counted', *NAMES], *([n, *(' to '.join('-' if c is None else f'{c:.2f}'
			for c in v) for v in values)] for n, *values in changed)])]
	elif counted and again:
		lines += ['', 'all that was counted is the same']
	return lines
