# SPDX-License-Identifier: GPL-2.0
"""The suites, built into a kernel and run."""

import time
from typing import List, Sequence

from checks import Check
from guest import boot, build, qemu
from guest.target import Target
from host.messages import say
from kernel.tree import Tree
from outcome import Outcome


class Kunit(Check):
	name = 'kunit'

	def __init__(self, filter: str = '') -> None:
		self.filter = filter

	def depends_on(self) -> List[object]:
		return [self.filter]

	def run(self, tree: Tree, target: Target) -> Outcome:
		start = time.monotonic()
		build.build(tree, target)
		built = time.monotonic()
		why = qemu.cannot_boot(target.arch)
		if why:
			return Outcome(self.name, target.name, unknown=f'it builds, but {why}', build_seconds=built - start)
		outcome = boot.boot(tree, target, filter=self.filter)
		outcome.build_seconds = built - start
		say(f'{target.name}: {outcome.passed} passed, {outcome.failed} failed, '
			f'{outcome.skipped} skipped in {outcome.run_seconds:.1f} s')
		return outcome


class Posted(Kunit):
	"""The same for the suites as make post writes them."""

	name = 'posted'

	def run(self, tree: Tree, target: Target) -> Outcome:
		outcome = super().run(tree, target)
		outcome.check = self.name
		return outcome


def must_be_same(outcomes: Sequence[Outcome]) -> None:
	"""What is posted has the same tests with the same results as what is not."""
	known = {o.subject: set(o.cases) for o in outcomes if o.check == Kunit.name}
	for outcome in (o for o in outcomes if o.check == Posted.name):
		others = sorted(known.get(outcome.subject, set()) ^ set(outcome.cases))
		if others and outcome.ok:
			outcome.problem = f'{len(others)} results that make kunit has not, or that it alone has: ' \
				+ ', '.join(f'{name} {status}' for name, status in others[:4])
