# SPDX-License-Identifier: GPL-2.0
"""What each command of make does: which checks, of which trees, on which
targets."""

import os
from pathlib import Path
from typing import Callable, Dict, List, Sequence

import judge
import options
import report
from bench import bench as vm_bench, compare as bench_compare, guests, native as bench_native, result as bench_result
from checks import cost, mutants, native
from checks.checkpatch import Checkpatch
from checks.cost import Cost
from checks.kunit import Kunit, Series
from checks.mutants import KunitMutant
from checks.native import Native
from checks.order import Order, OrderMutant
from checks.sparse import Sparse
from checks.tools import Guests, Tools, Types
from guest import target
from guest.target import MAIN
from host import cache, files, packages
from host.messages import Error, say
from judge import Job
from kernel import install as installation, source, tree
from kernel.tree import Plan
from outcome import Outcome, total


def _fresh() -> bool:
	return bool(os.environ.get('FRESH'))


def _again(command: str) -> str:
	"""The command that asks the same again."""
	return ' '.join(filter(None, (f'make {command}', options.typed())))


def _words(name: str) -> List[str]:
	return os.environ.get(name, '').split()


def _conclude(outcomes: List[Outcome]) -> int:
	report.show(outcomes)
	report.write(outcomes)
	return 0 if all(o.ok for o in outcomes) else 1


def _suites(wanted: Plan, targets: Sequence[target.Target], filter: str = '', note: str = '') -> List[Job]:
	again = _again('kunit') + (f' FILTER={filter!r}' if filter else '')
	return [Job(Series(), MAIN, wanted, again, note),
		*(Job(Kunit(filter), t, wanted, f'{again} TARGETS={t.name}', note) for t in targets)]


def kunit() -> int:
	targets = target.chosen(os.environ.get('TARGETS') or target.DEFAULT)
	packages.ensure(target.needs(targets))
	outcomes = judge.run(_suites(tree.plan(), targets, os.environ.get('FILTER', '')), _fresh())
	suites = [o for o in outcomes if o.check == Kunit.name]
	if not all(o.empty for o in suites):
		for outcome in suites:
			outcome.problem = '' if outcome.empty else outcome.problem
	return _conclude([o for o in outcomes if o.check == Kunit.name or not o.ok])


def sparse() -> int:
	packages.ensure(target.needs([MAIN]))
	return _conclude(judge.run([Job(Sparse(), MAIN, tree.plan(), _again('sparse'))], _fresh()))


def checkpatch() -> int:
	packages.ensure([*packages.TREE, *packages.CHECKPATCH])
	return _conclude(judge.run([Job(Checkpatch(), MAIN, tree.plan(), _again('checkpatch'))], _fresh()))


def order() -> int:
	packages.ensure(target.needs([MAIN]))
	check = Order(os.environ.get('FILTER', ''), _words('FUNCTIONS'), _words('STARTS'))
	return _conclude(judge.run([Job(check, MAIN, tree.plan(), _again('order'))], _fresh()))


def cost_() -> int:
	packages.ensure(target.needs([MAIN]))
	return _conclude(judge.run([Job(Cost(_ours()), MAIN, tree.plan(), _again('cost'))], _fresh()))


def cost_budget() -> int:
	packages.ensure(target.needs([MAIN]))
	with tree.alone(tree.plan()) as prepared:
		cost.budget(prepared, MAIN)
	return 0


def _ours() -> bool:
	"""Whether it is the whole of our series that is looked at."""
	return not os.environ.get('SERIES') and not os.environ.get('SERIES_UPTO')


def _mutants(kind: str, origin: source.Source, names: str = '*') -> List[Job]:
	make = {'kunit': KunitMutant, 'order': OrderMutant}[kind]
	command = {'kunit': 'mutants', 'order': 'order-mutants'}[kind]
	return [Job(make(m), m.target, mutants.plan(m, origin), _again(f'{command} MUTANTS={m.name}'))
		for m in mutants.load(kind, names)]


def _mutant_command(kind: str) -> int:
	names = os.environ.get('MUTANTS', '*')
	# Before a kernel is looked for: that takes git and tar already.
	packages.ensure(target.needs([m.target for m in mutants.load(kind, names)]))
	return _conclude(judge.run(_mutants(kind, source.chosen(), names), _fresh(), keep_going=True))


def check() -> int:
	"""Cheap things first; each goes on after the one before has failed."""
	targets = target.chosen(target.CHECKED)
	packages.ensure([*target.needs(targets), *packages.CHECKPATCH, *native.PACKAGES, *guests.PACKAGES,
		*packages.TYPES])
	origin = source.chosen()
	wanted, base = tree.plan(origin), tree.plan(origin, series='none')
	again = _again('check')
	jobs = [Job(Tools(), MAIN, wanted, again), Job(Types(), MAIN, wanted, again),
		Job(Checkpatch(), MAIN, wanted, _again('checkpatch')), *_suites(wanted, targets),
		Job(Guests(), MAIN, wanted, again)]
	if wanted.patches:
		jobs.append(Job(Kunit(), MAIN, base, 'make kunit SERIES=none', '(no series)'))
	jobs += [Job(Sparse(), MAIN, wanted, _again('sparse')), Job(Order(), MAIN, wanted, _again('order')),
		Job(Cost(_ours()), MAIN, wanted, _again('cost')), Job(Native(), MAIN, wanted, again)]
	# The mutants break our series, whatever the user's is.
	if wanted.patches and _ours():
		jobs += _mutants('order', origin)
	outcomes = judge.run(jobs, _fresh(), keep_going=True)
	status = _conclude(outcomes)
	passed, failed, skipped = total(outcomes)
	print(f'{passed} passed, {failed} failed, {skipped} skipped')
	return status


def compare() -> int:
	paths = _words('FILES')
	if len(paths) != 2:
		raise Error('compare wants two results, written by JSON=: make compare A.json B.json')
	results = [files.read_result(p, (report.FORMAT, bench_result.FORMAT)) for p in paths]
	kinds = {r['format'] for r in results}
	if len(kinds) > 1:
		raise Error(f'{paths[0]} and {paths[1]} are results of different kinds: {" and ".join(sorted(kinds))}')
	if kinds == {report.FORMAT}:
		lines = report.compare(paths, results)
	else:
		lines = bench_compare.compare(*(bench_compare.checked(p, r) for p, r in zip(paths, results)))
	print('\n'.join([*(f'{n}: {p}' for n, p in zip('AB', paths)), '', *lines]), flush=True)
	return 0


def _kdir() -> str:
	kdir = os.environ.get('KDIR')
	if not kdir:
		raise Error('which tree? give KDIR=/path/to/linux')
	return kdir


def install() -> int:
	changed = installation.install(source.user_tree(_kdir()).path)
	say(f'installed {len(changed)} files' if changed else 'installed already')
	return 0


def uninstall() -> int:
	# Whatever version of the kernel is checked out there now.
	where = Path(os.path.realpath(cache.expand('KDIR', _kdir())))
	if not where.is_dir():
		raise Error(f'KDIR={_kdir()}: no such directory')
	changed = installation.uninstall(where)
	say(f'removed from {len(changed)} files' if changed else
		f'nothing was installed: {where} has no {installation.RECORD}')
	return 0


def clean() -> int:
	cache.clean()
	return 0


def distclean() -> int:
	cache.clean(everything=True)
	return 0


COMMANDS: Dict[str, Callable[[], int]] = {
	'kunit': kunit, 'check': check, 'sparse': sparse, 'checkpatch': checkpatch,
	'mutants': lambda: _mutant_command('kunit'), 'order': order,
	'order-mutants': lambda: _mutant_command('order'), 'cost': cost_, 'cost-budget': cost_budget,
	'bench': vm_bench.bench, 'bench-native': bench_native.bench, 'compare': compare,
	'install': install, 'uninstall': uninstall, 'clean': clean, 'distclean': distclean,
}
# Those that do not need the cache, or not as it is.
UNCACHED = ('compare', 'install', 'uninstall', 'clean', 'distclean')
