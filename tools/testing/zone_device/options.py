# SPDX-License-Identifier: GPL-2.0
"""The commands and the variables that a user gives: what there is, what make
help says of it, and what is wrong with it, found out before anything is done."""

import difflib
import os
import re
import shlex
from dataclasses import dataclass, field, Field, fields, replace
from pathlib import Path
from typing import Any, Callable, Dict, Generic, List, Optional, Sequence, Tuple, TypeVar

from contract import CONTRACTS
from host import cache
from host.files import REPO
from host.messages import Error
from kernel import source

T = TypeVar('T')

# What results are called, where they may replace former ones.
RESULTS = ('.json', '.xml', '.html', '.svg')


def _text(_name: str, text: str) -> str:
	return text


def _words(_name: str, text: str) -> Tuple[str, ...]:
	return tuple(text.split())


def _some(name: str, text: str) -> Tuple[str, ...]:
	if not text.split():
		raise Error(f'{name}= is blank: name at least one, or leave it out')
	return _words(name, text)


def _set(_name: str, _text: str) -> bool:
	return True


def _number(name: str, text: str, least: int) -> int:
	if not re.fullmatch('[0-9]{1,9}', text) or int(text) < least:
		raise Error(f'{name}={text} is not a number of {least} or more')
	return int(text)


def _count(name: str, text: str) -> int:
	return _number(name, text, 1)


def _count_from_zero(name: str, text: str) -> int:
	return _number(name, text, 0)


def _path(name: str, text: str) -> Path:
	return Path(os.path.realpath(cache.expand(name, text)))


def _input(name: str, text: str, names: Sequence[str] = ()) -> str:
	"""@names: what else may have been meant."""
	if text != 'none' and not os.path.lexists(cache.expand(name, text)):
		close = nearest(text, list(names))
		raise Error(f'{name}={text}: no such file or directory' + (f'; is {close} meant?' if close else ''))
	return text


def _series(name: str, text: str) -> str:
	"""One of our own may be called by its name, if the user has nothing of that name."""
	ours = source.ours()
	own = os.path.lexists(cache.expand(name, text))
	return str(ours[text]) if not own and text in ours else _input(name, text, [*ours, 'none'])


def _output(name: str, text: str) -> str:
	"""A file to write must be one that can be written."""
	if text == '-':
		return text
	path = cache.expand(name, text)
	if path.exists() and not path.is_file():
		raise Error(f'{name}={text} cannot be written: it is no regular file; - is standard output')
	if not path.parent.is_dir():
		raise Error(f'{name}={text} cannot be written: there is no directory {path.parent}')
	if not os.access(path.parent, os.W_OK):
		raise Error(f'{name}={text} cannot be written: permission denied')
	real = Path(os.path.realpath(path))
	if not real.parent.is_dir():
		raise Error(f'{name}={text} cannot be written: there is no directory {real.parent}')
	return text


def _contract(name: str, text: str) -> str:
	if text not in CONTRACTS:
		close = nearest(text, list(CONTRACTS))
		raise Error(f'{name}={text}: no such contract' + (f'; is {close} meant?' if close
			else f'; there are {", ".join(CONTRACTS)}'))
	return text


@dataclass(frozen=True)
class Kind(Generic[T]):
	"""What a variable holds: how its text is read, and what stands for none."""
	read: Callable[[str, str], T]
	absent: T


# Paths stay as they were typed, since messages and names of sources say so.
TEXT, INPUT, OUTPUT = Kind(_text, ''), Kind(_input, ''), Kind(_output, '')
CONTRACT = Kind(_contract, '')
SERIES = Kind(_series, '')
WORDS: Kind[Tuple[str, ...]] = Kind(_words, ())
SOME: Kind[Tuple[str, ...]] = Kind(_some, ())
COUNT: Kind[Optional[int]] = Kind(_count, None)
COUNT_FROM_ZERO: Kind[Optional[int]] = Kind(_count_from_zero, None)
SET = Kind(_set, False)
PATH: Kind[Optional[Path]] = Kind(_path, None)


def _variable(kind: Kind[T], form: str, about: str) -> T:
	"""How it looks, and what it is, for make help."""
	return field(default=kind.absent, metadata={'kind': kind, 'form': form, 'about': about})


@dataclass(frozen=True)
class Options:
	"""All that the environment says, read once. A variable is one line here, and
	has the name of its field in capitals."""
	kdir: str = _variable(INPUT, 'dir', 'your kernel tree, git or not; it is only read')
	ktarball: str = _variable(INPUT, 'file', 'a kernel tarball or a linux-source .deb')
	series: str = _variable(SERIES, 'path', 'a directory, mbox or patch to apply, one of ours, or none')
	range: str = _variable(TEXT, 'a..b', 'commits of the repository KDIR= as the series, on the one before')
	series_upto: Optional[int] = _variable(COUNT_FROM_ZERO, 'n', 'apply the first n patches only')
	contract: str = _variable(CONTRACT, 'name', 'whose promises are judged: base, streaming, nontemporal')
	targets: Tuple[str, ...] = _variable(SOME, '"..."', 'default: uml x86_64; also arm64 s390x and those in docs/kunit.rst')
	cell: Tuple[str, ...] = _variable(SOME, '"..."', 'make matrix: only these cells, as in arm64/7.3; may be globs')
	filter: str = _variable(TEXT, 'glob', 'run the tests that match, as kunit.py has it: suite.test')
	mutants: Tuple[str, ...] = _variable(SOME, '"..."', 'only the mutants whose names match')
	functions: Tuple[str, ...] = _variable(SOME, '"..."', 'make order: look into these functions instead')
	starts: Tuple[str, ...] = _variable(WORDS, '"..."', 'make order: nothing may be pending when these start')
	size: str = _variable(TEXT, '64G', 'make bench, bench-native: of device memory')
	rounds: Optional[int] = _variable(COUNT, 'n', 'make bench, bench-native: how often each is timed')
	boots: Optional[int] = _variable(COUNT, 'n', 'make bench: guests a side')
	cpu: Optional[int] = _variable(COUNT_FROM_ZERO, 'n', 'make bench-native: the CPU to run on')
	series_a: str = _variable(SERIES, 'path', 'make bench: compare this series, or none, with')
	series_b: str = _variable(SERIES, 'path', 'this one')
	kernel_args: Tuple[str, ...] = _variable(WORDS, '"..."', 'make bench: more for the guests\' command line')
	post: Optional[Path] = _variable(PATH, 'dir', 'make post: where to; default: post')
	json: str = _variable(OUTPUT, 'file', 'the results')
	markdown: str = _variable(OUTPUT, 'file', 'make gate: its table')
	junit: str = _variable(OUTPUT, 'file', 'the same for a CI system')
	jobs_file: str = _variable(OUTPUT, 'file', 'make gate, matrix: write the jobs instead, as commands, one a line')
	merge: Optional[Path] = _variable(PATH, 'dir', 'make gate, matrix: judge by what the jobs wrote there')
	job: str = _variable(TEXT, 'name', 'make gate, matrix: carry out this one job; its result goes to MERGE=')
	html: str = _variable(OUTPUT, 'file', 'make bench: its page')
	svg: str = _variable(OUTPUT, 'file', 'make bench-native: its picture')
	fresh: bool = _variable(SET, '1', 'ask again, whatever is known from before')
	jobs: Optional[int] = _variable(COUNT, 'n', 'compile n files at a time')
	cc: str = _variable(TEXT, 'cc', 'the compiler; LLVM=1, LLVM=-19: as the kernel has it')
	llvm: str = _variable(TEXT, '', '')
	kcflags: str = _variable(TEXT, '"..."', 'more for the compiler, as the kernel has it')
	timeout: Optional[int] = _variable(COUNT, 's', 'a guest that takes longer has hung')
	# None only where this user has no home directory either.
	cache: Optional[Path] = _variable(PATH, 'dir', 'default: ~/.cache/zone-device-kunit')
	# What follows make compare; the Makefile hands it down.
	files: Tuple[str, ...] = ()

	@property
	def inputs(self) -> Dict[str, str]:
		"""What is read that the user names: variable -> what it says."""
		return {**self._of(INPUT), **self._of(SERIES)}

	@property
	def outputs(self) -> Dict[str, str]:
		"""Where results go that are asked for."""
		return self._of(OUTPUT)

	def _of(self, kind: Kind[str]) -> Dict[str, str]:
		return {n: getattr(self, f.name) for n, f in VARIABLES.items() if _kind(f) == kind and getattr(self, f.name)}

	def typed(self, *more: str) -> str:
		"""What says which tree is meant, as it would be typed, and @more variables."""
		named = {n: getattr(self, n.lower()) for n in ('KDIR', 'KTARBALL', 'SERIES', 'RANGE', 'SERIES_UPTO',
			'CONTRACT', 'CC', 'LLVM', 'KCFLAGS', *more)}
		texts = {n: ' '.join(v) if isinstance(v, tuple) else str(v) for n, v in named.items() if v not in ('', None, ())}
		return ' '.join(f'{n}={shlex.quote(text)}' for n, text in texts.items())


VARIABLES: Dict[str, 'Field[Any]'] = {f.name.upper(): f for f in fields(Options) if f.metadata}


def _kind(of: 'Field[Any]') -> Kind[Any]:
	kind: Kind[Any] = of.metadata['kind']
	return kind


# A blank one is what is left of a variable that was not set.
MEANT = [n for n, f in VARIABLES.items() if _kind(f) in (INPUT, SERIES, OUTPUT, PATH, COUNT_FROM_ZERO, SOME)]

COMMANDS = {
	'kunit': 'build and run the suites; prints one table',
	'check': 'what CI asks: suites with and without the series, sparse, order, cost,\n'
		'checkpatch, order-mutants, the tools\' own tests',
	'matrix': 'the suites on each target, of each kernel',
	'gate': 'each commit of a series, by all of these: which one broke it?',
	'gate-b4': 'what make gate knows of the patch on standard input, for b4',
	'sparse': 'sparse on what the series and the suites touch',
	'checkpatch': 'checkpatch.pl --strict on the series and the suites',
	'mutants': 'break the series on purpose: would the suites notice?',
	'order': 'are streaming stores drained before anything depends on them?',
	'order-mutants': 'would that be noticed, and would values alone show it?',
	'cost': 'what a struct page costs, with the series and without, counted',
	'cost-budget': 'make that the budget that make cost judges by',
	'bench': 'reproduce the published times in a VM, or say why not',
	'compare': 'A.json B.json: what two results of any command differ in',
	'bench-native': 'what can this CPU gain at most? In user space, in a minute',
	'post': 'write the suites as patches, to be sent with the series',
	'install': 'put the suites into the tree KDIR= names, for kunit.py there',
	'uninstall': 'take them out again',
	'clean': 'remove prepared trees and builds',
	'distclean': 'remove all of the cache, the fetched kernels too',
}


def usage() -> str:
	def entry(name: str, about: str) -> List[str]:
		first, *more = about.split('\n')
		return [f'{name:<19}{first}', *(f'{"":<19}{line}' for line in more)]
	lines = [l for name, about in COMMANDS.items() for l in entry(f'make {name}', about)]
	for name, metadata in ((n, f.metadata) for n, f in VARIABLES.items() if f.metadata['about']):
		lines += entry(f'{name}={metadata["form"]}', metadata['about'])
	lines.insert(len([l for l in lines if not re.match(r'\w+=', l)]), '')
	return '\n'.join(lines)


def nearest(name: str, known: List[str]) -> str:
	close = difflib.get_close_matches(name.upper(), [k.upper() for k in known], 1, 0.6)
	return next((k for k in known if [k.upper()] == close), '')


def _given_to_make() -> Dict[str, str]:
	"""Variables on make's command line, which it hands down in MAKEFLAGS; in
	the environment there may be others that are meant for somebody else."""
	flags = os.environ.get('MAKEFLAGS', '')
	_, found, overrides = f' {flags}'.partition(' -- ')
	try:
		words = shlex.split(overrides.replace('$$', '$')) if found else []
	except ValueError:
		words = overrides.split()
	pairs = [re.match(r'([^=\s]+?)[:+?!]*=(.*)', w, re.S) for w in words]
	return {p.group(1): p.group(2) for p in pairs if p}


def _cache() -> Optional[Path]:
	"""The user's cache directory, if there is a place for it."""
	home = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
	if not home.startswith('/') or not os.environ.get('HOME', '/'):
		return None
	return Path(os.path.realpath(home)) / 'zone-device-kunit'


def _no_input(name: str, text: str, given: Options) -> None:
	"""What is written must be no input, nothing of ours, and one file each."""
	if text == '-':
		return
	real = Path(os.path.realpath(cache.expand(name, text)))
	where = given.cache
	cached = where is not None and cache.is_in(real, where) and not cache.is_in(real, where / 'bench')
	parts = [REPO / n for n in ('include', 'lib', 'mm', 'series', 'tools', '.git', '.ci')]
	tracked = [p for p in REPO.iterdir() if p.is_file()] if real.parent == REPO and real.suffix not in RESULTS else []
	if cached or real in tracked or any(cache.is_in(real, p) for p in parts):
		raise Error(f'{name}={text} is a file of {"the cache" if cached else "this project"}: name another one')
	for other, value in {**given.inputs, **given.outputs}.items():
		if other == name or value == 'none':
			continue
		there = Path(os.path.realpath(cache.expand(other, value)))
		if real == there or other in given.inputs and cache.is_in(real, there):
			raise Error(f'{name}={text} would overwrite, or lies in, {other}={value}: name another file')


def parse() -> Options:
	"""Reads the environment, and refuses what cannot be meant, in one sentence,
	before anything is done. Nothing else looks there for what a user wants."""
	for name, value in _given_to_make().items():
		if name in MEANT and not value.strip():
			raise Error(f'{name}= is blank: give it a value, or leave it out')
		if name not in VARIABLES:
			close = nearest(name, list(VARIABLES))
			raise Error(f'{name}= is no variable of this project' + (f'; is {close}= meant?' if close
				else '; make help lists them'))
	texts = {n: os.environ[n] for n in VARIABLES if os.environ.get(n)}
	values: Dict[str, Any] = {'cache': _cache(), 'files': _words('FILES', os.environ.get('FILES', ''))}
	values.update((VARIABLES[n].name, _kind(VARIABLES[n]).read(n, text)) for n, text in texts.items())
	given = Options(**values)
	for name, text in given.outputs.items():
		_no_input(name, text, given)
	if not given.merge and (given.job or given.jobs_file == '-'):
		raise Error(f'{"JOB=" if given.job else "JOBS_FILE=-"} wants MERGE=dir: where do the results go?')
	if given.jobs_file and not given.merge:
		given = replace(given, merge=_path('JOBS_FILE', f'{given.jobs_file}.results'))
	for name, where in (('POST', given.post), ('MERGE', given.merge)):
		if where:
			_no_input(name, str(where), given)
	return given
