# SPDX-License-Identifier: GPL-2.0
"""mutants = known breakages of our series, and who must notice each of them.

A mutant is a patch in mutants/ that goes on top of the series. Above its diff
stands what it breaks, and lines of the form

	Caught-by: kunit SUITE.TEST
	Target: x86_64-pointer

Without a Target: it is x86_64. A Caught-by: of another kind than kunit is for
another checker, which finds its mutants here.
"""

import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Tuple

from host import process
from guest import run
from kernel import tree
from host.messages import Error
from host.process import REPO
from guest.target import TARGETS, Target

DIRECTORY = REPO / 'tools/testing/zone_device/mutants'


@dataclass(frozen=True)
class Mutant:
	path: Path
	text: str
	caught_by: Tuple[Tuple[str, str], ...]
	missed_by: Tuple[str, ...]
	target: Target

	@property
	def name(self) -> str:
		return self.path.stem

	def catchers(self, kind: str) -> List[str]:
		return [what for k, what in self.caught_by if k == kind]


@dataclass
class Outcome:
	mutant: Mutant
	expected: str
	# What noticed it: the expected one, or instead of it others.
	seen: List[str]
	problem: str = ''

	@property
	def ok(self) -> bool:
		return self.expected in self.seen


def read(path: Path) -> Mutant:
	prose, caught, missed, target = [], [], [], 'x86_64'
	for line in path.read_text().splitlines():
		if line.startswith(('diff ', '--- ')):
			break
		key, _, value = line.partition(': ')
		if key == 'Caught-by':
			kind, _, what = value.partition(' ')
			caught.append((kind, what))
		elif key == 'Missed-by':
			missed.append(value)
		elif key == 'Target':
			target = value
		elif line.strip():
			prose.append(line.strip())
	if not caught or target not in TARGETS:
		raise Error(f'{path.name}: a mutant says Caught-by:, and a Target: that there is')
	return Mutant(path, ' '.join(prose), tuple(caught), tuple(missed), TARGETS[target])


def load(kind: str, names: str = '*') -> List[Mutant]:
	"""The mutants that a checker of that kind must catch, ordered by target
	so that one's build is the next one's start."""
	found = [read(p) for p in sorted(DIRECTORY.glob('*.patch'))]
	found = [m for m in found if m.catchers(kind)
		and any(fnmatch.fnmatchcase(m.name, n) for n in names.split())]
	if not found:
		raise Error(f'MUTANTS={names}: no such mutant in {DIRECTORY.relative_to(REPO)}')
	return sorted(found, key=lambda m: (m.target.name, m.name))


def plan(mutant: Mutant, origin: Optional[tree.Source] = None) -> tree.Plan:
	"""Our series with the mutant on top. One slot serves all of them: they
	differ in a file or two, so each is a short build."""
	return tree.plan(origin, series=tree.OUR_SERIES, extra=[mutant.path], slot='mutant')


def kunit(mutant: Mutant, origin: Optional[tree.Source] = None) -> Outcome:
	"""Runs the suites on a mutant: the test that it names must fail."""
	expected = mutant.catchers('kunit')[0]
	outcome = Outcome(mutant, expected, [])
	with tree.using(plan(mutant, origin)) as (prepared,):
		failures = run.of_series(prepared).failures
		if not failures:
			run.build(prepared, mutant.target)
			# One that hangs is noticed as well, and need not be waited for long.
			verdict = run.boot(prepared, mutant.target, timeout=120)
			failures, outcome.problem = verdict.failures, verdict.problem
	for name, _ in failures:
		# A parameter's own name comes after the test's.
		test = '.'.join(name.split('.')[:2])
		if test not in outcome.seen:
			outcome.seen.append(test)
	return outcome


def report(outcomes: List[Outcome]) -> List[str]:
	width = max(len(o.mutant.name) for o in outcomes)
	lines = []
	for o in outcomes:
		others = [s for s in o.seen if s != o.expected]
		more = f' and {len(others)} more' if others else ''
		if o.ok:
			lines.append(f'{o.mutant.name:<{width}}  caught by {o.expected}{more}')
		else:
			lines.append(f'{o.mutant.name:<{width}}  NOT CAUGHT by {o.expected}; seen: '
				f'{", ".join(o.seen) or o.problem or "nothing"}')
	return lines
