# SPDX-License-Identifier: GPL-2.0
"""The table of a gate as text for a mail, as Markdown, and for machines."""

import json
import re
import textwrap
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional, Tuple
from xml.etree import ElementTree

from gate.cells import Cell, Commit, FIXED, first_bad, INHERITED, NEW, OK, SAME, SKIP, UNKNOWN
from report import align

FORMAT = 'zone-device-gate 1'
# It is pasted under a mail's ">".
WIDTH = 72
# Of a cell's words, and of what a failed test printed.
WORDS, PRINTED = 4, 3
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

	def conclusion(self) -> str:
		bad = first_bad(self.commits, self.rows)
		if bad:
			commit, cell = bad
			return f'{commit.number}/{self.of} "{commit.subject}" is the first bad one: {cell.column}: ' \
				+ re.sub(r'\s+', ' ', ', '.join(cell.words[:2]))
		unknown = sum(c.says == UNKNOWN for row in self.rows for c in row.values())
		return f'none of {self.of} commits is worse than the one before' \
			+ (f'; {unknown} cells cannot be judged' if unknown else '')


def _fold(line: str, indent: int = 0) -> List[str]:
	return textwrap.wrap(line, WIDTH, initial_indent=' ' * indent, subsequent_indent=' ' * (indent + 2),
		break_long_words=False, break_on_hyphens=False) or ['']


def _table(gate: Gate) -> List[str]:
	def rows(short: bool) -> List[str]:
		return align([['', *gate.rows[0]], *([f'{c.number}/{gate.of}' if c.number else 'base',
			*(SHORT.get(cell.says, cell.says) if short else cell.says for cell in row.values())]
			for c, row in zip(gate.commits, gate.rows))], 99)
	wide = rows(False)
	return wide if max(map(len, wide)) <= WIDTH else [*rows(True), 'inh: inherited']


def _printed(commit: Commit, words: str) -> List[str]:
	"""What a failed test said, in its own words."""
	for o in commit.of('kunit'):
		for name, lines in o.failures:
			if words == f'{o.subject}: {name}':
				return [l.strip() for l in lines if 'EXPECTATION FAILED' not in l and 'ASSERTION FAILED' not in l][:PRINTED]
	return []


def _details(gate: Gate) -> List[Tuple[Commit, Cell]]:
	return [(c, cell) for c, row in zip(gate.commits, gate.rows) for cell in row.values()
		if cell.says in (NEW, INHERITED, UNKNOWN, FIXED) or cell.says == OK and cell.note]


def text(gate: Gate) -> List[str]:
	lines = [l for said in gate.judged for l in _fold(said)] + ['']
	for c in gate.commits[1:]:
		lines.append(textwrap.shorten(f'{c.number:>2} {c.subject}', WIDTH, placeholder=' ...'))
	lines += ['', *_table(gate)]
	for commit, cell in _details(gate):
		where = f'{commit.number}/{gate.of}' if commit.number else 'base'
		lines += ['', *_fold(f'{where} {cell.column}: {cell.says}' + (f' ({cell.note})' if cell.note else ''))] \
			if cell.says not in (OK, FIXED) or cell.note else []
		if cell.says in (OK, FIXED):
			continue
		for words in cell.words[:WORDS]:
			lines += _fold(words, 2)
			lines += [l for said in _printed(commit, words) for l in _fold(said, 4)] if cell.says == NEW else []
		lines += _fold(f'and {len(cell.words) - WORDS} more', 2) if len(cell.words) > WORDS else []
		lines += _fold(f'again: {cell.command}', 2) if cell.command and cell.says != INHERITED else []
	return [*lines, '', *_fold(gate.conclusion())]


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


def as_json(gate: Gate) -> str:
	return json.dumps({'format': FORMAT, 'judged': gate.judged, 'conclusion': gate.conclusion(), 'commits': [
		{'number': c.number, 'subject': c.subject, 'cells': {n: asdict(cell) for n, cell in row.items()}}
		for c, row in zip(gate.commits, gate.rows)]}, indent='\t') + '\n'


def junit(gate: Gate) -> str:
	root = ElementTree.Element('testsuites')
	for c, row in zip(gate.commits, gate.rows):
		suite = ElementTree.SubElement(root, 'testsuite', name=f'{c.number} {c.subject}', errors='0',
			tests=str(len(row)), failures=str(sum(x.says == NEW for x in row.values())),
			skipped=str(sum(x.says in (SKIP, UNKNOWN) for x in row.values())))
		for cell in row.values():
			case = ElementTree.SubElement(suite, 'testcase', name=cell.column, classname=f'{c.number}')
			if cell.says == NEW:
				ElementTree.SubElement(case, 'failure', message=cell.says).text = '\n'.join(cell.words)
			elif cell.says in (SKIP, UNKNOWN):
				ElementTree.SubElement(case, 'skipped', message='; '.join(cell.words))
	ElementTree.indent(root, '\t')
	return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding='unicode') + '\n'


def b4(cells: Optional[Dict[str, Any]]) -> str:
	"""What b4 expects of a check of one patch."""
	if cells is None:
		return json.dumps([{'tool': 'zone_device', 'status': 'warn', 'summary': 'not judged yet: make gate', 'url': '',
			'details': ''}])
	status = {OK: 'pass', SAME: 'pass', FIXED: 'pass', NEW: 'fail'}
	return json.dumps([{'tool': f'zone_device-{name}', 'status': status.get(cell['says'], 'warn'),
		'summary': f'{cell["says"]}' + (f': {cell["words"][0]}' if cell['words'] else ''), 'url': '',
		'details': '\n'.join(cell['words'])} for name, cell in cells.items()])
