# SPDX-License-Identifier: GPL-2.0
"""tree = base + series + overlay, prepared in the cache.

What the user points at is only ever read. It is mirrored into the cache, and
each series gets a tree of its own beside its own build directories: files that
no patch touches are hard links to the mirror, the others are replaced, never
written through. Only what changed is touched, so every build is incremental.
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple, Union

import contract as contracts
from host import cache, locks, process
from host.messages import Error
from kernel import mirror, overlay as overlay_files, series as patches
from kernel.mirror import Manifest
from kernel.series import Patch
from kernel.source import must_be_kernel, features, OUR_SERIES, ours, Source

# Starts the signature, in a manifest, of a file that is not the source's own.
MADE = 'made '
# The state of a fetched kernel, which never changes.
UNPACKED = 'unpacked'


@dataclass
class Tree:
	"""A prepared tree; see using() for how long it may be used."""
	dir: Path
	source: Source
	series: str
	patches: Tuple[Patch, ...]
	# Files that a patch changed, and all that is not the source's own.
	patched: Set[str]
	produced: Set[str]
	# Another one whenever a file of the tree changes: builds remember it.
	generation: str
	version: Tuple[int, int] = (0, 0)
	features: str = ''
	# By whose promises it is judged, and whether some may not be kept yet.
	contract: str = contracts.BASE
	partial: bool = False
	# The same kernel without the series, for checks that compare.
	base: Optional['Tree'] = None
	# What digest() says of it.
	digest: str = ''
	# As the plan has it.
	stepwise: bool = False

	@property
	def src(self) -> Path:
		return self.dir / 'src'

	def build_dir(self, target: str) -> Path:
		return self.dir / 'build' / target

	def describe(self) -> str:
		if self.patches:
			what = 'patch' if len(self.patches) == 1 else 'patches'
			return f'{self.source.name}, {len(self.patches)} {what} of {self.series}'
		return f'{self.source.name}, which has {self.features}' if self.features else self.source.name


def staged(stage: Path) -> Iterator[str]:
	"""Files and links below a staging directory."""
	for path in stage.rglob('*'):
		if path.is_symlink() or path.is_file():
			yield str(path.relative_to(stage))


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
			process.output(['git', 'init', '-q', '--bare', temp])
			command += [f'--git-dir={temp}', f'--work-tree={path}']
		# Neither what is meant for another repository, nor what this one leaves
		# out for its user alone, but what the kernel itself says.
		listing = subprocess.run([*command, 'ls-files', '-z', '--cached', '--others',
			'--exclude-per-directory=.gitignore'], cwd=path, check=False,
			env=process.environment(without='GIT_'), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
	if listing.returncode:
		raise Error(f'git cannot list {path}: {os.fsdecode(listing.stderr).strip()}')
	for name in sorted(set(os.fsdecode(n) for n in listing.stdout.split(b'\0') if n)):
		if name.endswith('/'):
			# A repository inside the tree, which git does not look into.
			yield from (f'{name}{n}' for n in _walk(path / name))
		else:
			yield name


def _mirror(origin: Source, into: Path) -> str:
	"""Brings a copy of a user's tree up to date; returns a hash of what is in it."""
	wanted = Manifest(into, origin=str(origin.path))
	behind_link: Dict[str, bool] = {}
	for name in _list(origin.path):
		parent = os.path.dirname(name)
		if parent not in behind_link:
			behind_link[parent] = bool(mirror.link_above(origin.path, name))
		seen = mirror.signature(f'{origin.path}/{name}')
		# Git may know files of a directory that is a link by now.
		if seen and not behind_link[parent]:
			wanted.files[name] = seen
	generation = mirror.update(into, Manifest.load(into.with_name('mirror.json')), wanted,
		lambda name: f'{origin.path}/{name}', fresh=False, link=lambda _: False,
		label=f'copying {origin.name}')
	return mirror.content(into, generation, wanted.files)


def _populate(into: Path, origin: Path, state: str, stage: Path, removed: Set[str]) -> str:
	"""Makes @into what @origin is, with the files in @stage in place of
	@origin's and those in @removed gone; returns the tree's generation."""
	known = Manifest.load(into.with_name('tree.json'))
	if not known.known:
		# What was built from the tree that is gone cannot be trusted.
		cache.discard(into.with_name('build'))
	wanted = Manifest(into, origin=f'{origin} {state}', removed=removed)
	produced = {n: stage / n for n in staged(stage)}
	for name, path in produced.items():
		content = os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
		wanted.files[name] = f'{MADE}{path.lstat().st_mode:o} {hashlib.sha256(content).hexdigest()}'
	# Where the source has not changed, only those of its files are looked at
	# that something else used to stand in for.
	same = known.known and known.origin == wanted.origin
	names = iter([*known.files, *known.removed]) if same else _walk(origin)
	for name in names:
		if name in produced or name in removed:
			continue
		old = known.files.get(name, '') if same else ''
		seen = old if old and not old.startswith(MADE) else mirror.signature(f'{origin}/{name}')
		if seen:
			wanted.files[name] = seen
	return mirror.update(into, known, wanted,
		lambda name: str(produced[name]) if name in produced else f'{origin}/{name}',
		fresh=True, link=lambda name: name not in produced, label='preparing the tree')


def _slot(series: Optional[Path], upto: Optional[int], extra: Sequence[Path], overlay: bool) -> str:
	if series is None:
		name = 'base'
	elif series == OUR_SERIES:
		name = 'series'
	elif series in ours().values():
		name = f'series-{series.name}'
	else:
		digest = hashlib.sha256(os.fsencode(os.path.realpath(series))).hexdigest()[:8]
		name = f'{cache.safe_name(series.stem)[:60]}-{digest}'
	if upto is not None:
		# One place for all of them: each is a short build after another.
		name += '-steps'
	for path in extra:
		name += f'+{cache.safe_name(path.stem)}'
	return name if overlay else f'{name}-bare'


def series_path(origin: Source, series: Union[None, str, Path] = None) -> Optional[Path]:
	"""Which series is to be applied to @origin; None for none."""
	if series:
		return None if str(series) == 'none' else cache.expand('SERIES', str(series))
	return None if features(origin.path) else OUR_SERIES


@dataclass(frozen=True)
class Plan:
	"""What a tree is to be made of, and where."""
	origin: Source
	version: Tuple[int, int]
	name: str
	patches: Tuple[Patch, ...]
	# With the suites, and with what instruments need.
	overlay: bool
	probes: bool
	# The whole of the series, without mutants: its tip says which contract it is,
	# unless the user does.
	tip: Tuple[Patch, ...] = ()
	contract: str = ''
	# Its place is that of one tree after another, whose headers differ, there and back:
	# ccache has seen much of it.
	stepwise: bool = False

	@property
	def partial(self) -> bool:
		"""Some of the series was left out."""
		return len(self.patches) < len(self.tip)

	@property
	def release(self) -> str:
		return '.'.join(map(str, self.version))

	@property
	def top(self) -> Path:
		return cache.directory() / 'trees' / self.origin.key

	@property
	def place(self) -> Path:
		return self.top / self.name


def plan(origin: Source, series: Union[None, str, Path] = None,
	 upto: Optional[int] = None, extra: Sequence[Union[str, Path]] = (),
	 overlay: bool = True, slot: Optional[str] = None, contract: str = '', probes: bool = False) -> Plan:
	"""The tree made of @origin, the first @upto patches of @series, the @extra
	patches on top, and the suites; with @probes, what instruments need as well.

	@series is 'none', a path, or nothing for our series, unless the source has
	something of the kind. @slot names the place in the cache: trees that share
	one are turned into each other, which for two that differ in a few .c files
	saves almost the whole of a build. @contract overrules what the tip of the
	series is recognised as.
	"""
	version = must_be_kernel(origin.path, origin.name)
	where = series_path(origin, series)
	whole = patches.load(where) if where else []
	if upto is not None and not 0 <= upto <= len(whole):
		raise Error(f'SERIES_UPTO={upto}: the series has {len(whole)} patches')
	chosen = whole[:upto]
	on_top = [Path(os.path.abspath(e)) for e in extra]
	for path in on_top:
		chosen = chosen + patches.load(path)
	return Plan(origin, version, slot or _slot(where, upto, on_top, overlay), tuple(chosen), overlay,
		probes, tuple(whole), contract, stepwise=upto is not None)


# The files in which features.sh finds a streaming copy.
FEATURE_FILES = ('include/linux/string.h', 'arch/*/include/asm/string*.h')


def tip(series: Sequence[Patch], copy: Path, into: Path, more: Sequence[str] = ()) -> None:
	"""Puts into @into what @series makes of the files that it touches, and, as they
	are then, those in which features.sh looks and @more."""
	patched = patches.apply(series, copy, into)
	for path in (p for pattern in (*FEATURE_FILES, *more) for p in copy.glob(pattern)):
		name = str(path.relative_to(copy))
		if name not in patched:
			(into / name).parent.mkdir(parents=True, exist_ok=True)
			shutil.copyfile(path, into / name)


def _contract(wanted: Plan, copy: Path, state: str, made: str = '') -> str:
	"""By whose promises the tree is judged: those of the tip of its series, so
	that no commit and no mutant chooses an easier contract for itself. @made: what features.sh
	says of a tree that no series is the tip of."""
	if wanted.contract:
		return wanted.contract
	return _of_tip(wanted.tip, copy, state) if wanted.tip else contracts.recognised(made)


@functools.lru_cache(maxsize=None)
def _of_tip(series: Tuple[Patch, ...], copy: Path, _state: str) -> str:
	"""The contract of what @series makes of @copy, which is in that state."""
	with tempfile.TemporaryDirectory() as temp:
		tip(series, copy, Path(temp))
		return contracts.recognised(features(Path(temp)))


def _prepare(wanted: Plan) -> Tree:
	origin, place = wanted.origin, wanted.place
	with locks.locked(wanted.top / '.lock'):
		if origin.cached:
			copy, state = origin.path, UNPACKED
		else:
			copy = wanted.top / 'mirror'
			state = _mirror(origin, copy)
		stage = place / 'stage'
		cache.remove(stage)
		stage.mkdir()
		try:
			patched = patches.apply(wanted.patches, copy, stage)
			removed = {n for n in patched if not os.path.lexists(stage / n)}
			if wanted.overlay:
				overlay_files.stage(copy, stage, wanted.probes)
			produced = set(staged(stage))
			generation = _populate(place / 'src', copy, state, stage, removed)
		finally:
			cache.remove(stage)
		made = features(place / 'src')
		contract = _contract(wanted, copy, state, made)
	return Tree(place, origin, wanted.name, wanted.patches, patched, produced, generation, wanted.version,
		made, contract, wanted.partial, digest=_digest(wanted, copy, state), stepwise=wanted.stepwise)


_in_use = False


@contextlib.contextmanager
def using(*wanted: Plan) -> Iterator[List[Tree]]:
	"""Prepares trees and keeps other runs out of their places meanwhile.

	All that are needed at one time are asked for at once: a run that held one
	and waited for another could wait for a run that does the opposite.
	"""
	global _in_use
	assert not _in_use, 'trees are in use: ask for all of them at once'
	with locks.locked(*(w.place / '.lock' for w in wanted)):
		_in_use = True
		try:
			yield [_prepare(w) for w in wanted]
		finally:
			_in_use = False


@contextlib.contextmanager
def alone(wanted: Plan) -> Iterator[Tree]:
	with using(wanted) as (prepared,):
		yield prepared


@contextlib.contextmanager
def with_base(wanted: Plan) -> Iterator[Tree]:
	"""A tree, and with it the same kernel without the series, if it has one."""
	if not wanted.patches:
		with alone(wanted) as prepared:
			yield prepared
		return
	with using(wanted, plan(wanted.origin, series='none', probes=wanted.probes)) as (prepared, base):
		prepared.base = base
		yield prepared


def digest(wanted: Plan) -> str:
	"""A hash of all that a tree will be made of; of a patch, not its message."""
	if wanted.origin.cached:
		return _digest(wanted, wanted.origin.path, UNPACKED)
	copy = wanted.top / 'mirror'
	with locks.locked(wanted.top / '.lock'):
		return _digest(wanted, copy, _mirror(wanted.origin, copy))


def _digest(wanted: Plan, copy: Path, state: str) -> str:
	# Of the tip of a series only its contract matters: another last patch changes no commit before it.
	facts = [wanted.origin.key, state, wanted.overlay, wanted.probes, _contract(wanted, copy, state), wanted.partial,
		*(p.diff().hex() for p in wanted.patches)]
	return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
