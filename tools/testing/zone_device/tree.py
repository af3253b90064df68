# SPDX-License-Identifier: GPL-2.0
"""tree = base + series + overlay, prepared in the cache.

What the user points at is only ever read. It is mirrored into the cache, and
each series gets a tree of its own beside its own build directories: files that
no patch touches are hard links to the mirror, the others are replaced, never
written through. Only what changed is touched, so every build is incremental.
"""

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple, Union

import base
import host
import overlay as overlay_files
import series as patches
from host import Error, REPO

OUR_SERIES = REPO / 'series'
FEATURES = REPO / 'tools/testing/zone_device/features.sh'


@dataclass(frozen=True)
class Source:
	"""A kernel tree to start from."""
	path: Path
	# What names it to the user, and what the cache knows it by.
	name: str
	key: str
	# One in the cache never changes; a user's tree is looked at on each run.
	cached: bool = False


@dataclass
class Tree:
	"""A prepared tree. The lock on it is held until the process ends."""
	dir: Path
	source: Source
	series: str
	patches: List[str]
	# Files that a patch changed, and all that is not the source's own.
	patched: Set[str]
	produced: Set[str]
	# Grows whenever a file of the tree changes: builds remember it.
	generation: int
	version: Tuple[int, int] = (0, 0)
	features: str = ''

	@property
	def src(self) -> Path:
		return self.dir / 'src'

	def build_dir(self, target: str) -> Path:
		return self.dir / 'build' / target

	def describe(self) -> str:
		if self.patches:
			return f'{self.source.name}, {len(self.patches)} patches of {self.series}'
		return f'{self.source.name}, which has {self.features}' if self.features else self.source.name


def kernel_version(path: Path) -> Optional[Tuple[int, int]]:
	try:
		with open(path / 'Makefile', errors='replace') as makefile:
			head = makefile.read(2000)
	except OSError:
		return None
	match = re.search(r'^VERSION = (\d+)\nPATCHLEVEL = (\d+)', head, re.M)
	return (int(match.group(1)), int(match.group(2))) if match else None


def check_kernel(path: Path, name: str) -> Tuple[int, int]:
	if not path.is_dir():
		raise Error(f'{name}: no such directory')
	version = kernel_version(path)
	if not version or not (path / 'mm').is_dir():
		raise Error(f'{name} is not a Linux kernel tree')
	oldest = '.'.join(map(str, base.OLDEST))
	if version < base.OLDEST:
		raise Error(f'{name} is Linux {version[0]}.{version[1]}, too old: '
			f'the suites need {oldest} or newer')
	for needed in ('mm/mm_init.c', 'tools/testing/kunit/kunit.py'):
		if not (path / needed).is_file():
			raise Error(f'{name} is not a complete kernel tree: it has no {needed}')
	return version


def features(path: Path) -> str:
	"""What a tree has of the series, as compiler flags."""
	return host.output(['sh', FEATURES, path]).strip()


def user_tree(kdir: str) -> Source:
	path = Path(os.path.realpath(kdir))
	check_kernel(path, f'KDIR={kdir}')
	digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
	return Source(path, f'KDIR={kdir}', f'{path.name}-{digest}')


def applies(path: Path) -> bool:
	chosen = patches.load(OUR_SERIES)
	with tempfile.TemporaryDirectory() as temp:
		try:
			patches.apply(chosen, path, Path(temp))
		except Error:
			return False
	return True


def source() -> Source:
	"""The source that KDIR= or KTARBALL= names, else the default one."""
	kdir, archive = os.environ.get('KDIR'), os.environ.get('KTARBALL')
	if kdir and archive:
		raise Error('KDIR= and KTARBALL= are both given: which one?')
	if kdir:
		return user_tree(kdir)
	path = base.tarball(Path(archive)) if archive else base.debian(applies)
	name = f'KTARBALL={archive}' if archive else path.name
	check_kernel(path, name)
	return Source(path, name, path.name, cached=True)


def _walk(top: Path) -> Iterator[str]:
	"""Files below @top, but for the directories that no kernel tree brings."""
	pending = ['']
	while pending:
		where = pending.pop()
		with os.scandir(top / where) as entries:
			for entry in entries:
				if entry.is_dir(follow_symlinks=False):
					if where or not entry.name.startswith('.'):
						pending.append(f'{where}{entry.name}/')
				elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
					yield where + entry.name


def _was_built_in(path: Path) -> bool:
	return any((path / p).exists() for p in ('.config', 'include/config', 'include/generated')) \
		or any(path.glob('arch/*/include/generated'))


def _list(path: Path) -> Iterator[str]:
	"""A tree's sources. What a build left there would get in the way of
	building elsewhere, and only the tree's .gitignore files know it apart."""
	own = (path / '.git').exists()
	if not own and not _was_built_in(path):
		yield from _walk(path)
		return
	if not shutil.which('git'):
		raise Error(f'git is needed to tell the sources in {path} from what a build left there')
	with tempfile.TemporaryDirectory() as temp:
		command = ['git', '--no-optional-locks', '-c', 'safe.directory=*',
			'-c', 'core.excludesFile=/dev/null', '-c', 'core.fsmonitor=false']
		if not own:
			host.output(['git', 'init', '-q', '--bare', temp])
			command += [f'--git-dir={temp}', f'--work-tree={path}']
		listing = subprocess.run([*command, 'ls-files', '-z', '--cached', '--others',
			'--exclude-standard'], cwd=path, check=False,
			stdout=subprocess.PIPE, stderr=subprocess.PIPE)
	if listing.returncode:
		raise Error(f'git cannot list {path}: {os.fsdecode(listing.stderr).strip()}')
	yield from sorted(set(os.fsdecode(n) for n in listing.stdout.split(b'\0') if n))


def _signature(path: str) -> Optional[str]:
	try:
		info = os.lstat(path)
	except (FileNotFoundError, NotADirectoryError):
		return None
	if stat.S_ISLNK(info.st_mode):
		return f'link {os.readlink(path)}'
	if not stat.S_ISREG(info.st_mode):
		return None
	return f'{info.st_size} {info.st_mtime_ns} {info.st_mode & 0o777:o}'


def _load(path: Path) -> Dict[str, Any]:
	try:
		return dict(json.loads(path.read_text()))
	except (OSError, ValueError, TypeError):
		return {}


def _place(origin: str, there: str, fresh: bool, link: bool) -> None:
	"""Puts a copy of, or a link to, @origin at @there, in one step.

	A changed file gets today's date even if it became older: make compares
	dates only.
	"""
	os.makedirs(os.path.dirname(there), exist_ok=True)
	if link:
		try:
			os.link(origin, there, follow_symlinks=False)
			return
		except OSError:
			pass
	temp = f'{there}.zone_device-tmp'
	if os.path.lexists(temp):
		os.unlink(temp)
	if os.path.islink(origin):
		os.symlink(os.readlink(origin), temp)
	elif fresh:
		shutil.copy(origin, temp)
	else:
		shutil.copy2(origin, temp)
	os.replace(temp, there)


def _mirror(origin: Source, into: Path) -> int:
	"""Brings a copy of a user's tree up to date; returns its generation."""
	manifest = into.with_name('mirror.json')
	known = _load(manifest)
	if not known:
		host.remove(into)
	old = known.get('files', {})
	wanted = {}
	for name in _list(origin.path):
		signature = _signature(f'{origin.path}/{name}')
		if signature:
			wanted[name] = signature
	changed = [n for n, s in wanted.items() if old.get(n) != s]
	gone = [n for n in old if n not in wanted]
	if not changed and not gone:
		return int(known['generation'])
	progress = host.Progress(f'copying {origin.name}')
	for count, name in enumerate(changed):
		_place(f'{origin.path}/{name}', f'{into}/{name}', fresh=False, link=False)
		if count % 1000 == 0:
			progress.tick(f'{count} of {len(changed)} files, ')
	progress.done()
	for name in gone:
		host.remove(into / name)
	generation = int(known.get('generation', 0)) + 1
	host.write_atomically(manifest, json.dumps({'generation': generation, 'files': wanted}))
	return generation


def _populate(into: Path, manifest: Path, origin: Path, origin_generation: int,
	      stage: Path, removed: Set[str]) -> int:
	"""Makes @into what @origin is, with the files in @stage in place of
	@origin's and those in @removed gone; returns the tree's generation."""
	known = _load(manifest)
	if not known:
		host.remove(into)
		# What was built from the tree that is gone cannot be trusted.
		host.remove(into.with_name('build'))
	old: Dict[str, str] = known.get('files', {})
	produced = {str(p.relative_to(stage)): p for p in stage.rglob('*') if p.is_file()}
	wanted: Dict[str, str] = {n: f'sha {hashlib.sha256(p.read_bytes()).hexdigest()}'
		for n, p in produced.items()}
	if known.get('origin') == [str(origin), origin_generation]:
		# Nothing to look for among the source's own files, but for those
		# that used to be ours.
		names: Iterator[str] = (n for n in [*old, *known.get('removed', [])])
		ours = set(n for n, s in old.items() if s.startswith('sha ')) | set(known.get('removed', []))
	else:
		names = _walk(origin)
		ours = None
	for name in names:
		if name in wanted or name in removed:
			continue
		signature = old[name] if ours is not None and name not in ours \
			else _signature(f'{origin}/{name}')
		if signature:
			wanted[name] = signature
	changed = [n for n, s in wanted.items() if old.get(n) != s]
	gone = [n for n in old if n not in wanted]
	record: Dict[str, Any] = {'origin': [str(origin), origin_generation], 'files': wanted,
		'removed': sorted(removed), 'generation': known.get('generation', 0)}
	if known and not changed and not gone and known['origin'] == record['origin'] \
			and known.get('removed') == record['removed']:
		return int(known['generation'])
	progress = host.Progress('preparing the tree')
	for count, name in enumerate(changed):
		start = f'{stage}/{name}' if name in produced else f'{origin}/{name}'
		_place(start, f'{into}/{name}', fresh=True, link=not known and name not in produced)
		if count % 1000 == 0:
			progress.tick(f'{count} of {len(changed)} files, ')
	progress.done()
	for name in gone:
		host.remove(into / name)
	grown = int(record['generation']) + (1 if changed or gone else 0)
	host.write_atomically(manifest, json.dumps({**record, 'generation': grown}))
	return grown


def _slot(series: Optional[Path], upto: Optional[int], extra: Sequence[Path], overlay: bool) -> str:
	if series is None:
		name = 'base'
	elif series == OUR_SERIES:
		name = 'series'
	else:
		digest = hashlib.sha256(os.path.realpath(series).encode()).hexdigest()[:8]
		name = f'{series.stem}-{digest}'
	if upto is not None:
		name += f'-{upto}'
	for path in extra:
		name += f'+{path.stem}'
	return name if overlay else f'{name}-bare'


def series_path(origin: Source, series: Union[None, str, Path] = None) -> Optional[Path]:
	"""Which series is to be applied to @origin; None for none."""
	series = series or os.environ.get('SERIES') or None
	if series is not None:
		return None if str(series) == 'none' else Path(os.path.abspath(series))
	return None if features(origin.path) else OUR_SERIES


def prepare(origin: Optional[Source] = None, series: Union[None, str, Path] = None,
	    upto: Optional[int] = None, extra: Sequence[Union[str, Path]] = (),
	    overlay: bool = True, slot: Optional[str] = None) -> Tree:
	"""The tree made of @origin, the first @upto patches of @series, the @extra
	patches on top, and the suites.

	@series is 'none', a path, or None for what SERIES= says; failing that, our
	series, unless the source has something of the kind. @slot names the place
	in the cache: trees that share one are turned into each other, which for
	two that differ in a few .c files saves almost the whole of a build.
	"""
	origin = origin or source()
	version = check_kernel(origin.path, origin.name)
	where = series_path(origin, series)
	chosen = patches.load(where) if where else []
	if upto is not None:
		if not 0 <= upto <= len(chosen):
			raise Error(f'SERIES_UPTO={upto}: the series has {len(chosen)} patches')
		chosen = chosen[:upto]
	on_top = [Path(os.path.abspath(e)) for e in extra]
	for path in on_top:
		chosen = chosen + patches.load(path)

	top = host.cache() / 'trees' / origin.key
	name = slot or _slot(where, upto, on_top, overlay)
	place = top / name
	place.mkdir(parents=True, exist_ok=True)
	host.lock(place / '.lock')
	with host.locked(top / '.lock'):
		if origin.cached:
			mirror, generation = origin.path, 0
		else:
			mirror = top / 'mirror'
			generation = _mirror(origin, mirror)
		stage = place / 'stage'
		host.remove(stage)
		stage.mkdir()
		try:
			patched = patches.apply(chosen, mirror, stage)
			removed = {n for n in patched if not (stage / n).exists()}
			overlay_files.stage(mirror, stage, overlay)
			produced = {str(p.relative_to(stage)) for p in stage.rglob('*') if p.is_file()}
			generation = _populate(place / 'src', place / 'tree.json', mirror, generation,
				stage, removed)
		finally:
			host.remove(stage)
	return Tree(place, origin, name, [p.name for p in chosen], patched, produced, generation,
		version, features(place / 'src'))
