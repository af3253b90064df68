# SPDX-License-Identifier: GPL-2.0
"""The table of a gate as text for a mail, as Markdown, and for machines."""

import json
import re
import textwrap
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional, Tuple

from gate.cells import Cell, Commit, FIXED, first_bad, INHERITED, NEW, of_all, OK, SAME, SKIP, UNKNOWN
from host.messages import fold
from outcome import ERROR, Outcome
from report import align

# It is pasted under a mail's ">".
WIDTH = 72
# Of a cell's words, and of what a failed test printed.
WORDS, PRINTED = 4, 3
# Of a subject, at least.
SUBJECT = 24
SHORT = {INHERITED: 'inh'}


@dataclass
class Gate:
	"""What was judged, by what, and what came of it."""
	judged: List[str]
	commits: List[Commit]
	rows: List[Dict[str, Cell]]

	@property
	def of(self) -> int:
		return len(self.commits) - 1

	def conclusion(self, width: int = 0) -> str:
		"""In a line of @width, if that is given and a few words of the subject are enough."""
		bad = first_bad(self.commits, self.rows)
		if bad:
			commit, cell = bad
			# A struct page is wrong in a field.
			field = next((m.group(1) for l in _printed(commit, cell.words[0]) for m in [re.search(r': (\w+) at offset', l)] if m), '')
			what = re.sub(r'\s+', ' ', ', '.join(filter(None, (*cell.words[:1 if field else 2], field))))
			said = f'is the first bad one: {cell.column}: {what}'
			room = width - len(f'{commit.number}/{self.of} "" {said}') if width else len(commit.subject)
			return f'{commit.number}/{self.of} "{textwrap.shorten(commit.subject, max(room, SUBJECT), placeholder=" ...")}" {said}'
		unknown = sum(c.says == UNKNOWN for row in self.rows for c in row.values())
		return f'none of {self.of} commits is worse than the one before' \
			+ (f'; {unknown} cells cannot be judged' if unknown else '')


def _table(gate: Gate) -> List[str]:
	def rows(short: bool) -> List[str]:
		return align([['', *gate.rows[0]], *([f'{c.number}/{gate.of}' if c.number else 'base',
			*(SHORT.get(cell.says, cell.says) if short else cell.says for cell in row.values())]
			for c, row in zip(gate.commits, gate.rows))], 99)
	wide = rows(False)
	return wide if max(map(len, wide)) <= WIDTH else [*rows(True), 'inh: inherited']


def _printed(commit: Commit, words: str) -> List[str]:
	"""What a failed test said, or the compiler, in its own words."""
	for o in commit.of('build'):
		if words == of_all(o) and ERROR in o.facts:
			return [o.facts[ERROR]]
	for o in commit.of('kunit'):
		for name, lines in o.failures:
			if words == f'{o.subject}: {name}':
				return [l.strip() for l in lines if 'EXPECTATION FAILED' not in l and 'ASSERTION FAILED' not in l][:PRINTED]
	return []


def _details(gate: Gate) -> List[Tuple[Commit, Cell]]:
	return [(c, cell) for c, row in zip(gate.commits, gate.rows) for cell in row.values()
		if cell.says in (NEW, INHERITED, UNKNOWN, FIXED) or cell.says == OK and cell.note]


def text(gate: Gate) -> List[str]:
	lines = [*gate.judged, '']
	for c in gate.commits[1:]:
		lines.append(textwrap.shorten(f'{c.number:>2} {c.subject}', WIDTH, placeholder=' ...'))
	lines += ['', *_table(gate)]
	for commit, cell in _details(gate):
		where = f'{commit.number}/{gate.of}' if commit.number else 'base'
		lines += ['', f'{where} {cell.column}: {cell.says}' + (f' ({cell.note})' if cell.note else '')]
		for words in cell.words[:WORDS]:
			lines.append(f'  {words}')
			lines += [f'    {said}' for said in _printed(commit, words)] if cell.says == NEW else []
		lines += [f'  and {len(cell.words) - WORDS} more'] if len(cell.words) > WORDS else []
		lines += [f'  again: {cell.command}'] if cell.command and cell.says != OK else []
	return [l for line in (*lines, '', gate.conclusion(WIDTH)) for l in fold(line, WIDTH).split('\n')]


def markdown(gate: Gate) -> str:
	columns = list(gate.rows[0])
	lines = [*gate.judged, '', f'| | commit | {" | ".join(columns)} |', '|' + '---|' * (len(columns) + 2)]
	for c, row in zip(gate.commits, gate.rows):
		subject = c.subject.replace('|', '\\|')
		lines.append(f'| {c.number} | {subject} | {" | ".join(f"**{x.says}**" if x.says == NEW else x.says for x in row.values())} |')
	for commit, cell in _details(gate):
		if cell.says in (NEW, UNKNOWN):
			lines += ['', f'**{commit.number} {cell.column}: {cell.says}**', '', '```', *cell.words, cell.command, '```']
	return '\n'.join([*lines, '', gate.conclusion(), ''])


def outcomes(gate: Gate) -> List[Outcome]:
	"""An outcome a commit, for machines; a column is a case."""
	found = []
	for c, row in zip(gate.commits, gate.rows):
		cases = [(x.column, 'FAIL' if x.says == NEW else 'SKIP' if x.says in (SKIP, UNKNOWN) else 'PASS')
			for x in row.values()]
		count = Counter(status for _column, status in cases)
		found.append(Outcome('gate', f'{c.number} {c.subject}', passed=count['PASS'], failed=count['FAIL'],
			skipped=count['SKIP'], cases=cases, facts={x.column: x.says for x in row.values()},
			failures=[(x.column, x.words) for x in row.values() if x.says == NEW],
			skips=[(x.column, '; '.join(x.words)) for x in row.values() if x.says in (SKIP, UNKNOWN)]))
	return found


def details(gate: Gate) -> Dict[str, object]:
	"""What the JSON has beside the outcomes."""
	return {'judged': gate.judged, 'conclusion': gate.conclusion(), 'commits': [
		{'number': c.number, 'subject': c.subject, 'cells': {n: asdict(cell) for n, cell in row.items()}}
		for c, row in zip(gate.commits, gate.rows)]}


def b4(cells: Optional[Dict[str, Any]]) -> str:
	"""What b4 expects of a check of one patch."""
	if cells is None:
		return json.dumps([{'tool': 'zone_device', 'status': 'warn', 'summary': 'not judged yet: make gate', 'url': '',
			'details': ''}])
	status = {OK: 'pass', SAME: 'pass', FIXED: 'pass', NEW: 'fail'}
	return json.dumps([{'tool': f'zone_device-{name}', 'status': status.get(cell['says'], 'warn'),
		'summary': f'{cell["says"]}' + (f': {cell["words"][0]}' if cell['words'] else ''), 'url': '',
		'details': '\n'.join(cell['words'])} for name, cell in cells.items()])
