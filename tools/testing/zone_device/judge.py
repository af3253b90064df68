# SPDX-License-Identifier: GPL-2.0
"""The loop over (tree, target, check): each is asked once, what is known
already is said to be so, and what fails does not end the rest."""

import contextlib
import time
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Dict, List, Optional, Sequence, Tuple

import store
from checks import Check
from guest.target import Target
from host import cache, files
from host.messages import Error, Full, say, tell, Unbuilt
from kernel import tree
from kernel.tree import Plan, Tree
from outcome import ERROR, Outcome


@dataclass(frozen=True)
class Job:
	check: Check
	target: Target
	plan: Plan
	# The make command that does the same, and what the tree is called.
	command: str = ''
	note: str = ''
	# Who asks compares the outcomes of several trees, and says himself what they say.
	quiet: bool = False

	@property
	def tree(self) -> Plan:
		return replace(self.plan, probes=self.check.probes)

	def trees(self) -> Tuple[Plan, bool, bool]:
		"""What has to be prepared for it: jobs of a kind are done together."""
		return self.tree, self.check.compares, self.check.holds


def run(jobs: Sequence[Job], fresh: bool = False, keep_going: bool = False,
	keys: Optional['Keys'] = None) -> List[Outcome]:
	"""The outcomes, in the order of the jobs. With @fresh none is taken from
	what is kept; with @keep_going a tree that cannot be prepared ends only the
	jobs that need it; @keys if the caller has some already. Raises Error."""
	if not jobs:
		return []
	keys = keys or Keys()
	found: Dict[int, Outcome] = {}
	open_jobs: List[Tuple[int, Job, str]] = []
	for place, job in enumerate(jobs):
		try:
			key = keys.of(job)
		except (Error, OSError) as err:
			if not keep_going:
				raise
			found[place] = finish(job, _broken(job, err))
			continue
		known = None if fresh else store.find(key)
		if known:
			say(f'{title(job)}: {known.status}, known since {known.kept}; FRESH=1 asks again')
			found[place] = finish(job, known)
		else:
			open_jobs.append((place, job, key))
	for _trees, jobs_of_one in groupby(open_jobs, lambda o: o[1].trees()):
		group = list(jobs_of_one)
		try:
			_run_together(group, keys, found)
		except (Error, OSError) as err:
			if not keep_going:
				raise
			for place, job, _key in group:
				if place not in found:
					found[place] = finish(job, _broken(job, err))
	return [found[place] for place in sorted(found)]


class Keys:
	"""What outcomes are kept by; what jobs share of it is found out once."""

	def __init__(self) -> None:
		self._project = store.project()
		self._digests: Dict[Plan, str] = {}
		self._facts: Dict[Target, List[object]] = {}

	def digest(self, plan: Plan) -> str:
		if plan not in self._digests:
			self._digests[plan] = tree.digest(plan)
		return self._digests[plan]

	def of(self, job: Job) -> str:
		digest = self.digest(job.tree)
		if job.target not in self._facts:
			self._facts[job.target] = store.facts(job.target)
		return store.key([self._project, digest, self._facts[job.target], job.check.name, job.check.depends_on()])


def _run_together(group: List[Tuple[int, Job, str]], keys: Keys,
		  found: Dict[int, Outcome]) -> None:
	wanted, compares, holds = group[0][1].trees()
	with contextlib.ExitStack() as stack:
		prepared = stack.enter_context((tree.with_base if compares else tree.alone)(wanted))
		say(f'kernel: {prepared.describe()}; contract: {prepared.contract}'
			+ (', not complete' if prepared.partial else ''))
		if not holds:
			stack.close()
		for place, job, key in group:
			# One that was changed in between is not what the key is of.
			found[place] = _ask(job, prepared, key if prepared.digest == keys.digest(wanted) else '')


def _ask(job: Job, prepared: Tree, key: str) -> Outcome:
	start = time.monotonic()
	try:
		outcome = job.check.run(prepared, job.target)
		if not outcome.ok and files.disk_full(cache.directory()):
			raise Full(f'no space left on device ({cache.directory()})')
	except (Error, OSError) as err:
		outcome = _broken(job, err)
	if key and not outcome.broken:
		store.keep(key, outcome, job.target, time.monotonic() - start)
	return finish(job, outcome)


def finish(job: Job, outcome: Outcome) -> Outcome:
	"""What the outcome is to @job, whoever found it out."""
	outcome.command = job.command
	if not job.quiet:
		outcome.subject = ' '.join(filter(None, (outcome.subject, job.note)))
		tell(outcome.said)
	return outcome


def title(job: Job) -> str:
	return ' '.join(filter(None, (job.check.name, job.target.name, job.note)))


def _broken(job: Job, err: Exception) -> Outcome:
	"""It could not be carried out, which is no reason to go on as if it had."""
	what = str(err) if isinstance(err, Error) else (getattr(err, 'strerror', '') or str(err)).lower()
	say(f'error: {what}')
	unbuilt = isinstance(err, Unbuilt) and not files.disk_full(cache.directory())
	return Outcome(job.check.name, job.target.name, problem=what.removeprefix(f'{job.target.name}: '),
		broken=not unbuilt, facts={ERROR: err.lines[0].strip()} if isinstance(err, Unbuilt) and err.lines else {})
