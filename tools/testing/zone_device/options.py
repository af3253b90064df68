# SPDX-License-Identifier: GPL-2.0
"""The commands and the variables that a user gives: what there is, what make
help says of it, and what is wrong with it, found out before anything is done."""

import difflib
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List

from host import cache, process
from host.files import REPO
from host.messages import Error

# What results are called, where they may replace former ones.
RESULTS = ('.json', '.xml', '.html')


def _nothing(_name: str, _value: str) -> None:
	pass


def _count(name: str, _value: str) -> None:
	process.number(name)


def _count_from_zero(name: str, _value: str) -> None:
	process.number(name, least=0)


def _some(name: str, value: str) -> None:
	if not value.split():
		raise Error(f'{name}= is blank: name at least one, or leave it out')


def _path(name: str, value: str) -> None:
	cache.expand(name, value)


def _input(name: str, value: str) -> None:
	if value != 'none' and not os.path.lexists(cache.expand(name, value)):
		raise Error(f'{name}={value}: no such file or directory')


def _not_ours(name: str, value: str, real: Path) -> None:
	cached = cache.is_in(real, cache.directory()) and not cache.is_in(real, cache.directory() / 'bench')
	parts = [REPO / n for n in ('lib', 'mm', 'series', 'tools', '.git', '.ci')]
	tracked = [p for p in REPO.iterdir() if p.is_file()] if real.parent == REPO and real.suffix not in RESULTS else []
	if cached or real in tracked or any(cache.is_in(real, p) for p in parts):
		raise Error(f'{name}={value} is a file of {"the cache" if cached else "this project"}: name another one')


def _output(name: str, value: str) -> None:
	"""A file to write must be one that can be written, and no input."""
	if value == '-':
		return
	path = cache.expand(name, value)
	if path.exists() and not path.is_file():
		raise Error(f'{name}={value} cannot be written: it is no regular file; - is standard output')
	if not path.parent.is_dir():
		raise Error(f'{name}={value} cannot be written: there is no directory {path.parent}')
	if not os.access(path.parent, os.W_OK):
		raise Error(f'{name}={value} cannot be written: permission denied')
	real = Path(os.path.realpath(path))
	if not real.parent.is_dir():
		raise Error(f'{name}={value} cannot be written: there is no directory {real.parent}')
	_not_ours(name, value, real)
	for other, kind in KINDS.items():
		given = os.environ.get(other)
		if not given or other == name or given == 'none' or kind not in (_input, _output):
			continue
		there = Path(os.path.realpath(cache.expand(other, given)))
		if real == there or kind is _input and cache.is_in(real, there):
			raise Error(f'{name}={value} would overwrite, or lies in, {other}={given}: name another file')


@dataclass(frozen=True)
class Variable:
	name: str
	# How it looks, and what it is, for make help.
	form: str
	about: str
	check: Callable[[str, str], None] = _nothing


VARIABLES = [
	Variable('KDIR', 'dir', 'your kernel tree, git or not; it is only read', _input),
	Variable('KTARBALL', 'file', 'a kernel tarball or a linux-source .deb', _input),
	Variable('SERIES', 'path', 'a directory, mbox or patch to apply, or none', _input),
	Variable('SERIES_UPTO', 'n', 'apply the first n patches only', _count_from_zero),
	Variable('TARGETS', '"..."', 'default: uml x86_64; also x86_64-pointer x86_64-kasan', _some),
	Variable('FILTER', 'glob', 'run the tests that match, as kunit.py has it: suite.test'),
	Variable('MUTANTS', '"..."', 'only the mutants whose names match', _some),
	Variable('FUNCTIONS', '"..."', 'make order: look into these functions instead', _some),
	Variable('STARTS', '"..."', 'make order: nothing may be pending when these start'),
	Variable('SIZE', '64G', 'make bench, bench-native: of device memory'),
	Variable('ROUNDS', 'n', 'make bench, bench-native: how often each is timed', _count),
	Variable('BOOTS', 'n', 'make bench: guests a side', _count),
	Variable('CPU', 'n', 'make bench-native: the CPU to run on', _count_from_zero),
	Variable('SERIES_A', 'path', 'make bench: compare this series, or none, with', _input),
	Variable('SERIES_B', 'path', 'this one', _input),
	Variable('KERNEL_ARGS', '"..."', 'make bench: more for the guests\' command line'),
	Variable('JSON', 'file', 'the results', _output),
	Variable('JUNIT', 'file', 'the same for a CI system', _output),
	Variable('HTML', 'file', 'make bench: its page', _output),
	Variable('FRESH', '1', 'ask again, whatever is known from before'),
	Variable('JOBS', 'n', 'compile n files at a time', _count),
	Variable('CC', 'cc', 'the compiler; LLVM=1, LLVM=-19: as the kernel has it'),
	Variable('LLVM', '', ''),
	Variable('KCFLAGS', '"..."', 'more for the compiler, as the kernel has it'),
	Variable('TIMEOUT', 's', 'a guest that takes longer has hung', _count),
	Variable('CACHE', 'dir', 'default: ~/.cache/zone-device-kunit', _path),
]
# A blank one is what is left of a variable that was not set.
MEANT = [v.name for v in VARIABLES if v.check in (_input, _output, _path, _count_from_zero)]
KINDS = {v.name: v.check for v in VARIABLES}

COMMANDS = {
	'kunit': 'build and run the suites; prints one table',
	'check': 'everything: suites with and without the series, sparse, order, cost,\n'
		'checkpatch, order-mutants, the tools\' own tests',
	'sparse': 'sparse on what the series and the suites touch',
	'checkpatch': 'checkpatch.pl --strict on the series and the suites',
	'mutants': 'break the series on purpose: would the suites notice?',
	'order': 'are streaming stores drained before anything depends on them?',
	'order-mutants': 'would that be noticed, and would values alone show it?',
	'cost': 'what a struct page costs, with the series and without, counted',
	'cost-budget': 'make that the budget that make cost judges by',
	'bench': 'reproduce the published times in a VM, or say why not',
	'compare': 'A.json B.json: what two results of any command differ in',
	'bench-native': 'what can this CPU gain at most? In user space, in seconds',
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
	for variable in (v for v in VARIABLES if v.about):
		lines += entry(f'{variable.name}={variable.form}', variable.about)
	lines.insert(len([l for l in lines if not re.match(r'\w+=', l)]), '')
	return '\n'.join(lines)


def typed() -> str:
	"""What says which tree is meant, as it would be typed."""
	return ' '.join(f'{v}={shlex.quote(os.environ[v])}' for v in ('KDIR', 'KTARBALL', 'SERIES', 'SERIES_UPTO',
		'CC', 'LLVM') if os.environ.get(v))


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


def check() -> None:
	"""Refuses what cannot be meant, in one sentence, before anything is done."""
	known = [v.name for v in VARIABLES]
	for name, value in _given_to_make().items():
		if name in MEANT and not value.strip():
			raise Error(f'{name}= is blank: give it a value, or leave it out')
		if name not in known:
			close = nearest(name, known)
			raise Error(f'{name}= is no variable of this project' + (f'; is {close}= meant?' if close
				else '; make help lists them'))
	for variable in VARIABLES:
		given = os.environ.get(variable.name)
		if given:
			variable.check(variable.name, given)
