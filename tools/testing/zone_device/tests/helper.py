# SPDX-License-Identifier: GPL-2.0
"""A kernel tree small enough to build in no time, and commands to play the
slow parts: what is tested with them is the tools' own behaviour."""

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

TOOLS = Path(__file__).resolve().parents[1]
REPO = TOOLS.parents[2]
DATA = Path(__file__).parent / 'data'
sys.path.insert(0, str(TOOLS))

import options
import request
from guest import target
from host import cache
from kernel import source, tree

# Each make would compile the tools again.
os.environ['PYTHONPYCACHEPREFIX'] = os.path.join(tempfile.gettempdir(), f'zone_device-pycache-{os.getuid()}')

FAKE_KUNIT = '''#!/usr/bin/env python3
import json, os, sys, time
options = dict(a[2:].split('=', 1) for a in sys.argv[2:] if a.startswith('--') and '=' in a)
if os.environ.get('FAKE_SLOW') == sys.argv[1]:
	open(options.get('build_dir', os.path.dirname(sys.argv[-1])) + '/reached', 'w').close()
	time.sleep(600)
if sys.argv[1] == 'parse':
	with open(options['json'], 'w') as out:
		json.dump({'name': 'KUnit Test Group', 'sub_groups': [{'name': 's', 'sub_groups': [],
			'test_cases': [{'name': 'c', 'status': 'PASS'}]}], 'test_cases': [],
			'misc': {'passed': 1, 'failed': 0, 'crashed': 0, 'skipped': 0, 'errors': 0}}, out)
'''

# What is built is this, with mm_init.c behind it, where no shell gets to.
FAKE_GUEST = '''#!/bin/sh
[ "$FAKE_SLOW" != exec ] || { touch "${0%/*}/reached"; sleep 600; }
printf '%s\\n' 'KTAP version 1' 1..1 '    KTAP version 1' '    # Subtest: s' '    1..1' '    ok 1 c' 'ok 1 s'
exit
'''

FAKE_QEMU_CONFIG = '''from ..qemu_config import QemuArchParams
QEMU_ARCH = QemuArchParams(linux_arch='x86_64', kconfig='CONFIG_X=y', qemu_arch='x86_64', serial='stdio',
	kernel_path='arch/x86/boot/bzImage', kernel_command_line='console=ttyS0', extra_qemu_params=['-bios', 'qboot.rom'])
'''

FAKE_MAKEFILE = '''VERSION = {version}
PATCHLEVEL = {patchlevel}
linux: $(O)/linux
$(O)/linux: $(srctree)mm/mm_init.c
	@echo "  CC      mm/mm_init.o"
	@if [ "$$FAKE_SLOW" = build ]; then touch $(O)/reached; sleep 600; fi
	@if grep -q 'does not compile' mm/mm_init.c; then \\
		echo "mm/mm_init.c:1:1: error: no"; exit 1; fi
	@cat scripts/guest mm/mm_init.c > $(O)/linux && chmod +x $(O)/linux
'''

MM_INIT = ''.join(f'line {n}\n' for n in range(1, 30))


def fake_kernel(where: Path, version: Tuple[int, int] = (7, 3)) -> Path:
	files = {
		'Makefile': FAKE_MAKEFILE.format(version=version[0], patchlevel=version[1]),
		'Kbuild': 'obj-y += mm/\n', 'Kconfig': '', 'mm/Kconfig': 'endmenu\n', 'mm/Makefile': 'obj-y += mm_init.o\n',
		'mm/mm_init.c': MM_INIT, 'lib/Kconfig.debug': 'endmenu\n',
		'lib/tests/Makefile': '\n', 'include/linux/string.h': 'void *memcpy(void);\n',
		'scripts/tool': '#!/bin/sh\n', 'scripts/guest': FAKE_GUEST,
		'tools/testing/kunit/kunit.py': FAKE_KUNIT,
		'tools/testing/kunit/qemu_config.py': 'class QemuArchParams:\n\tdef __init__(self, **values):\n'
			'\t\tself.__dict__ = values\n',
		'tools/testing/kunit/qemu_configs/x86_64.py': FAKE_QEMU_CONFIG,
	}
	for name, text in files.items():
		(where / name).parent.mkdir(parents=True, exist_ok=True)
		(where / name).write_text(text)
	(where / 'scripts/tool').chmod(0o755)
	(where / 'link').symlink_to('Makefile')
	return where


def patch_text(line: int, new: str, name: str = 'mm/mm_init.c') -> str:
	"""A patch of MM_INIT's line @line, as git would write it."""
	around = [f'line {n}' for n in range(line - 3, line + 4)]
	body = ''.join(f'-{t}\n+{new}\n' if t == f'line {line}' else f' {t}\n' for t in around)
	return (f'Subject: change line {line}\n\n---\n--- a/{name}\n+++ b/{name}\n'
		f'@@ -{line - 3},7 +{line - 3},7 @@\n{body}-- \n2.39\n')


def snapshot(top: Path) -> Dict[str, Tuple[object, ...]]:
	"""Everything that writing to a tree would change, and reading does not."""
	found: Dict[str, Tuple[object, ...]] = {}
	for path in [top, *top.rglob('*')]:
		info = path.lstat()
		content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
		found[str(path.relative_to(top))] = (info.st_ino, info.st_mode, info.st_uid, info.st_gid,
			info.st_mtime_ns, content)
	return found


def contents(top: Path) -> Dict[str, Tuple[object, ...]]:
	"""The same, but for what replacing a file by one like it changes."""
	return {n: (s[1], s[2], s[3], s[5]) for n, s in snapshot(top).items()}


# Root may write to what is read-only: as root, do without that privilege.
AS_NOBODY_SPECIAL = ['setpriv', '--bounding-set=-dac_override'] if os.geteuid() == 0 else []


class Case(unittest.TestCase):
	"""A scratch directory, a cache in it, and an environment of its own."""

	def setUp(self) -> None:
		self.dir = Path(tempfile.mkdtemp(prefix='zone_device-test-'))
		self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
		self.addCleanup(os.environ.update, dict(os.environ))
		self.addCleanup(os.environ.clear)
		for name in (*options.VARIABLES, 'MAKEFLAGS', 'MAKELEVEL', 'MAKEOVERRIDES', 'MFLAGS', 'MAKEFILE_LIST'):
			os.environ.pop(name, None)
		self.cache = self.dir / 'cache'
		os.environ['CACHE'] = str(self.cache)
		self.addCleanup(cache.set_directory, cache._directory)
		cache.set_directory(Path(os.path.realpath(self.cache)))
		# What is known from before would answer instead of what is tested.
		os.environ['FRESH'] = '1'

	def kernel(self, name: str = 'linux', version: Tuple[int, int] = (7, 3)) -> Path:
		return fake_kernel(self.dir / name, version)

	def series(self, *texts: str, name: str = 'series') -> Path:
		where = self.dir / name
		where.mkdir()
		for number, text in enumerate(texts, 1):
			(where / f'{number:04}-change.patch').write_text(text)
		return where

	@staticmethod
	def commit(where: Path) -> None:
		subprocess.run('git init -q && git add -A && git -c user.name=a -c user.email=a@b commit -qm a',
			shell=True, cwd=where, check=True)

	def make(self, *command: object, before: Sequence[str] = (),
		 **variables: object) -> 'subprocess.CompletedProcess[str]':
		"""Runs make as a user would; @before is put in front of it."""
		env = {**os.environ, **{k: str(v) for k, v in variables.items()}}
		return subprocess.run([*before, 'make', '-s', '-C', str(REPO),
			*map(str, command)], env=env,
			check=False, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
			stderr=subprocess.STDOUT, timeout=120)

	def python(self, code: str) -> 'subprocess.Popen[str]':
		"""Another process of ours, on the same cache."""
		start = f'import pathlib, sys\nsys.path.insert(0, {str(TOOLS)!r})\n' \
			f'from host import cache\ncache.set_directory(pathlib.Path({str(self.cache)!r}))\n'
		proc = subprocess.Popen([sys.executable, '-B', '-c', start + code], text=True, stdout=subprocess.PIPE,
			stderr=subprocess.STDOUT)
		assert proc.stdout is not None
		self.addCleanup(proc.stdout.close)
		self.addCleanup(proc.wait)
		self.addCleanup(proc.kill)
		return proc

	def plan(self, series: Union[str, Path] = 'none', upto: Optional[int] = None,
		 extra: Sequence[Path] = (), slot: Optional[str] = None) -> tree.Plan:
		"""Of the kernel that KDIR= names."""
		return tree.plan(source.user_tree(os.environ['KDIR']), series, upto, extra, slot=slot)

	def prepare(self, series: Union[str, Path] = 'none', upto: Optional[int] = None,
		    extra: Sequence[Path] = (), slot: Optional[str] = None) -> tree.Tree:
		"""A tree, not kept from others."""
		with tree.using(self.plan(series, upto, extra, slot)) as (made,):
			return made

	def assertOneSentence(self, done: 'subprocess.CompletedProcess[str]', *words: str) -> None:
		"""It failed, said why in one line, and showed nobody a traceback."""
		self.assertNotEqual(done.returncode, 0, done.stdout)
		self.assertNotIn('Traceback', done.stdout)
		errors = [l for l in done.stdout.splitlines() if ' error: ' in l]
		self.assertEqual(len(errors), 1, done.stdout)
		for word in words:
			self.assertIn(word, errors[0])


@contextlib.contextmanager
def asked(on: target.Target) -> Iterator[Tuple[tree.Tree, target.Target]]:
	"""For guests that are real: the tree and the target that make was asked for,
	in the user's own cache."""
	given = options.parse()
	cache.set_directory(given.cache)
	with tree.alone(dataclasses.replace(request.plan(given), probes=True)) as made:
		yield made, on.asked(given)


class Repository(Case):
	"""A small kernel under git, whose one commit is v7.3."""

	def setUp(self) -> None:
		super().setUp()
		os.environ.update(GIT_AUTHOR_NAME='a', GIT_AUTHOR_EMAIL='a@b', GIT_COMMITTER_NAME='a', GIT_COMMITTER_EMAIL='a@b')
		self.kdir = self.kernel()
		self.commit(self.kdir)
		self.git('tag', 'v7.3')

	def git(self, *words: str, check: bool = True) -> str:
		return subprocess.run(['git', *words], cwd=self.kdir, check=check, stdout=subprocess.PIPE,
			stderr=subprocess.STDOUT, text=True).stdout.strip()

	def edit(self, line: int, to: str = '') -> str:
		"""A commit that changes a line of MM_INIT; returns its name."""
		path = self.kdir / 'mm/mm_init.c'
		path.write_text(path.read_text().replace(f'line {line}\n', f'{to or f"changed {line}"}\n'))
		self.git('commit', '-qam', f'change {line}')
		return self.git('rev-parse', 'HEAD')


class Front(Case):
	def setUp(self) -> None:
		super().setUp()
		os.environ.update(TARGETS='uml', SERIES='none')
		self.kdir = self.kernel()

	def kunit(self, **variables: Any) -> 'subprocess.CompletedProcess[str]':
		variables.setdefault('KDIR', self.kdir)
		return self.make('kunit', **variables)

	def assertWorks(self, **variables: Any) -> None:
		done = self.kunit(**variables)
		self.assertEqual(done.returncode, 0, done.stdout)
		self.assertRegex(done.stdout, r'uml +1 +0 +0 .*ok')

	def uml(self) -> Path:
		place, = self.cache.glob('trees/*/*/build/uml')
		return place

	def left_behind(self) -> List[str]:
		"""Processes that still sit in the scratch directory."""
		found = []
		for entry in Path('/proc').glob('[0-9]*'):
			try:
				if os.readlink(entry / 'cwd').startswith(str(self.dir)):
					found.append((entry / 'cmdline').read_text())
			except OSError:
				pass
		return found

	def start(self, command: str, reached: str = '', **variables: object) -> 'subprocess.Popen[str]':
		"""Starts make, and returns when a phase has been reached."""
		env = {**os.environ, 'KDIR': str(self.kdir), **{k: str(v) for k, v in variables.items()}}
		proc = subprocess.Popen(['make', '-C', str(REPO), '-s', command], env=env, text=True,
			stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
			start_new_session=True)
		assert proc.stdout is not None
		self.addCleanup(proc.stdout.close)
		self.addCleanup(proc.wait)
		self.addCleanup(proc.kill)
		deadline = time.monotonic() + 60
		while reached and not list(self.dir.glob(reached)):
			if proc.poll() is not None:
				self.fail(proc.communicate()[0])
			self.assertLess(time.monotonic(), deadline, f'{reached} was not reached')
			time.sleep(0.01)
		return proc

	def interrupt(self, reached: str, sig: int = signal.SIGINT, command: str = 'kunit',
		      **variables: object) -> None:
		"""Ctrl-C, or another signal, as soon as a phase has been reached: the
		whole foreground process group of the terminal gets it."""
		proc = self.start(command, reached, **variables)
		os.killpg(proc.pid, sig)
		out, _ = proc.communicate(timeout=90)
		self.assertNotEqual(proc.returncode, 0)
		self.assertEqual(out.count('zone_device: interrupted'), 1, out)
		self.assertNotIn('Traceback', out)
		self.assertNotIn('error:', out)
		self.assertEqual(self.left_behind(), [])
