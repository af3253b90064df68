#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The front door's other side: one function a make target. Variables come
through the environment, as make hands them down."""

import io
import os
import signal
import sys
import time
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, NoReturn

# Nothing is left in the clone, unless there is another place for it.
sys.dont_write_bytecode = not sys.pycache_prefix

from bench import bench
from bench import compare as bench_compare
from checks import cost
from bench import guests as guest
from host import cache
from host import process
from kernel import install as installation
from checks import lint
from checks import mutants
from checks import native
import options
from checks import order
from host import packages
import report
from guest import run
from guest import target
from kernel import tree
from host.messages import Error, say
from guest.target import Target

# Commands that do not need the cache, or not as it is.
UNCACHED = ('bench-compare', 'install', 'uninstall', 'clean', 'distclean')
# What make check builds with the series; without it, x86_64.
CHECKED = ['uml', 'x86_64', 'x86_64-pointer']


@dataclass
class Counts:
	passed: int = 0
	failed: int = 0
	skipped: int = 0

	def __iadd__(self, other: 'Counts') -> 'Counts':
		self.passed += other.passed
		self.failed += other.failed
		self.skipped += other.skipped
		return self


def judge(wanted: tree.Plan, targets: List[Target], filter: str = '') -> List[run.Verdict]:
	with tree.using(wanted) as (prepared,):
		say(f'kernel: {prepared.describe()}')
		return _judge(prepared, targets, filter)


def _judge(prepared: tree.Tree, targets: List[Target], filter: str) -> List[run.Verdict]:
	"""Builds and boots each target; one that does not build fails alone."""
	verdicts = [v for v in [run.of_series(prepared)] if not v.ok]
	for one in targets:
		start = time.monotonic()
		try:
			run.build(prepared, one)
		except Error as err:
			say(f'error: {err}')
			verdicts.append(run.Verdict(one.name, problem=str(err).split(': ', 1)[-1],
				build_seconds=time.monotonic() - start))
			continue
		built = time.monotonic()
		verdict = run.boot(prepared, one, filter=filter)
		verdict.build_seconds = built - start
		say(f'{one.name}: {verdict.passed} passed, {verdict.failed} failed, '
			f'{verdict.skipped} skipped in {verdict.run_seconds:.1f} s')
		verdicts.append(verdict)
	return verdicts


def write_reports(verdicts: List[run.Verdict]) -> None:
	report.write_json(verdicts)
	report.write_junit(verdicts)


def kunit() -> int:
	targets = target.chosen(os.environ.get('TARGETS') or target.DEFAULT)
	packages.ensure(packages.of_targets(targets))
	verdicts = judge(tree.plan(), targets, os.environ.get('FILTER', ''))
	if not all(v.empty for v in verdicts):
		for verdict in verdicts:
			verdict.problem = '' if verdict.empty else verdict.problem
	report.show(verdicts)
	write_reports(verdicts)
	return 0 if all(v.ok for v in verdicts) else 1


def _findings(found: Dict[str, List[str]], what: str) -> Counts:
	for lines in found.values():
		for line in lines:
			print(line)
	bad = sum(1 for lines in found.values() if lines)
	print(f'{what}: {len(found)} files, {bad} with findings', flush=True)
	return Counts(len(found) - bad, bad)


def sparse() -> int:
	packages.ensure(packages.of_targets([lint.TARGET]))
	return 1 if _findings(lint.sparse(tree.source()), 'sparse').failed else 0


def checkpatch() -> int:
	packages.ensure([*packages.TREE, *packages.CHECKPATCH])
	origin = tree.source()
	found = lint.checkpatch(origin, tree.plan(origin).patches)
	return 1 if _findings(found, 'checkpatch').failed else 0


def _own_tests(pattern: str) -> Counts:
	tests = unittest.defaultTestLoader.discover(str(Path(__file__).parent / 'tests'), pattern)
	result = unittest.TextTestRunner(verbosity=2).run(tests)
	failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
	return Counts(result.testsRun - failed - len(result.skipped), failed, len(result.skipped))


def _step(name: str, command: Callable[[], int]) -> Counts:
	"""A command of its own as one test of make check."""
	try:
		status = command()
	except (Error, OSError) as err:
		say(f'error: {err}')
		status = 1
	print(f'{name}: {"FAILED" if status else "ok"}', flush=True)
	return Counts(0, 1) if status else Counts(1)


def _native(origin: tree.Source) -> Counts:
	try:
		return Counts(*native.check(origin))
	except (Error, OSError) as err:
		say(f'error: {err}')
		return Counts(failed=1)


def check() -> int:
	"""Cheap things first; each goes on after the one before has failed."""
	targets = [target.TARGETS[n] for n in CHECKED]
	packages.ensure([*packages.of_targets(targets), *packages.CHECKPATCH, *native.PACKAGES,
		*guest.PACKAGES])
	origin = tree.source()
	total = Counts()
	total += _own_tests('*_test.py')
	wanted = tree.plan(origin)
	total += _findings(lint.checkpatch(origin, wanted.patches), 'checkpatch')
	verdicts = judge(wanted, targets)
	total += _own_tests('*_guest.py')
	for verdict in judge(tree.plan(origin, series='none'), [target.TARGETS['x86_64']]):
		verdict.target += ' (no series)'
		verdicts.append(verdict)
	total += _step('sparse', sparse)
	total += _step('order', order.order)
	total += _step('cost', cost.cost)
	total += _native(origin)
	# The mutants break our series, whatever the user's is.
	if tree.series_path(origin) == tree.OUR_SERIES:
		total += _step('order-mutants', order.order_mutants)
	report.show(verdicts)
	write_reports(verdicts)
	for v in verdicts:
		total += Counts(v.passed, v.failed or (0 if v.ok else 1), v.skipped)
	print(f'{total.passed} passed, {total.failed} failed, {total.skipped} skipped')
	return 1 if total.failed else 0


def mutate() -> int:
	"""Would the suites have noticed? Breaks the series on purpose, to see."""
	chosen = mutants.load('kunit', os.environ.get('MUTANTS', '*'))
	packages.ensure(packages.of_targets([m.target for m in chosen]))
	origin = tree.source()
	outcomes = []
	for mutant in chosen:
		outcomes.append(mutants.kunit(mutant, origin))
		say(mutants.report(outcomes[-1:])[0])
	print('\n'.join(mutants.report(outcomes)))
	missed = sum(1 for o in outcomes if not o.ok)
	print(f'{len(outcomes)} mutants, {missed} not caught', flush=True)
	return 1 if missed else 0


def _kdir() -> str:
	kdir = os.environ.get('KDIR')
	if not kdir:
		raise Error('which tree? give KDIR=/path/to/linux')
	return kdir


def install() -> int:
	changed = installation.install(tree.user_tree(_kdir()).path)
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
	'kunit': kunit, 'check': check, 'sparse': sparse, 'checkpatch': checkpatch, 'mutants': mutate,
	'order': order.order, 'order-mutants': order.order_mutants,
	'cost': cost.cost, 'cost-budget': cost.budget,
	'bench': bench.bench, 'bench-compare': bench_compare.bench_compare,
	'bench-native': native.bench,
	'install': install, 'uninstall': uninstall,
	'clean': clean, 'distclean': distclean,
}


def _interrupt(_signal: int, _frame: Any) -> NoReturn:
	raise KeyboardInterrupt()


def main(arguments: List[str]) -> int:
	if arguments == ['help']:
		print(options.usage())
		return 0
	if len(arguments) != 1 or arguments[0] not in COMMANDS:
		print(f'usage: zd.py {"|".join(COMMANDS)}', file=sys.stderr)
		return 2
	# The end of a session or a CI job ends children as Ctrl-C does. What was
	# started in the background ignores SIGINT until it is told not to.
	for sig in process.ENDING:
		# nohup, on the other hand, means what it says.
		if sig != signal.SIGHUP or signal.getsignal(sig) != signal.SIG_IGN:
			signal.signal(sig, _interrupt)
	# Names in a user's tree need not be UTF-8.
	for stream in (sys.stdout, sys.stderr):
		if isinstance(stream, io.TextIOWrapper):
			stream.reconfigure(errors='backslashreplace')
	try:
		options.check()
		if arguments[0] not in UNCACHED:
			cache.use()
		return COMMANDS[arguments[0]]()
	except Error as err:
		say(f'error: {err}')
		return 1
	except OSError as err:
		# A copy that fails names what it reads first, and what it writes second.
		filename = err.filename2 or err.filename
		name = f' ({filename})' if filename else ''
		say(f'error: {(err.strerror or str(err)).lower()}{name}')
		return 1
	except KeyboardInterrupt:
		say('interrupted; the next run takes up from here')
		return 130


if __name__ == '__main__':
	sys.exit(main(sys.argv[1:]))
