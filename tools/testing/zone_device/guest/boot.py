# SPDX-License-Identifier: GPL-2.0
"""A built kernel, booted and judged by kunit.py: KTAP in, outcome out."""

import contextlib
import json
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import contract as contracts
from guest import accelerator, log as ktap
from guest.build import environment, kunit_command
from guest.target import Target
from host import cache, process
from kernel.tree import Tree
from outcome import Outcome

# How long after kunit.py's own limit the whole of it is ended.
GRACE = 15


def boot(tree: Tree, target: Target, filter: str = '', kernel_args: Sequence[str] = (),
	 qemu_args: Sequence[str] = (), timeout: Optional[int] = None,
	 emulate: bool = False, status: Callable[[int], str] = lambda _pid: '') -> Outcome:
	"""Boots what build() made and has kunit.py judge it; @status is asked for
	a word on its progress meanwhile."""
	directory = tree.build_dir(target.name)
	image = directory / target.arch.image
	limit = timeout or target.timeout
	result, log, kunit_log = (directory / n for n in ('result.json', 'test.log', 'kunit.log'))
	for stale in (result, log, kunit_log):
		cache.remove(stale)
	# An oops or a panic is to end the guest at once, not at the time limit.
	arguments = ['oops=panic', 'panic=-1', *contracts.parameters(tree.contract, tree.partial), *kernel_args]
	command = [*kunit_command(tree, target, 'exec'), f'--timeout={limit}', f'--json={result}',
		*(f'--kernel_args={a}' for a in arguments)]
	if target.arch.qemu:
		command += [f'--qemu_args={a}' for a in (*target.arch.qemu_args, *qemu_args)]
	if filter:
		command.append(filter)
	env = {**environment(), 'PATH': accelerator.search_path(target, image, emulate)}
	start = time.monotonic()
	expired = False
	exit_status = 1
	try:
		exit_status = process.run(command, cwd=tree.src, env=env, log=kunit_log,
			timeout=limit + GRACE, status=status, label=f'{target.name}: running')
	except process.TimedOut:
		expired = True
	outcome = judge(target.name, result, log, kunit_log, exit_status, filter)
	_judge_promises(outcome, tree, _lines(log))
	outcome.run_seconds = time.monotonic() - start
	if expired or outcome.run_seconds >= limit:
		outcome.empty = False
		hung = f'the guest hung and was stopped after {limit} s'
		outcome.problem = f'{outcome.problem}; then {hung}' if outcome.panicked \
			else hung + _where(log)
	return outcome


def _judge_promises(outcome: Outcome, tree: Tree, lines: List[str]) -> None:
	outcome.contract, outcome.partial = tree.contract, tree.partial
	outcome.seen = contracts.seen(lines)
	outcome.figures.update((f'{contracts.COMPARED}{name}', n) for name, n in contracts.second_sides(lines).items())
	outcome.unknown = contracts.doubt(tree.contract, outcome.seen)
	outcome.doubtful = bool(outcome.unknown)


def _where(log: Path) -> str:
	last = ktap.read(_lines(log)).last
	return f', the last test seen is {last}' if last else ', no test had started'


def _lines(path: Path) -> List[str]:
	return path.read_text(errors='replace').splitlines() if path.is_file() else []


def _cases(group: Dict[str, Any], where: str) -> Iterator[Tuple[str, str]]:
	"""(full name, status) of the tests in a group of kunit.py's JSON."""
	for case in group.get('test_cases', []):
		yield f'{where}{case.get("name", "?")}', str(case.get('status', 'ERROR'))
	for sub in group.get('sub_groups', []):
		yield from _cases(sub, f'{where}{sub.get("name", "?")}.')


def judge(target: str, result: Path, log: Path, kunit_log: Path, status: int,
	  filter: str = '') -> Outcome:
	"""The outcome from kunit.py's JSON and exit status and the kernel's log."""
	outcome = Outcome('kunit', target, log=log if log.is_file() else kunit_log)
	found: Dict[str, Any] = {}
	with contextlib.suppress(OSError, ValueError, TypeError):
		found = dict(json.loads(result.read_text()))
	outcome.cases = list(_cases(found, ''))
	counts = found.get('misc', {})
	outcome.passed = counts.get('passed', 0)
	outcome.failed = counts.get('failed', 0) + counts.get('crashed', 0)
	outcome.skipped = counts.get('skipped', 0)
	seen = ktap.read(_lines(log))
	outcome.skips, outcome.failures, outcome.warnings = seen.skips, seen.failures, seen.splats
	outcome.panicked = bool(seen.panic)
	if seen.panic:
		outcome.problem = f'the kernel panicked: {seen.panic}' + _where(log)
	elif not seen.started:
		outcome.problem = 'the kernel printed no test results'
	elif not outcome.passed + outcome.failed + outcome.skipped:
		# A guest that dies before its first result has a plan, too.
		outcome.empty = bool(filter) and any(l.strip().endswith('1..0') for l in _lines(log)) and not seen.last
		outcome.problem = f'no test matches FILTER={filter}' if outcome.empty else 'no test ran'
	elif seen.splats:
		outcome.problem = f'the kernel complained: {seen.splats[0]}'
	elif counts.get('errors', 0):
		outcome.problem = 'test results are missing or damaged' + _where(log)
	elif status and not outcome.failed:
		outcome.problem = 'kunit.py failed without a failed test'
	return outcome
