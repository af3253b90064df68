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
from email.header import decode_header, make_header
from email import message_from_bytes
from pathlib import Path
from typing import Dict, List, Tuple

import judge
import report
import request
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
from host.messages import Error, say, tell
from judge import Job
from kernel import series as patches, tree
from kernel.series import Patch
from kernel.tree import Plan
from options import Options

# One place in the cache serves all commits of all series of a kernel.
SLOT = 'gate'
# What git bisect run takes for "cannot be tested".
UNBUILT = 125


def _subject(patch: Patch) -> str:
	message = message_from_bytes(patch.text)
	subject = str(make_header(decode_header(message['Subject']))) if message['Subject'] else patch.name
	return ' '.join(subject.split('] ', 1)[-1].split())


def _plans(given: Options) -> List[Plan]:
	"""The trees: the base, and after each commit."""
	start, series = request.kernel(given)
	whole = tree.plan(start, series, given.series_upto, contract=given.contract)
	if not whole.patches:
		raise Error('there is no series to judge: give SERIES= or RANGE=')
	with tempfile.TemporaryDirectory() as temp:
		# What does not apply is said at once, and not after an hour.
		patches.apply(whole.patches, start.path, Path(temp))
	return [replace(whole, patches=whole.patches[:n], name=SLOT) for n in range(len(whole.patches) + 1)]


def _jobs(checks: List[Tuple[Check, Target]], plan: Plan, given: Options, number: int, of: int) -> List[Job]:
	upto = '' if number == of and given.series_upto is None else f' SERIES_UPTO={number}'
	typed = replace(given, series_upto=None).typed()
	names = {'build': 'kunit', 'counts': 'cost'}
	return [Job(check, on, plan, f'make {names.get(check.name, check.name)} {typed}{upto}'
		+ (f' TARGETS={on.name}' if check.name in ('build', 'kunit') else ''), f'({number}/{of})', quiet=True)
		for check, on in checks]


def _ask(plans: List[Plan], targets: List[Target], given: Options) -> List[Commit]:
	main = MAIN.asked(given)
	commits: List[Commit] = []
	of = len(plans) - 1
	for number, plan in enumerate(plans):
		commit = Commit(number, _subject(plan.patches[-1]) if number else plan.origin.name,
			hashlib.sha256(plan.patches[-1].diff()).hexdigest() if number else '')
		commits.append(commit)

		def ask(checks: List[Tuple[Check, Target]], commit: Commit = commit, plan: Plan = plan) -> None:
			jobs = _jobs(checks, plan, given, commit.number, of)
			for job, outcome in zip(jobs, judge.run(jobs, given.fresh, keep_going=True)):
				commit.outcomes[job.check.name, job.target.name] = outcome
		if number:
			ask([(Checkpatch(last=True), main)])
		ask([(Build(), t) for t in targets])
		if not all(o.ok for o in commit.of('build')):
			continue
		ask([(Sparse(), main)])
		before = next((c for c in reversed(commits[:-1]) if c.of('build') and all(o.ok for o in c.of('build'))), None)
		commit.same = before is not None and not given.fresh and number < of and \
			[o.image for o in before.of('build')] == [o.image for o in commit.of('build')]
		if before is not None and commit.same:
			commit.outcomes.update({k: o for k, o in before.outcomes.items() if k[0] in ('kunit', 'order', 'counts')})
			continue
		ask([*((Kunit(), t) for t in targets), (Order(), main), (Counts(), main)])
	return commits


def _judged(plans: List[Plan], contract: str, given: Options) -> List[str]:
	"""What, by what: the first lines."""
	main = MAIN.asked(given)
	diffs = hashlib.sha256(b''.join(p.diff() for p in plans[-1].patches)).hexdigest()[:12]
	tools = [str(f[0]) for f in build.facts(main)[2:] if isinstance(f, list) and f]
	tools += process.output([main.arch.qemu, '--version']).splitlines()[:1] if main.arch.qemu else []
	return [f'{plans[0].origin.name}, {len(plans) - 1} commits, diffs {diffs}, contract {contract}', '; '.join(tools)]


def _commands(commits: List[Commit], rows: List[Dict[str, cells.Cell]]) -> None:
	asks = {'lib': 'kunit', 'mm': 'kunit', 'promises': 'kunit', 'cost': 'counts'}
	for commit, row in zip(commits, rows):
		for cell in row.values():
			of_check = commit.of(asks.get(cell.column, cell.column))
			cell.command = next((o.command for o in of_check if not o.ok), of_check[0].command if of_check else '')


def _keep(gate: Gate) -> None:
	"""For b4, which asks about one patch at a time."""
	where = cache.directory() / 'gate'
	where.mkdir(parents=True, exist_ok=True)
	for commit, row in zip(gate.commits[1:], gate.rows[1:]):
		files.write_atomically(where / f'{commit.patch}.json', json.dumps({n: {'says': c.says, 'words': c.words}
			for n, c in row.items()}))


def gate(given: Options) -> int:
	targets = [t.asked(given) for t in target.chosen(given.targets or target.DEFAULT)]
	packages.ensure([*target.needs(targets), *packages.CHECKPATCH])
	try:
		plans = _plans(given)
	except Error as err:
		say(f'error: {err}')
		return 2
	commits = _ask(plans, targets, given)
	contract = next((o.contract for c in reversed(commits) for o in c.outcomes.values() if o.contract), '')
	found = Gate(_judged(plans, contract, given), commits, cells.cells(commits, contract))
	_commands(commits, found.rows)
	_keep(found)
	tell(forms.text(found))
	report.write(forms.outcomes(found), given.json, given.junit, **forms.details(found))
	files.write_output('MARKDOWN', given.markdown, forms.markdown(found))
	says = [cell.says for row in found.rows for cell in row.values()]
	if not all(o.ok for o in commits[-1].of('build')):
		return UNBUILT
	return 1 if NEW in says else 2 if UNKNOWN in says else 0


def b4(_given: Options) -> int:
	"""What is known of the patch on standard input, as b4 asks for it."""
	patch = Patch('standard input', sys.stdin.buffer.read())
	known = cache.directory() / 'gate' / f'{hashlib.sha256(patch.diff()).hexdigest()}.json'
	print(forms.b4(json.loads(known.read_text()) if known.is_file() else None))
	return 0
