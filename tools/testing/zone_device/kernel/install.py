# SPDX-License-Identifier: GPL-2.0
"""make install and make uninstall: the overlay in a user's own tree.

A record of what is about to be added is written first. So an installation
that is cut off, at whatever point, can be taken back, and a later version of
this project can take out what an earlier one put in.
"""

import contextlib
import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from host import cache, locks
from host.messages import Error, say
from kernel import mirror, overlay

RECORD = 'tools/testing/zone_device/installed.json'
# What is being written is beside its place, under this name, until it is whole.
PARTIAL = '.zone_device-tmp'
# What any version of this project appends to a file.
HOOK = re.compile(r'(?:\r?\n)?(?:source "|obj-)[^\r\n]*(?:zone_device|memcpy_streaming)[^\r\n]*\r?\n')


def _digest(content: bytes) -> str:
	return hashlib.sha256(content).hexdigest()


@dataclass
class Record:
	"""What an installation added to a tree."""
	# File -> hash of what was put there.
	files: Dict[str, str] = field(default_factory=dict)
	# Hooked file -> what was appended.
	hooks: Dict[str, str] = field(default_factory=dict)
	# Directories that were not there before.
	directories: List[str] = field(default_factory=list)

	def text(self) -> bytes:
		return (json.dumps({'files': self.files, 'hooks': self.hooks,
			'directories': self.directories}, indent='\t') + '\n').encode()


def _load(tree: Path) -> Optional[Record]:
	path = tree / RECORD
	link = mirror.link_above(tree, RECORD)
	if link:
		raise Error(f'{tree / link} is a link: nothing is looked for behind it')
	try:
		found = json.loads(path.read_text())
		record = Record(dict(found['files']), dict(found['hooks']), list(found['directories']))
		names = [*record.files, *record.hooks, *record.directories]
		if not all(isinstance(n, str) and n.isprintable() and not n.startswith('/') and '..' not in Path(n).parts
				for n in names) or not all(re.fullmatch('[0-9a-f]{64}', d) for d in record.files.values()) \
				or not all(HOOK.fullmatch(h) for h in record.hooks.values()):
			raise ValueError
		return record
	except FileNotFoundError:
		return None
	except (OSError, ValueError, TypeError, KeyError, RecursionError):
		raise Error(f'{path}, which says what was installed, is damaged: '
			'take the suites out by hand, or by git') from None


def _state(tree: Path, name: str) -> Optional[os.stat_result]:
	"""What is at @name; refuses what is not a file in a real directory."""
	for above in reversed(Path(name).parents[:-1]):
		with contextlib.suppress(FileNotFoundError):
			if not stat.S_ISDIR(os.lstat(tree / above).st_mode):
				raise Error(f'{tree / above} is not a directory: nothing was changed')
	try:
		found = os.lstat(tree / name)
	except FileNotFoundError:
		return None
	if not stat.S_ISREG(found.st_mode):
		raise Error(f'{tree / name} is {"a link" if stat.S_ISLNK(found.st_mode) else "not a file"}: '
			'nothing was changed')
	return found


def _own_like(path: Path, info: os.stat_result) -> None:
	"""What root puts into a user's tree is the user's."""
	if os.geteuid() == 0:
		os.chown(path, info.st_uid, info.st_gid, follow_symlinks=False)
	else:
		with contextlib.suppress(OSError):
			os.chown(path, -1, info.st_gid, follow_symlinks=False)


def _write(path: Path, content: bytes, like: Optional[os.stat_result] = None) -> None:
	"""Beside its place first: what is there is whole at any moment, and trees
	that are hard-linked copies of this one keep what they have."""
	temp = path.with_name(path.name + PARTIAL)
	with contextlib.suppress(FileNotFoundError):
		temp.unlink()
	try:
		with open(temp, 'xb') as out:
			out.write(content)
			out.flush()
			os.fsync(out.fileno())
		_own_like(temp, like or os.lstat(path.parent))
		if like:
			temp.chmod(stat.S_IMODE(like.st_mode))
		os.replace(temp, path)
	except BaseException:
		with contextlib.suppress(OSError):
			temp.unlink()
		raise


def _must_be_writable(tree: Path, names: List[str]) -> None:
	for name in names:
		place = tree / name
		while not place.is_dir():
			place = place.parent
		if not os.access(place, os.W_OK | os.X_OK):
			raise Error(f'{place} is read-only: make install and make uninstall need to write to it')


def _not_in_cache(tree: Path) -> None:
	if cache.is_in(tree, cache.directory()):
		raise Error(f'{tree} is a part of the cache: name a tree of your own by KDIR=')


def install(tree: Path) -> List[str]:
	"""Adds the overlay to @tree and returns the names of what changed; refuses
	before the first write, and takes back what was written if it fails."""
	with locks.on_directory(tree):
		return _install(tree)


def _install(tree: Path) -> List[str]:
	_not_in_cache(tree)
	_remove_unfinished(tree)
	wanted = {name: path.read_bytes() for name, path in overlay.files().items()}
	hooked = _hooked(tree)
	known = _load(tree)
	if known:
		if hooked or set(known.files) - set(wanted) or _absent(tree, wanted):
			raise Error(f'{tree} has another version of the suites, or a part of them: '
				'run make uninstall, then make install again')
		return []
	record = Record({n: _digest(wanted[n]) for n in _absent(tree, wanted)},
		{n: content[len((tree / n).read_bytes()):].decode() for n, (content, _) in hooked.items()})
	for name in record.files:
		if (tree / name).exists():
			raise Error(f'{tree / name} is there already and differs: move it away')
	if not record.files and not hooked:
		return []
	record.directories = _new_directories(tree, [RECORD, *record.files])
	_must_be_writable(tree, [RECORD, *record.files, *record.hooks])
	try:
		_make_directories(tree, [d for d in record.directories if f'{RECORD}/'.startswith(f'{d}/')])
		_write(tree / RECORD, record.text())
		_make_directories(tree, record.directories)
		for name in record.files:
			_write(tree / name, wanted[name])
		for name, (content, like) in hooked.items():
			_write(tree / name, content, like)
	except BaseException:
		_take_back(tree, record, lambda _message: None)
		raise
	return [*record.files, *record.hooks]


def _make_directories(tree: Path, names: List[str]) -> None:
	for name in names:
		if not (tree / name).is_dir():
			(tree / name).mkdir()
			_own_like(tree / name, os.lstat((tree / name).parent))


def _hooked(tree: Path) -> Dict[str, Tuple[bytes, os.stat_result]]:
	"""Files that have to be hooked: what they will be, and what they are."""
	found: Dict[str, Tuple[bytes, os.stat_result]] = {}
	for name, line in overlay.HOOKS.items():
		like = _state(tree, name)
		if not like:
			raise Error(f'{tree} has no {name}')
		if os.geteuid() != 0 and (like.st_uid != os.geteuid() or like.st_gid not in (*os.getgroups(), os.getegid())):
			raise Error(f'{tree / name} belongs to somebody else, and would not any more: nothing was changed')
		content = (tree / name).read_bytes()
		added = overlay.hook(content, line)
		if added:
			found[name] = (content + added, like)
	return found


def _absent(tree: Path, wanted: Dict[str, bytes]) -> List[str]:
	"""Files that are not there, or are something else."""
	return [n for n, content in wanted.items()
		if not _state(tree, n) or (tree / n).read_bytes() != content]


def _new_directories(tree: Path, names: List[str]) -> List[str]:
	above = {str(p) for n in names for p in Path(n).parents[:-1]}
	return sorted(a for a in above if not (tree / a).is_dir())


def uninstall(tree: Path) -> List[str]:
	"""Takes out what install() put in, by its record, whichever version made
	it; what was changed since stays. Returns the names of what changed."""
	with locks.on_directory(tree):
		return _uninstall(tree)


def _uninstall(tree: Path) -> List[str]:
	_not_in_cache(tree)
	record = _load(tree)
	if not record:
		_remove_unfinished(tree)
		return []
	_must_be_writable(tree, [n for n in (RECORD, *record.files, *record.hooks)
		if (tree / n).parent.is_dir()])
	return _take_back(tree, record, say)


def _remove_unfinished(tree: Path) -> None:
	"""What is left of an installation that was killed before its record was
	there."""
	partial = tree / (RECORD + PARTIAL)
	if partial.is_file() and not mirror.link_above(tree, RECORD):
		partial.unlink()
		_remove_empty(tree, [str(Path(RECORD).parent)])


def _take_back(tree: Path, record: Record, tell: Callable[[str], None]) -> List[str]:
	changed = []
	# The files first: on a full disk they make room for what follows.
	for name, digest in record.files.items():
		if _remove(tree, name, digest, tell):
			changed.append(name)
	for name, added in record.hooks.items():
		if _unhook(tree, name, added.encode(), tell):
			changed.append(name)
	# Git does not see empty directories, but the user does. The record goes
	# when nothing but itself and what is above it is left to be taken out.
	above = [d for d in record.directories if f'{RECORD}/'.startswith(f'{d}/')]
	_remove_empty(tree, [d for d in record.directories if d not in above])
	_remove(tree, RECORD, '', tell)
	_remove_empty(tree, above)
	return changed


def _remove_empty(tree: Path, directories: List[str]) -> None:
	for name in reversed(directories):
		if not mirror.link_above(tree, name):
			with contextlib.suppress(OSError):
				(tree / name).rmdir()


def _unhook(tree: Path, name: str, added: bytes, tell: Callable[[str], None]) -> bool:
	path = tree / name
	if mirror.link_above(tree, name) or path.is_symlink():
		tell(f'{path} has become a link and stays as it is')
		return False
	if not path.is_file():
		return False
	with contextlib.suppress(FileNotFoundError):
		path.with_name(path.name + PARTIAL).unlink()
	old = path.read_bytes()
	new = overlay.unhook(old, added)
	if new != old:
		_write(path, new, os.lstat(path))
	return new != old


def _remove(tree: Path, name: str, digest: str, tell: Callable[[str], None]) -> bool:
	"""Removes a file that is what was put there; @digest '' stands for any."""
	path = tree / name
	if mirror.link_above(tree, name):
		return False
	with contextlib.suppress(FileNotFoundError, NotADirectoryError):
		path.with_name(path.name + PARTIAL).unlink()
	if not path.is_file() or path.is_symlink():
		return False
	if digest and _digest(path.read_bytes()) != digest:
		tell(f'{path} was changed since it was installed and stays')
		return False
	path.unlink()
	return True
