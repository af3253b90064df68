# SPDX-License-Identifier: GPL-2.0
"""Locks between runs that share a cache.

A lock is held by an open file, so that a child which inherits it holds it too:
a build or a guest that outlives even a killed run keeps others out of the
directory that it still writes to.
"""

import contextlib
import fcntl
import os
import stat
from pathlib import Path
from typing import Dict, IO, Iterator, List, Tuple

from host.messages import Error, say

_held: Dict[Path, IO[str]] = {}


def _users(path: Path) -> str:
	"""Who else has @path open, for the user to know what is waited for."""
	found = []
	for entry in os.listdir('/proc'):
		if not entry.isdigit() or int(entry) == os.getpid():
			continue
		with contextlib.suppress(OSError):
			if any(os.readlink(f.path) == str(path) for f in os.scandir(f'/proc/{entry}/fd')):
				with open(f'/proc/{entry}/cmdline', errors='replace') as line:
					command = ' '.join(line.read().split('\0')[:4]).strip()
				found.append(f'process {entry} ({command[:60]})')
	return found[0] if found else 'another user\'s process'


def _open(path: Path, how: int) -> IO[str]:
	path.parent.mkdir(parents=True, exist_ok=True)
	flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
	try:
		handle = os.fdopen(os.open(path, flags, 0o666), 'r+')
	except OSError as err:
		raise Error(f'{path} cannot be opened as a lock: {(err.strerror or "").lower()}') from None
	if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
		handle.close()
		raise Error(f'{path} is no file, and no lock')
	try:
		fcntl.flock(handle, how | fcntl.LOCK_NB)
	except BlockingIOError:
		say(f'waiting for another run that uses {path.parent}: {_users(path)}')
		try:
			fcntl.flock(handle, how)
		except BaseException:
			handle.close()
			raise
	return handle


def _is_there(path: Path, handle: IO[str]) -> bool:
	try:
		return os.path.samestat(os.stat(path), os.fstat(handle.fileno()))
	except FileNotFoundError:
		return False


def lock(path: Path, shared: bool = False) -> None:
	"""Takes a lock until unlock() or the end of the process; it waits, and
	says for whom, while another run has it."""
	if path in _held:
		return
	while True:
		handle = _open(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
		# Who had it may have removed the file: then nobody else sees this lock.
		if _is_there(path, handle):
			_held[path] = handle
			return
		handle.close()


def unlock(path: Path) -> None:
	handle = _held.pop(path, None)
	if handle:
		handle.close()


@contextlib.contextmanager
def locked(*paths: Path) -> Iterator[None]:
	"""Holds the locks at @paths, taken in one order whoever asks for them, so
	that two runs never wait for each other."""
	taken: List[Path] = []
	try:
		for path in sorted(set(paths)):
			if path not in _held:
				lock(path)
				taken.append(path)
		yield
	finally:
		for path in taken:
			unlock(path)


@contextlib.contextmanager
def on_directory(path: Path) -> Iterator[None]:
	"""Keeps another of us out of a directory that is not ours, in which there
	is to be no lock file."""
	handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
	try:
		fcntl.flock(handle, fcntl.LOCK_EX)
		yield
	finally:
		os.close(handle)


def descriptors() -> Tuple[int, ...]:
	"""What a child must inherit to hold these locks too."""
	return tuple(handle.fileno() for handle in _held.values())
