# SPDX-License-Identifier: GPL-2.0
"""A directory of the cache that is kept equal to a list of files elsewhere, by
a manifest of what has been put there. Only what changed is touched."""

import contextlib
import errno
import filecmp
import hashlib
import json
import os
import shutil
import stat
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Optional, Set

from host import cache, process
from host.files import write_atomically
from host.messages import Error, Full

# Stands in a manifest for a file that is being replaced or removed: after an
# interruption nobody knows what is there.
UNKNOWN = ''


def signature(path: str) -> Optional[str]:
	"""What tells one state of a file from another; None if it is neither a
	file nor a link."""
	try:
		info = os.lstat(path)
	except (FileNotFoundError, NotADirectoryError):
		return None
	if stat.S_ISLNK(info.st_mode):
		return f'link {os.readlink(path)}'
	if not stat.S_ISREG(info.st_mode):
		return None
	# The last one cannot be set back, as the date of a copy can.
	return f'{info.st_size} {info.st_mtime_ns} {info.st_mode & 0o777:o} {info.st_ino} {info.st_ctime_ns}'


def link_above(top: Path, name: str) -> Optional[str]:
	"""The first directory above @name, a path in @top, that is a link."""
	for above in reversed(Path(name).parents[:-1]):
		if os.path.islink(top / above):
			return str(above)
	return None


@dataclass
class Manifest:
	"""File -> signature, of all that has been put into a directory."""
	path: Path
	# Names one state of the directory, and never another one.
	generation: str = ''
	files: Dict[str, str] = field(default_factory=dict)
	# What the directory was made from.
	origin: str = ''
	# Files of the origin that are left out on purpose.
	removed: Set[str] = field(default_factory=set)

	@classmethod
	def load(cls, path: Path) -> 'Manifest':
		"""An empty one if the file is missing or damaged: then what it is
		about is made anew."""
		with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
			known = json.loads(path.read_text())
			files = {str(n): str(s) for n, s in known['files'].items()}
			if isinstance(known['generation'], str) and known['generation']:
				return cls(path, known['generation'], files, str(known['origin']), set(known['removed']))
		return cls(path)

	@property
	def known(self) -> bool:
		return bool(self.generation)

	def save(self) -> None:
		write_atomically(self.path, json.dumps({'generation': self.generation,
			'origin': self.origin, 'removed': sorted(self.removed), 'files': self.files}))


class _Place:
	"""Puts files into a directory that is all ours, and takes them out."""

	def __init__(self, top: Path) -> None:
		self._top = top
		# Those that are known to be directories, so that each is looked at once.
		self._real: Set[str] = {''}

	def _make_parents(self, name: str) -> None:
		parent = os.path.dirname(name)
		if parent in self._real:
			return
		self._make_parents(parent)
		there = self._top / parent
		if os.path.islink(there) or not there.is_dir():
			# What was a file or a link is a directory now.
			cache.remove(there)
			there.mkdir(parents=True)
		self._real.add(parent)

	@staticmethod
	def _same(origin: str, there: str) -> bool:
		"""Whether nothing need be done: a new date would rebuild all that
		depends on it."""
		with contextlib.suppress(OSError):
			one, other = os.lstat(origin), os.lstat(there)
			return stat.S_ISREG(one.st_mode) and one.st_mode == other.st_mode and one.st_size == other.st_size \
				and filecmp.cmp(origin, there, shallow=False)
		return False

	def put(self, origin: str, name: str, fresh: bool, link: bool) -> None:
		"""Puts a copy of, or a link to, @origin there, in one step.

		A @fresh one gets today's date even if it became older: make compares
		dates only.
		"""
		self._make_parents(name)
		there = f'{self._top}/{name}'
		if self._same(origin, there):
			return
		if link:
			with contextlib.suppress(OSError):
				os.link(origin, there, follow_symlinks=False)
				return
		temp = f'{there}.zone_device-tmp'
		if os.path.lexists(temp):
			os.unlink(temp)
		if os.path.islink(origin):
			os.symlink(os.readlink(origin), temp)
		elif fresh:
			shutil.copy(origin, temp)
		else:
			shutil.copy2(origin, temp)
		if os.path.isdir(there) and not os.path.islink(there):
			cache.remove(Path(there))
			self._real = {''}
		os.replace(temp, there)

	def drop(self, name: str) -> None:
		"""Removes a file, and the directories that it leaves empty."""
		if link_above(self._top, name):
			return
		with contextlib.suppress(NotADirectoryError):
			cache.remove(self._top / name)
		with contextlib.suppress(OSError):
			for parent in Path(name).parents:
				if parent != Path('.'):
					(self._top / parent).rmdir()


def update(into: Path, manifest: Manifest, wanted: Manifest, start: Callable[[str], str],
	   fresh: bool, link: Callable[[str], bool], label: str) -> str:
	"""Makes @into, which holds what @manifest says, hold what @wanted says;
	returns the generation of that state.

	@start says which file to copy; @link whether a hard link will do in its
	place, where nothing was before.
	"""
	changed = [n for n, s in wanted.files.items() if manifest.files.get(n) != s]
	gone = [n for n in manifest.files if n not in wanted.files]
	same = (manifest.origin, manifest.removed) == (wanted.origin, wanted.removed)
	if manifest.known and same and not changed and not gone:
		return manifest.generation
	wanted.path, wanted.generation = manifest.path, manifest.generation
	if changed or gone or not manifest.known:
		wanted.generation = uuid.uuid4().hex
		try:
			_change(into, manifest, wanted, changed, gone, start, fresh, link, label)
		except OSError as err:
			if err.errno in (errno.ENOSPC, errno.EDQUOT):
				raise Full(f'no space left on device to prepare a tree in ({cache.directory()})') from err
			raise
	wanted.save()
	return wanted.generation


def content(top: Path, generation: str, signatures: Dict[str, str]) -> str:
	"""A hash of what @top holds in this @generation: the same on another machine, and
	when what was changed is as it was. What has still its signature is not read again."""
	path = top.with_name(f'{top.name}-content.json')
	known: Dict[str, List[str]] = {}
	with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
		last = json.loads(path.read_text())
		if last['generation'] == generation:
			return str(last['hash'])
		known = {str(n): [str(s), str(h)] for n, (s, h) in last['files'].items()}
	for name in [n for n in known if n not in signatures]:
		del known[name]
	for name, seen in signatures.items():
		if known.get(name, [''])[0] != seen:
			there = f'{top}/{name}'
			mode = os.lstat(there).st_mode
			data = os.fsencode(os.readlink(there)) if stat.S_ISLNK(mode) else Path(there).read_bytes()
			known[name] = [seen, f'{mode:o} {hashlib.sha256(data).hexdigest()}']
	found = hashlib.sha256('\0'.join(f'{n}\0{known[n][1]}' for n in sorted(known)).encode('utf-8', 'surrogateescape'))
	write_atomically(path, json.dumps({'generation': generation, 'hash': found.hexdigest(), 'files': known}))
	return found.hexdigest()


def _change(into: Path, manifest: Manifest, wanted: Manifest, changed: 'list[str]',
	    gone: 'list[str]', start: Callable[[str], str], fresh: bool,
	    link: Callable[[str], bool], label: str) -> None:
	if manifest.known:
		doubtful = dict.fromkeys([*changed, *gone], UNKNOWN)
		Manifest(manifest.path, wanted.generation, {**manifest.files, **doubtful}).save()
	else:
		cache.discard(into)
	place = _Place(into)
	into.mkdir(parents=True, exist_ok=True)
	# First what is gone: a link must not be there any more when something is
	# put into the directory that takes its place.
	for name in gone:
		place.drop(name)
	progress = process.Progress(label)
	for count, name in enumerate(changed):
		place.put(start(name), name, fresh, not manifest.known and link(name))
		if count % 1000 == 0:
			progress.tick(f'{count} of {len(changed)} files, ')
	progress.done()
