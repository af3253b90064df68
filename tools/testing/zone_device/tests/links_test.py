# SPDX-License-Identifier: GPL-2.0
"""Nothing is written, created or removed through a link, and what changes from
a file to a link or to a directory changes in the tree under test as well."""

import os
import shutil
import unittest
from pathlib import Path

from helper import Front, patch_text, snapshot

LINK = ('diff --git a/{name} b/{name}\nnew file mode 120000\nindex 0000000..1111111\n'
	'--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+{target}\n\\ No newline at end of file\n')
DELETED = ('diff --git a/{name} b/{name}\ndeleted file mode 100644\n--- a/{name}\n+++ /dev/null\n'
	'@@ -1 +0,0 @@\n-{text}\n')
ADDED = ('diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n'
	'@@ -0,0 +1 @@\n+{text}\n')


class Links(Front):
	def setUp(self) -> None:
		super().setUp()
		self.away = self.dir / 'mydriver'
		self.away.mkdir()
		(self.away / 'main.c').write_text(''.join(f'line {n}\n' for n in range(1, 30)))
		(self.away / 'one.c').write_text('one\n')
		self.before = snapshot(self.away)

	def tearDown(self) -> None:
		self.assertEqual(snapshot(self.away), self.before)
		super().tearDown()

	def link(self) -> None:
		(self.kdir / 'drivers').mkdir(exist_ok=True)
		(self.kdir / 'drivers/foo').symlink_to(self.away)

	def made(self) -> Path:
		found = [p for p in self.cache.glob('trees/*/*/src')]
		self.assertEqual(len(found), 1)
		return found[0]

	def test_patches_behind_a_link_are_refused(self) -> None:
		self.link()
		for text in (patch_text(5, 'five', name='drivers/foo/main.c'),
				DELETED.format(name='drivers/foo/one.c', text='one'),
				ADDED.format(name='drivers/foo/new.c', text='new')):
			series = self.dir / 'one.patch'
			series.write_text(text)
			self.assertOneSentence(self.kunit(SERIES=series), 'one.patch', 'drivers/foo is a link')

	def test_a_patch_of_a_file_that_is_a_link(self) -> None:
		(self.kdir / 'mm/main.c').symlink_to(self.away / 'main.c')
		series = self.series(patch_text(5, 'five', name='mm/main.c'))
		self.assertOneSentence(self.kunit(SERIES=series), 'mm/main.c')

	def test_a_link_that_becomes_a_directory_and_back(self) -> None:
		self.link()
		self.assertWorks()
		(self.kdir / 'drivers/foo').unlink()
		shutil.copytree(self.away, self.kdir / 'drivers/foo')
		(self.kdir / 'drivers/foo/main.c').write_text('another\n')
		self.assertWorks()
		self.assertEqual((self.made() / 'drivers/foo/main.c').read_text(), 'another\n')
		self.assertFalse((self.made() / 'drivers/foo').is_symlink())
		shutil.rmtree(self.kdir / 'drivers/foo')
		self.link()
		self.assertWorks()
		self.assertEqual(os.readlink(self.made() / 'drivers/foo'), str(self.away))

	def test_a_file_that_becomes_a_directory_and_back(self) -> None:
		for _ in range(2):
			(self.kdir / 'mm/part').mkdir()
			(self.kdir / 'mm/part/a.c').write_text('a\n')
			self.assertWorks()
			self.assertEqual((self.made() / 'mm/part/a.c').read_text(), 'a\n')
			shutil.rmtree(self.kdir / 'mm/part')
			(self.kdir / 'mm/part').write_text('file\n')
			self.assertWorks()
			self.assertEqual((self.made() / 'mm/part').read_text(), 'file\n')
			(self.kdir / 'mm/part').unlink()

	def test_a_file_that_becomes_a_link_and_back(self) -> None:
		for _ in range(2):
			(self.kdir / 'mm/one.c').symlink_to(self.away / 'one.c')
			self.assertWorks()
			self.assertEqual(os.readlink(self.made() / 'mm/one.c'), str(self.away / 'one.c'))
			(self.kdir / 'mm/one.c').unlink()
			(self.kdir / 'mm/one.c').write_text('mine\n')
			self.assertWorks()
			self.assertFalse((self.made() / 'mm/one.c').is_symlink())
			self.assertEqual((self.made() / 'mm/one.c').read_text(), 'mine\n')
			(self.kdir / 'mm/one.c').unlink()

	def test_git_that_still_knows_what_is_behind_a_link(self) -> None:
		"""A checkout whose directory was replaced by a link."""
		shutil.copytree(self.away, self.kdir / 'drivers/foo')
		self.commit(self.kdir)
		shutil.rmtree(self.kdir / 'drivers/foo')
		self.link()
		self.assertWorks()
		self.assertEqual(os.readlink(self.made() / 'drivers/foo'), str(self.away))

	def test_a_series_that_makes_a_link_out_of_the_tree(self) -> None:
		for name, target in (('mm/new', str(self.away)), ('mm/new', '../../x'), ('mm/tests', str(self.away)),
				('lib/up', '../..')):
			series = self.dir / 'link.patch'
			series.write_text(LINK.format(name=name, target=target))
			self.assertOneSentence(self.kunit(SERIES=series), f'makes {name} a link to {target}, outside')
		series.write_text(DELETED.format(name='mm/Makefile', text='obj-y += mm_init.o')
			+ LINK.format(name='mm/Makefile', target=self.away / 'main.c'))
		self.assertOneSentence(self.kunit(SERIES=series), 'makes mm/Makefile a link')

	def test_a_series_that_makes_a_link_where_the_suites_belong(self) -> None:
		series = self.dir / 'link.patch'
		series.write_text(LINK.format(name='mm/tests', target='../lib'))
		self.assertOneSentence(self.kunit(SERIES=series), 'makes mm/tests a link')
		series.write_text(DELETED.format(name='mm/Makefile', text='obj-y += mm_init.o')
			+ LINK.format(name='mm/Makefile', target='mm_init.c'))
		self.assertOneSentence(self.kunit(SERIES=series), 'makes mm/Makefile a link')

	def test_a_series_that_writes_through_its_own_link(self) -> None:
		series = self.series(LINK.format(name='drivers', target=str(self.away)),
			ADDED.format(name='drivers/new.c', text='new'))
		self.assertOneSentence(self.kunit(SERIES=series), 'makes drivers a link')
		both = self.dir / 'both.patch'
		both.write_text(LINK.format(name='drivers', target=str(self.away))
			+ ADDED.format(name='drivers/new.c', text='new'))
		self.assertOneSentence(self.kunit(SERIES=both), 'both.patch')

	def test_a_link_inside_the_tree_is_kept(self) -> None:
		series = self.series(LINK.format(name='mm/also.c', target='mm_init.c'))
		self.assertWorks(SERIES=series)
		self.assertEqual(os.readlink(self.made() / 'mm/also.c'), 'mm_init.c')
		self.assertWorks(SERIES=series)
		(series / '0001-change.patch').write_text(patch_text(5, 'five'))
		self.assertWorks(SERIES=series)
		self.assertFalse((self.made() / 'mm/also.c').is_symlink())


if __name__ == '__main__':
	unittest.main()
