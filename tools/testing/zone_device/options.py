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
from host.files import REPO, TOPS
from host.messages import Error
from kernel import source

T = TypeVar('T')

# Files of this project beside those in files.TOPS, which no result may replace.
OURS = ('README.md', 'LICENSE', 'Makefile', '.gitignore', '.kunitconfig')


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


def _variable(kind: Kind[T], form: str, about: str, *commands: str) -> T:
	"""How it looks, and what it is, for make help; @commands are those that it is for,
	if not for all."""
	return field(default=kind.absent, metadata={'kind': kind, 'form': form, 'about': about, 'commands': commands})


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
	targets: Tuple[str, ...] = _variable(SOME, '"..."', 'on these; default: uml x86_64;\n'
		'also arm64 s390x and those in docs/kunit.rst', 'kunit', 'order', 'cost', 'matrix', 'gate')
	cell: Tuple[str, ...] = _variable(SOME, '"..."', 'only these cells, as in arm64/7.3; may be globs', 'matrix')
	filter: str = _variable(TEXT, 'glob', 'run the tests that match, as kunit.py has it: suite.test', 'kunit', 'order')
	mutants: Tuple[str, ...] = _variable(SOME, '"..."', 'only the mutants whose names match', 'mutants', 'order-mutants')
	functions: Tuple[str, ...] = _variable(SOME, '"..."', 'look into these functions instead', 'order')
	starts: Tuple[str, ...] = _variable(WORDS, '"..."', 'nothing may be pending when these start', 'order')
	size: str = _variable(TEXT, '64G', 'of device memory', 'bench', 'bench-native')
	rounds: Optional[int] = _variable(COUNT, 'n', 'how often each is timed', 'bench', 'bench-native')
	boots: Optional[int] = _variable(COUNT, 'n', 'guests a side', 'bench')
	cpu: Optional[int] = _variable(COUNT_FROM_ZERO, 'n', 'the CPU to run on', 'bench-native')
	series_a: str = _variable(SERIES, 'path', 'compare this series, or none,', 'bench')
	series_b: str = _variable(SERIES, 'path', 'with this one', 'bench')
	kernel_args: Tuple[str, ...] = _variable(WORDS, '"..."', 'more for the guests\' command line', 'bench')
	post: Optional[Path] = _variable(PATH, 'dir', 'where to; default: post', 'post')
	json: str = _variable(OUTPUT, 'file', 'the results')
	markdown: str = _variable(OUTPUT, 'file', 'its table', 'gate')
	junit: str = _variable(OUTPUT, 'file', 'the same for a CI system')
	jobs_file: str = _variable(OUTPUT, 'file', 'write the jobs instead, as commands, one a line', 'gate', 'matrix')
	merge: Optional[Path] = _variable(PATH, 'dir', 'judge by what the jobs wrote there', 'gate', 'matrix')
	job: str = _variable(TEXT, 'name', 'carry out this one job; its result goes to MERGE=', 'gate', 'matrix')
	html: str = _variable(OUTPUT, 'file', 'its page', 'bench')
	svg: str = _variable(OUTPUT, 'file', 'its picture', 'bench-native')
	fresh: bool = _variable(SET, '1', 'ask again, whatever is known from before')
	jobs: Optional[int] = _variable(COUNT, 'n', 'compile n files, or do n other things, at a time; default: one a core')
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

	def again(self, command: str, *more: str) -> str:
		"""The make command that asks the same, of the same tree; with @more variables."""
		return ' '.join(filter(None, (f'make {command}', self.typed(*more))))

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


# Of these nothing is a value. Any other that is blank is one that was not set.
MAY_BE_BLANK = ('FRESH', 'STARTS', 'KCFLAGS', 'KERNEL_ARGS')

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
		of = f'make {", ".join(metadata["commands"])}: ' if metadata['commands'] else ''
		lines += entry(f'{name}={metadata["form"]}', of + metadata['about'])
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
	if cached or real in [REPO / n for n in OURS] or any(cache.is_in(real, REPO / n) for n in (*TOPS, '.git', '.ci')):
		raise Error(f'{name}={text} is a file of {"the cache" if cached else "this project"}: name another one')
	for other, value in {**given.inputs, **given.outputs}.items():
		if other == name or value == 'none':
			continue
		there = Path(os.path.realpath(cache.expand(other, value)))
		if real == there or other in given.inputs and cache.is_in(real, there):
			raise Error(f'{name}={text} would overwrite, or lies in, {other}={value}: name another file')


def parse(command: str = '') -> Options:
	"""Reads the environment, and refuses what cannot be meant, in one sentence,
	before anything is done. Nothing else looks there for what a user wants."""
	for name, value in _given_to_make().items():
		if name not in VARIABLES:
			close = nearest(name, list(VARIABLES))
			raise Error(f'{name}= is no variable of this project' + (f'; is {close}= meant?' if close
				else '; make help lists them'))
		if name not in MAY_BE_BLANK and not value.strip():
			raise Error(f'{name}= is blank: give it a value, or leave it out')
		commands = VARIABLES[name].metadata['commands']
		if command and commands and command not in commands:
			raise Error(f'make {command} does not look at {name}=, which is for make {" and make ".join(commands)}: '
				'leave it out')
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
