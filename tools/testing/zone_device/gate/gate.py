# SPDX-License-Identifier: GPL-2.0
"""make gate: which commit of a series broke what.

The base, and the tree after each commit, are asked what the checks ask of any
tree. Each outcome is kept by what it depends on, and of a patch that is its diff:
so the next version of a series is judged where it differs, and a message that was
amended not at all.
"""

import hashlib
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Dict, List

import judge
import report
import request
import spread
from checks import Check
from checks.build import Build
from checks.checkpatch import Checkpatch
from checks.cost import Counts
from checks.kunit import Kunit
from checks.order import Order
from checks.sparse import Sparse
from gate import cells, forms
from gate.cells import Commit, NEW, UNKNOWN
from gate.forms import Gate
from guest import build, target
from guest.target import MAIN, Target
from host import cache, files, packages, process
from host.messages import Error, tell
from judge import Job
from kernel import commits as git, series as patches, tree
from kernel.tree import Plan
from options import Options

# One place in the cache serves all commits of all series of a kernel.
SLOT = 'gate'
# What git bisect run takes for "cannot be tested".
UNBUILT = 125


def _plans(given: Options) -> List[Plan]:
	"""The trees: the base, and after each commit."""
	start, series = request.kernel(given)
	whole = tree.plan(start, series, given.series_upto, contract=given.contract)
	if not whole.tip:
		raise Error('there is no series to judge: give SERIES= or RANGE=')
	with tempfile.TemporaryDirectory() as temp:
		# What does not apply is said at once, and not after an hour.
		patches.apply(whole.patches, start.path, Path(temp))
	return [replace(whole, patches=whole.patches[:n], name=SLOT, stepwise=True) for n in range(len(whole.patches) + 1)]


def _jobs(plans: List[Plan], targets: List[Target], given: Options) -> List[List[List[Job]]]:
	"""What is asked of each tree, a stage after the other: the style of its commit,
	whether it builds, what sparse says, and what runs."""
	main = MAIN.asked(given)
	names = {'build': 'kunit', 'counts': 'cost'}
	of = len(plans) - 1

	def job(number: int, check: Check, on: Target) -> Job:
		upto = None if number == of and given.series_upto is None else number
		again = replace(given, series_upto=upto).again(names.get(check.name, check.name))
		return Job(check, on, plans[number], again + (f' TARGETS={on.name}' if check.name in ('build', 'kunit') else ''),
			f'({number}/{of})', quiet=True)
	return [[[job(n, Checkpatch(last=True), main)] if n else [], [job(n, Build(), t) for t in targets],
		[job(n, Sparse(), main)], [*(job(n, Kunit(), t) for t in targets), job(n, Order(), main), job(n, Counts(), main)]]
		for n in range(of + 1)]


def _all(jobs: List[List[List[Job]]]) -> List[Job]:
	return [job for stages in jobs for stage in stages for job in stage]


def _hash(patch: patches.Patch) -> str:
	"""A message may be amended, and it is the same patch."""
	return hashlib.sha256(patch.diff()).hexdigest()


def _commit(number: int, plan: Plan) -> Commit:
	patch = plan.patches[-1] if number else None
	return Commit(number, patch.subject or patch.name if patch else plan.origin.name,
		_hash(patch) if patch else '')


def _ask(plans: List[Plan], jobs: List[List[List[Job]]], given: Options) -> List[Commit]:
	keys = judge.Keys()
	known = spread.merged(_all(jobs), given.merge, keys) if given.merge else {}
	commits: List[Commit] = []
	for number, (plan, (style, builds, static, runs)) in enumerate(zip(plans, jobs)):
		commit = _commit(number, plan)
		commits.append(commit)

		def ask(stage: List[Job], commit: Commit = commit) -> None:
			found = [judge.finish(j, known[keys.of(j)]) for j in stage] if known else \
				judge.run(stage, given.fresh, keep_going=True, keys=keys)
			commit.outcomes.update({(j.check.name, j.target.name): o for j, o in zip(stage, found)})
		ask(style)
		ask(builds)
		if not commit.builds:
			continue
		ask(static)
		before = next((c for c in reversed(commits[:-1]) if c.builds), None)
		commit.same = before is not None and not given.fresh and \
			number < len(plans) - 1 and [o.image for o in before.of('build')] == [o.image for o in commit.of('build')]
		if before is not None and commit.same:
			asked = {j.check.name for j in runs}
			commit.outcomes.update({k: o for k, o in before.outcomes.items() if k[0] in asked})
			continue
		ask(runs)
	return commits


def _judged(plans: List[Plan], contract: str, given: Options) -> List[str]:
	"""What, by what: the first lines."""
	main = MAIN.asked(given)
	diffs = hashlib.sha256(b''.join(p.diff() for p in plans[-1].patches)).hexdigest()[:12]
	tools = [str(f[0]) for f in build.facts(main)[2:] if isinstance(f, list) and f]
	tools += process.output([main.arch.qemu, '--version']).splitlines()[:1] if main.arch.qemu else []
	origin = plans[0].origin
	at = '' if origin.cached else git.described(origin.path)
	return [f'{origin.name}{f" at {at}" if at else ""}, {len(plans) - 1} commits, diffs {diffs}, contract {contract}', '; '.join(tools)]


def _commands(commits: List[Commit], rows: List[Dict[str, cells.Cell]]) -> None:
	for commit, row in zip(commits, rows):
		for cell in row.values():
			# A promise is asked for by whoever has seen it broken.
			broken = [o for o in commit.outcomes.values() if cell.column == 'promises'
				and any(s.kept < s.of and any(w.startswith(f'{s.name} ') for w in cell.words) for s in o.seen)]
			asked = broken or commit.of(cells.CHECKS.get(cell.column, cell.column))
			cell.command = next((o.command for o in asked if not o.ok or o.warnings), asked[0].command if asked else '')


def _known(patch: str) -> Path:
	"""What was found of the patch whose diff has that hash."""
	return cache.directory() / 'gate' / f'{patch}.json'


def _keep(gate: Gate) -> None:
	"""For b4, which asks about one patch at a time."""
	for commit, row in zip(gate.commits[1:], gate.rows[1:]):
		_known(commit.patch).parent.mkdir(parents=True, exist_ok=True)
		files.write_atomically(_known(commit.patch), json.dumps({n: {'says': c.says, 'words': c.words}
			for n, c in row.items()}))


def gate(given: Options) -> int:
	targets = [t.asked(given) for t in target.chosen(given.targets or target.DEFAULT)]
	packages.ensure([*target.needs(targets), *packages.CHECKPATCH])
	plans = _plans(given)
	jobs = _jobs(plans, targets, given)
	if given.job or given.jobs_file:
		return spread.carry_out(_all(jobs), given) if given.job else spread.write(_all(jobs), 'gate', given)
	commits = _ask(plans, jobs, given)
	contract = next((o.contract for c in reversed(commits) for o in c.outcomes.values() if o.contract), '')
	found = Gate(_judged(plans, contract, given), commits, cells.cells(commits, contract))
	_commands(commits, found.rows)
	_keep(found)
	tell(forms.text(found))
	report.write(forms.outcomes(found), given.json, given.junit, **forms.details(found))
	files.write_output('MARKDOWN', given.markdown, forms.markdown(found))
	says = [cell.says for row in found.rows for cell in row.values()]
	if not commits[-1].builds and found.rows[-1]['build'].says != UNKNOWN:
		return UNBUILT
	return 1 if NEW in says else 2 if UNKNOWN in says else 0


def b4(_given: Options) -> int:
	"""What is known of the patch on standard input, as b4 asks for it."""
	patch = patches.from_mail(sys.stdin.buffer.read())
	known = _known(_hash(patch))
	print(forms.b4(json.loads(known.read_text()) if known.is_file() else None))
	return 0
