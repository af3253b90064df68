# SPDX-License-Identifier: GPL-2.0
"""make kunit's manners: bad input is one sentence, Ctrl-C leaves nothing
behind, and the next run works."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
import unittest
from typing import Any
from unittest import mock

from helper import AS_NOBODY_SPECIAL, Case, fake_kernel, Front, MM_INIT, patch_text, REPO, snapshot, TOOLS

import judge
from checks import Check
from guest.target import MAIN, Target
from host import files, locks, packages
from host.messages import Error, Unbuilt
from kernel.tree import Tree
from outcome import Outcome


def works(*command: str) -> bool:
	try:
		return subprocess.run(command, check=False, stdout=subprocess.DEVNULL,
			stderr=subprocess.DEVNULL).returncode == 0
	except FileNotFoundError:
		return False


class Kunit(Front):
	def test_reports(self) -> None:
		self.assertWorks(JSON=self.dir / 'r.json', JUNIT=self.dir / 'r.xml')
		self.assertEqual(json.loads((self.dir / 'r.json').read_text())['outcomes'][0]['passed'], 1)
		self.assertIn('<testcase name="c"', (self.dir / 'r.xml').read_text())

	def test_nothing_changed_builds_nothing(self) -> None:
		self.assertWorks()
		image = self.uml() / 'linux'
		before = image.stat().st_mtime_ns
		self.assertNotIn('built in', self.kunit().stdout)
		self.assertEqual(image.stat().st_mtime_ns, before)
		(self.kdir / 'mm/mm_init.c').write_text(MM_INIT + 'more\n')
		self.assertIn('built in', self.kunit().stdout)
		self.assertIn('more', image.read_text())

	def test_two_runs_at_once(self) -> None:
		env = {**os.environ, 'KDIR': str(self.kdir)}
		procs = [subprocess.Popen(['make', '-s', '-C', str(REPO), 'kunit'], env=env, text=True,
			stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(3)]
		outs = [p.communicate(timeout=60)[0] for p in procs]
		self.assertEqual([p.returncode for p in procs], [0, 0, 0], outs)
		self.assertIn('waiting for another run', ''.join(outs))

	def test_clean(self) -> None:
		self.assertWorks()
		self.assertEqual(self.make('clean').returncode, 0)
		self.assertEqual(list(self.cache.glob('trees')), [])
		self.assertWorks()
		self.assertEqual(self.make('distclean').returncode, 0)
		self.assertFalse(self.cache.exists())


class BadInput(Front):
	def test_kdir(self) -> None:
		self.assertOneSentence(self.kunit(KDIR=self.dir / 'gone'), 'no such file or directory')
		(self.dir / 'other').mkdir()
		self.assertOneSentence(self.kunit(KDIR=self.dir / 'other'), 'is not a Linux kernel tree')
		self.assertOneSentence(self.kunit(KDIR=self.kernel('old', (6, 12))), 'Linux 6.12, too old')
		(self.kdir / 'mm/mm_init.c').unlink()
		self.assertOneSentence(self.kunit(), 'no mm/mm_init.c')

	def test_read_only_kdir_is_as_good_as_any(self) -> None:
		subprocess.run(['chmod', '-R', 'a-w', self.kdir], check=True)
		self.addCleanup(lambda: subprocess.run(['chmod', '-R', 'u+w', self.kdir]))
		before = snapshot(self.kdir)
		self.assertWorks(before=AS_NOBODY_SPECIAL)
		self.assertEqual(snapshot(self.kdir), before)

	def test_patch_that_does_not_apply(self) -> None:
		series = self.series(patch_text(5, 'five'), patch_text(5, 'six'))
		self.assertOneSentence(self.kunit(SERIES=series),
			'patch 0002-change.patch does not apply to mm/mm_init.c')
		shutil.copy(series / '0001-change.patch', series / '0002-change.patch')
		(series / '0002-change.patch').write_text(patch_text(15, 'fifteen'))
		self.assertWorks(SERIES=series)
		self.assertIn('fifteen', (self.uml() / 'linux').read_text())

	def test_missing_compiler(self) -> None:
		done = self.kunit(CC='no-such-cc')
		self.assertOneSentence(done, 'no-such-cc: no such compiler')

	def test_source_that_does_not_compile(self) -> None:
		(self.kdir / 'mm/mm_init.c').write_text('does not compile\n')
		done = self.kunit()
		self.assertIn('mm/mm_init.c:1:1: error: no', done.stdout)
		self.assertIn('FAILED uml: the kernel does not build', done.stdout)
		self.assertNotEqual(done.returncode, 0)
		(self.kdir / 'mm/mm_init.c').write_text(MM_INIT)
		self.assertWorks()

	def test_variables(self) -> None:
		self.assertOneSentence(self.kunit(TARGETS='vax'), 'TARGETS=vax: no such target')
		self.assertOneSentence(self.kunit(SERIES=self.dir / 'x'), 'no such file')
		self.assertOneSentence(self.kunit(SERIES_UPTO='x'), 'SERIES_UPTO=x is not a number')
		self.assertOneSentence(self.kunit(KTARBALL=self.kdir / 'Makefile'), 'both given')
		self.assertOneSentence(self.kunit(JOBS='many'), 'JOBS=many is not a number')
		self.assertOneSentence(self.kunit(JSON=self.dir / 'no/file'), 'cannot be written')

	def test_unknown_command(self) -> None:
		self.assertNotEqual(self.make('kunti').returncode, 0)

	def test_cache_that_cannot_be_made(self) -> None:
		(self.dir / 'file').write_text('')
		self.assertOneSentence(self.kunit(CACHE=self.dir / 'file/cache'), 'not a directory')


@unittest.skipUnless(works('unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'),
	'mounting a small disk is not permitted')
class FullDisk(Front):
	def on_small_disk(self, size: str, **variables: Any) -> 'subprocess.CompletedProcess[str]':
		self.cache.mkdir(exist_ok=True)
		script = f'mount -t tmpfs -o size={size} none {self.cache} && exec "$@"'
		return self.kunit(before=['unshare', '-m', 'sh', '-c', script, '-'], **variables)

	def test_while_copying(self) -> None:
		(self.kdir / 'mm/big.c').write_bytes(b'x' * (8 << 20))
		self.assertOneSentence(self.on_small_disk('4m'), 'no space left on device')

	def test_while_unpacking(self) -> None:
		(self.kdir / 'mm/big.c').write_bytes(os.urandom(8 << 20))
		archive = self.dir / 'linux.tar.gz'
		subprocess.run(['tar', '-czf', archive, '-C', self.dir, 'linux'], check=True)
		done = self.on_small_disk('4m', KDIR='', KTARBALL=archive)
		self.assertOneSentence(done, 'cannot be unpacked: no space left on device')

	def test_while_building(self) -> None:
		# The image is a copy of this file: there is room for one of them.
		(self.kdir / 'mm/mm_init.c').write_bytes(os.urandom(3 << 20))
		done = self.on_small_disk('5m')
		self.assertIn('no space left on device', done.stdout)
		self.assertNotEqual(done.returncode, 0)
		self.assertNotIn('Traceback', done.stdout)


class Interrupted(Front):
	def test_while_configuring(self) -> None:
		self.interrupt('cache/trees/*/*/build/uml/reached', FAKE_SLOW='config')
		self.assertWorks()

	def test_while_building(self) -> None:
		self.interrupt('cache/trees/*/*/build/uml/reached', FAKE_SLOW='build')
		self.assertWorks()

	def test_while_running(self) -> None:
		self.interrupt('cache/trees/*/*/build/uml/reached', FAKE_SLOW='exec')
		self.assertWorks()

	def test_while_copying(self) -> None:
		for number in range(20000):
			where = self.kdir / f'drivers/{number // 500}'
			where.mkdir(parents=True, exist_ok=True)
			(where / f'{number}.c').write_text('x\n')
		self.interrupt('cache/trees/*/mirror/drivers/3', FAKE_SLOW='config')
		self.assertWorks()
		made, = self.cache.glob('trees/*/base/src')
		self.assertEqual(len(list(made.glob('drivers/*/*.c'))), 20000)

	def test_while_unpacking(self) -> None:
		archive = self.dir / 'linux.tar.gz'
		subprocess.run(['tar', '-czf', archive, '-C', self.dir, 'linux'], check=True)
		bin = self.dir / 'bin'
		bin.mkdir()
		(bin / 'tar').write_text(f'#!/bin/sh\n{shutil.which("tar")} "$@" || exit 1\n'
			'touch ../reached\nsleep 600\n')
		(bin / 'tar').chmod(0o755)
		self.interrupt('cache/base/.unpack-*/reached', KDIR='', KTARBALL=archive,
			PATH=f'{bin}:{os.environ["PATH"]}')
		self.assertEqual(list(self.cache.glob('base/.unpack-*')), [])
		self.assertWorks(KDIR='', KTARBALL=archive)


class Locked(Case):
	def test_a_killed_run_leaves_no_lock(self) -> None:
		path = self.cache / '.lock'
		code = (f'import sys; sys.path.insert(0, {str(TOOLS)!r}); from host import locks; import os, pathlib; '
			f'locks.lock(pathlib.Path({str(path)!r})); os.kill(os.getpid(), 9)')
		subprocess.run([sys.executable, '-c', code], check=False)
		start = time.monotonic()
		locks.lock(path)
		self.assertLess(time.monotonic() - start, 1)


class Vanished(Case):
	"""A file that another process has just moved away ends nothing else."""

	def test_size_of_what_is_being_unpacked(self) -> None:
		for name in ('a', 'below/b', 'below/c'):
			(self.dir / name).parent.mkdir(exist_ok=True)
			(self.dir / name).write_text('12345')
		self.assertEqual(files.size(self.dir), 15)
		real = os.lstat
		with mock.patch('os.lstat', lambda path: real(f'{path}-gone' if str(path).endswith('/b') else path)):
			self.assertEqual(files.size(self.dir), 10)
		self.assertEqual(files.size(self.dir / 'none'), 0)

	def test_a_check_that_fails_for_it(self) -> None:
		class Vanishes(Check):
			name = 'sparse'

			def run(self, tree: Tree, target: Target) -> Outcome:
				raise FileNotFoundError(2, 'No such file or directory', 'x')
		os.environ['KDIR'] = str(fake_kernel(self.dir / 'linux'))
		with contextlib.redirect_stderr(io.StringIO()):
			outcome, = judge.run([judge.Job(Vanishes(), MAIN, self.plan())])
		self.assertEqual((outcome.status, outcome.problem), ('FAILED', 'no such file or directory'))
		self.assertTrue(outcome.broken)

	def test_a_check_that_a_full_disk_ends(self) -> None:
		"""Whatever it says itself, it says nothing of the kernel, and is not kept."""
		class Ends(Check):
			name = 'build'

			def run(self, tree: Tree, target: Target) -> Outcome:
				if self.probes:
					raise Unbuilt('no configuration')
				return Outcome(self.name, target.name, problem='the kernel printed no test results')

		class Raises(Ends):
			probes = True
		os.environ['KDIR'] = str(fake_kernel(self.dir / 'linux'))
		for check in (Ends(), Raises()):
			for full in (True, False):
				with contextlib.redirect_stderr(io.StringIO()), mock.patch.object(files, 'disk_full', return_value=full):
					outcome, = judge.run([judge.Job(check, MAIN, self.plan())], fresh=True)
				self.assertEqual((outcome.status, outcome.broken), ('FAILED', full), (check, full))


class Packages(Case):
	def need(self) -> packages.Need:
		return packages.Need('no-such-command', 'no-such-package')

	def test_user_is_told_the_command(self) -> None:
		with mock.patch('os.geteuid', return_value=1000), \
				mock.patch.object(packages, '_has_apt', return_value=True):
			with self.assertRaisesRegex(Error, 'sudo apt-get install .* no-such-package$'):
				packages.ensure([self.need()])

	def test_elsewhere_than_debian_the_names_are_told(self) -> None:
		with mock.patch.object(packages, '_has_apt', return_value=False):
			with self.assertRaisesRegex(Error, 'missing: no-such-command; install them'):
				packages.ensure([self.need()])

	def test_root_has_them_installed(self) -> None:
		bin = self.dir / 'bin'
		bin.mkdir()
		(bin / 'apt-get').write_text(f'#!/bin/sh\necho "$@" >> {self.dir}/calls\n'
			f'[ "$2" = -s ] || {{ echo > {bin}/no-such-command; chmod +x {bin}/*; }}\n')
		(bin / 'apt-get').chmod(0o755)
		os.environ['PATH'] = f'{bin}:{os.environ["PATH"]}'
		with mock.patch('os.geteuid', return_value=0), \
				mock.patch.object(packages, '_has_apt', return_value=True):
			packages.ensure([self.need()])
		self.assertIn('install -y --no-install-recommends no-such-package',
			(self.dir / 'calls').read_text())

	def test_headers(self) -> None:
		self.assertFalse(packages.Need('stdio.h', 'libc6-dev').missing())
		self.assertTrue(packages.Need('no-such-header.h', 'x').missing())


if __name__ == '__main__':
	unittest.main()
