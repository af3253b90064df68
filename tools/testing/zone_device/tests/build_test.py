# SPDX-License-Identifier: GPL-2.0
"""What the compiler warns of, whether or not it was this build that compiled it."""

import os
import unittest
from typing import List, Optional, Set

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

	def after(self, *lines: str, only: Optional[Set[str]] = None) -> List[str]:
		"""All that is known after one more build, which said @lines."""
		log = self.build / 'build.log'
		log.write_text('\n'.join(lines) + '\n')
		build.remember_warnings(log, self.build, only)
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

	def test_modpost_and_kconfig(self) -> None:
		for name in ('vmlinux.symvers', 'include/config/auto.conf'):
			(self.build / name).parent.mkdir(parents=True, exist_ok=True)
			(self.build / name).touch()
		(self.tree.src / 'mm/Kconfig').touch()
		said = ('  SYNC    include/config/auto.conf', 'mm/Kconfig:9:warning: odd', 'WARNING: unmet direct dependencies detected for X',
			'  MODPOST vmlinux.symvers', 'WARNING: modpost: vmlinux: section mismatch in reference: f+0x1 (section: .text) -> g')
		known = ['Kconfig: unmet direct dependencies detected for X', 'mm/Kconfig: odd',
			'modpost: vmlinux: section mismatch in reference: f (section: .text) -> g']
		self.assertEqual(self.after(*said), known)
		# Said of the same place, further down; and by a build that has no reason to say it.
		self.assertEqual(self.after(*said[3:]), known)
		self.assertEqual(self.after('  CC      mm/b.o'), known)

	def test_sparse_compiles_too(self) -> None:
		self.after('  SYNC    x', '  CC      mm/b.o', 'ld: warning: odd')
		said = self.after('  CC      mm/a.o', UNUSED.format(5), '  CHECK   ../../src/mm/a.c', UNUSED.format(7), only={'mm/a.o'})
		self.assertEqual(said, ['../build/x/ld: odd', f'mm/a.c: {TEXT}'])

	def test_a_machine_that_lacks_something_is_no_fault_of_the_tree(self) -> None:
		for line in ('gcc: fatal error: Killed signal terminated program cc1', '/bin/sh: 1: flex: not found',
				'cc1: out of memory: Cannot allocate memory'):
			self.assertRegex(line, build.OURS)
		for line in ("mm/a.c:5:2: error: 'x' undeclared", 'mm/a.c:5:2: fatal error: not/found.h: No such file or directory'):
			self.assertNotRegex(line, build.OURS)

	def test_what_sparse_alone_compiles_belongs_to_no_commit(self) -> None:
		self.assertEqual(self.after('  CC      mm/a.o', UNUSED.format(5), only={'mm/b.o'}), [])

	def test_those_of_files_that_matter(self) -> None:
		log = self.build / 'log'
		log.write_text(f'{UNUSED.format(5)}\n{UNUSED.format(5)}\nmm/b.o: warning: objtool: x\n')
		self.assertEqual(build.warnings(log, self.tree, {'mm/a.c'}), [UNUSED.format(5)])
		self.assertEqual(build.warnings(log, self.tree, {'mm/c.c'}), [])


if __name__ == '__main__':
	unittest.main()
