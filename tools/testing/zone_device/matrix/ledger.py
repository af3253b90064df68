# SPDX-License-Identifier: GPL-2.0
"""ledger = what each target is known not to test, for one release of the kernel.

A file in ledgers/, named as the release: names of targets on a line, and below them,
indented, how many tests are skipped for which reason, in the suites' own words; a
line that stands further in goes on with the reason above it.
How many tests there are stands there as well: one that is gone is not skipped.
Who changes it says by that that less is tested, or more; nothing else changes it.
"""

import re
from pathlib import Path
from typing import Dict, List, Optional

import report
from host.files import REPO
from host.messages import Error, say, tell
from outcome import Outcome

DIRECTORY = REPO / 'tools/testing/zone_device/ledgers'

# What stands for a reason beside the number of all tests.
TESTS = 'tests in all'

# Target -> reason -> how many.
Ledger = Dict[str, Dict[str, int]]


def load(release: str, directory: Path = DIRECTORY) -> Optional[Ledger]:
	"""None if that release has no ledger. Raises Error with the line that is no line."""
	path = directory / release
	if not path.is_file():
		return None
	found: Ledger = {}
	targets: List[str] = []
	reason, indent = '', 0
	for number, line in enumerate(path.read_text().splitlines(), 1):
		further = len(line) - len(line.lstrip())
		entry = re.fullmatch(r'(\d+)\s+(\S.*)', line.strip())
		before = ''
		if not line.strip() or line.lstrip().startswith('#'):
			continue
		if not further:
			targets, reason = line.split(), ''
			found.update({t: found.get(t, {}) for t in targets})
			continue
		if reason and further > indent:
			before, reason = reason, f'{reason} {line.strip()}'
		elif entry:
			count, reason, indent = int(entry.group(1)), entry.group(2), further
		if not targets or not before and not entry or any(reason in found[t] for t in targets):
			raise Error(f'{path.name}, line {number}: a ledger has names of targets, and below them a number and a '
				'reason, each reason once')
		for target in dict.fromkeys(targets):
			found[target].pop(before, None)
			found[target][reason] = count
	return found


def counted(outcome: Outcome) -> Dict[str, int]:
	"""Reason -> how many tests were skipped for it."""
	found: Dict[str, int] = {}
	for _name, why in outcome.skips:
		reason = report.reason(why)
		found[reason] = found.get(reason, 0) + 1
	return found


def _tests(outcome: Outcome) -> int:
	return outcome.passed + outcome.failed + outcome.skipped


def judge(outcome: Outcome, target: str, release: str, ledger: Optional[Ledger]) -> None:
	"""@outcome is bad if it skips what its ledger does not have, or lacks tests; where
	there is none it is not judged, and what a ledger would have is shown."""
	if not outcome.ok or not outcome.cases:
		return
	if ledger is None or target not in ledger:
		tell([f'not judged by ledgers/{release}, which would have of it:', *lines(outcome, target)])
		return
	said, seen = ledger[target], counted(outcome)
	more = {r: n for r, n in seen.items() if n > said.get(r, 0)}
	if more:
		reason, count = next(iter(more.items()))
		first = next(name for name, why in outcome.skips if report.reason(why) == reason)
		outcome.problem = f'more is skipped than ledgers/{release} has: {count} instead of {said.get(reason, 0)} for ' \
			f'"{reason}", {first} among them' + (f'; and {len(more) - 1} more reasons' if more.keys() - {reason} else '')
	tests, wanted = _tests(outcome), said.get(TESTS, 0)
	if tests < wanted and not more:
		outcome.problem = f'{tests} tests instead of the {wanted} that ledgers/{release} has'
	elif tests > wanted:
		say(f'{target}: {tests} tests, and ledgers/{release} has {wanted}, so raise it')
	fewer = {r: n for r, n in said.items() if seen.get(r, 0) < n and r != TESTS}
	if fewer:
		say(f'{target}: fewer tests are skipped than ledgers/{release} has, so lower it: '
			+ '; '.join(f'{seen.get(r, 0)} for "{r}"' for r in fewer))


def lines(outcome: Outcome, target: str) -> List[str]:
	"""What a ledger would have of it."""
	found = {TESTS: _tests(outcome), **counted(outcome)}
	return [target, *(f'    {count:<4} {reason}' for reason, count in found.items())]
