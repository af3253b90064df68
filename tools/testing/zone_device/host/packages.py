# SPDX-License-Identifier: GPL-2.0
"""What must be installed for what is asked, and how it gets there."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence, Set

from host import cache, files, process
from host.messages import Error, say


@dataclass(frozen=True)
class Need:
	# A command, or a header that a compiler would look for.
	what: str
	package: str

	def missing(self) -> bool:
		if self.what.endswith('.h'):
			top = Path('/usr/include')
			places = [top, Path('/usr/local/include'), *top.glob('*-linux-gnu')]
			return not any((p / self.what).exists() for p in places)
		return not shutil.which(self.what)


TREE = [Need('git', 'git'), Need('xz', 'xz-utils'), Need('tar', 'tar')]
BUILD = [Need('make', 'make'), Need('flex', 'flex'), Need('bison', 'bison'), Need('bc', 'bc'),
	Need('perl', 'perl'), Need('stdio.h', 'libc6-dev'), Need('ld', 'binutils'),
	# Trees that differ in a file or two share the rest of their builds.
	Need('ccache', 'ccache')]
GCC = Need('gcc', 'gcc')
# To build a sparse that the kernel accepts.
SPARSE = [Need('dpkg-source', 'dpkg-dev')]
CHECKPATCH = [Need('perl', 'perl')]
# For the tools' own tests.
TESTS = [Need('mypy', 'mypy'), Need('parallel', 'parallel')]
PLOT = [Need('gnuplot', 'gnuplot-nox')]


def _has_apt() -> bool:
	return bool(shutil.which('apt-get')) and Path('/etc/debian_version').exists()


def ensure(needs: Sequence[Need]) -> None:
	"""Installs what is missing where that may be done, else says how to."""
	missing = [n for n in needs if n.missing()]
	if not missing:
		return
	names: List[str] = list(dict.fromkeys(n.package for n in missing))
	what = ' '.join(dict.fromkeys(n.what for n in missing))
	if not _has_apt():
		raise Error(f'missing: {what}; install them (Debian calls the packages '
			f'{" ".join(names)}) and run this again')
	command = ['apt-get', 'install', '-y', '--no-install-recommends', *names]
	if os.geteuid() != 0:
		raise Error(f'missing: {what}; install with: sudo {" ".join(command)}')
	say(f'missing: {what}; installing {" ".join(names)}')
	log = cache.directory() / 'packages.log'
	log.parent.mkdir(parents=True, exist_ok=True)
	cache.remove(log)
	env = process.environment(DEBIAN_FRONTEND='noninteractive', LC_ALL='C')
	# A fresh machine may have no lists, an old one stale ones.
	known = not process.run(['apt-get', 'install', '-s', *names], env=env, log=log)
	# A service that a package starts is not to hold our locks from then on.
	if not known or process.run(command, env=env, log=log, label='installing packages', keeps_locks=False):
		process.run(['apt-get', '-q', 'update'], env=env, log=log, label='updating apt\'s lists')
		if process.run(command, env=env, log=log, label='installing packages', keeps_locks=False):
			errors: List[str] = [l for l in files.tail(log, 30) if l.startswith('E:')]
			raise Error(f'apt-get install {" ".join(names)} failed: '
				f'{errors[0][3:] if errors else "no reason given"} (log: {log})')
	left: Set[str] = {n.what for n in needs if n.missing()}
	if left:
		raise Error(f'still missing after apt-get install: {" ".join(sorted(left))}')
