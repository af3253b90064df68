# SPDX-License-Identifier: GPL-2.0
"""What is known is not asked again, and nothing that is not the same is taken
for it."""

import json
import os
import unittest
from pathlib import Path
from unittest import mock

from helper import Case, Front, MM_INIT, patch_text

import judge
import report
import store
from checks import Check
from guest.target import Target, TARGETS
from host.messages import Error
from kernel import tree
from kernel.tree import Tree
from outcome import Outcome


class Kept(Front):
	def setUp(self) -> None:
		super().setUp()
		del os.environ['FRESH']

	def ran(self, **variables: object) -> bool:
		"""Whether the guest was booted, by its log."""
		for log in self.cache.glob('trees/*/*/build/uml/test.log'):
			log.unlink()
		done = self.kunit(**variables)
		booted = bool(list(self.cache.glob('trees/*/*/build/uml/test.log')))
		self.assertNotEqual(booted, 'kunit uml: ok, known since' in done.stdout, done.stdout)
		return booted

	def test_the_same_is_not_run_again(self) -> None:
		self.assertTrue(self.ran())
		self.assertFalse(self.ran())
		self.assertTrue(self.ran(FRESH=1))
		self.assertWorks()
		self.assertIn('ok, kept', self.kunit().stdout)

	def test_what_it_depends_on(self) -> None:
		series = self.series(patch_text(5, 'five'), patch_text(15, 'fifteen'))
		self.assertTrue(self.ran())
		(self.kdir / 'mm/mm_init.c').write_text(MM_INIT + '\n')
		self.assertTrue(self.ran())
		self.assertTrue(self.ran(FILTER='s.*'))
		(self.kdir / 'mm/mm_init.c').write_text(MM_INIT)
		self.assertTrue(self.ran(SERIES=series))
		self.assertTrue(self.ran(SERIES=series, SERIES_UPTO=1))
		self.assertTrue(self.ran(KCFLAGS='-O1'))
		self.assertFalse(self.ran(SERIES=series))
		# A message is not a change.
		patch = series / '0001-change.patch'
		patch.write_text('Other words.\n\n' + patch.read_text().split('\n', 1)[1])
		self.assertFalse(self.ran(SERIES=series))

	def test_a_failure_is_kept_as_one(self) -> None:
		(self.kdir / 'mm/mm_init.c').write_text('does not compile\n')
		first = self.kunit()
		second = self.kunit()
		self.assertNotEqual(second.returncode, 0)
		self.assertIn('known since', second.stdout)
		self.assertIn('FAILED uml: the kernel does not build', second.stdout)
		self.assertEqual(first.returncode, second.returncode)

	def test_a_damaged_record_is_asked_again(self) -> None:
		for text in ('', '{', '[]', '{"check": "kunit"}'):
			self.assertWorks()
			for path in self.cache.glob('outcomes/*.json'):
				path.write_text(text)
			self.assertTrue(self.ran())

	def test_this_project_is_a_part_of_it(self) -> None:
		seen = store.project()
		with mock.patch.object(store, 'REPO', Path(__file__).parent):
			self.assertNotEqual(store.project(), seen)

	def test_only_what_is_asked_by_is(self) -> None:
		"""A commit, a result in the clone, a ledger or a page of docs/ change no outcome."""
		ours = self.dir / 'tools/testing/zone_device'
		for path in (ours / 'checks/x.py', self.dir / 'mm/tests/y.c'):
			path.parent.mkdir(parents=True)
			path.write_text('as it was\n')
		with mock.patch.object(store, 'REPO', self.dir):
			seen = store.project()
			for other in (self.dir / '.git/index', self.dir / 'v11.json', self.dir / 'README.md', ours / 'ledgers/7.3',
					ours / 'docs/gate.rst', ours / 'checks/__pycache__/x.pyc'):
				other.parent.mkdir(parents=True, exist_ok=True)
				other.write_text('another\n')
				self.assertEqual(store.project(), seen, other)
			(ours / 'checks/x.py').write_text('another\n')
			self.assertNotEqual(store.project(), seen)


class Asked(Check):
	name = 'asked'

	def __init__(self, outcome: Outcome) -> None:
		self.outcome, self.calls = outcome, 0

	def run(self, tree: Tree, target: Target) -> Outcome:
		self.calls += 1
		return self.outcome


class Loop(Case):
	def setUp(self) -> None:
		super().setUp()
		os.environ['KDIR'] = str(self.kernel())

	def test_what_cannot_be_judged_is_not_kept(self) -> None:
		for outcome, calls in ((Outcome('asked', 'x', unknown='no KVM'), 2), (Outcome('asked', 'y', passed=1), 1),
				(Outcome('asked', 'z', failed=1), 1)):
			check = Asked(outcome)
			check.name = outcome.subject
			for _ in range(2):
				judge.run([judge.Job(check, TARGETS['uml'], self.plan())])
			self.assertEqual(check.calls, calls, outcome)

	def test_a_target_is_looked_at_once(self) -> None:
		"""That asks compilers and QEMU for their versions."""
		jobs = [judge.Job(Asked(Outcome('asked', n, passed=1)), TARGETS['uml'], self.plan()) for n in ('x', 'y')]
		with mock.patch.object(store, 'facts', side_effect=store.facts) as facts:
			judge.run([*jobs, judge.Job(Asked(Outcome('asked', 'z', passed=1)), TARGETS['x86_64'], self.plan())])
		self.assertEqual([c.args[0].name for c in facts.call_args_list], ['uml', 'x86_64'])

	def test_a_tree_that_is_changed_meanwhile(self) -> None:
		"""After it was looked at for what is known, before it is prepared."""
		kdir, digest = Path(os.environ['KDIR']), tree.digest

		def change(wanted: tree.Plan) -> str:
			found = digest(wanted)
			(kdir / 'mm/mm_init.c').write_text('changed\n')
			return found
		check = Asked(Outcome('asked', 'x', passed=1))
		wanted = self.plan()
		with mock.patch.object(tree, 'digest', change):
			judge.run([judge.Job(check, TARGETS['uml'], wanted)])
		self.assertEqual(list(self.cache.glob('outcomes/*.json')), [])
		judge.run([judge.Job(check, TARGETS['uml'], wanted)])
		self.assertEqual(len(list(self.cache.glob('outcomes/*.json'))), 1)

	def test_one_that_fails_does_not_end_the_rest(self) -> None:
		class Breaks(Asked):
			def run(self, tree: Tree, target: Target) -> Outcome:
				raise Error('it broke')
		good, bad = Asked(Outcome('asked', 'x', passed=1)), Breaks(Outcome('asked', 'y'))
		wanted = self.plan()
		found = judge.run([judge.Job(c, TARGETS['uml'], wanted) for c in (bad, good)])
		self.assertEqual([o.status for o in found], ['FAILED', 'ok'])
		self.assertEqual(found[0].problem, 'it broke')

	def test_a_tree_that_cannot_be_made(self) -> None:
		broken = self.plan(self.series(patch_text(5, 'a'), patch_text(5, 'b')))
		jobs = [judge.Job(Asked(Outcome('asked', 'x', passed=1)), TARGETS['uml'], p)
			for p in (broken, self.plan())]
		with self.assertRaisesRegex(Error, 'does not apply'):
			judge.run(jobs)
		self.assertEqual([o.status for o in judge.run(jobs, keep_going=True)], ['FAILED', 'ok'])


class Compare(Front):
	def test_two_results(self) -> None:
		one, other = self.dir / 'one.json', self.dir / 'other.json'
		self.assertWorks(JSON=one)
		self.assertWorks(JSON=other)
		done = self.make('compare', one, other)
		self.assertEqual(done.returncode, 0, done.stdout)
		self.assertIn('they do not differ', done.stdout)
		result = json.loads(other.read_text())
		result['outcomes'][0].update(passed=0, failed=1, cases=[['s.c', 'FAIL']], figures={'instructions': 12.5})
		other.write_text(json.dumps(result))
		done = self.make('compare', one, other)
		self.assertRegex(done.stdout, r'uml +1 passed, 0 failed, 0 skipped, ok +0 passed, 1 failed, 0 skipped, FAILED')
		self.assertRegex(done.stdout, r'uml: s\.c +PASS +FAIL')
		self.assertRegex(done.stdout, r'uml: instructions +- +12\.50')

	def test_bad_files(self) -> None:
		good = self.dir / 'good.json'
		self.assertWorks(JSON=good)
		bad = self.dir / 'bad.json'
		for text, words in (('{', 'is not JSON'), ('{}', 'not a result that JSON= wrote'), ('[]', 'not a result that JSON= wrote'),
				(json.dumps({'format': report.FORMAT, 'outcomes': [{'check': 'kunit'}]}), 'is damaged'),
				(json.dumps({'format': report.FORMAT, 'outcomes': None}), 'is damaged')):
			bad.write_text(text)
			self.assertOneSentence(self.make('compare', good, bad), words, 'bad.json')
		self.assertOneSentence(self.make('compare', good), 'wants two results')


if __name__ == '__main__':
	unittest.main()
