# SPDX-License-Identifier: GPL-2.0
"""A range of git commits: one more way to say a kernel and a series on it.

The repository is only read. The commit that the range starts from is unpacked
into the cache, and the commits become an mbox there; what is in the working tree
of the repository does not matter.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import List, Tuple

from host import cache, files, locks, process
from host.messages import Error
from kernel import base
from kernel.source import must_be_kernel, Source


def chosen(kdir: str, asked: str) -> Tuple[Source, Path]:
	"""The kernel and the series that RANGE= names in the repository KDIR=."""
	if not kdir:
		raise Error(f'RANGE={asked}: of which repository? Give KDIR=/path/to/linux')
	where = Path(os.path.realpath(cache.expand('KDIR', kdir)))
	commits = _commits(where, kdir, asked)
	start = _git(where, 'rev-parse', '--verify', '--quiet', f'{commits[0]}^')
	tree = _unpacked(where, start)
	must_be_kernel(tree, f'KDIR={kdir} at {start[:12]}')
	# Those that change no file hold no patch: a cover letter of b4's for one.
	if not _git(where, 'rev-list', f'{start}..{commits[-1]}', '--', ':/'):
		raise Error(f'RANGE={asked}: no commit in it changes a file')
	mbox = cache.directory() / 'range' / f'{start[:12]}-{commits[-1][:12]}.mbox'
	mbox.parent.mkdir(parents=True, exist_ok=True)
	files.write_atomically(mbox, _git(where, 'format-patch', '--stdout', '--binary', '--full-index', '-n',
		'--no-signature', '--no-renames', f'{start}..{commits[-1]}', '--', ':/') + '\n')
	return Source(tree, f'KDIR={kdir} at {start[:12]}', tree.name, cached=True), mbox


def described(path: Path) -> str:
	"""Which commit is checked out in a tree, and whether it is as that has it; '' if git does not
	know the tree."""
	if not (path / '.git').exists():
		return ''
	try:
		commit = _git(path, 'rev-parse', '--short=12', 'HEAD')
		return commit + (' and changes' if _git(path, 'status', '--porcelain', '--untracked-files=no') else '')
	except Error:
		return ''


def _commits(where: Path, kdir: str, asked: str) -> List[str]:
	"""The commits of a range, the first one first."""
	if not where.is_dir():
		raise Error(f'KDIR={kdir}: no such directory')
	if not re.fullmatch(r'[^-.\s][^\s]*?\.\.[^-.\s]\S*', asked) or '...' in asked:
		raise Error(f'RANGE={asked} is no range of commits: it is two, with .. between, as in v7.3..topic')
	try:
		_git(where, 'rev-parse', '--git-dir')
	except Error:
		raise Error(f'KDIR={kdir} is no git repository, so RANGE= names nothing there: give SERIES=') from None
	for name in asked.split('..'):
		try:
			_git(where, 'rev-parse', '--verify', '--quiet', f'{name}^{{commit}}')
		except Error:
			raise Error(f'RANGE={asked}: {name} is no commit of KDIR={kdir}') from None
	found = _git(where, 'rev-list', '--reverse', '--topo-order', asked).split()
	if not found:
		raise Error(f'RANGE={asked} is empty: there is no commit in it')
	merges = _git(where, 'rev-list', '--merges', asked).split()
	if merges:
		raise Error(f'RANGE={asked} has a merge in it, {merges[-1][:12]}: a series is a line of commits; '
			'name a range without it, or rebase it away')
	return found


def _git(where: Path, *arguments: str) -> str:
	# No locks; it may be somebody else's; and what it is configured to do itself.
	command = ['git', '--no-optional-locks', '-C', str(where), '-c', 'safe.directory=*', '-c', 'core.fsmonitor=false',
		'-c', 'diff.noprefix=false', '-c', 'diff.mnemonicPrefix=false', *arguments]
	try:
		done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
			stderr=subprocess.PIPE, env=process.git_environment(), errors='surrogateescape')
	except FileNotFoundError:
		raise Error('git: no such command') from None
	if done.returncode:
		raise Error(f'git {arguments[0]} in {where}: {(done.stderr.strip() or "failed").splitlines()[-1]}')
	return done.stdout.strip('\n')


def _unpacked(where: Path, commit: str) -> Path:
	"""The sources of a commit."""
	into = cache.directory() / 'base' / f'commit-{commit[:16]}'
	with locks.locked(into.parent / '.lock'):
		if into.is_dir() and not base.is_whole(into):
			cache.discard(into)
		if not into.is_dir():
			archive = cache.directory() / 'tmp' / f'{commit[:16]}.tar'
			archive.parent.mkdir(parents=True, exist_ok=True)
			try:
				_git(where, 'archive', '--format=tar', '--prefix=linux/', f'--output={archive}', commit)
				base.unpack(archive, into)
			finally:
				cache.remove(archive)
	return into
