# SPDX-License-Identifier: GPL-2.0
"""sparse and checkpatch, on what the series and the suites touch."""

import os
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Counter as CounterOf, Dict, List, Optional, Sequence, Tuple

from kernel import base
from host import cache
from host import process
from host import locks
from kernel import overlay
from host import packages
from guest import run
from kernel import series as patches
from guest import target
from kernel import tree
from host.messages import Error, say
from kernel.tree import Tree

# Headers have no object of their own; these include those that the series
# touches, whether or not it touches them too.
ANCHORS = ['mm/mm_init.c', 'arch/x86/lib/usercopy_64.c']
TARGET = target.TARGETS['x86_64']


def _accepted(src: Path, sparse: Path) -> bool:
	try:
		return process.output(['sh', src / 'scripts/checker-valid.sh', sparse]).strip() == '1'
	except Error:
		return False


def sparse_binary(src: Path) -> Path:
	"""A sparse that this kernel does not refuse. Make says that it refuses
	one and goes on without checking, so it is asked beforehand."""
	if not (src / 'scripts/checker-valid.sh').is_file():
		raise Error(f'{src} has no scripts/checker-valid.sh')
	system = shutil.which('sparse')
	built = cache.directory() / 'sparse/sparse'
	for candidate in ([Path(system)] if system else []) + [built]:
		if candidate.is_file() and _accepted(src, candidate):
			return candidate
	if system:
		version = process.output([system, '--version']).strip()
		say(f'the kernel refuses sparse {version}: building a newer one')
	packages.ensure([*packages.SPARSE, *packages.BUILD, packages.GCC])
	with locks.locked(cache.directory() / 'sparse/.lock'):
		_build_sparse(built)
	if not _accepted(src, built):
		raise Error('the kernel refuses the newest sparse that the Debian mirror offers, too')
	return built


def _build_sparse(binary: Path) -> None:
	apt = base.Apt('deb-src')
	apt.update()
	versions = sorted((s['Version'] for s in apt.index('sparse')), key=base.version_key)
	if not versions:
		raise Error('the Debian mirror offers no source of sparse')
	work = cache.directory() / 'tmp/sparse'
	cache.remove(work)
	work.mkdir(parents=True)
	try:
		apt.get('source', f'sparse={versions[-1]}', cwd=work, label='fetching sparse')
		source = next(p for p in work.iterdir() if p.is_dir())
		log = binary.with_name('build.log')
		cache.remove(log)
		# Debian's names the compiler of the release that it is from.
		if process.run(['make', '-C', source, 'CC=gcc', f'-j{process.jobs()}', 'sparse'], log=log,
				env=run.environment(), label='building sparse'):
			raise Error(f'sparse {versions[-1]} does not build (log: {log})')
		temp = binary.with_name('sparse.new')
		shutil.copy2(source / 'sparse', temp)
		os.replace(temp, binary)
	finally:
		cache.remove(work)


def _warnings(prepared: Tree, files: Sequence[str], sparse: Path, name: str) -> List[Tuple[str, str]]:
	"""(file, line of output) for all that sparse says about @files."""
	directory = prepared.build_dir(TARGET.name)
	run.configure(prepared, TARGET)
	log = directory / 'sparse.log'
	cache.remove(log)
	objects = [f'{f[:-2]}.o' for f in files]
	# One at a time: make visits arch/x86/lib twice, and one visit may read what
	# the other is writing.
	if process.run([*run.make_command(prepared, TARGET), '-j1', 'C=2', f'CHECK={sparse}', '-k', *objects],
			env=run.environment(), log=log, label=f'sparse, {name}'):
		raise Error(f'sparse, {name}: {run.first_errors(log)[0].strip()} (log: {log})')
	lines = log.read_text(errors='replace').splitlines()
	checked = {l.split()[1] for l in lines if l.startswith('  CHECK ')}
	left = [f for f in files if not any(c.endswith(f) for c in checked)]
	if left:
		raise Error(f'sparse, {name}: make did not check {left[0]} (log: {log})')
	found = []
	for line in dict.fromkeys(lines):
		match = re.match(r'(\S+?):\d+:\d+: (?:warning|error): ', line)
		if match:
			path = os.path.normpath(os.path.join(directory, match.group(1)))
			relative = os.path.relpath(path, prepared.src)
			found.append((relative, line.replace(match.group(1), relative, 1)))
	return found


def _without_place(line: str) -> str:
	return re.sub(r':\d+:\d+:', ':', line)


def sparse(origin: tree.Source) -> Dict[str, List[str]]:
	"""Checked file -> what sparse says of it that it does not say of the same
	file without the series; {} where nothing was to check."""
	plans = [tree.plan(origin)]
	if plans[0].patches:
		plans.append(tree.plan(origin, series='none'))
	with tree.using(*plans) as trees:
		return _compare(trees[0], trees[-1])


def _compare(prepared: Tree, unpatched: Tree) -> Dict[str, List[str]]:
	checker = sparse_binary(prepared.src)
	ours = sorted(f for f in overlay.files() if f.endswith('.c'))
	theirs = sorted({f for f in prepared.patched if f.endswith('.c')} | set(ANCHORS))
	theirs = [f for f in theirs if (prepared.src / f).is_file()]
	seen = _warnings(prepared, ours + theirs, checker, 'with the series')
	known: CounterOf[str] = Counter()
	if prepared.patches:
		there = [f for f in theirs if (unpatched.src / f).is_file()]
		known.update(_without_place(l) for _, l in _warnings(unpatched, there, checker, 'without'))
	else:
		known.update(_without_place(l) for f, l in seen if f not in prepared.produced)
	result: Dict[str, List[str]] = {f: [] for f in ours + theirs}
	for name, line in seen:
		key = _without_place(line)
		if known[key] > 0:
			known[key] -= 1
		else:
			# A header's warning is shown under the header's name.
			result.setdefault(name, []).append(line)
	return result


def checkpatch(origin: tree.Source, series: Sequence[patches.Patch]) -> Dict[str, List[str]]:
	"""Patch or file of the suites -> what checkpatch.pl says of it."""
	script = origin.path / 'scripts/checkpatch.pl'
	if not script.is_file():
		raise Error(f'{origin.name} has no scripts/checkpatch.pl')
	options = ['perl', str(script), f'--root={origin.path}', '--strict', '--no-signoff',
		'--terse', '--show-types', '--no-summary']
	work = cache.directory() / 'tmp'
	work.mkdir(parents=True, exist_ok=True)
	result: Dict[str, List[str]] = {}
	for patch in series:
		temp = work / f'{os.getpid()}.patch'
		temp.write_bytes(patch.text)
		try:
			result[patch.name] = _checkpatch([*options, str(temp)], str(temp), patch.name)
		finally:
			cache.remove(temp)
	for name, path in overlay.files().items():
		if name.endswith(('.c', '.h')):
			# offsetof() and sizeof_field() in a macro do not evaluate what they
			# are given, but checkpatch takes them for uses with side effects.
			result[name] = _checkpatch([*options, '--ignore=MACRO_ARG_REUSE', '--file', str(path)],
				str(path), name)
	return result


def _checkpatch(command: List[str], path: str, name: str) -> List[str]:
	log = cache.directory() / 'tmp' / f'{os.getpid()}.checkpatch'
	cache.remove(log)
	try:
		# It leaves a list of names in the directory where it runs.
		status = process.run(command, log=log, cwd=log.parent)
		lines = [l.replace(path, name) for l in log.read_text(errors='replace').splitlines() if l]
	finally:
		cache.remove(log)
	if status and not lines:
		return [f'{name}: checkpatch.pl failed with status {status}']
	return lines if status else []
