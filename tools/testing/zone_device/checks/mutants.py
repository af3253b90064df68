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
from typing import List, Sequence, Tuple

from checks import Check
from guest import boot, build
from guest.target import MAIN, Target, TARGETS
from host.files import REPO
from host.messages import Error
from kernel import source, tree
from kernel.tree import Tree
from outcome import Outcome

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

	def outcome(self, check: str, good: bool, what: str) -> Outcome:
		"""@what has been seen of it, and whether that is as it has to be."""
		return Outcome(check, self.name, passed=int(good), failed=int(not good),
			cases=[(self.name, 'PASS' if good else 'FAIL')], said=[f'{self.name:<32} {what}'],
			failures=[] if good else [(self.name, [what])])


def read(path: Path) -> Mutant:
	prose: List[str] = []
	caught: List[Tuple[str, str]] = []
	missed: List[str] = []
	target = MAIN.name
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


def load(kind: str, names: Sequence[str] = ('*',)) -> List[Mutant]:
	"""The mutants that a checker of that kind must catch, ordered by target
	so that one's build is the next one's start."""
	found = [read(p) for p in sorted(DIRECTORY.glob('*.patch'))]
	found = [m for m in found if m.catchers(kind)
		and any(fnmatch.fnmatchcase(m.name, n) for n in names)]
	if not found:
		raise Error(f'MUTANTS={" ".join(names)}: no such mutant in {DIRECTORY.relative_to(REPO)}')
	return sorted(found, key=lambda m: (m.target.name, m.name))


def plan(mutant: Mutant, origin: source.Source) -> tree.Plan:
	"""Our series with the mutant on top. One slot serves all of them: they
	differ in a file or two, so each is a short build."""
	return tree.plan(origin, series=source.OUR_SERIES, extra=[mutant.path], slot='mutant')


class KunitMutant(Check):
	"""The suites on a mutant: the test that it names must fail."""

	name = 'mutant'

	def __init__(self, mutant: Mutant) -> None:
		self.mutant = mutant

	def depends_on(self) -> List[object]:
		return [self.mutant.name]

	def run(self, tree: Tree, target: Target) -> Outcome:
		expected = self.mutant.catchers('kunit')[0]
		build.build(tree, target)
		# One that hangs is noticed as well, and need not be waited for long.
		found = boot.boot(tree, target, timeout=120)
		# A parameter's own name comes after the test's.
		seen = list(dict.fromkeys('.'.join(n.split('.')[:2]) for n, _ in found.failures))
		others = [s for s in seen if s != expected]
		if expected in seen:
			what = f'caught by {expected}' + (f' and {len(others)} more' if others else '')
		else:
			what = f'NOT CAUGHT by {expected}; seen: {", ".join(seen) or found.problem or "nothing"}'
		return self.mutant.outcome(self.name, expected in seen, what)
