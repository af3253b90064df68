# SPDX-License-Identifier: GPL-2.0
"""make matrix: which cells there are, and what each is known to skip."""

import subprocess
import unittest
from typing import Any, List
from unittest import mock

from helper import Case, patch_text
from spread_test import Played

import commands
import judge
import report
from guest.target import TARGETS
from host import packages
from host.messages import Error
from kernel import source
from matrix import cells, ledger
from options import Options
from outcome import Outcome

LEDGER = '''# 7.3
uml x86_64
    2   needs CONFIG_KASAN
    1   promise copy_known is not
        made by streaming
    # a remark
uml uml
    3   no device memory beyond
        64 MiB
'''


def outcome(*reasons: str) -> Outcome:
	return Outcome('kunit', 'x86_64', passed=1, skipped=len(reasons), cases=[('suite.test', 'PASS')],
		skips=[(f'suite.test_{n}', r) for n, r in enumerate(reasons)])


class Ledger(Case):
	def load(self, text: str) -> ledger.Ledger:
		(self.dir / '7.3').write_text(text)
		found = ledger.load('7.3', self.dir)
		assert found is not None
		return found

	def judged(self, *reasons: str, target: str = 'x86_64') -> str:
		found = outcome(*reasons)
		ledger.judge(found, target, '7.3', self.load(LEDGER))
		return found.problem

	def test_it_is_read(self) -> None:
		self.assertEqual(self.load(LEDGER), {
			'uml': {'needs CONFIG_KASAN': 2, 'promise copy_known is not made by streaming': 1, 'no device memory beyond 64 MiB': 3},
			'x86_64': {'needs CONFIG_KASAN': 2, 'promise copy_known is not made by streaming': 1}})
		self.assertIsNone(ledger.load('7.2', self.dir))

	def test_what_is_no_line_is_said(self) -> None:
		for text in ('    2 a reason of nobody\n', 'uml\n    many reasons\n', 'uml\n    2\n', 'uml\n    2 one\n    3 one\n',
				'uml\n    2 one\n    goes on\n'):
			with self.assertRaisesRegex(Error, '7.3, line [123]: a ledger has'):
				self.load(text)

	def test_as_much_as_it_has(self) -> None:
		# Numbers of a promise are not those of its tests.
		self.assertEqual(self.judged('needs CONFIG_KASAN', 'needs CONFIG_KASAN',
			'promise copy_known is not made by streaming: 4 of 9 transfers'), '')

	def test_more_is_red(self) -> None:
		self.assertEqual(self.judged(*['needs CONFIG_KASAN'] * 3), 'more is skipped than ledgers/7.3 has: '
			'3 instead of 2 for "needs CONFIG_KASAN", suite.test_0 among them')
		self.assertIn('1 instead of 0 for "no such reason", suite.test_1 among them; and 1 more reasons',
			self.judged('needs CONFIG_KASAN', 'no such reason', 'another'))

	def test_a_test_that_is_gone_is_red(self) -> None:
		known = self.load('x86_64\n    3   tests in all\n    2   a\n')
		for reasons, problem, said in ((('a', 'a'), '', ''), (('a',), '2 tests instead of the 3 that ledgers/7.3 has', ''),
				(('a', 'a', 'promise x is not made by y'), '1 instead of 0 for "promise x', '4 tests, and ledgers/7.3 has 3')):
			found = outcome(*reasons)
			with mock.patch.object(ledger, 'say') as says:
				ledger.judge(found, 'x86_64', '7.3', known)
			self.assertIn(problem, found.problem)
			self.assertEqual(bool(problem), bool(found.problem))
			self.assertIn(said, ' '.join(c[0][0] for c in says.call_args_list))

	def test_fewer_is_said(self) -> None:
		with mock.patch.object(ledger, 'say') as said:
			self.assertEqual(self.judged('needs CONFIG_KASAN'), '')
		self.assertIn('x86_64: fewer tests are skipped than ledgers/7.3 has', said.call_args[0][0])
		self.assertIn('1 for "needs CONFIG_KASAN"; 0 for "promise', said.call_args[0][0])

	def test_one_without_a_ledger_is_shown(self) -> None:
		with mock.patch.object(ledger, 'tell') as told:
			self.assertEqual(self.judged('no such reason', target='arm64'), '')
			found = outcome('no such reason')
			ledger.judge(found, 'x86_64', '7.2', None)
		self.assertTrue(found.ok)
		self.assertEqual(told.call_args[0][0], ['not judged by ledgers/7.2, which would have of it:', 'x86_64',
			'    2    tests in all', '    1    no such reason'])

	def test_it_says_nothing_of_what_is_bad_already(self) -> None:
		bad = outcome('no such reason')
		bad.problem = 'the kernel panicked'
		ledger.judge(bad, 'x86_64', '7.3', self.load(LEDGER))
		self.assertEqual(bad.problem, 'the kernel panicked')

	def test_ours_can_be_read(self) -> None:
		paths = sorted(ledger.DIRECTORY.iterdir())
		self.assertTrue(paths)
		for path in paths:
			found = ledger.load(path.name)
			assert found
			self.assertLessEqual(set(found), set(TARGETS), path)
			self.assertEqual([t for t in found if ledger.TESTS not in found[t]], [], path)

	def test_what_it_would_say_is_what_it_reads(self) -> None:
		seen = outcome('a', 'b', 'a')
		self.assertEqual(self.load('\n'.join(ledger.lines(seen, 'x86_64')))['x86_64'], {'tests in all': 4, 'a': 2, 'b': 1})


class Cells(Case):
	def setUp(self) -> None:
		super().setUp()
		self.newest, self.older = (source.user_tree(str(self.kernel(f'linux-{v}', (7, v)))) for v in (3, 2))
		self.patches = self.series(patch_text(5, 'five'))
		self.fetched: List[str] = []

		def fetch(what: str, origin: source.Source) -> source.Source:
			self.fetched.append(what)
			return origin
		for name, made in (('chosen', lambda kdir, archive: fetch('newest', self.newest)),
				('of_release', lambda release: fetch(release, self.older))):
			patch = mock.patch.object(source, name, made)
			patch.start()
			self.addCleanup(patch.stop)

	def cells(self, *patterns: str, kdir: str = '') -> List[str]:
		given = Options(cell=patterns, series=str(self.patches), kdir=kdir)
		return [f'{job.target.name}/{job.plan.release}' for job in cells.jobs(given)]

	def test_all(self) -> None:
		self.assertEqual(self.cells(), [f'{t}/{r}' for r in ('7.3', '7.2') for t in TARGETS if t != 'x86_64-bench'])

	def test_some(self) -> None:
		self.assertEqual(self.cells('arm64'), ['arm64/7.3', 'arm64/7.2'])
		self.assertEqual(self.cells('x86_64-k*/7.3', 'uml/7.3'), ['uml/7.3', 'x86_64-kasan/7.3', 'x86_64-kcsan/7.3',
			'x86_64-kmsan/7.3'])

	def test_no_kernel_is_fetched_that_is_not_meant(self) -> None:
		self.cells('arm64/7.3')
		self.assertEqual(self.fetched, ['newest'])
		self.cells('arm64/7.2')
		self.assertEqual(self.fetched, ['newest', '7.2'])

	def test_one_that_is_not_there(self) -> None:
		with self.assertRaisesRegex(Error, 'CELL=arm46: no such cell; it is a target and a release, as in arm64/7.3'):
			self.cells('arm46')

	def test_one_that_would_take_more(self) -> None:
		with self.assertRaisesRegex(Error, 'CELL=x86_64/6.12: cannot judge 6.12: it would take a series for it'):
			self.cells('x86_64/6.12')
		self.assertEqual(self.fetched, [])

	def test_one_of_several_is_not_there(self) -> None:
		with self.assertRaisesRegex(Error, 'CELL=s390/7.3: no such cell'):
			self.cells('arm64/7.3', 's390/7.3')

	def test_the_newest_is_an_older_one(self) -> None:
		self.newest = self.older
		self.assertEqual(self.cells('uml'), ['uml/7.2'])

	def test_an_older_one_that_cannot_be_had(self) -> None:
		with mock.patch.object(source, 'of_release', side_effect=Error('the mirror offers none')):
			with mock.patch.object(cells, 'say') as said:
				self.assertEqual(self.cells('uml'), ['uml/7.3'])
			self.assertEqual(said.call_args[0][0], '7.2 is left out: the mirror offers none')
			with self.assertRaisesRegex(Error, 'the mirror offers none'):
				self.cells('uml/7.2')

	def test_of_a_tree_of_the_users_own(self) -> None:
		self.assertEqual(self.cells('uml', kdir=str(self.newest.path)), ['uml/7.3'])
		self.assertEqual(self.fetched, ['newest'])


class Lacking(Case):
	def test_what_a_machine_lacks_ends_its_own_cells_alone(self) -> None:
		kdir = self.kernel('linux')
		given = Options(kdir=str(kdir), series=str(self.series(patch_text(5, 'five'))), targets=('uml', 'arm64'))

		def ensure(needs: List[packages.Need]) -> None:
			if any('aarch64' in n.what for n in needs):
				raise Error('missing: aarch64-linux-gnu-gcc')

		def run(jobs: List[judge.Job], *_: object, **__: object) -> List[Outcome]:
			return [judge.finish(j, Outcome('kunit', j.target.name, passed=1, cases=[('a.b', 'PASS')])) for j in jobs]
		with mock.patch.object(packages, 'ensure', ensure), mock.patch.object(judge, 'run', run), \
				mock.patch.object(report, 'show') as show:
			self.assertEqual(commands.matrix(given), 0)
		self.assertEqual([(o.subject, o.passed, o.unknown) for o in show.call_args[0][0]],
			[('uml (7.3)', 1, ''), ('arm64 (7.3)', 0, 'missing: aarch64-linux-gnu-gcc')])


class Spread(Played):
	def test_on_more_than_one_machine(self) -> None:
		one = self.series(patch_text(5, 'five'))
		def matrix(**variables: Any) -> 'subprocess.CompletedProcess[str]':
			return self.make('matrix', KDIR=self.kdir, SERIES=one, TARGETS='uml arm64', **variables)
		file, results = self.dir / 'jobs', self.dir / 'results'
		self.assertEqual(matrix(JOBS_FILE=file, MERGE=results).returncode, 0)
		lines = file.read_text().splitlines()
		self.assertEqual([l.rpartition(' # ')[2] for l in lines], ['kunit uml (7.3)', 'kunit arm64 (7.3)'])
		self.assertIn(' CELL=arm64/7.3 ', lines[1])
		subprocess.run(lines[0], shell=True, check=True, stderr=subprocess.DEVNULL)
		self.assertOneSentence(matrix(MERGE=results), '1 of 2 results are missing', 'kunit arm64 (7.3)')
		subprocess.run(lines[1], shell=True, check=True, stderr=subprocess.DEVNULL)
		done = matrix(MERGE=results)
		self.assertEqual(done.returncode, 0, done.stdout)
		self.assertRegex(done.stdout, r'(?m)^uml \(7\.3\) +1 +0 +0 .* ok$')
		self.assertRegex(done.stdout, r'(?m)^6\.12: cannot judge: it would take')


if __name__ == '__main__':
	unittest.main()
