# SPDX-License-Identifier: GPL-2.0
"""The cache: what is not ours in it, or around it, is neither used nor
removed."""

import os
import shutil
import signal
import subprocess
import unittest
from pathlib import Path

from helper import Front, patch_text, REPO, snapshot


class Cleaning(Front):
	def refused(self, command: str, cache: Path, *words: str) -> None:
		before = snapshot(self.dir)
		self.assertOneSentence(self.make(command, CACHE=cache), *words)
		self.assertEqual(snapshot(self.dir), before)

	def test_a_directory_that_is_no_cache(self) -> None:
		home = self.dir / 'h'
		for name in ('docs', 'tmp', 'trees', 'base'):
			(home / name).mkdir(parents=True)
			(home / name / 'file').write_text('mine\n')
		for command in ('clean', 'distclean'):
			self.refused(command, home, 'no cache of this project')
			self.refused(command, self.kdir, 'no cache of this project')
			self.refused(command, self.dir, 'no cache of this project')

	def test_the_clone(self) -> None:
		"""On a copy, as the worst must be expected."""
		copy = self.dir / 'clone'
		subprocess.run(['git', 'clone', '-q', REPO, copy], check=True)
		done = subprocess.run(['make', '-s', '-C', copy, 'distclean', 'CACHE=.'], text=True, check=False,
			stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
		self.assertOneSentence(done, 'no cache of this project')
		self.assertTrue((copy / 'README.md').exists())

	def test_what_is_ours_in_a_cache_and_nothing_else(self) -> None:
		self.assertWorks()
		(self.cache / 'docs').mkdir()
		(self.cache / 'docs/file').write_text('mine\n')
		before = snapshot(self.cache / 'docs')
		self.assertEqual(self.make('clean').returncode, 0)
		self.assertFalse((self.cache / 'trees').exists())
		done = self.make('distclean')
		self.assertEqual(done.returncode, 0, done.stdout)
		self.assertIn('docs', done.stdout)
		self.assertEqual(snapshot(self.cache / 'docs'), before)
		self.assertWorks()

	def test_a_cache_that_holds_what_is_dear(self) -> None:
		self.assertWorks()
		shutil.copytree(self.kdir, self.cache / 'linux')
		before = snapshot(self.cache)
		for command in ('clean', 'distclean'):
			self.assertOneSentence(self.make(command, KDIR=self.cache / 'linux'), 'holds KDIR=')
			self.assertOneSentence(self.make(command, HOME=self.cache), 'holds a home directory')
		self.assertEqual(snapshot(self.cache), before)

	def test_links_in_the_cache(self) -> None:
		self.assertWorks()
		away = self.dir / 'away'
		shutil.move(str(self.cache / 'trees'), away)
		(self.cache / 'trees').symlink_to(away)
		before = snapshot(away)
		self.assertEqual(self.make('clean').returncode, 0)
		self.assertEqual(snapshot(away), before)
		self.assertFalse((self.cache / 'trees').is_symlink())

	def test_the_directory_above_keeps_its_mode(self) -> None:
		above = self.dir / 'above'
		above.mkdir()
		self.assertWorks(CACHE=above / 'cache')
		above.chmod(0o555)
		self.assertEqual(self.make('distclean', CACHE=above / 'cache').returncode, 0)
		self.assertEqual(above.stat().st_mode & 0o777, 0o555)

	def test_nothing_to_clean(self) -> None:
		for command in ('clean', 'distclean'):
			self.assertEqual(self.make(command, CACHE=self.dir / 'none').returncode, 0)
		self.assertFalse((self.dir / 'none').exists())

	def test_interrupted(self) -> None:
		"""What is left of a tree is never built."""
		for number in range(5000):
			where = self.kdir / f'drivers/{number // 500}'
			where.mkdir(parents=True, exist_ok=True)
			(where / f'{number}.c').write_text('x\n')
		for command in ('clean', 'distclean'):
			self.assertWorks()
			proc = self.start(command, 'cache/trash/*')
			os.killpg(proc.pid, signal.SIGKILL)
			proc.communicate()
			self.assertWorks()
			made, = self.cache.glob('trees/*/base/src')
			self.assertEqual(len(list(made.glob('drivers/*/*.c'))), 5000)


class Using(Front):
	def refused(self, cache: object, *words: str, **variables: object) -> None:
		before = snapshot(self.dir)
		self.assertOneSentence(self.kunit(CACHE=cache, **variables), *words)
		self.assertEqual(snapshot(self.dir), before)

	def test_a_directory_of_somebody_else(self) -> None:
		(self.dir / 'h/docs').mkdir(parents=True)
		self.refused(self.dir / 'h', 'holds docs and is no cache of this project')

	def test_in_the_tree_that_is_only_read(self) -> None:
		self.refused(self.kdir / 'cache', 'lies in KDIR=')
		self.refused(self.kdir, 'lies in KDIR=')

	def test_a_name_that_make_does_not_take(self) -> None:
		for name in ('ca che', 'ca:che', "ca'che", 'ca#che'):
			self.refused(self.dir / name, 'in its name')

	def test_a_home_that_there_is_not(self) -> None:
		self.refused('~nobody-of-this-name/cache', 'no such home directory')
		nobody = [['-u', 'HOME', 'setpriv', '--reuid=54321', '--clear-groups']] if os.geteuid() == 0 else []
		for variables in (['HOME='], *nobody):
			done = self.make('kunit', before=['env', '-u', 'XDG_CACHE_HOME', '-u', 'CACHE', *variables])
			self.assertOneSentence(done, 'no home directory', 'CACHE=')
		self.assertFalse((REPO / '~').exists())

	def test_a_tilde_that_make_hands_down(self) -> None:
		self.assertWorks(CACHE='~/cc', HOME=self.dir)
		self.assertTrue((self.dir / 'cc/CACHEDIR.TAG').exists())

	def test_names_that_make_does_not_take(self) -> None:
		series = self.series(patch_text(5, 'five'), name='[PATCH v5 0_8] mm_ speed: $up')
		odd = self.dir / 'my $linux: 7.3'
		shutil.copytree(self.kdir, odd, symlinks=True)
		self.assertWorks(SERIES=series, KDIR=odd)
		self.assertIn('five', (self.uml() / 'linux').read_text())
		archive = self.dir / 'linux 7.3: $x.tar.gz'
		subprocess.run(['tar', '-czf', archive.name, '--force-local', 'linux'], cwd=self.dir, check=True)
		self.assertWorks(KDIR='', KTARBALL=archive)

	def test_names_that_are_not_utf8(self) -> None:
		odd = Path(os.fsdecode(os.fsencode(self.dir) + b'/lin\xfcx'))
		shutil.copytree(self.kdir, odd, symlinks=True)
		(odd / os.fsdecode(b'mm/\xfc.c')).write_text('x\n')
		self.assertWorks(KDIR=odd)
		(odd / 'mm/mm_init.c').unlink()
		self.assertOneSentence(self.kunit(KDIR=odd), 'has no mm/mm_init.c')

	def test_a_clone_whose_path_has_blanks(self) -> None:
		for name in ('my clone', "it's $HOME"):
			clone = self.dir / name
			subprocess.run(['git', 'clone', '-q', REPO, clone], check=True)
			shutil.copy(REPO / 'Makefile', clone)
			for how in (['-C', clone], ['-f', clone / 'Makefile']):
				done = subprocess.run(['make', '-s', *map(str, how), 'kunit'], text=True, check=False,
					env={**os.environ, 'KDIR': str(self.kdir)}, stdout=subprocess.PIPE,
					stderr=subprocess.STDOUT)
				self.assertRegex(done.stdout, r'uml +1 +0 +0 .*ok')


	def test_links_in_it(self) -> None:
		"""What is behind them may be a kernel of the user's, or anything."""
		away = self.dir / 'away/linux-source-7.1'
		away.mkdir(parents=True)
		(away / 'precious').write_text('mine\n')
		self.assertWorks()
		for name in ('base', 'trees', '.lock'):
			path = self.cache / name
			if path.exists():
				path.rename(self.dir / f'old{name}')
			path.symlink_to(self.dir / 'away')
			before = snapshot(self.dir / 'away')
			self.assertOneSentence(self.kunit(), f'{name} is a link')
			self.assertEqual(snapshot(self.dir / 'away'), before)
			path.unlink()

	def test_a_lock_that_is_none(self) -> None:
		self.assertWorks()
		(self.cache / '.lock').unlink()
		os.mkfifo(self.cache / '.lock')
		self.assertOneSentence(self.kunit(), 'lock')

	def test_a_tilde_in_both(self) -> None:
		self.assertOneSentence(self.make('kunit', HOME=self.dir, KDIR='~/linux', CACHE='~/linux/cache'), 'lies in KDIR=')


class FullDisk(Front):
	def test_while_mirroring_names_the_cache(self) -> None:
		(self.kdir / 'mm/big.c').write_bytes(b'x' * (8 << 20))
		self.cache.mkdir()
		done = self.make('kunit', KDIR=self.kdir, before=['unshare', '-m', 'sh', '-c',
			f'mount -t tmpfs -o size=4m none {self.cache} && exec "$@"', '-'])
		if 'mount' in done.stdout or 'unshare' in done.stdout:
			self.skipTest('mounting a small disk is not permitted')
		self.assertOneSentence(done, 'no space left on device', str(self.cache))
		self.assertNotIn('big.c', done.stdout)


if __name__ == '__main__':
	unittest.main()
