# SPDX-License-Identifier: GPL-2.0
"""The memmap initialisation of a kernel tree as a user-space program.

The tree's own mm/mm_init.c is compiled, as it is, with the tree's headers,
configuration and compiler flags; what memmap_init_zone_device() does not
reach is thrown away by the linker. So nothing here knows what the helpers of
a series are called or where they stand.
"""

import dataclasses
import hashlib
import json
import platform
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable, List, Sequence, Set, Tuple

from checks import Check
from guest import build as kernel_build
from guest.target import CONFIGS, MAIN, Target
from host import cache, packages, process
from host.files import REPO
from host.messages import Error, say
from kernel.tree import Tree
from outcome import Outcome

HERE = REPO / 'tools/testing/zone_device/native'
# Never booted: its build directory is the place for what is compiled here.
TARGET = Target('native', MAIN.arch, (), ('native',))
CONFIG = CONFIGS / 'native.config'
# The tree's text.
TEXT = ('mm/mm_init.c', *TARGET.arch.copy_sources)
PROGRAM = ('main.c', 'check.c', 'bench.c', 'limits.c', 'kernel_stubs.c')
PACKAGES = [*packages.TREE, *packages.BUILD, packages.GCC,
	packages.Need('gelf.h', 'libelf-dev')]

# A section for each function lets the linker find out which are needed.
USER_FLAGS = ('-w', '-ffunction-sections', '-fdata-sections')
SANITIZE = ('-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-g')
# The sanitizers' tables of globals would keep all code alive.
SANITIZE_TEXT = {'gcc': ('--param', 'asan-globals=0'), 'clang': ('-mllvm', '-asan-globals=0')}
# What the kernel has and libc too, and must not be taken for missing.
LIBC = set('memcpy memset memmove memcmp memchr strlen strnlen strcmp strncmp strcpy strncpy strcat '
	'strchr strrchr strstr sprintf snprintf sscanf qsort bsearch'.split())


@dataclass(frozen=True)
class Variant:
	"""One build of a tree's text."""
	name: str
	tree: Tree
	# What is done to the text, for the user; and what the compiler reads
	# before it, to that end.
	how: str = ''
	preface: str = ''


# As features.sh says that there is a streaming copy.
COPY = '-DZD_COPY='


def _preface_memcpy(features: str) -> str:
	"""The streaming copy bound to memcpy(), whatever its name is."""
	lines = ['#include <linux/string.h>']
	copy = re.search(r'-DZD_COPY=(\w+)', features)
	drain = re.search(r'-DZD_DRAIN=(\w+)', features)
	for name in ('memcpy_flushcache', copy.group(1) if copy else ''):
		if name:
			lines += [f'#undef {name}', f'#define {name}(dst, src, len) memcpy(dst, src, len)']
	if drain:
		lines += [f'#undef {drain.group(1)}', f'#define {drain.group(1)}() do {{ }} while (0)']
	return '\n'.join(lines) + '\n'


def variants(tested: Tree) -> List[Variant]:
	"""The reference first: the text of the unpatched tree, where one is known."""
	unpatched = tested.base or tested
	if unpatched.features:
		return []
	found = [Variant('fields', unpatched)]
	if not tested.base:
		return found
	if COPY in tested.features:
		found += [Variant('memcpy', tested, 'its copy bound to memcpy()', _preface_memcpy(tested.features)),
			Variant('streaming', tested)]
	else:
		found.append(Variant('memcpy', tested))
	return found


# Why there is nothing to compare with.
NO_BASE = 'the tree has the series in it, and no unpatched text is known: ' \
	'give an unpatched tree as KDIR= and the patches as SERIES='


def _make(prepared: Tree, target: Target, what: Sequence[str], log: Path, label: str) -> None:
	if process.run([*kernel_build.make_command(prepared, target), *what], env=kernel_build.environment(), log=log,
			label=label):
		for line in kernel_build.first_errors(log):
			say(f'  {line}')
		raise Error(f'native: {prepared.src / TEXT[0]} does not compile (log: {log})')


def _must_be_configured(config: Path) -> None:
	"""Without these there is nothing to compile, or it cannot run here; the
	rest may differ from version to version."""
	lines = set(config.read_text().splitlines())
	if 'CONFIG_ZONE_DEVICE=y' not in lines:
		raise Error(f'native: the kernel cannot be configured with ZONE_DEVICE ({config})')
	for line in CONFIG.read_text().splitlines():
		if line.startswith('# CONFIG_') and f'{line.split()[1]}=y' in lines:
			raise Error(f'native: the kernel does not take {line[2:]} ({config})')


def kbuild(prepared: Tree, target: Target) -> Path:
	"""Has the tree's own build generate its headers and say how it compiles a
	file; returns the build directory."""
	build = prepared.build_dir(target.name)
	stamp = build / 'zone_device.stamp'
	wanted = json.dumps([prepared.generation, CONFIG.read_text(), kernel_build.make_options(target)])
	if stamp.is_file() and stamp.read_text() == wanted:
		return build
	cache.remove(stamp)
	kernel_build.must_be_of_the_past(build)
	build.mkdir(parents=True, exist_ok=True)
	log = build / 'build.log'
	cache.remove(log)
	label = f'native: preparing {prepared.dir.name}'
	_make(prepared, target, [f'KCONFIG_ALLCONFIG={CONFIG}', 'allnoconfig'], log, label)
	_must_be_configured(build / '.config')
	_make(prepared, target, ['mm/mm_init.o'], log, label)
	stamp.write_text(wanted)
	return build


def command_of(build: Path) -> List[str]:
	"""How Kbuild compiles a file of mm/, but for what is in and what is out."""
	record = build / 'mm/.mm_init.o.cmd'
	command = record.read_text().splitlines()[0].partition(':=')[2]
	# What follows checks the object file.
	words = shlex.split(command.replace('$(pound)', '#').replace('$$', '$').split(' ; ')[0])
	if not words or not words.pop().endswith(TEXT[0]) or '-o' not in words:
		raise Error(f'native: cannot tell how the kernel compiles {TEXT[0]} ({record})')
	out = words.index('-o')
	del words[out:out + 2]
	return [w for w in words if w != '-c' and not w.startswith('-Wp,-M')]


def compiler(target: Target) -> List[str]:
	return kernel_build.make_options(target)[-1][3:].split()


def _do(command: Sequence[object], cwd: Path) -> str:
	done = subprocess.run([str(c) for c in command], cwd=cwd, env=kernel_build.environment(), check=False,
		stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
	if done.returncode:
		lines = (done.stderr or done.stdout).splitlines()
		for line in [l for l in lines if 'error' in l or 'undefined' in l][:8] or lines[-8:]:
			say(f'  {line}')
		raise Error(f'native: {command[0]} failed on {command[-1]}')
	return done.stdout


def _text_flags(target: Target, sanitize: bool) -> List[str]:
	kind = 'clang' if 'clang' in target.toolchain.compiler else 'gcc'
	flags = [*USER_FLAGS, *(flag for compiler, flag in target.arch.user_stack if compiler == kind)]
	if sanitize:
		flags += [*SANITIZE, *SANITIZE_TEXT[kind]]
	return flags


def _compile_text(variant: Variant, target: Target, out: Path, sanitize: bool) -> List[Callable[[], object]]:
	"""The steps, which do not depend on each other."""
	build = variant.tree.build_dir(target.name)
	out.mkdir(parents=True, exist_ok=True)
	preface = out / 'preface.h'
	preface.write_text(variant.preface)
	command, flags = command_of(build), _text_flags(target, sanitize)
	steps: List[Callable[[], object]] = []
	for source in TEXT:
		# Only the file that chooses between the paths is to be misled.
		extra = ['-include', preface] if source == TEXT[0] and variant.preface else []
		steps.append(partial(_do, [*command, *flags, *extra, '-c', '-o',
			out / f'{Path(source).stem}.o', variant.tree.src / source], build))
	steps.append(partial(_do, [*command, *flags, '-I', HERE, f'-DNATIVE_NAME={variant.name}', '-c', '-o',
		out / 'kernel_side.o', HERE / 'kernel_side.c'], build))
	return steps


def _link_variant(variant: Variant, out: Path) -> Path:
	"""One object with one global symbol, so that two kernels can be in one
	program."""
	entry = f'native_variant_{variant.name}'
	objects = [out / f'{Path(s).stem}.o' for s in (*TEXT, 'kernel_side.c')]
	linked = out.with_suffix('.o')
	_do(['ld', '-r', '--gc-sections', '-e', entry, '-u', entry, '-o', linked, *objects], out)
	_do(['objcopy', f'--keep-global-symbol={entry}', linked], out)
	return linked


def undefined(path: Path) -> Set[str]:
	return {l.split()[-1] for l in process.output(['nm', '-u', path]).splitlines()}


def _defined(paths: Sequence[Path]) -> Set[str]:
	return {l.split()[-1] for p in paths
		for l in process.output(['nm', '--defined-only', '-g', p]).splitlines()}


def _glue(names: Sequence[str], missing: Sequence[str]) -> str:
	"""Which variants there are; and for what they refer to and nobody defines
	some zeroes that are no code: a switch reads as off, a call is caught."""
	lines = ['#include <stddef.h>', '#include "native.h"']
	lines += [f'extern const struct native_variant native_variant_{n};' for n in names]
	lines.append('const struct native_variant *const native_variants[] = {')
	lines += [f'\t&native_variant_{n},' for n in names] + ['\tNULL', '};']
	lines += [f'char {m}[NATIVE_MISSING_SIZE] __attribute__((__aligned__(64)));' for m in missing]
	lines.append('const struct native_missing native_missing[] = {')
	lines += [f'\t{{ "{m}", {m} }},' for m in missing] + ['\t{ NULL, NULL }', '};']
	return '\n'.join(lines) + '\n'


def _in_parallel(steps: Sequence[Callable[[], object]], jobs: int) -> None:
	with ThreadPoolExecutor(jobs) as pool:
		for future in [pool.submit(s) for s in steps]:
			future.result()


def _stamp(chosen: Sequence[Variant], target: Target, sanitize: bool) -> str:
	facts: List[object] = [sanitize, CONFIG.read_text(), kernel_build.make_options(target)]
	facts += [[v.name, str(v.tree.dir), v.tree.generation, v.preface] for v in chosen]
	facts += [p.read_text() for p in (*sorted(HERE.glob('*.[ch]')), Path(__file__))]
	return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def link(chosen: Sequence[Variant], target: Target, sanitize: bool = False) -> Path:
	"""The program; it stays until something that it is made of changes."""
	if platform.machine() != target.arch.name:
		raise Error(f'native: this is {platform.machine()}; the program times stores of {target.arch.name}')
	top = chosen[-1].tree.build_dir(target.name) / ('sanitized' if sanitize else 'plain')
	program, stamp = top / 'native', top / 'stamp'
	for prepared in {v.tree.dir: v.tree for v in chosen}.values():
		kbuild(prepared, target)
	wanted = _stamp(chosen, target, sanitize)
	if program.is_file() and stamp.is_file() and stamp.read_text() == wanted:
		return program
	cache.remove(top)
	top.mkdir(parents=True)
	say('native: compiling' + (' with the sanitizers' if sanitize else ''))
	cc = [*compiler(target), '-O2', '-Wall', '-Wextra', '-fno-builtin', '-I', HERE, *_user_flags(sanitize)]
	steps: List[Callable[[], object]] = []
	for variant in chosen:
		steps += _compile_text(variant, target, top / variant.name, sanitize)
	for name in PROGRAM:
		steps.append(partial(_do, [*cc, '-c', '-o', top / Path(name).with_suffix('.o'), HERE / name], top))
	_in_parallel(steps, target.toolchain.jobs)
	own = [top / Path(n).with_suffix('.o') for n in PROGRAM]
	linked = [_link_variant(v, top / v.name) for v in chosen]
	needed = set().union(*(undefined(p) for p in linked))
	missing = sorted(n for n in needed - _defined(own) - LIBC if not n.startswith(('__asan', '__ubsan')))
	glue = top / 'glue.c'
	glue.write_text(_glue([v.name for v in chosen], missing))
	# The kernel's code model has addresses that fit in 31 bits, and no PIE.
	_do([*cc, '-no-pie', '-Wl,-z,noexecstack', '-o', program, glue, *own, *linked], top)
	stamp.write_text(wanted)
	return program


def _user_flags(sanitize: bool) -> Tuple[str, ...]:
	return ('-fno-pie', *(SANITIZE if sanitize else ()))


def run_program(program: Path, arguments: Sequence[str], timeout: float) -> Tuple[int, List[str], str]:
	out, err = program.with_name('output'), program.with_name('errors')
	env = process.environment(ASAN_OPTIONS='detect_leaks=0:allow_user_segv_handler=1')
	try:
		with open(out, 'wb') as sink:
			cache.remove(err)
			status = process.run([program, *arguments], stdout=sink, log=err, env=env, timeout=timeout,
				label=f'native: {arguments[0]}')
	except process.TimedOut:
		raise Error(f'native: the program hung: it was stopped after {timeout:.0f} s') from None
	return status, out.read_text(errors='replace').splitlines(), err.read_text(errors='replace')


def compare(program: Path) -> Outcome:
	"""Every path against the reference."""
	status, lines, errors = run_program(program, ['check'], 300)
	outcome = Outcome('native', '', passed=sum(1 for l in lines if l.startswith('ok ')),
		failed=sum(1 for l in lines if l.startswith('not ok ')))
	# A line before says what differs.
	for detail, line in zip(['', *lines], lines):
		if line.startswith('not ok '):
			outcome.failures.append((line[len('not ok '):], [detail[2:]] if detail.startswith('#') else []))
	if status and not outcome.failed:
		reports = [l for l in errors.splitlines() if 'ERROR:' in l or 'runtime error:' in l]
		outcome.problem = (reports or errors.strip().splitlines() or [f'exit status {status}'])[0]
	return outcome


class Native(Check):
	"""All paths of the tree's own text do the same, under ASan and UBSan."""

	name = 'native'
	compares = True

	def run(self, tree: Tree, target: Target) -> Outcome:
		target = dataclasses.replace(TARGET, toolchain=target.toolchain)
		if platform.machine() != target.arch.name:
			return self._skipped(f'this is {platform.machine()}, not {target.arch.name}')
		chosen = variants(tree)
		if not chosen:
			return Outcome(self.name, '', unknown=NO_BASE)
		if len(chosen) < 2:
			return self._skipped('there is no series to compare')
		outcome = compare(link(chosen, target, sanitize=True))
		outcome.said = [f'native: {outcome.passed} comparisons agree, {outcome.failed} do not (ASan, UBSan)']
		return outcome

	def _skipped(self, why: str) -> Outcome:
		return Outcome(self.name, '', skipped=1, skips=[('native', why)], cases=[('native', 'SKIP')])
