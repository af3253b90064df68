# SPDX-License-Identifier: GPL-2.0
"""sparse, on what the series and the suites touch: what it says with the
series and does not say without."""

import os
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Counter as CounterOf, Dict, List, Sequence, Tuple

from checks import Check
from guest import build
from guest.target import Target
from host import cache, locks, packages, process
from host.messages import Error, say
from kernel import overlay
from kernel.apt import Apt, version_key
from kernel.tree import Tree
from outcome import of_files, Outcome

# With the sources of the architecture, it includes the headers that a series
# touches, which are not checked by themselves.
INCLUDES = 'mm/mm_init.c'


class Sparse(Check):
	name = 'sparse'
	probes = True
	compares = True

	def run(self, tree: Tree, target: Target) -> Outcome:
		return of_files(self.name, _compare(tree, target))


def _accepted(src: Path, sparse: Path) -> bool:
	try:
		return process.output(['sh', src / 'scripts/checker-valid.sh', sparse]).strip() == '1'
	except Error:
		return False


def sparse_binary(src: Path, jobs: int) -> Path:
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
		_build_sparse(built, jobs)
	if not _accepted(src, built):
		raise Error('the kernel refuses the newest sparse that the Debian mirror offers, too')
	return built


def _build_sparse(binary: Path, jobs: int) -> None:
	mirror = Apt('deb-src')
	mirror.update()
	versions = sorted((s['Version'] for s in mirror.index('sparse')), key=version_key)
	if not versions:
		raise Error('the Debian mirror offers no source of sparse')
	work = cache.directory() / 'tmp/sparse'
	cache.remove(work)
	work.mkdir(parents=True)
	try:
		mirror.get('source', f'sparse={versions[-1]}', cwd=work, label='fetching sparse')
		source = next(p for p in work.iterdir() if p.is_dir())
		log = binary.with_name('build.log')
		cache.remove(log)
		# Debian's names the compiler of the release that it is from.
		if process.run(['make', '-C', source, 'CC=gcc', f'-j{jobs}', 'sparse'], log=log,
				env=build.environment(), label='building sparse'):
			raise Error(f'sparse {versions[-1]} does not build (log: {log})')
		temp = binary.with_name('sparse.new')
		shutil.copy2(source / 'sparse', temp)
		os.replace(temp, binary)
	finally:
		cache.remove(work)


def _warnings(prepared: Tree, target: Target, files: Sequence[str], sparse: Path, name: str) -> List[Tuple[str, str]]:
	"""(file, line of output) for all that sparse says about @files."""
	directory = prepared.build_dir(target.name)
	build.configure(prepared, target)
	log = directory / 'sparse.log'
	cache.remove(log)
	objects = [f'{f[:-2]}.o' for f in files]
	# One at a time: make visits a directory of the architecture twice, and one visit may read what
	# the other is writing.
	built = {o for o in objects if (directory / o).exists()}
	try:
		failed = process.run([*build.make_command(prepared, target), '-j1', 'C=2', f'CHECK={sparse}', '-k', *objects],
			env=build.environment(), log=log, label=f'sparse, {name}')
	finally:
		# What is compiled here will not be by the next build.
		if log.is_file():
			build.remember_warnings(log, directory, built)
	if failed:
		raise Error(f'sparse, {name}: {build.first_errors(log)[0].strip()} (log: {log})')
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


def foreign(name: str, arch: str) -> bool:
	"""Whether a file of the suites is another architecture's, which is not compiled here."""
	its = re.search(r'/nt_witness/insn_(\w+)\.c$', name)
	return its is not None and not arch.startswith(its.group(1))


def _without_place(line: str) -> str:
	return re.sub(r':\d+:\d+:', ':', line)


def _compare(prepared: Tree, target: Target) -> Dict[str, List[str]]:
	"""Checked file -> what sparse says of it that it does not say of the same
	file without the series."""
	checker = sparse_binary(prepared.src, target.toolchain.jobs)
	ours = sorted(f for f in overlay.files(overlay.ALL) if f.endswith('.c') and not foreign(f, target.arch.name))
	theirs = sorted({f for f in prepared.patched if f.endswith('.c')} | {INCLUDES, *target.arch.copy_sources})
	theirs = [f for f in theirs if (prepared.src / f).is_file()]
	seen = _warnings(prepared, target, ours + theirs, checker, 'with the series')
	known: CounterOf[str] = Counter()
	unpatched = prepared.base
	if unpatched:
		there = [f for f in theirs if (unpatched.src / f).is_file()]
		known.update(_without_place(l) for _, l in _warnings(unpatched, target, there, checker, 'without'))
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


