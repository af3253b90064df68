# SPDX-License-Identifier: GPL-2.0
"""The directory where everything is kept: fetched kernels, prepared trees,
builds. A tag in it says that it is ours, and only what is known by name in a
tagged directory is ever removed."""

import contextlib
import os
import re
import shutil
import stat
import uuid
from pathlib import Path
from typing import Any, List, Optional

from host import locks
from host.files import REPO, write_atomically
from host.messages import Error, say

# See the Cache Directory Tagging Specification: backup programs know the first
# line, and the last one is how this project knows its own.
TAG = 'CACHEDIR.TAG'
SIGNATURE = 'Signature: 8a477f597d28d172789f06886806bc55'
OWNER = '# It holds trees and builds of the ZONE_DEVICE memmap KUnit suite.'
LOCK = '.lock'

# A process has one cache, as it has one set of locks: what is removed is
# compared with it, wherever that is asked for. So it is set once, at the start,
# and not handed to each of them.
_UNSET = Path()
_directory: Optional[Path] = _UNSET

# What make clean removes; what is cut off halfway is in the last of them.
CLEANED = ('trees', 'tmp', 'trash')
# And make distclean, beyond that; shim is of an older version.
KEPT = ('base', 'range', 'outcomes', 'gate', 'apt', 'bench', 'ccache', 'plugin', 'shim', 'sparse', 'kvm-probe.log', 'kvm.json',
	'.kvm.lock', 'packages.log')


def expand(variable: str, text: str) -> Path:
	"""A path that the user gave; make hands a '~' down as it is."""
	path = os.path.expanduser(text)
	if path.startswith('~'):
		raise Error(f'{variable}={text}: there is no such home directory')
	return Path(os.path.abspath(path))


def set_directory(where: Optional[Path]) -> None:
	"""None: this user has no place for one."""
	global _directory
	_directory = where


def directory() -> Path:
	assert _directory is not _UNSET, 'set_directory() comes first'
	if not _directory:
		raise Error('this user has no home directory to keep builds in: name a directory by CACHE=')
	return _directory


def safe_name(name: str) -> str:
	"""@name as part of a path in the cache: make takes no blanks, colons or
	dollars there, and mailers put all of them into the names of series."""
	return re.sub(r'[^A-Za-z0-9._+-]', '_', name)


def is_in(path: Path, top: Path) -> bool:
	return path == top or top in path.parents


def _tagged(where: Path) -> bool:
	try:
		return OWNER in (where / TAG).read_text(errors='replace').splitlines()
	except OSError:
		return False


def _refuse_bad_place(where: Path, kdir: str) -> None:
	odd = re.search(r'[^\w/.+@=~-]', str(where))
	if odd:
		raise Error(f'{where} has {odd.group()!r} in its name, and make takes no such path to build in: '
			'name another directory by CACHE=')
	if kdir and is_in(where, Path(os.path.realpath(expand('KDIR', kdir)))):
		raise Error(f'CACHE={where} lies in KDIR={kdir}, which is only read: name another directory')


def _is_lock(path: Path) -> bool:
	info = os.lstat(path)
	return path.name == LOCK and stat.S_ISREG(info.st_mode) and not info.st_size


def _refuse_links(where: Path) -> None:
	"""What is behind a link need not be ours."""
	for name in (*CLEANED, *KEPT, LOCK):
		if (where / name).is_symlink():
			raise Error(f'{where / name} is a link: name the directory that is meant by CACHE=')


def _make(where: Path) -> None:
	"""Makes @where a cache of ours, if it is a new or an empty directory."""
	where.mkdir(parents=True, exist_ok=True)
	if _tagged(where):
		return
	others = [n for n in os.listdir(where) if not n.startswith(f'.{TAG}.') and not _is_lock(where / n)]
	if others:
		raise Error(f'CACHE={where} holds {sorted(others)[0]} and is no cache of this project '
			f'({TAG} is missing): name a new or an empty directory')
	write_atomically(where / TAG, f'{SIGNATURE}\n# A cache: all of it can be made again.\n{OWNER}\n')


def use(kdir: str = '') -> None:
	"""Makes the cache if need be, and keeps others from cleaning it until the
	end of the process. It must not be in @kdir, which KDIR= names."""
	where = directory()
	_refuse_bad_place(where, kdir)
	_refuse_links(where)
	while True:
		_make(where)
		locks.lock(where / LOCK, shared=True)
		if _tagged(where):
			return
		# It was cleaned away while this run waited.
		locks.unlock(where / LOCK)


def _must_be_inside(path: Path) -> Path:
	"""@path without the links above it, which must not lead out of the cache."""
	top = directory()
	where = Path(os.path.realpath(path.parent)) / path.name
	if where == top or not is_in(where, top):
		raise Error(f'{path} is not in the cache {top} and is not removed')
	return where


def remove(path: Path) -> None:
	"""Removes a file or a directory of the cache, read-only parts and all, if
	it is there; what a link in it points to stays."""
	where = _must_be_inside(path)

	def retry(_func: Any, name: str, _exc: Any) -> None:
		# Nothing outside what is removed changes its mode.
		for one in (os.path.dirname(name), name):
			if is_in(Path(one), where) and os.path.isdir(one) and not os.path.islink(one):
				os.chmod(one, 0o700)
		if os.path.isdir(name) and not os.path.islink(name):
			shutil.rmtree(name, ignore_errors=True)
		else:
			with contextlib.suppress(FileNotFoundError):
				os.unlink(name)
	if where.is_symlink() or where.is_file():
		where.unlink()
	elif where.exists():
		shutil.rmtree(where, onerror=retry)


def discard(path: Path) -> None:
	"""Removes a directory so that an interruption leaves all of it or nothing:
	a tree with files missing would be built and tested."""
	if not os.path.lexists(path):
		return
	_must_be_inside(path)
	trash = directory() / 'trash'
	trash.mkdir(exist_ok=True)
	aside = trash / f'{path.name}.{uuid.uuid4().hex[:8]}'
	os.rename(path, aside)
	remove(aside)


def clean(kdir: str = '', everything: bool = False) -> None:
	"""make clean, and make distclean with @everything. @kdir, which KDIR= names,
	is not to be in it."""
	where = directory()
	if not where.exists() or not os.listdir(where):
		return
	if not _tagged(where):
		raise Error(f'CACHE={where} is no cache of this project ({TAG} is missing): nothing was removed')
	_refuse_precious(where, kdir)
	locks.lock(where / LOCK)
	for name in CLEANED[:-1] + (KEPT if everything else ()):
		discard(where / name)
	remove(where / 'trash')
	if everything:
		_remove_empty(where)


def _refuse_precious(where: Path, kdir: str) -> None:
	precious = [('the root directory', Path('/')), ('this project', REPO)]
	with contextlib.suppress(RuntimeError):
		precious.append(('a home directory', Path.home()))
	if kdir:
		precious.append(('KDIR=', expand('KDIR', kdir)))
	for name, path in precious:
		if is_in(Path(os.path.realpath(path)), where):
			raise Error(f'CACHE={where} holds {name} ({path}): nothing was removed')


def _remove_empty(where: Path) -> None:
	left: List[str] = sorted(set(os.listdir(where)) - {TAG, LOCK})
	if left:
		say(f'{where} stays, for what is not ours in it: {" ".join(left[:5])}')
		return
	for name in (TAG, LOCK):
		with contextlib.suppress(FileNotFoundError):
			(where / name).unlink()
	with contextlib.suppress(OSError):
		where.rmdir()
