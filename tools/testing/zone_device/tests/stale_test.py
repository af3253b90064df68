# SPDX-License-Identifier: GPL-2.0
"""What is tested is what the user has now: never an older state of it, a part
of it, or nothing."""

import os
import subprocess
import unittest
from typing import Callable, List
from unittest import mock

from helper import Front, MM_INIT

from kernel import mirror, tree


class Stale(Front):
	def assertBroken(self, **variables: object) -> None:
		done = self.kunit(**variables)
		self.assertIn('FAILED uml: the kernel does not build', done.stdout)
		self.assertNotEqual(done.returncode, 0)

	def test_a_manifest_that_is_lost_or_damaged(self) -> None:
		for name in ('mirror.json', 'tree.json'):
			for text in (None, '', '{', '[]', '{"files": null}', '{"files": {}, "generation": 1}'):
				(self.kdir / 'mm/mm_init.c').write_text(MM_INIT)
				self.assertWorks()
				manifest, = [*self.cache.glob(f'trees/*/{name}'), *self.cache.glob(f'trees/*/*/{name}')]
				if text is None:
					manifest.unlink()
				else:
					manifest.write_text(text)
				(self.kdir / 'mm/mm_init.c').write_text('does not compile\n')
				self.assertBroken()

	def test_an_image_from_the_future(self) -> None:
		self.assertWorks()
		os.utime(self.uml() / 'linux', (2050000000, 2050000000))
		(self.kdir / 'mm/mm_init.c').write_text('does not compile\n')
		self.assertBroken()
		(self.kdir / 'mm/mm_init.c').write_text(MM_INIT + 'more\n')
		self.assertWorks()
		os.utime(self.uml() / 'linux', (2050000000, 2050000000))
		(self.kdir / 'mm/mm_init.c').write_text(MM_INIT + 'still more\n')
		self.assertIn('dated in the future', self.kunit().stdout)
		self.assertIn('still more', (self.uml() / 'linux').read_text())

	def test_a_mirror_that_was_cut_off_and_old_files_that_came_back(self) -> None:
		self.cut_off_and_back('mirror')

	def test_a_tree_that_was_cut_off_and_old_files_that_came_back(self) -> None:
		self.cut_off_and_back('src')

	def cut_off_and_back(self, which: str) -> None:
		os.environ['KDIR'] = str(self.kdir)
		for number in range(20):
			(self.kdir / f'mm/{number}.c').write_text('old\n')
		subprocess.run(['cp', '-a', self.kdir, self.dir / 'old'], check=True)
		self.prepare(series='none')
		for number in range(10):
			(self.kdir / f'mm/{number}.c').write_text('newer\n')
		for number in range(10, 15):
			(self.kdir / f'mm/{number}.c').unlink()
		for number in range(20, 25):
			(self.kdir / f'mm/{number}.c').write_text('added\n')
		put, drop = mirror._Place.put, mirror._Place.drop
		calls: List[str] = []

		def counted(do: Callable[..., None], when: int) -> Callable[..., None]:
			def method(place: mirror._Place, *args: object, **kwargs: object) -> None:
				if place._top.name == which:
					calls.append(which)
					if len(calls) > when:
						raise KeyboardInterrupt()
				do(place, *args, **kwargs)
			return method
		for when in (3, 12):
			calls.clear()
			with mock.patch.object(mirror._Place, 'put', counted(put, when)), \
					mock.patch.object(mirror._Place, 'drop', counted(drop, when)):
				with self.assertRaises(KeyboardInterrupt):
					self.prepare(series='none')
		subprocess.run(['rm', '-r', self.kdir], check=True)
		subprocess.run(['cp', '-a', self.dir / 'old', self.kdir], check=True)
		made = self.prepare(series='none')
		for path in self.kdir.rglob('*.c'):
			self.assertEqual((made.src / path.relative_to(self.kdir)).read_text(), path.read_text(), path)
		ours = {n for n in tree.staged(made.src) if n.startswith('mm/') and '/tests/' not in n}
		self.assertEqual(ours, {str(p.relative_to(self.kdir)) for p in (self.kdir / 'mm').rglob('*') if p.is_file()})

	def test_other_bytes_of_the_same_size_and_date(self) -> None:
		path = self.kdir / 'mm/mm_init.c'
		path.write_text('one\n')
		self.assertWorks()
		info = path.stat()
		path.write_text('two\n')
		os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
		self.assertWorks()
		self.assertEqual((self.uml() / 'linux').read_text().splitlines()[-1], 'two')

	def test_two_tarballs_of_one_name(self) -> None:
		for text in ('one\n', 'two\n'):
			(self.kdir / 'mm/mm_init.c').write_text(text)
			(self.dir / text.strip()).mkdir()
			archive = self.dir / text.strip() / 'linux.tar'
			subprocess.run(['tar', '-cf', archive, '-C', self.dir, 'linux'], check=True)
			os.utime(archive, (1, 1))
			self.assertWorks(KDIR='', KTARBALL=archive)
			images = [p.read_text().splitlines()[-1] for p in self.cache.glob('trees/*/*/build/uml/linux')]
			self.assertIn(text.strip(), images)

	def test_the_mode_of_a_file_that_is_patched(self) -> None:
		series = self.series('--- a/scripts/tool\n+++ b/scripts/tool\n@@ -1 +1,2 @@\n #!/bin/sh\n+:\n')
		os.environ['KDIR'] = str(self.kdir)
		for mode in (0o755, 0o644, 0o755):
			(self.kdir / 'scripts/tool').chmod(mode)
			made = self.prepare(series=series)
			self.assertEqual((made.src / 'scripts/tool').stat().st_mode & 0o111, mode & 0o111)

	def test_what_git_leaves_out_for_this_user_alone(self) -> None:
		self.commit(self.kdir)
		(self.kdir / '.git/info/exclude').write_text('local.h\n')
		(self.kdir / 'mm/local.h').write_text('x\n')
		(self.kdir / 'mm/nested').mkdir()
		(self.kdir / 'mm/nested/a.c').write_text('x\n')
		self.commit(self.kdir / 'mm/nested')
		os.environ.update(KDIR=str(self.kdir), GIT_DIR=str(self.dir / 'elsewhere'))
		made = self.prepare(series='none')
		self.assertTrue((made.src / 'mm/local.h').exists())
		self.assertTrue((made.src / 'mm/nested/a.c').exists())

	def test_a_generation_does_not_repeat(self) -> None:
		os.environ['KDIR'] = str(self.kdir)
		seen = set()
		for text in ('one\n', 'two\n', 'one\n', 'two\n'):
			(self.kdir / 'mm/mm_init.c').write_text(text)
			seen.add(self.prepare(series='none').generation)
		self.assertEqual(len(seen), 4)

	def test_no_target_at_all(self) -> None:
		self.assertOneSentence(self.kunit(TARGETS=' '), 'TARGETS= is blank')

	def test_a_damaged_base_is_fetched_again(self) -> None:
		archive = self.dir / 'linux.tar.gz'
		subprocess.run(['tar', '-czf', archive, '-C', self.dir, 'linux'], check=True)
		self.assertWorks(KDIR='', KTARBALL=archive)
		for name in ('Makefile', 'mm', 'mm/mm_init.c'):
			base, = self.cache.glob('base/tarball-*')
			subprocess.run(['rm', '-r', base / name], check=True)
			self.assertWorks(KDIR='', KTARBALL=archive)


if __name__ == '__main__':
	unittest.main()
