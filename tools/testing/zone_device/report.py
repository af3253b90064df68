# SPDX-License-Identifier: GPL-2.0
"""The matrix of outcomes: one table, each reason for a skip once, and the same
for machines."""

import json
import re
from typing import Any, Dict, List, Sequence
from xml.etree import ElementTree

import contract as contracts
from guest import log
from host import files
from host.messages import Error, tell
from outcome import Outcome

FORMAT = 'zone-device-outcomes 1'
# A failed test's own words; beyond this the log has the rest.
LINES_SHOWN = 15
FAILURES_SHOWN = 10
# Of the names of skipped tests.
NAMES_WIDTH = 80


def align(rows: Sequence[Sequence[str]], left: int = 1, last: str = 'right') -> List[str]:
	"""Columns: the first @left of them flush left, the others right, but for
	the last one if it is text."""
	widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
	def cell(row: Sequence[str], i: int) -> str:
		is_text = i < left or last == 'left' and i == len(row) - 1
		return row[i].ljust(widths[i]) if is_text else row[i].rjust(widths[i])
	return ['  '.join(cell(row, i) for i in range(len(row))).rstrip() for row in rows]


def _test(name: str) -> str:
	"""What a case of a KUnit test with parameters is a case of."""
	parts = name.split('.', 2)
	# Names of the tools' own tests have three parts, too.
	return '.'.join(parts[:2]) if len(parts) == 3 and not parts[2].startswith('test_') else name


def _some(names: Sequence[str]) -> str:
	"""As many of them as fit into a line, and how many more there are."""
	shown = 1
	while shown < len(names) and len(', '.join(names[:shown + 1])) < NAMES_WIDTH:
		shown += 1
	return ', '.join(names[:shown]) + (f' and {len(names) - shown} more' if len(names) > shown else '')


def failures(outcome: Outcome) -> List[str]:
	"""Each failed test; of its cases the first, since one mistake fails many alike."""
	tests: Dict[str, List[str]] = {}
	for name, _printed in outcome.failures:
		tests.setdefault(_test(name), []).append(name)
	printed = dict(outcome.failures)
	lines = []
	for test, (first, *more) in list(tests.items())[:FAILURES_SHOWN]:
		lines.append(f'FAILED {outcome.title}: {first}')
		lines += [f'    {line}' for line in printed[first][:LINES_SHOWN]]
		if len(printed[first]) > LINES_SHOWN:
			lines.append(f'    … {len(printed[first]) - LINES_SHOWN} more lines in the log')
		if more:
			lines.append(f'    and {len(more)} more of its cases: {_some([n[len(test) + 1:] for n in more])}')
	lines += [f'FAILED {outcome.title}: {first}' for first, *_ in list(tests.values())[FAILURES_SHOWN:]]
	if outcome.problem:
		lines.append(f'FAILED {outcome.title}: {outcome.problem}')
		# Where nothing matched there is nothing to be found in it.
		if outcome.log and not outcome.empty:
			whole = files.tail(outcome.log, 100000)
			lines += [f'    {line}' for line in log.excerpt(whole, LINES_SHOWN)]
	if lines and outcome.log:
		lines.append(f'log: {outcome.log}')
	if lines and outcome.command:
		lines.append(f'again: {outcome.command}')
	return lines


def table(outcomes: Sequence[Outcome]) -> List[str]:
	rows = [('target', 'passed', 'failed', 'skipped', 'build s', 'run s', '')]
	for o in outcomes:
		status = 'no match' if o.empty and o.ok else o.status
		rows.append((o.title, str(o.passed), str(o.failed), str(o.skipped),
			f'{o.build_seconds:.1f}', f'{o.run_seconds:.1f}', status + (', kept' if o.kept else '')))
	return align(rows, 1, 'left')


def reason(why: str) -> str:
	"""Of a skip: without the numbers, which the table of promises adds up."""
	return re.sub(r'^(promise \w+ is [^:]*): .*', r'\1', why)


def skips(outcomes: Sequence[Outcome]) -> List[str]:
	reasons: Dict[str, List[str]] = {}
	for o in outcomes:
		for name, why in o.skips:
			reasons.setdefault(reason(why), []).append(f'{o.subject}: {name}')
	lines = []
	for text, names in reasons.items():
		lines += [f'skipped {len(names)}: {text}', f'    {_some(names)}']
	lines += [f'cannot judge {o.title}: {o.unknown}' for o in outcomes if o.unknown]
	return lines


def promises(outcomes: Sequence[Outcome]) -> List[str]:
	"""What was promised and what was kept, by what all of a contract's outcomes
	have seen together."""
	lines = []
	judged = [o for o in outcomes if o.seen]
	for by, partial in dict.fromkeys((o.contract, o.partial) for o in judged):
		found = contracts.total(s for o in judged if (o.contract, o.partial) == (by, partial) for s in o.seen)
		lines.append(f'contract {by}: {contracts.CONTRACTS.get(by, "?")}'
			+ ('; the series is not complete' if partial else ''))
		lines += [f'    {l}' for l in align(contracts.table(by, partial, found), 4)]
	compared: Dict[str, float] = {}
	for o in outcomes:
		for name, count in o.figures.items():
			if name.startswith(contracts.COMPARED):
				compared[name] = compared.get(name, 0) + count
	return lines + [f'{name}: {count:.0f} cases' for name, count in compared.items()]


def show(outcomes: Sequence[Outcome]) -> None:
	for o in outcomes:
		tell(failures(o) if not o.ok else [])
	tell(table(outcomes) + skips(outcomes) + promises(outcomes) + _bad(outcomes))


def _bad(outcomes: Sequence[Outcome]) -> List[str]:
	"""The verdict once more, where a terminal ends."""
	return [f'FAILED {o.title}: ' + (o.problem or f'{o.failed} failed'
		+ (f', the first: {o.failures[0][0]}' if o.failures else '')) for o in outcomes if not o.ok]


def as_json(outcomes: Sequence[Outcome], **more: object) -> str:
	"""@more: what there is beside them."""
	return json.dumps({'format': FORMAT, 'outcomes': [o.as_json() for o in outcomes], **more}, indent='\t') + '\n'


def write(outcomes: Sequence[Outcome], to_json: str, to_junit: str, **more: object) -> None:
	"""To where JSON= and JUNIT= say, if anywhere."""
	files.write_output('JSON', to_json, as_json(outcomes, **more))
	files.write_output('JUNIT', to_junit, junit(outcomes))


def _printable(text: str) -> str:
	"""XML has no way to write most control characters."""
	return ''.join(c if c in '\t\n' or 32 <= ord(c) < 0xd800 or 0xe000 <= ord(c) < 0xfffe
		else '\N{REPLACEMENT CHARACTER}' for c in text)


def junit(outcomes: Sequence[Outcome]) -> str:
	root = ElementTree.Element('testsuites')
	for o in outcomes:
		suite = ElementTree.SubElement(root, 'testsuite', name=_printable(o.title), errors='0',
			time=f'{o.run_seconds:.1f}')
		said = {n: '\n'.join(p) for n, p in o.failures}
		reasons = dict(o.skips)
		whole = [(o.check, 'PASS' if o.ok and not o.unknown else 'SKIP' if o.ok else 'FAIL')]
		failed = skipped = 0
		cases = o.cases or ([] if o.problem else whole)
		for full, status in cases:
			where, _, name = full.rpartition('.')
			case = ElementTree.SubElement(suite, 'testcase', name=_printable(name),
				classname=_printable('.'.join(filter(None, [o.title, where]))))
			if status == 'SKIP':
				skipped += 1
				ElementTree.SubElement(case, 'skipped', message=_printable(reasons.get(full, o.unknown)))
			elif status != 'PASS':
				failed += 1
				failure = ElementTree.SubElement(case, 'failure', message=status)
				failure.text = _printable(said.get(full, ''))
		if o.problem:
			failed += 1
			case = ElementTree.SubElement(suite, 'testcase', name='run', classname=_printable(o.title))
			ElementTree.SubElement(case, 'failure', message=_printable(o.problem))
		suite.attrib.update(tests=str(len(cases) + bool(o.problem)), failures=str(failed), skipped=str(skipped))
	ElementTree.indent(root, '\t')
	return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding='unicode') + '\n'


def _outcomes(path: str, result: Dict[str, Any]) -> Dict[str, Outcome]:
	"""What write() wrote by JSON=: title -> outcome."""
	try:
		return {o.title: o for o in map(Outcome.from_json, result['outcomes'])}
	except (KeyError, TypeError, ValueError, AttributeError) as err:
		raise Error(f'{path} is damaged: {type(err).__name__}: {err}') from None


def compare(paths: Sequence[str], results: Sequence[Dict[str, Any]]) -> List[str]:
	"""What two results differ in: outcomes, tests, figures, facts."""
	first, second = (_outcomes(p, r) for p, r in zip(paths, results))
	rows = [['outcome', 'A', 'B']]
	for title in dict.fromkeys([*first, *second]):
		cells = [_brief(found[title]) if title in found else '-' for found in (first, second)]
		if cells[0] != cells[1]:
			rows.append([title, *cells])
	facts: List[List[str]] = []
	tests = [['test', 'A', 'B']]
	figures = [['figure', 'A', 'B']]
	for title in (t for t in first if t in second):
		facts += _different(title, first[title].facts, second[title].facts)
		tests += _different(title, dict(first[title].cases), dict(second[title].cases))
		figures += _different(title, {n: f'{v:.2f}' for n, v in first[title].figures.items()},
			{n: f'{v:.2f}' for n, v in second[title].figures.items()})
	kept = [['promise', 'A', 'B']]
	for title in (t for t in first if t in second):
		kept += _different(title, *(contracts.brief(o.contract, o.partial, o.seen) for o in (first[title], second[title])))
	found = [align(t, 3) for t in (rows, kept, tests, figures) if len(t) > 1]
	# Sentences would make a table too wide.
	found += [[l for name, one, other in facts for l in (name, f'    A: {one}', f'    B: {other}')]] if facts else []
	return [l for part in found for l in (*part, '')] if found else ['they do not differ']


def _brief(outcome: Outcome) -> str:
	return f'{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped, {outcome.status}' \
		+ (f': {outcome.unknown}' if outcome.unknown else '')


def _different(title: str, one: Dict[str, str], other: Dict[str, str]) -> List[List[str]]:
	return [[f'{title}: {n}', one.get(n, '-'), other.get(n, '-')] for n in dict.fromkeys([*one, *other])
		if one.get(n) != other.get(n)]
