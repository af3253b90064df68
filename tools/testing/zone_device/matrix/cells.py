# SPDX-License-Identifier: GPL-2.0
"""The cells of make matrix: a target and a release of the kernel, x86_64-kasan/7.3,
are a job as any other; its outcome is kept, so that the whole may take several
sittings, or several machines."""

import fnmatch
from typing import Dict, List, Sequence, Tuple

import request
from checks.kunit import Kunit
from guest import target
from guest.target import TARGETS
from host.messages import Error, say
from judge import Job
from kernel import source
from kernel.tree import Plan
from options import Options

# Besides the newest kernel that the series applies to.
OLDER = ('7.2',)
# What somebody will ask for, and what it would take.
WOULD_TAKE = {'6.12': 'a series for it, since ours is for 7.1 and newer; suites without kvzalloc_obj(), folio_free and '
	'init_pageblock_migratetype(); and a model of compound_head'}
# There to be timed, not tested.
LEFT_OUT = ('x86_64-bench',)


def _asked(name: str, release: str, patterns: Sequence[str]) -> bool:
	"""Whether CELL= means it, which may leave out the release."""
	return not patterns or any(fnmatch.fnmatchcase(what, p) for p in patterns for what in (name, f'{name}/{release}'))


def jobs(given: Options) -> List[Job]:
	"""A job for each cell that CELL= and TARGETS= mean. Fetches the kernels that are
	meant. Raises Error."""
	for release, what in WOULD_TAKE.items():
		if any(p.endswith(f'/{release}') for p in given.cell):
			raise Error(f'CELL={" ".join(given.cell)}: cannot judge {release}: it would take {what}')
	targets = target.chosen(given.targets or [n for n in TARGETS if n not in LEFT_OUT])
	found: Dict[str, Job] = {}

	def add(plan: Plan) -> None:
		for one in (t for t in targets if _asked(t.name, plan.release, given.cell)):
			cell = f'{one.name}/{plan.release}'
			found.setdefault(cell, Job(Kunit(), one.asked(given), plan, given.again(f'matrix CELL={cell}'),
				f'({plan.release})'))
	older = [] if given.kdir or given.ktarball or given.range else \
		[r for r in OLDER if any(_asked(t.name, r, given.cell) for t in targets)]
	only_older = bool(given.cell) and all(p.endswith(tuple(f'/{r}' for r in older or ['-'])) for p in given.cell)
	if not only_older:
		add(request.plan(given))
	for release in older:
		try:
			add(request.plan(given, (source.of_release(release), given.series)))
		except Error as err:
			if only_older:
				raise
			say(f'{release} is left out: {err}')
	for pattern in given.cell:
		if not any(_asked(j.target.name, j.plan.release, [pattern]) for j in found.values()):
			raise Error(f'CELL={pattern}: no such cell; it is a target and a release, as in arm64/7.3')
	return list(found.values())


def name(job: Job) -> Tuple[str, ...]:
	"""What CELL= is for it alone."""
	return (f'{job.target.name}/{job.plan.release}',)


def missing() -> List[str]:
	"""What is no cell, for make matrix to say."""
	return [f'{release}: cannot judge: it would take {what}' for release, what in WOULD_TAKE.items()]
