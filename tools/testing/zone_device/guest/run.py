# SPDX-License-Identifier: GPL-2.0
"""run = a prepared tree built for a target and booted: KTAP in, verdict out."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from guest import accelerator as accel
from host import cache
from host import process
from guest import log as ktap
import options
from host.messages import Error, say
from guest.target import Target
from kernel.tree import Tree

KUNIT = 'tools/testing/kunit/kunit.py'
# How long after kunit.py's own limit the whole of it is ended.
GRACE = 15
# Seconds that a file's date may be ahead of the clock; file systems round.
SKEW = 2.0
# The one test that needs no kernel.
COPY_IS_USED = 'series.copy_is_used'


@dataclass
class Verdict:
	target: str
	passed: int = 0
	failed: int = 0
	skipped: int = 0
	build_seconds: float = 0.0
	run_seconds: float = 0.0
	# (test, reason)
	skips: List[Tuple[str, str]] = field(default_factory=list)
	# (test, what it printed)
	failures: List[Tuple[str, List[str]]] = field(default_factory=list)
	# Why the run as a whole is bad, in a sentence, whatever its tests say.
	problem: str = ''
	panicked: bool = False
	# FILTER= left nothing to run, which is bad only if it does so everywhere.
	empty: bool = False
	warnings: List[str] = field(default_factory=list)
	json: Dict[str, Any] = field(default_factory=dict)
	log: Optional[Path] = None

	@property
	def ok(self) -> bool:
		return not self.failed and not self.problem


def compiler() -> str:
	"""As the kernel's Makefile has it: LLVM=1, LLVM=-19 or LLVM=/a/path/."""
	llvm = os.environ.get('LLVM', '')
	default = 'gcc' if not llvm else f'{llvm}clang' if llvm.endswith('/') \
		else f'clang{llvm}' if llvm.startswith('-') else 'clang'
	return os.environ.get('CC') or default


def make_options(target: Target) -> List[str]:
	"""Variables for the kernel's make, the same in each call: another CC in
	one of them has Kconfig ask everything anew."""
	found = [f'{v}={os.environ[v]}' for v in ('LLVM', 'KCFLAGS') if os.environ.get(v)]
	cc = compiler()
	if target.cross_compile and not os.environ.get('CC') and not os.environ.get('LLVM'):
		cc = f'{target.cross_compile}gcc'
	for word in cc.split():
		if not word.startswith('-') and not shutil.which(word):
			raise Error(f'{word}: no such compiler (CC={cc})')
	if shutil.which('ccache') and 'ccache' not in cc:
		cc = f'ccache {cc}'
	return [*found, f'CC={cc}']


def environment() -> Dict[str, str]:
	env = {k: v for k, v in os.environ.items()
		# What make passes down is meant for our Makefile, and its jobserver
		# is not open to a make that is no child of it.
		if k not in ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', 'MAKEOVERRIDES', 'MAKEFILE_LIST', 'O', 'ARCH',
			'CROSS_COMPILE', 'KBUILD_OUTPUT', *options.KINDS)}
	# Lets trees that differ in their place alone share what ccache knows.
	env.setdefault('CCACHE_BASEDIR', str(cache.directory()))
	env.setdefault('CCACHE_NOHASHDIR', '1')
	env.setdefault('CCACHE_DIR', str(cache.directory() / 'ccache'))
	env['PYTHONDONTWRITEBYTECODE'] = '1'
	env['LC_ALL'] = 'C'
	return env


def make_command(tree: Tree, target: Target) -> List[str]:
	command = ['make', '-C', str(tree.src), f'O={tree.build_dir(target.name)}',
		f'ARCH={target.arch}', *make_options(target), f'-j{process.jobs()}']
	if target.cross_compile:
		command.append(f'CROSS_COMPILE={target.cross_compile}')
	return command


def _kunit_command(tree: Tree, target: Target, verb: str) -> List[str]:
	command = [sys.executable, str(tree.src / KUNIT), verb, f'--build_dir={tree.build_dir(target.name)}',
		f'--arch={target.arch}']
	if target.cross_compile:
		command.append(f'--cross_compile={target.cross_compile}')
	return command


def _stamp(tree: Tree, target: Target) -> str:
	"""Everything that the image depends on."""
	cc = make_options(target)
	version = process.output([w for w in cc[-1][3:].split() if w != 'ccache'][:1] + ['--version'])
	text = json.dumps([tree.generation, target.config_options(), cc, version.splitlines()[:1]])
	return hashlib.sha256(text.encode()).hexdigest()


def first_errors(log: Path) -> List[str]:
	lines = log.read_text(errors='replace').splitlines()
	for pattern in (r'\berror: |undefined reference|multiple definition|No space left', r'\*\*\* '):
		found = [l for l in lines if re.search(pattern, l)]
		if found:
			return found[:8]
	return lines[-8:]


def _count_compiled(log: Path) -> Iterator[str]:
	"""Says, each time it is asked, how many files the build has compiled."""
	count = 0
	place = 0
	while True:
		try:
			with open(log, 'rb') as lines:
				lines.seek(place)
				new = lines.read()
		except FileNotFoundError:
			new = b''
		count += len(re.findall(rb'^  (?:CC|AS) ', new, re.M))
		# A line may be half written: count it when it is whole.
		keep = new.rfind(b'\n') + 1
		count -= len(re.findall(rb'^  (?:CC|AS) ', new[keep:], re.M))
		place += keep
		yield f'{count} files compiled, '


def warnings(log: Path, tree: Tree, files: Set[str]) -> List[str]:
	"""The compiler's warnings about @files, each once."""
	found = []
	for line in log.read_text(errors='replace').splitlines():
		match = re.match(r'(\S+?):\d+:(?:\d+:)? (?:warning|error): ', line)
		if not match or 'warning: ' not in line:
			continue
		# The compiler runs in the build directory.
		name = os.path.normpath(os.path.join(tree.build_dir('x'), match.group(1)))
		name = os.path.relpath(name, tree.src)
		if name in files and line not in found:
			found.append(line)
	return found


def configure(tree: Tree, target: Target) -> None:
	build = tree.build_dir(target.name)
	build.mkdir(parents=True, exist_ok=True)
	log = build / 'config.log'
	cache.remove(log)
	command = [*_kunit_command(tree, target, 'config'), *target.config_options(),
		*(f'--make_options={o}' for o in make_options(target))]
	if process.run(command, cwd=tree.src, env=environment(), log=log,
			label=f'{target.name}: configuring'):
		lines = [l for l in process.tail(log, 40) if l.strip()]
		missing = [l for l in lines if l.startswith('Missing:')]
		if missing:
			raise Error(f'{target.name}: the kernel does not take {missing[0][9:]} (log: {log})')
		raise Error(f'{target.name}: no configuration: {(lines or ["no output"])[-1]} (log: {log})')


def must_be_of_the_past(directory: Path) -> None:
	"""Make compares dates: it takes what was built while the clock was ahead
	for newer than any change that is made now, and builds nothing."""
	now = time.time()
	for where, _directories, names in os.walk(directory):
		for name in names:
			path = os.path.join(where, name)
			with contextlib.suppress(FileNotFoundError):
				if os.lstat(path).st_mtime > now + SKEW:
					say(f'{path} is dated in the future: all is built again')
					cache.discard(directory)
					return


def build(tree: Tree, target: Target) -> Path:
	"""Builds the kernel unless it is built already; returns the image."""
	directory = tree.build_dir(target.name)
	image, stamp = directory / target.image, directory / 'zone_device.stamp'
	wanted = _stamp(tree, target)
	if image.is_file() and stamp.is_file() and stamp.read_text() == wanted:
		return image
	cache.remove(stamp)
	must_be_of_the_past(directory)
	configure(tree, target)
	log = directory / 'build.log'
	cache.remove(log)
	compiled = _count_compiled(log)
	start = time.monotonic()
	if process.run([*make_command(tree, target), target.goal], env=environment(), log=log,
			label=f'{target.name}: building', status=lambda _pid: next(compiled)):
		errors = first_errors(log)
		if process.disk_full(directory) or any('No space left on device' in l for l in errors):
			raise Error(f'{target.name}: no space left on device to build in ({directory})')
		for line in errors:
			say(f'  {line}')
		raise Error(f'{target.name}: the kernel does not build (log: {log})')
	say(f'{target.name}: built in {time.monotonic() - start:.0f} s '
		f'({next(compiled).rstrip(", ")})')
	for line in warnings(log, tree, tree.patched | tree.produced):
		say(f'{target.name}: new warning: {line}')
	stamp.write_text(wanted)
	return image


def boot(tree: Tree, target: Target, filter: str = '', kernel_args: Sequence[str] = (),
	 qemu_args: Sequence[str] = (), timeout: Optional[int] = None,
	 emulate: bool = False, status: Callable[[int], str] = lambda _pid: '') -> Verdict:
	"""Boots what build() made and has kunit.py judge it; @status is asked for
	a word on its progress meanwhile."""
	directory = tree.build_dir(target.name)
	image = directory / target.image
	limit = timeout or process.number('TIMEOUT') or target.timeout
	result, log, kunit_log = (directory / n for n in ('result.json', 'test.log', 'kunit.log'))
	for stale in (result, log, kunit_log):
		cache.remove(stale)
	# An oops or a panic is to end the guest at once, not at the time limit.
	arguments = ['oops=panic', 'panic=-1', *kernel_args]
	command = [*_kunit_command(tree, target, 'exec'), f'--timeout={limit}', f'--json={result}',
		*(f'--kernel_args={a}' for a in arguments)]
	if target.qemu:
		command += [f'--qemu_args={a}' for a in (*target.qemu_args, *qemu_args)]
	if filter:
		command.append(filter)
	env = {**environment(), 'PATH': accel.search_path(target, image, emulate)}
	start = time.monotonic()
	expired = False
	exit_status = 1
	try:
		exit_status = process.run(command, cwd=tree.src, env=env, log=kunit_log,
			timeout=limit + GRACE, status=status, label=f'{target.name}: running')
	except process.TimedOut:
		expired = True
	verdict = judge(target.name, result, log, kunit_log, exit_status, filter)
	verdict.run_seconds = time.monotonic() - start
	if expired or verdict.run_seconds >= limit:
		hung = f'the guest hung and was stopped after {limit} s'
		verdict.problem = f'{verdict.problem}; then {hung}' if verdict.panicked \
			else hung + _where(log)
	return verdict


def of_series(tree: Tree) -> Verdict:
	"""What can be said of a series before anything is built. What the suites
	expect of the copy they read from the tree, so that they cannot miss it."""
	verdict = Verdict('series', passed=1)
	if tree.copy_unused:
		copy = re.search(r'-DZD_COPY=(\w+)', tree.features)
		verdict.passed, verdict.failed = 0, 1
		verdict.failures.append((COPY_IS_USED, [f'the series defines {copy.group(1) if copy else "a copy"}(), '
			'and nothing in mm/mm_init.c calls it: no struct page is streamed']))
	return verdict


def _where(log: Path) -> str:
	last = ktap.read(_lines(log)).last
	return f', the last test seen is {last}' if last else ', no test had started'


def _lines(path: Path) -> List[str]:
	return path.read_text(errors='replace').splitlines() if path.is_file() else []


def judge(target: str, result: Path, log: Path, kunit_log: Path, status: int,
	  filter: str = '') -> Verdict:
	"""The verdict from kunit.py's JSON and exit status and the kernel's log."""
	verdict = Verdict(target, log=log if log.is_file() else kunit_log)
	with contextlib.suppress(OSError, ValueError):
		verdict.json = dict(json.loads(result.read_text()))
	counts = verdict.json.get('misc', {})
	verdict.passed = counts.get('passed', 0)
	verdict.failed = counts.get('failed', 0) + counts.get('crashed', 0)
	verdict.skipped = counts.get('skipped', 0)
	seen = ktap.read(_lines(log))
	verdict.skips, verdict.failures, verdict.warnings = seen.skips, seen.failures, seen.splats
	verdict.panicked = bool(seen.panic)
	if seen.panic:
		verdict.problem = f'the kernel panicked: {seen.panic}' + _where(log)
	elif not seen.started:
		verdict.problem = 'the kernel printed no test results'
	elif not verdict.passed + verdict.failed + verdict.skipped:
		verdict.problem = f'no test matches FILTER={filter}' if filter else 'no test ran'
		verdict.empty = bool(filter)
	elif seen.splats:
		verdict.problem = f'the kernel complained: {seen.splats[0]}'
	elif counts.get('errors', 0):
		verdict.problem = 'test results are missing or damaged' + _where(log)
	elif status and not verdict.failed:
		verdict.problem = 'kunit.py failed without a failed test'
	return verdict
