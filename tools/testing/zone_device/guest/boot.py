# SPDX-License-Identifier: GPL-2.0
"""A built kernel, booted, and its log judged by kunit.py: KTAP in, outcome out."""

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import contract as contracts
from guest import accelerator, log as ktap, qemu
from guest.build import environment, KUNIT
from guest.target import Target
from host import cache, files, process
from kernel.tree import Tree
from outcome import Outcome


def boot(tree: Tree, target: Target, filter: str = '', kernel_args: Sequence[str] = (),
	 qemu_args: Sequence[str] = (), timeout: Optional[int] = None, emulate: bool = False,
	 suites: bool = True, status: Callable[[int], str] = lambda _pid: '', name: str = 'test') -> Outcome:
	"""Boots what build() made and has kunit.py judge it, if it is to run its
	@suites; @status is asked for a word on its progress meanwhile. Its files are
	@name's: two guests at a time have two."""
	directory = tree.build_dir(target.name)
	machine = qemu.machine(tree, target.arch)
	limit = timeout or target.timeout
	result, log, kunit_log = (directory / f'{name}{end}' for end in ('.json', '.log', '-kunit.log'))
	for stale in (result, log, kunit_log):
		cache.remove(stale)
	# What is given here may end with words for init alone.
	arguments = [*contracts.parameters(tree.contract, tree.partial),
		*([f'kunit.filter_glob={filter}'] if filter else []), *kernel_args]
	command = machine.command(directory, accelerator.choose(machine, directory, emulate), arguments, qemu_args)
	start, wrong = time.monotonic(), ''
	try:
		if process.run(command, cwd=tree.src, env=environment(), log=log, timeout=limit, status=status,
				label=f'{target.name}: running'):
			wrong = f'{Path(command[0]).name} failed: {(files.tail(log) or ["it says nothing"])[-1].strip()}'
	except process.TimedOut:
		wrong = f'the guest hung and was stopped after {limit} s'
	outcome = ended(target.name, log, wrong)
	outcome.run_seconds = time.monotonic() - start
	if suites:
		failed = process.run([sys.executable, tree.src / KUNIT, 'parse', f'--json={result}', log],
			cwd=tree.src, env=environment(), log=kunit_log)
		take_results(outcome, result, failed, filter)
	_add_promises(outcome, tree, _lines(log))
	return outcome


def _add_promises(outcome: Outcome, tree: Tree, lines: List[str]) -> None:
	outcome.contract, outcome.partial = tree.contract, tree.partial
	outcome.seen = contracts.seen(lines)
	outcome.figures.update((f'{contracts.COMPARED}{name}', n) for name, n in contracts.second_sides(lines).items())
	outcome.unknown = contracts.doubt(tree.contract, outcome.seen)
	outcome.doubtful = bool(outcome.unknown)


def _lines(path: Optional[Path]) -> List[str]:
	return path.read_text(errors='replace').splitlines() if path else []


def _where(seen: ktap.Log) -> str:
	return f', the last test seen is {seen.last}' if seen.last else ', no test had started'


def ended(target: str, log: Path, wrong: str = '') -> Outcome:
	"""How a guest ended, whatever it was to do; @wrong: what its log does not say."""
	seen = ktap.parse(_lines(log))
	panic = f'the kernel panicked: {seen.panic}{_where(seen)}' if seen.panic else ''
	return Outcome('kunit', target, log=log, skips=seen.skips, failures=seen.failures,
		warnings=seen.splats, panicked=bool(panic),
		problem='; then '.join(p for p in (panic, wrong) if p) + (_where(seen) if wrong and not panic else ''))


def _cases(group: Dict[str, Any], where: str) -> Iterator[Tuple[str, str]]:
	"""(full name, status) of the tests in a group of kunit.py's JSON."""
	for case in group.get('test_cases', []):
		yield f'{where}{case.get("name", "?")}', str(case.get('status', 'ERROR'))
	for sub in group.get('sub_groups', []):
		yield from _cases(sub, f'{where}{sub.get("name", "?")}.')


def take_results(outcome: Outcome, result: Path, status: int, filter: str = '') -> None:
	"""Adds what kunit.py's JSON and exit status say of the suites."""
	found: Dict[str, Any] = {}
	with contextlib.suppress(OSError, ValueError, TypeError):
		found = dict(json.loads(result.read_text()))
	outcome.cases = list(_cases(found, ''))
	counts = found.get('misc', {})
	outcome.passed = counts.get('passed', 0)
	outcome.failed = counts.get('failed', 0) + counts.get('crashed', 0)
	outcome.skipped = counts.get('skipped', 0)
	lines = _lines(outcome.log)
	seen = ktap.parse(lines)
	if outcome.problem:
		return
	if not seen.started:
		outcome.problem = 'the kernel printed no test results'
	elif not outcome.passed + outcome.failed + outcome.skipped:
		# A guest that dies before its first result has a plan, too.
		outcome.empty = bool(filter) and any(l.strip().endswith('1..0') for l in lines) and not seen.last
		outcome.problem = f'no test matches FILTER={filter}: it is suite.test, as in zone_device_init.zd_model_test' \
			if outcome.empty else 'no test ran'
	elif seen.splats:
		outcome.problem = f'the kernel complained: {seen.splats[0]}'
	elif counts.get('errors', 0):
		outcome.problem = 'test results are missing or damaged' + _where(seen)
	elif status and outcome.passed and not outcome.failed:
		# Its parse has the same status for tests that were all skipped.
		outcome.problem = 'kunit.py failed without a failed test'
