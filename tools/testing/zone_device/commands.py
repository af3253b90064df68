# SPDX-License-Identifier: GPL-2.0
"""What each command of make does: which checks, of which trees, on which
targets."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import judge
import report
import request
import spread
from bench import bench as vm_bench, guests, native as bench_native
from checks import Check, cost, mutants, native
from checks.checkpatch import Checkpatch
from checks.cost import Cost
from checks.kunit import Kunit, must_be_same, Posted
from checks.mutants import KunitMutant
from checks.native import Native
from checks.order import Order, OrderMutant
from checks.sparse import Sparse
from checks.tools import Guests, Tools, Types
from gate import gate
from guest import target
from guest.target import MAIN
from host import cache, files, packages
from host.messages import Error, say, tell
from judge import Job
from kernel import install as installation, post as posting, source, tree
from kernel.tree import Plan
from matrix import cells, ledger
from options import Options
from outcome import Outcome, total


def _conclude(outcomes: List[Outcome], given: Options) -> int:
	report.show(outcomes)
	report.write(outcomes, given.json, given.junit)
	if not all(o.ok for o in outcomes):
		return 1
	# By which contract to judge is for the user to say; until then it is not green.
	return 2 if any(o.doubtful for o in outcomes) else 0


def _instrument(check: Check, given: Options) -> int:
	"""One that looks into guests: there, or on the targets that are named."""
	targets = _targets(given, given.targets or [MAIN.name])
	packages.ensure(target.needs(targets))
	again = given.again(check.name, 'FILTER', 'FUNCTIONS', 'STARTS')
	return _conclude(judge.run([Job(check, t, request.plan(given), f'{again} TARGETS={t.name}')
		for t in targets], given.fresh), given)


def _suites(given: Options, wanted: Plan, targets: Sequence[target.Target], filter: str = '') -> List[Job]:
	again = replace(given, filter=filter).again('kunit', 'FILTER')
	return [Job(Kunit(filter), t, wanted, f'{again} TARGETS={t.name}') for t in targets]


def _targets(given: Options, names: Sequence[str]) -> List[target.Target]:
	return [t.asked(given) for t in target.chosen(names)]


def kunit(given: Options) -> int:
	targets = _targets(given, given.targets or target.DEFAULT)
	packages.ensure(target.needs(targets))
	outcomes = judge.run(_suites(given, request.plan(given), targets, given.filter), given.fresh)
	if not all(o.empty for o in outcomes):
		for outcome in outcomes:
			outcome.problem = '' if outcome.empty else outcome.problem
	return _conclude(outcomes, given)


def sparse(given: Options) -> int:
	main = MAIN.asked(given)
	packages.ensure(target.needs([main]))
	return _conclude(judge.run([Job(Sparse(), main, request.plan(given), given.again('sparse'))], given.fresh), given)


def checkpatch(given: Options) -> int:
	packages.ensure([*packages.TREE, *packages.CHECKPATCH])
	wanted = request.plan(given)
	return _conclude(judge.run(_style(given, wanted), given.fresh), given)


def _style(given: Options, wanted: Plan) -> List[Job]:
	"""Of each of our series and the suites; of a port, of what it adds."""
	main = MAIN.asked(given)
	ports = sorted(source.PORTS.iterdir()) if wanted.patches and _ours(given) else []
	return [*(_of_ours(Checkpatch(), w, name, given) for w, name in _each_of_ours(given, wanted)), *(Job(Checkpatch(last=True, port=True), main,
		tree.plan(wanted.origin, p), given.again(f'checkpatch SERIES={p.name}'), f'({p.name})') for p in ports)]


def _each_of_ours(given: Options, wanted: Plan) -> List[Tuple[Plan, str]]:
	"""The tree that is asked for, without a name, and, where that is our series, those of
	the others that come with the suites."""
	others = sorted(s for s in source.SERIES.iterdir() if s != source.OUR_SERIES) \
		if wanted.patches and _ours(given) else []
	return [(wanted, ''), *((tree.plan(wanted.origin, s), s.name) for s in others)]


def _of_ours(check: Check, wanted: Plan, name: str, given: Options) -> Job:
	"""Of a tree of _each_of_ours()."""
	return Job(check, MAIN.asked(given), wanted, given.again(check.name + (f' SERIES={name}' if name else '')),
		f'({name})' if name else '')


def order(given: Options) -> int:
	return _instrument(Order(given.filter, given.functions, given.starts), given)


def cost_(given: Options) -> int:
	return _instrument(Cost(_one_of_ours(given)), given)


def cost_budget(given: Options) -> int:
	main, series = MAIN.asked(given), _one_of_ours(given)
	if not series:
		raise Error('a budget is of the whole of a series that comes with the suites')
	packages.ensure(target.needs([main]))
	with tree.alone(replace(request.plan(given), probes=True)) as prepared:
		cost.write_budget(prepared, main, series)
	return 0


def _ours(given: Options) -> bool:
	"""Whether it is the whole of our series that is looked at."""
	return not given.series and not given.range and given.series_upto is None


def _one_of_ours(given: Options) -> str:
	"""Which one of the series that come with the suites, if it is the whole of that."""
	if _ours(given):
		return source.OUR_SERIES.name
	names = [name for name, where in source.ours().items() if str(where) == given.series]
	return names[0] if names and not given.range and given.series_upto is None else ''


def _mutants(kind: str, given: Options, origin: source.Source, names: Sequence[str] = ('*',)) -> List[Job]:
	make = {'kunit': KunitMutant, 'order': OrderMutant}[kind]
	command = {'kunit': 'mutants', 'order': 'order-mutants'}[kind]
	return [Job(make(m), m.target.asked(given), mutants.on_series(m, origin), given.again(f'{command} MUTANTS={m.name}'))
		for m in mutants.load(kind, names)]


def _mutant_command(kind: str, given: Options) -> int:
	names = given.mutants or ('*',)
	# Before a kernel is looked for: that takes git and tar already.
	packages.ensure(target.needs([m.target.asked(given) for m in mutants.load(kind, names)]))
	return _conclude(judge.run(_mutants(kind, given, request.kernel(given)[0], names), given.fresh, keep_going=True), given)


def _without(given: Options) -> Options:
	"""What asks of the same kernel without the series."""
	return replace(given, series_upto=0, contract='base') if given.range \
		else replace(given, series='none', series_upto=None, contract='')


def _posted(given: Options, wanted: Plan, base: Plan) -> List[Job]:
	"""The suites as make post writes them, with the series and without."""
	suites = posting.posted(wanted.origin.path, wanted.patches)
	return [Job(Posted(), t, posting.instead(on, suites), given.again('check'), note)
		for on, note, names in ((wanted, '', target.DEFAULT), (base, '(no series)', [MAIN.name]))
		for t in _targets(given, names)]


def check(given: Options) -> int:
	"""Cheap things first; each goes on after the one before has failed."""
	targets, main = _targets(given, target.CHECKED), MAIN.asked(given)
	packages.ensure([*target.needs(targets), *packages.CHECKPATCH, *native.PACKAGES, *guests.PACKAGES,
		*packages.TESTS])
	wanted = request.plan(given)
	origin = wanted.origin
	base = tree.plan(origin, series='none')

	def job(check: Check, command: str = 'check') -> Job:
		return Job(check, main, wanted, given.again(command))
	jobs = [job(Tools()), job(Types()), *_style(given, wanted), *_suites(given, wanted, targets), job(Guests())]
	if wanted.patches:
		jobs.append(Job(Kunit(), main, base, _without(given).again('kunit'), '(no series)'))
	jobs += [job(Sparse(), 'sparse'), job(Order(), 'order'), job(Cost(_one_of_ours(given)), 'cost'), job(Native())]
	for other, name in _each_of_ours(given, wanted)[1:]:
		jobs += [_of_ours(check, other, name, given) for check in (Kunit(), Order(), Cost(name))]
	# The mutants break our series, whatever the user's is.
	if wanted.patches and _ours(given):
		jobs += [*_posted(given, wanted, base), *_mutants('order', given, origin)]
	known = _ledgers(jobs, given)
	outcomes = judge.run(jobs, given.fresh, keep_going=True)
	must_be_same(outcomes)
	_by_ledger(((job, outcome) for job, outcome in zip(jobs, outcomes) if job.plan == wanted), known)
	status = _conclude(outcomes, given)
	passed, failed, skipped = total(outcomes)
	print(f'{passed} passed, {failed} failed, {skipped} skipped')
	return status


def matrix(given: Options) -> int:
	"""What a machine lacks ends its own cells alone."""
	jobs, outcomes = [], []
	for job in cells.jobs(given):
		try:
			packages.ensure(target.needs([job.target]))
			jobs.append(job)
		except Error as err:
			if given.jobs_file:
				say(f'{judge.title(job)} is left out: {err}')
			outcomes.append(judge.finish(job, Outcome(job.check.name, job.target.name, unknown=str(err))))
	if given.job or given.jobs_file:
		return spread.carry_out(jobs, given) if given.job else spread.write(jobs, 'matrix', given, cells.name)
	known = _ledgers(jobs, given)
	if given.merge:
		keys = judge.Keys()
		merged = spread.merged(jobs, given.merge, keys)
		found = [judge.finish(job, merged[keys.of(job)]) for job in jobs]
	else:
		found = judge.run(jobs, given.fresh, keep_going=True)
	_by_ledger(zip(jobs, found), known)
	status = _conclude(found + outcomes, given)
	tell(cells.missing())
	return status or (0 if found else 2)


def _ledgers(jobs: Sequence[Job], given: Options) -> Dict[str, Optional[ledger.Ledger]]:
	"""Release -> its ledger, of our series by its own contract. Read before anything is
	built: one that cannot be read is to be mended first."""
	judged = jobs if _ours(given) and not given.contract else []
	return {release: ledger.load(release) for release in dict.fromkeys(j.plan.release for j in judged)}


def _by_ledger(asked: Iterable[Tuple[Job, Outcome]], known: Dict[str, Optional[ledger.Ledger]]) -> None:
	"""Of the suites on our series: is what they skip what they are @known to skip?"""
	for job, outcome in asked:
		if known and job.check.name == Kunit.name and job.plan.tip:
			ledger.judge(outcome, job.target.name, job.plan.release, known[job.plan.release])


def compare(given: Options) -> int:
	paths = given.files
	if len(paths) != 2:
		raise Error('compare wants two results, written by JSON=: make compare A.json B.json')
	lines = report.compare(paths, [files.read_result(p, report.FORMAT) for p in paths])
	tell([*(f'{n}: {p}' for n, p in zip('AB', paths)), '', *lines])
	return 0


def post(given: Options) -> int:
	packages.ensure(packages.TREE)
	wanted = request.plan(given)
	for path in posting.write(wanted.origin.path, wanted.patches, given.post or Path('post').absolute()):
		tell([str(path)])
	return 0


def _kdir(given: Options) -> str:
	if not given.kdir:
		raise Error('which tree? give KDIR=/path/to/linux')
	return given.kdir


def install(given: Options) -> int:
	changed = installation.install(source.user_tree(_kdir(given)).path)
	say(f'installed {len(changed)} files' if changed else 'installed already')
	return 0


def uninstall(given: Options) -> int:
	# Whatever version of the kernel is checked out there now.
	where = Path(os.path.realpath(cache.expand('KDIR', _kdir(given))))
	if not where.is_dir():
		raise Error(f'KDIR={given.kdir}: no such directory')
	changed = installation.uninstall(where)
	say(f'removed from {len(changed)} files' if changed else
		f'nothing was installed: {where} has no {installation.RECORD}')
	return 0


def clean(given: Options) -> int:
	cache.clean(given.kdir)
	return 0


def distclean(given: Options) -> int:
	cache.clean(given.kdir, everything=True)
	return 0


COMMANDS: Dict[str, Callable[[Options], int]] = {
	'kunit': kunit, 'check': check, 'matrix': matrix, 'gate': gate.gate, 'gate-b4': gate.b4, 'sparse': sparse, 'checkpatch': checkpatch,
	'mutants': lambda given: _mutant_command('kunit', given), 'order': order,
	'order-mutants': lambda given: _mutant_command('order', given), 'cost': cost_, 'cost-budget': cost_budget,
	'bench': vm_bench.bench, 'bench-native': bench_native.bench, 'compare': compare, 'post': post,
	'install': install, 'uninstall': uninstall, 'clean': clean, 'distclean': distclean,
}
# Those that do not need the cache, or not as it is.
UNCACHED = ('compare', 'install', 'uninstall', 'clean', 'distclean')
# Those whose exit status says which of two sides is worse.
GATES = ('gate',)
