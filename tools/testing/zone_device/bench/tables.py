# SPDX-License-Identifier: GPL-2.0
"""A result of make bench as tables, the same in the terminal and on the page."""

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence

from bench.model import KINDS, PUBLISHED, Result, Row
from checks import cost
from report import align


@dataclass
class Line:
	cells: List[str]
	# What is said below it.
	note: str = ''
	# What it shows, to be drawn.
	row: Optional[Row] = None


@dataclass
class Table:
	title: str
	about: str
	head: List[str]
	# So many of its columns are words.
	left: int
	# A line that stands above some -> those.
	groups: Dict[str, List[Line]] = field(default_factory=dict)


def ms(value: float) -> str:
	return f'{value:.0f}' if value >= 1000 else f'{value:.1f}' if value >= 10 else f'{value:.2f}'


def ratio(row: Row) -> List[str]:
	"""How many times as fast, and its interval."""
	found = row.ratio
	return [f'{found.value:.2f}', f'{found.low:.2f} to {found.high:.2f}' if found.low else '-']


def _line(row: Row, sides: Sequence[str], known: str) -> Line:
	return Line([row.verdict, f'{row.what}, {row.binds}', *(ms(row.ms[s]) for s in sides), *ratio(row),
		f'{row.published:.2f}' if row.published else '-',
		', '.join(f'{100 * row.share[s]:.0f}' for s in sides) if row.share else '-'],
		row.reason if row.reason != known else '', row)


def _timed(result: Result, title: str, rows: Sequence[Row]) -> Table:
	sides = list(result.sides)
	table = Table(title, f'ratio: {sides[0]} / {sides[1]}, times as fast; loop: the memmap loop; mapping: all of '
		f'memremap_pages(); loop %: its share of that in {sides[0]}, {sides[1]}',
		['verdict', 'timed', *(f'{s} ms' for s in sides), 'ratio', '95 % CI', 'published', 'loop %'], 2)
	for row in rows:
		group = table.groups.setdefault(row.experiment, [])
		# Rows that share a reason stand above it together.
		if group and group[-1].note == row.reason:
			group[-1].note = ''
		group.append(_line(row, sides, result.cannot_judge))
	return table


def _counted(tables: Sequence[cost.Table], kind: str) -> List[str]:
	"""Of a kind of memory, per struct page, the one side and the other."""
	def of(function: str, *whats: str) -> List[float]:
		return [sum(t.costs[function][kind].per_page(w) for w in whats) for t in tables if kind in t.costs[function]]
	def sides(values: Sequence[float], form: str = '.2f') -> str:
		return ' → '.join(format(v, form) for v in values) or '-'
	def fewer(values: Sequence[float]) -> str:
		return f'{values[0] / values[1]:.2f}' if len(values) == len(tables) and values[1] else '-'
	loop, whole = of(cost.LOOP, 'instructions'), of(cost.WHOLE, 'instructions')
	share = ', '.join(f'{100 * l / w:.0f}' for l, w in zip(loop, whole) if w)
	return [sides(loop), fewer(loop), sides(whole), fewer(whole), share or '-',
		sides(of(cost.WHOLE, 'bytes stored', 'bytes stored non-temporally'), '.0f')]


def counts(tables: Sequence[cost.Table]) -> Dict[str, List[str]]:
	"""What was counted of each kind, by the name that it has where it is timed;
	the published ones first."""
	kinds = list(dict.fromkeys(k for t in tables for k in t.costs[cost.LOOP]))
	names = {**{KINDS.get(e, e): e for e in PUBLISHED}, **{k: k for k in kinds if k not in KINDS.values()}}
	return {name: _counted(tables, kind) for kind, name in names.items() if kind in kinds}


def _counted_table(tables: Sequence[cost.Table]) -> Table:
	one, other = (t.name for t in tables)
	groups: Dict[str, List[Line]] = {}
	for name, cells in counts(tables).items():
		groups.setdefault('Published' if name in PUBLISHED else 'Others', []).append(Line([name, *cells]))
	return Table('Counted instead of timed', f'per struct page written, {one} → {other}: instructions, × how many times '
		f'fewer; loop %: the loop\'s share of them; stored: bytes by all of it',
		['', 'memmap loop', '×', 'memremap_pages()', '×', 'loop %', 'stored'], 1, groups)


def tables(result: Result) -> List[Table]:
	"""What matters most first."""
	found = [_counted_table(result.counted)] if result.counted else []
	return [t for t in (*found,
		_timed(result, 'The published measurements', [r for r in result.rows if r.experiment in PUBLISHED]),
		_timed(result, 'What lies between the two', [r for r in result.rows if r.experiment not in PUBLISHED])) if t.groups]


def _text(table: Table) -> List[str]:
	lines = [line for of in table.groups.values() for line in of]
	head, *aligned = align([table.head, *(l.cells for l in lines)], table.left)
	shown, rows = [table.title, table.about, f'  {head}'], iter(aligned)
	for title, of in table.groups.items():
		shown.append(title)
		for line in of:
			shown += [f'  {next(rows)}', *([f'    {line.note}'] if line.note else [])]
	return [*shown, '']


def text(result: Result) -> List[str]:
	"""For a terminal, where the last lines are those that are seen."""
	return [*(f'{label}: {value}' for label, value in result.facts.items()), '',
		*(l for table in reversed(tables(result)) for l in _text(table)),
		*([f'Cannot judge: {result.cannot_judge}'] if result.cannot_judge else [])]
