# SPDX-License-Identifier: GPL-2.0
"""A prepared tree, configured and built for a target."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Set, Tuple

import options
from guest import qemu
from guest.target import Target
from host import cache, files, process
from host.messages import Error, Full, say, Unbuilt
from kernel.tree import Tree

KUNIT = 'tools/testing/kunit/kunit.py'
# In a build directory: what was said of each object when it was compiled.
WARNINGS = 'zone_device-warnings.json'
SPARSE = 'sparse'
# What a build says that lacks a tool or memory, which is no fault of the tree.
OURS = r'Killed|terminated program|Cannot allocate memory|virtual memory exhausted|: (?:command )?not found$'
# Seconds that a file's date may be ahead of the clock; file systems round.
SKEW = 2.0


def make_options(target: Target) -> List[str]:
	"""Variables for the kernel's make, the same in each call: another CC in
	one of them has Kconfig ask everything anew."""
	tools = target.toolchain
	found = [f'{n}={v}' for n, v in (('LLVM', tools.llvm), ('KCFLAGS', tools.kcflags)) if v]
	cc = tools.compiler
	if target.arch.cross_compile and not tools.named:
		cc = f'{target.arch.cross_compile}gcc'
	for word in cc.split():
		if not word.startswith('-') and not shutil.which(word):
			raise Error(f'{word}: no such compiler (CC={cc})')
	if shutil.which('ccache') and 'ccache' not in cc:
		cc = f'ccache {cc}'
	return [*found, f'CC={cc}']


# What make passes down is meant for our Makefile, and its jobserver is not open
# to a make that is no child of it.
_MAKES = ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', 'MAKEOVERRIDES', 'MAKEFILE_LIST', 'O', 'ARCH', 'CROSS_COMPILE')
# What would change the build, and is not what a build remembers.
_CHANGES = r'KBUILD_|K\w*FLAGS|HOST\w*FLAGS|LDFLAGS|C_INCLUDE_PATH|CPATH'


def environment() -> Dict[str, str]:
	env = process.environment(without=f'(?:{"|".join((*_MAKES, *options.VARIABLES))})$|{_CHANGES}')
	# Lets trees that differ in their place alone share what ccache knows.
	env.setdefault('CCACHE_BASEDIR', str(cache.directory()))
	env.setdefault('CCACHE_NOHASHDIR', '1')
	env.setdefault('CCACHE_DIR', str(cache.directory() / 'ccache'))
	# CCACHE_DEPEND would make misses cheaper, but with it the object of another
	# state of the same source came back, twice in sixteen builds of mutants.
	env.pop('CCACHE_DEPEND', None)
	# CCACHE_NOCPP2 would, too, and the code is the same, but gcc then warns of what
	# macros made (5 times in x86_64-kasan), and warnings are judged.
	env.pop('CCACHE_NOCPP2', None)
	env['PYTHONDONTWRITEBYTECODE'] = '1'
	env['LC_ALL'] = 'C'
	# Of the same objects comes the same image, whenever and however often it is made.
	env.update(KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970', KBUILD_BUILD_VERSION='1',
		KBUILD_BUILD_USER='zone_device', KBUILD_BUILD_HOST='zone_device')
	return env


def make_command(tree: Tree, target: Target) -> List[str]:
	command = ['make', '-C', str(tree.src), f'O={tree.build_dir(target.name)}',
		f'ARCH={qemu.machine(tree, target.arch).linux_arch}', *make_options(target), f'-j{target.toolchain.jobs}',
		# What is said of one file stays together.
		'--output-sync=target',
		# Where each object is a miss, one takes a third longer with ccache.
		*([] if tree.stepwise else ['CCACHE_DISABLE=1'])]
	if target.arch.cross_compile:
		command.append(f'CROSS_COMPILE={target.arch.cross_compile}')
	return command


def facts(target: Target) -> List[object]:
	"""Everything but the tree that an image depends on."""
	cc = make_options(target)
	version = process.output([w for w in cc[-1][3:].split() if w != 'ccache'][:1] + ['--version'])
	return [target.config_options(), cc, version.splitlines()[:1]]


def _stamp(tree: Tree, target: Target) -> str:
	return hashlib.sha256(json.dumps([tree.generation, *facts(target)]).encode()).hexdigest()


def first_errors(log: Path) -> List[str]:
	lines = log.read_text(errors='replace').splitlines()
	for pattern in (r'\berror: |undefined reference|multiple definition|No space left', r'\*\*\* '):
		found = [l for l in lines if re.search(pattern, l)]
		if found:
			return found[:8]
	return lines[-8:]


def _count_compiled(log: Path) -> Iterator[str]:
	"""Says, each time it is asked, how many files the build has compiled."""
	count = 0
	place = 0
	while True:
		try:
			with open(log, 'rb') as lines:
				lines.seek(place)
				new = lines.read()
		except FileNotFoundError:
			new = b''
		count += len(re.findall(rb'^  (?:CC|AS) ', new, re.M))
		# A line may be half written: count it when it is whole.
		keep = new.rfind(b'\n') + 1
		count -= len(re.findall(rb'^  (?:CC|AS) ', new[keep:], re.M))
		place += keep
		yield f'{count} files compiled, '


def _warning(tree: Tree, line: str) -> Tuple[str, str]:
	"""What a line of a build's log warns of: the file in the tree and the text, both
	empty if it does not. Modpost and Kconfig may name none."""
	found = re.match(r'WARNING: (?:(modpost): )?(.*)', line)
	if found:
		# Where in a function it is changes with each line above.
		return found.group(1) or 'Kconfig', re.sub(r'\+0x[0-9a-f]+', '', found.group(2))
	found = re.match(r'(?!make)([^\s:]+):(?:\d+:)* ?warning: (.*)', line)
	if not found:
		return '', ''
	if not os.path.isabs(found.group(1)) and (tree.src / found.group(1)).is_file():
		# Kconfig, which names what it reads.
		return found.group(1), found.group(2)
	# The compiler runs in the build directory.
	name = os.path.normpath(os.path.join(tree.build_dir('x'), found.group(1)))
	return os.path.relpath(name, tree.src), found.group(2)


def warnings(log: Path, tree: Tree, files: Set[str]) -> List[str]:
	"""The compiler's warnings about @files, each once."""
	lines = log.read_text(errors='replace').splitlines()
	return list(dict.fromkeys(l for l in lines if _warning(tree, l)[0] in files))


def remember_warnings(log: Path, directory: Path, only: Optional[Set[str]] = None) -> None:
	"""Each object's warnings: a build that does not compile it again is silent
	about them. @only: of these objects, where more is compiled than belongs to the image."""
	path = directory / WARNINGS
	known: Dict[str, List[str]] = {}
	with contextlib.suppress(OSError, ValueError):
		known = json.loads(path.read_text())
	# What is said before any object is said again by each build.
	current = '' if only is None else SPARSE
	known[current] = []
	for line in log.read_text(errors='replace').splitlines():
		compiled = re.match(r'  (?:CC|AS|HOSTCC|LD|AR|MODPOST|SYNC|CHECK)\s+(?:\[M\] )?(\S+)$', line)
		if compiled:
			# Sparse speaks for itself.
			kept = only is None or compiled.group(1) in only or line.startswith('  SYNC')
			current = compiled.group(1) if kept and not line.startswith('  CHECK') else SPARSE
			known[current] = []
		elif re.search(r'warning: |^WARNING: ', line):
			known[current].append(line)
	known.pop(SPARSE, None)
	path.write_text(json.dumps({name: lines for name, lines in known.items()
		if lines and (directory / name).exists()}))


def all_warnings(tree: Tree, target: Target) -> List[str]:
	"""What is said of all that is built, "file: warning", without the lines' numbers;
	as often as it is said."""
	path = tree.build_dir(target.name) / WARNINGS
	with contextlib.suppress(OSError, ValueError):
		found = (_warning(tree, l) for lines in json.loads(path.read_text()).values() for l in lines)
		return sorted(f'{name}: {text}' for name, text in found if name)
	return []


def configure(tree: Tree, target: Target) -> None:
	build = tree.build_dir(target.name)
	build.mkdir(parents=True, exist_ok=True)
	log = build / 'config.log'
	cache.remove(log)
	command = [sys.executable, str(tree.src / KUNIT), 'config', f'--build_dir={build}', f'--arch={target.arch.name}',
		*target.config_options(), *(f'--make_options={o}' for o in make_options(target))]
	if target.arch.cross_compile:
		command.append(f'--cross_compile={target.arch.cross_compile}')
	if process.run(command, cwd=tree.src, env=environment(), log=log,
			label=f'{target.name}: configuring'):
		lines = [l for l in files.tail(log, 40) if l.strip()]
		if files.disk_full(build):
			raise Full(f'{target.name}: no space left on device to configure in ({build})')
		if any(re.search(OURS, l) for l in lines):
			raise Error(f'{target.name}: this machine could not configure: {lines[-1]} (log: {log})')
		missing = [l for l in lines if l.startswith('Missing:')]
		if missing:
			raise Unbuilt(f'{target.name}: the kernel does not take {missing[0][9:]} (log: {log})')
		raise Unbuilt(f'{target.name}: no configuration: {(lines or ["no output"])[-1]} (log: {log})')


def must_be_of_the_past(directory: Path) -> None:
	"""Make compares dates: it takes what was built while the clock was ahead
	for newer than any change that is made now, and builds nothing."""
	now = time.time()
	for where, _directories, names in os.walk(directory):
		for name in names:
			path = os.path.join(where, name)
			with contextlib.suppress(FileNotFoundError):
				if os.lstat(path).st_mtime > now + SKEW:
					say(f'{path} is dated in the future: all is built again')
					cache.discard(directory)
					return


def build(tree: Tree, target: Target) -> Path:
	"""Builds the kernel unless it is built already; returns the image."""
	directory = tree.build_dir(target.name)
	image = directory / qemu.machine(tree, target.arch).kernel_path
	stamp = directory / 'zone_device.stamp'
	wanted = _stamp(tree, target)
	if image.is_file() and stamp.is_file() and stamp.read_text(errors='replace') == wanted:
		return image
	cache.remove(stamp)
	must_be_of_the_past(directory)
	configure(tree, target)
	log = directory / 'build.log'
	cache.remove(log)
	compiled = _count_compiled(log)
	start = time.monotonic()
	try:
		failed = process.run([*make_command(tree, target), image.name], env=environment(), log=log,
			label=f'{target.name}: building', status=lambda _pid: next(compiled))
	finally:
		# One that is interrupted has compiled what the next one will not.
		if log.is_file():
			remember_warnings(log, directory)
	if failed:
		errors = first_errors(log)
		if files.disk_full(directory) or any('No space left on device' in l for l in errors):
			raise Full(f'{target.name}: no space left on device to build in ({directory})')
		for line in errors:
			say(f'  {line}')
		if any(re.search(OURS, l) for l in errors):
			raise Error(f'{target.name}: this machine could not build: {errors[0].strip()} (log: {log})')
		raise Unbuilt(f'{target.name}: the kernel does not build (log: {log})', errors)
	say(f'{target.name}: built in {time.monotonic() - start:.0f} s '
		f'({next(compiled).rstrip(", ")})')
	for line in warnings(log, tree, tree.patched | tree.produced):
		say(f'{target.name}: new warning: {line}')
	stamp.write_text(wanted)
	return image
