# SPDX-License-Identifier: GPL-2.0
"""A result of make bench for a terminal."""

from typing import List, Sequence

from bench.model import AUTHOR, BINDS, Cost, Result, REVIEWER, Row, SQUARE, WHAT
from report import align

HEADINGS = {AUTHOR: 'The author\'s measurement', REVIEWER: 'The reviewer\'s measurement',
	SQUARE: 'The rest of the square'}


def _ms(value: float) -> str:
	return f'{value:.1f}' if value >= 100 else f'{value:.3g}'


def _cells(row: Row, sides: Sequence[str], known: str) -> List[str]:
	found = row.ratio
	spread = [row.iqr[s] for s in sides]
	verdict = row.verdict
	if row.reason and row.reason != known:
		verdict += f': {row.reason}'
	return [row.experiment, WHAT[row.what], BINDS[row.binds], *(_ms(row.median_ms[s]) for s in sides),
		'/'.join('-' if s is None else f'{s:.0%}' for s in spread),
		f'{found.value:.2f}' if found.value else '-',
		f'{found.low:.2f} to {found.high:.2f}' if found.low else '-',
		f'{row.published.ratio:.2f}' if row.published else '-', verdict]


def _table(result: Result, group: str) -> List[str]:
	sides = list(result.sides)
	rows = [_cells(r, sides, result.cannot_judge) for r in result.rows if r.group == group]
	head = ['', 'timed', 'of', *(f'{s} ms' for s in sides), 'IQR', 'ratio', '95 % CI', 'published', 'verdict']
	return [HEADINGS[group], *(f'  {l}' for l in align([head, *rows], 3, 'left')), ''] if rows else []


def _cost(cost: Cost) -> List[str]:
	lines = [f'Cost, {cost.about}; bytes are in the page and in JSON']
	for table in (t for t in cost.tables if t.what == 'instructions'):
		rows = [[table.name, *cost.sides, '/'.join(reversed(cost.sides))]]
		for name, one, other in table.rows:
			rows.append([f'  {name}', *('-' if v is None else f'{v:.2f}' for v in (one, other)),
				f'{other / one:.2f}' if one and other is not None else '-'])
		lines += [f'  {l}' for l in align(rows)] + ['']
	return lines


def text(result: Result) -> List[str]:
	lines = [f'{label}: {value}' for label, value in result.facts.items()] + ['']
	for group in HEADINGS:
		lines += _table(result, group)
	if result.cannot_judge:
		lines += [f'Cannot judge: {result.cannot_judge}', '']
	if result.cost:
		lines += _cost(result.cost)
	return [*lines, *result.method, '', *result.says]
