# SPDX-License-Identifier: GPL-2.0
"""What the compiler warns of, whether or not it was this build that compiled it."""

import os
import unittest
from typing import List

from helper import Case

from guest import build
from guest.target import TARGETS

UNUSED = "../../src/mm/a.c:{}:1: warning: unused variable 'x' [-Wunused-variable]"
TEXT = "unused variable 'x' [-Wunused-variable]"


class Warnings(Case):
	def setUp(self) -> None:
		super().setUp()
		os.environ['KDIR'] = str(self.kernel())
		self.tree = self.prepare()
		self.build = self.tree.build_dir('uml')
		self.build.mkdir(parents=True)
		for name in ('a.o', 'b.o'):
			(self.build / 'mm').mkdir(exist_ok=True)
			(self.build / 'mm' / name).touch()

	def after(self, *lines: str) -> List[str]:
		"""All that is known after one more build, which said @lines."""
		log = self.build / 'build.log'
		log.write_text('\n'.join(lines) + '\n')
		build._remember_warnings(log, self.build)
		return build.all_warnings(self.tree, TARGETS['uml'])

	def test_each_object_has_its_own(self) -> None:
		self.assertEqual(self.after('  CC      mm/a.o', UNUSED.format(5), UNUSED.format(9), '  CC      mm/b.o'),
			[f'mm/a.c: {TEXT}'] * 2)
		# Not compiled again, moved, mended, gone.
		self.assertEqual(self.after('  CC      mm/b.o'), [f'mm/a.c: {TEXT}'] * 2)
		self.assertEqual(self.after('  CC      mm/a.o', UNUSED.format(50)), [f'mm/a.c: {TEXT}'])
		(self.build / 'mm/a.o').unlink()
		self.assertEqual(self.after('  CC      mm/b.o'), [])

	def test_what_is_of_no_object_is_not_added_up(self) -> None:
		for _build in range(3):
			self.assertEqual(self.after('ld: warning: odd', 'make[1]: warning: jobserver unavailable'), ['../build/x/ld: odd'])

	def test_objtool(self) -> None:
		self.assertEqual(self.after('  CC      mm/b.o', 'mm/b.o: warning: objtool: f+0x1: unreachable'),
			['../build/x/mm/b.o: objtool: f+0x1: unreachable'])

	def test_those_of_files_that_matter(self) -> None:
		log = self.build / 'log'
		log.write_text(f'{UNUSED.format(5)}\n{UNUSED.format(5)}\nmm/b.o: warning: objtool: x\n')
		self.assertEqual(build.warnings(log, self.tree, {'mm/a.c'}), [UNUSED.format(5)])
		self.assertEqual(build.warnings(log, self.tree, {'mm/c.c'}), [])


if __name__ == '__main__':
	unittest.main()
