# SPDX-License-Identifier: GPL-2.0
"""mutants = known breakages of our series, and who must notice each of them.

A mutant is a patch in mutants/SERIES/ that goes on top of that series or port. Above its
diff stands what it breaks, and lines of the form

	Caught-by: kunit SUITE.TEST
	Breaks: PROMISE
	Target: x86_64-pointer

Without a Target: it is x86_64. With a Breaks: it breaks that promise and no
other, and by a contract that does not have it nothing is wrong. A Caught-by: of
another kind than kunit is for another checker, which finds its mutants here.
"""

import fnmatch
from dataclasses import dataclass, replace
from pathlib import Path
from typing import List, Sequence, Tuple

import contract as contracts
from checks import Check
from guest import boot, build
from guest.target import MAIN, Target, TARGETS
from host.files import REPO
from host.messages import Error
from kernel import series as patches, source, tree
from kernel.tree import Tree
from outcome import Outcome

DIRECTORY = REPO / 'tools/testing/zone_device/mutants'


@dataclass(frozen=True)
class Mutant:
	path: Path
	caught_by: Tuple[Tuple[str, str], ...]
	missed_by: Tuple[str, ...]
	target: Target
	breaks: str = ''

	@property
	def series(self) -> Path:
		return source.ours()[self.path.parent.name]

	@property
	def name(self) -> str:
		"""One of another series than the default one says which."""
		ours = self.series == source.OUR_SERIES
		return self.path.stem if ours else f'{self.series.name}/{self.path.stem}'

	def catchers(self, kind: str) -> List[str]:
		return [what for k, what in self.caught_by if k == kind]

	def outcome(self, check: str, good: bool, what: str) -> Outcome:
		"""@what has been seen of it, and whether that is as it has to be."""
		return Outcome(check, self.name, passed=int(good), failed=int(not good),
			cases=[(self.name, 'PASS' if good else 'FAIL')], said=[f'{self.name:<32} {what}'],
			failures=[] if good else [(self.name, [what])])


def parse(path: Path) -> Mutant:
	caught: List[Tuple[str, str]] = []
	missed: List[str] = []
	target, breaks = MAIN.name, ''
	for line in path.read_text().splitlines():
		if line.startswith(('diff ', '--- ')):
			break
		key, _, value = line.partition(': ')
		if key == 'Caught-by':
			kind, _, what = value.partition(' ')
			caught.append((kind, what))
		elif key == 'Missed-by':
			missed.append(value)
		elif key == 'Breaks':
			breaks = value
		elif key == 'Target':
			target = value
	if path.parent.name not in source.ours():
		raise Error(f'mutants/{path.parent.name}: there is no such series or port')
	if not caught or target not in TARGETS:
		raise Error(f'{path.name}: a mutant says Caught-by:, and a Target: that there is')
	if breaks and breaks not in (p.name for p in contracts.PROMISES):
		raise Error(f'{path.name}: Breaks: {breaks}: there is no such promise')
	return Mutant(path, tuple(caught), tuple(missed), TARGETS[target], breaks)


def load(kind: str, names: Sequence[str] = ('*',)) -> List[Mutant]:
	"""The mutants that a checker of that kind must catch, ordered by series and
	target, so that one's build is the next one's start."""
	found = [parse(p) for p in sorted(DIRECTORY.glob('*/*.patch'))]
	found = [m for m in found if m.catchers(kind)]
	for pattern in names:
		if not any(fnmatch.fnmatchcase(m.name, pattern) for m in found):
			raise Error(f'MUTANTS={pattern}: no such mutant in {DIRECTORY.relative_to(REPO)}')
	found = [m for m in found if any(fnmatch.fnmatchcase(m.name, n) for n in names)]
	return sorted(found, key=lambda m: (m.series != source.OUR_SERIES, m.target.name, m.name))


def on_series(mutant: Mutant, origin: source.Source) -> tree.Plan:
	"""Its series with the mutant on top, in the place of that series: it is a build of a
	file or two there, and so is the way back. One that changes a header is a build of
	everything, and has a place apart."""
	place = tree.plan(origin, series=mutant.series).name
	header = any(name.endswith('.h') for patch in patches.load(mutant.path) for name in patch.touched())
	return replace(tree.plan(origin, series=mutant.series, extra=[mutant.path],
		slot=f'{place}+header' if header else place), stepwise=header)


def not_alone(mutant: Mutant, broken: Sequence[str]) -> str:
	return f'; BREAKS {", ".join(broken) or "no promise"}, NOT {mutant.breaks} ALONE'


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
		found = boot.boot(tree, target, timeout=120, name='mutant')
		# A parameter's own name comes after the test's.
		seen = list(dict.fromkeys('.'.join(n.split('.')[:2]) for n, _ in found.failures))
		others = [s for s in seen if s != expected]
		if expected in seen:
			what = f'caught by {expected}' + (f' and {len(others)} more' if others else '')
		else:
			what = f'NOT CAUGHT by {expected}; seen: {", ".join(seen) or found.problem or "nothing"}'
		wrong = self._of_promises(tree, target, found) if expected in seen and self.mutant.breaks else ''
		return self.mutant.outcome(self.name, expected in seen and not wrong, f'{what}{wrong}')

	def _of_promises(self, tree: Tree, target: Target, found: Outcome) -> str:
		"""What is wrong with the promise that it is said to break, if anything."""
		broken = contracts.broken(found.contract, found.seen)
		if broken != [self.mutant.breaks]:
			return not_alone(self.mutant, broken)
		without = boot.boot(replace(tree, contract=contracts.BASE), target, timeout=120, name='mutant')
		if not without.ok:
			return f'; FAILS WITHOUT THE PROMISE: {", ".join(n for n, _ in without.failures) or without.problem}'
		return ''
