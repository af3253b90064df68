# SPDX-License-Identifier: GPL-2.0
"""Only what is new counts, and a checker that checks nothing is an error."""

import os
import unittest
from pathlib import Path
from typing import Dict, List, Tuple
from unittest import mock

from helper import Case, patch_text

from checks import sparse
from checks.checkpatch import checkpatch
from guest import build
from guest.target import MAIN
from host.messages import Error
from kernel import overlay, source, tree

ACCEPTS = '#!/bin/sh\n"$1" --accept && echo 1 || echo 0\n'


class Sparse(Case):
	def setUp(self) -> None:
		super().setUp()
		self.kdir = self.kernel()
		(self.kdir / 'scripts/checker-valid.sh').write_text(ACCEPTS)
		os.environ['KDIR'] = str(self.kdir)
		self.patches = self.series(patch_text(5, 'five'))

	def test_a_file_of_another_architecture_is_left_out(self) -> None:
		where = 'lib/tests/memcpy_streaming/nt_witness'
		self.assertEqual([sparse.foreign(f'{where}/insn_{a}.c', MAIN.arch.name) for a in ('x86', 'arm64')], [False, True])
		self.assertFalse(sparse.foreign(f'{where}/nt_insn.c', MAIN.arch.name))
		self.assertFalse(sparse.foreign(f'{where}/insn_powerpc.c', 'powerpcle'))

	def checker(self, accepted: bool, where: Path) -> Path:
		where.parent.mkdir(parents=True, exist_ok=True)
		where.write_text('#!/bin/sh\n[ "$1" = --version ] && echo 0.1 && exit\n'
			+ ('exit 0\n' if accepted else 'exit 1\n'))
		where.chmod(0o755)
		return where

	def findings(self, base: List[Tuple[str, str]], series: List[Tuple[str, str]]) -> Dict[str, List[str]]:
		def warnings(_tree: object, _target: object, _files: object, _sparse: object, name: str) -> List[Tuple[str, str]]:
			return base if name == 'without' else series
		with mock.patch.object(sparse, '_warnings', warnings), \
				mock.patch.object(sparse, 'sparse_binary', return_value=Path('sparse')):
			with tree.with_base(self.plan(self.patches)) as prepared:
				return dict(sparse.Sparse().run(prepared, MAIN).failures)

	def test_what_the_base_has_elsewhere_in_the_file_is_not_new(self) -> None:
		self.assertEqual(self.findings([('mm/mm_init.c', 'mm/mm_init.c:9:1: warning: old')],
			[('mm/mm_init.c', 'mm/mm_init.c:12:1: warning: old')]), {})

	def test_a_second_one_of_the_same_kind_is_new(self) -> None:
		again = [('mm/mm_init.c', f'mm/mm_init.c:{n}:1: warning: old') for n in (9, 99)]
		self.assertEqual(self.findings(again[:1], again), {'mm/mm_init.c': [again[1][1]]})

	def test_a_warning_of_the_suites_is_new(self) -> None:
		name = next(f for f in overlay.files() if f.endswith('.c'))
		self.assertEqual(list(self.findings([], [(name, f'{name}:1:1: warning: w')])), [name])

	def test_a_refused_sparse_is_replaced(self) -> None:
		self.checker(False, self.dir / 'bin/sparse')
		os.environ['PATH'] = f'{self.dir}/bin:{os.environ["PATH"]}'
		def build(binary: Path, _jobs: int) -> None:
			self.checker(True, binary)
		with mock.patch.object(sparse, '_build_sparse', build):
			self.assertEqual(sparse.sparse_binary(self.kdir, 1), self.cache / 'sparse/sparse')
		# The one that was built is used again.
		with mock.patch.object(sparse, '_build_sparse', side_effect=AssertionError):
			sparse.sparse_binary(self.kdir, 1)

	def test_none_that_is_accepted(self) -> None:
		os.environ['PATH'] = f'{self.dir}:{os.environ["PATH"]}'
		with mock.patch.object(sparse, '_build_sparse', lambda b, _jobs: self.checker(False, b)), \
				mock.patch('shutil.which', lambda n: None if n == 'sparse' else f'/usr/bin/{n}'):
			with self.assertRaisesRegex(Error, 'refuses the newest sparse'):
				sparse.sparse_binary(self.kdir, 1)

	def said_by(self, recipe: str) -> List[Tuple[str, str]]:
		with open(self.kdir / 'Makefile', 'a') as makefile:
			makefile.write(f'mm/mm_init.o: ; {recipe}\n')
		made = self.prepare(self.patches)
		made.build_dir('x86_64').mkdir(parents=True)
		with mock.patch.object(build, 'configure'):
			return sparse._warnings(made, MAIN, ['mm/mm_init.c'], Path('sparse'), 'x')

	def test_reads_what_make_prints(self) -> None:
		found = self.said_by('@echo "  CHECK   mm/mm_init.c"; '
			'echo "../../src/mm/mm_init.c:1:2: warning: no" >&2')
		self.assertEqual(found, [('mm/mm_init.c', 'mm/mm_init.c:1:2: warning: no')])

	def test_make_that_goes_on_without_checking(self) -> None:
		with self.assertRaisesRegex(Error, 'make did not check mm/mm_init.c'):
			self.said_by('@echo "C=2 specified, but sparse is not available or not up to date"')


class Checkpatch(Case):
	def test_findings_are_reported_under_their_names(self) -> None:
		kdir = self.kernel()
		(kdir / 'scripts/checkpatch.pl').write_text(
			'my $f = $ARGV[-1]; open F, $f; my $bad = grep { /bad/ } <F>;\n'
			'print "$f:1: WARNING: bad\\n" if $bad; exit($bad ? 1 : 0);\n')
		series = self.series(patch_text(5, 'good'), patch_text(15, 'bad'))
		origin = source.user_tree(str(kdir))
		found = checkpatch(origin, tree.plan(origin, series=series).patches)
		self.assertEqual(found['0001-change.patch'], [])
		self.assertEqual(found['0002-change.patch'], ['0002-change.patch:1: WARNING: bad'])
		self.assertTrue(any(n.startswith('mm/tests/') for n in found))
		self.assertEqual([p for p in self.cache.glob('tmp/*')], [])


if __name__ == '__main__':
	unittest.main()
