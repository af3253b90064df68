# SPDX-License-Identifier: GPL-2.0
"""What a user sees of verdicts: one table, each skip's reason once, and the
same for machines."""

import json
from typing import Any, Dict, List, Sequence
from xml.etree import ElementTree

from host import process
from guest import log as ktap
from guest.run import Verdict

# A failed test's own words; beyond this the log has the rest.
LINES_SHOWN = 15
FAILURES_SHOWN = 10
NAMES_SHOWN = 4


def align(rows: Sequence[Sequence[str]], left: int = 1, last: str = 'right') -> List[str]:
	"""Columns: the first @left of them flush left, the others right, but for
	the last one if it is text."""
	widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
	def cell(row: Sequence[str], i: int) -> str:
		is_text = i < left or last == 'left' and i == len(row) - 1
		return row[i].ljust(widths[i]) if is_text else row[i].rjust(widths[i])
	return ['  '.join(cell(row, i) for i in range(len(row))).rstrip() for row in rows]


def failures(verdict: Verdict) -> List[str]:
	lines = []
	for name, printed in verdict.failures[:FAILURES_SHOWN]:
		lines.append(f'FAILED {verdict.target}: {name}')
		lines += [f'    {line}' for line in printed[:LINES_SHOWN]]
		if len(printed) > LINES_SHOWN:
			lines.append(f'    … {len(printed) - LINES_SHOWN} more lines in the log')
	if len(verdict.failures) > FAILURES_SHOWN:
		lines.append(f'… and {len(verdict.failures) - FAILURES_SHOWN} more failed tests')
	if verdict.problem:
		lines.append(f'FAILED {verdict.target}: {verdict.problem}')
		if verdict.log:
			whole = process.tail(verdict.log, 100000)
			lines += [f'    {line}' for line in ktap.excerpt(whole, LINES_SHOWN)]
	if lines and verdict.log:
		lines.append(f'log: {verdict.log}')
	return lines


def table(verdicts: Sequence[Verdict]) -> List[str]:
	rows = [('target', 'passed', 'failed', 'skipped', 'build s', 'run s', '')]
	for v in verdicts:
		rows.append((v.target, str(v.passed), str(v.failed), str(v.skipped),
			f'{v.build_seconds:.1f}', f'{v.run_seconds:.1f}', ('no match' if v.empty else 'ok') if v.ok else 'FAILED'))
	widths = [max(len(r[i]) for r in rows) for i in range(7)]
	return [f'{r[0]:<{widths[0]}}  ' + '  '.join(f'{c:>{w}}' for c, w in zip(r[1:6], widths[1:6]))
		+ (f'  {r[6]}' if r[6] else '') for r in rows]


def skips(verdicts: Sequence[Verdict]) -> List[str]:
	reasons: Dict[str, List[str]] = {}
	for v in verdicts:
		for name, reason in v.skips:
			reasons.setdefault(reason, []).append(f'{v.target}: {name}')
	lines = []
	for reason, names in reasons.items():
		more = f' and {len(names) - NAMES_SHOWN} more' if len(names) > NAMES_SHOWN else ''
		lines.append(f'skipped {len(names)}: {reason}')
		lines.append(f'    {", ".join(names[:NAMES_SHOWN])}{more}')
	return lines


def show(verdicts: Sequence[Verdict]) -> None:
	for v in verdicts:
		print('\n'.join(failures(v) + ['']) if not v.ok else '', end='')
	print('\n'.join(table(verdicts) + skips(verdicts)), flush=True)


def write_json(verdicts: Sequence[Verdict]) -> None:
	merged: Dict[str, Any] = {}
	for v in verdicts:
		merged[v.target] = {
			'ok': v.ok, 'passed': v.passed, 'failed': v.failed, 'skipped': v.skipped,
			'build_seconds': round(v.build_seconds, 1), 'run_seconds': round(v.run_seconds, 1),
			'problem': v.problem, 'log': str(v.log or ''),
			'skips': [{'test': n, 'reason': r} for n, r in v.skips],
			'failures': [{'test': n, 'printed': p} for n, p in v.failures],
			'kunit': v.json,
		}
	process.write_output('JSON', json.dumps(merged, indent='\t') + '\n')


def _printable(text: str) -> str:
	"""XML has no way to write most control characters."""
	return ''.join(c if c in '\t\n' or 32 <= ord(c) < 0xd800 or 0xe000 <= ord(c) < 0xfffe
		else '\N{REPLACEMENT CHARACTER}' for c in text)


def _cases(group: Dict[str, Any], path: List[str]) -> List[Any]:
	found = [(path, case['name'], case['status']) for case in group.get('test_cases', [])]
	for sub in group.get('sub_groups', []):
		found += _cases(sub, path + [sub['name']])
	return found


def write_junit(verdicts: Sequence[Verdict]) -> None:
	root = ElementTree.Element('testsuites')
	for v in verdicts:
		suite = ElementTree.SubElement(root, 'testsuite', name=v.target, errors='0',
			time=f'{v.run_seconds:.1f}')
		said = {n: '\n'.join(p) for n, p in v.failures}
		reasons = dict(v.skips)
		failed = skipped = tests = 0
		for where, name, status in _cases(v.json, []):
			full = '.'.join([*where, name])
			case = ElementTree.SubElement(suite, 'testcase', name=_printable(name),
				classname=_printable('.'.join([v.target, *where])))
			tests += 1
			if status == 'SKIP':
				skipped += 1
				ElementTree.SubElement(case, 'skipped', message=_printable(reasons.get(full, '')))
			elif status != 'PASS':
				failed += 1
				failure = ElementTree.SubElement(case, 'failure', message=status)
				failure.text = _printable(said.get(full, ''))
		if v.problem:
			tests += 1
			failed += 1
			case = ElementTree.SubElement(suite, 'testcase', name='run', classname=v.target)
			ElementTree.SubElement(case, 'failure', message=_printable(v.problem))
		suite.attrib.update(tests=str(tests), failures=str(failed), skipped=str(skipped))
	ElementTree.indent(root, '\t')
	process.write_output('JUNIT', '<?xml version="1.0" encoding="UTF-8"?>\n'
		+ ElementTree.tostring(root, encoding='unicode') + '\n')

