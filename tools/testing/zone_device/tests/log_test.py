# SPDX-License-Identifier: GPL-2.0
"""Logs of real boots, and the verdicts and tables that come of them."""

import io
import json
import unittest
from typing import List
from unittest import mock
from xml.etree import ElementTree

from helper import Case, DATA

import report
from guest import boot, log as ktap
from outcome import Outcome


def golden(name: str) -> List[str]:
	return (DATA / name).read_text().splitlines()


class Read(unittest.TestCase):
	def test_skips_have_full_names_and_reasons(self) -> None:
		log = ktap.parse(golden('failed.log'))
		self.assertEqual(log.skips[:2], [
			('stub.stub_skip', 'no template: needs the series'),
			('stub.stub_param.n 2', 'two is odd')])
		self.assertEqual(len(log.skips), 4)

	def test_a_failure_is_named_once_with_what_it_printed(self) -> None:
		(name, printed), = ktap.parse(golden('failed.log')).failures
		self.assertEqual(name, 'stub.stub_param.n 3')
		self.assertIn('Expected *n < 3, but', printed)

	def test_a_warning_of_the_kernel_is_seen(self) -> None:
		splat, = ktap.parse(golden('failed.log')).splats
		self.assertTrue(splat.startswith('WARNING: '))

	def test_panic(self) -> None:
		log = ktap.parse(golden('panic.log'))
		self.assertTrue(log.started)
		self.assertEqual(log.panic, 'panic_on_taint set ...')
		self.assertIn('Kernel panic', '\n'.join(ktap.excerpt(golden('panic.log'), 8)))

	def test_cut_off_log_tells_the_last_test(self) -> None:
		self.assertEqual(ktap.parse(golden('cut.log')).last, 'stub.stub_param.n 2')

	def test_timestamps_and_carriage_returns(self) -> None:
		lines = [f'[    0.{n:06}][    T1] {l}\r\n' for n, l in enumerate(golden('failed.log'))]
		self.assertEqual(ktap.parse(lines).skips, ktap.parse(golden('failed.log')).skips)

	def test_empty(self) -> None:
		self.assertFalse(ktap.parse([]).started)


class Judge(Case):
	def judge(self, log: str, counts: object = None, status: int = 0, filter: str = '') -> Outcome:
		path = self.dir / 'test.log'
		path.write_text(log)
		result = self.dir / 'result.json'
		if counts is not None:
			result.write_text(json.dumps(counts))
		outcome = boot.ended('x86_64', path)
		boot.take_results(outcome, result, status, filter)
		return outcome

	def counts(self, **misc: int) -> object:
		return {'misc': misc, 'sub_groups': [{'name': 'stub', 'sub_groups': [], 'test_cases': [
			{'name': 'stub_skip', 'status': 'SKIP'}, {'name': 'a \x1b<&', 'status': 'FAIL'}]}]}

	def test_failed_log(self) -> None:
		v = self.judge((DATA / 'failed.log').read_text(), self.counts(passed=5, failed=1, skipped=4), 1)
		self.assertEqual((v.passed, v.failed, v.skipped, v.ok), (5, 1, 4, False))
		self.assertIn('the kernel complained: WARNING', v.problem)

	def test_panic(self) -> None:
		v = self.judge((DATA / 'panic.log').read_text(), self.counts(crashed=2), 1)
		self.assertIn('the kernel panicked: panic_on_taint', v.problem)
		self.assertEqual(v.log, self.dir / 'test.log')

	def test_damaged_results_do_not_pass(self) -> None:
		v = self.judge('KTAP version 1\n', self.counts(passed=1, errors=1))
		self.assertIn('missing or damaged', v.problem)

	def test_no_results(self) -> None:
		self.assertIn('no test results', self.judge('Decompressing Linux...\n').problem)
		v = self.judge('KTAP version 1\n1..0\n', self.counts(), 0, 'x*')
		self.assertIn('no test matches FILTER=x*', v.problem)
		self.assertTrue(v.empty)

	def test_failing_kunit_py_does_not_pass(self) -> None:
		v = self.judge('KTAP version 1\n', self.counts(passed=1), 1)
		self.assertFalse(v.ok)

	def test_all_tests_skipped_is_no_failure(self) -> None:
		"""kunit.py parse ends with 1 then, unlike run and exec."""
		v = self.judge('KTAP version 1\n', self.counts(skipped=2), 1)
		self.assertEqual((v.ok, v.status), (True, 'skipped'))

	def test_a_filter_is_no_excuse_for_a_guest_that_died(self) -> None:
		died = 'KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: zone_device_init\n    1..9\n'
		outcome = self.judge(died, self.counts(errors=3), 1, filter='*')
		self.assertFalse(outcome.empty)
		self.assertIn('no test ran', outcome.problem)
		outcome = self.judge('KTAP version 1\n1..0\n', self.counts(errors=1), 1, filter='x.*')
		self.assertTrue(outcome.empty)
		self.assertIn('no test matches FILTER=x.*', outcome.problem)

	def test_reports(self) -> None:
		v = self.judge((DATA / 'failed.log').read_text(), self.counts(passed=5, failed=1, skipped=4), 1)
		good = Outcome('kunit', 'uml', passed=3, skips=[('s.c', 'no template: needs the series')])
		text = '\n'.join(report.table([good, v]))
		self.assertRegex(text, r'uml +3 +0 +0 +0\.0 +0\.0  ok')
		self.assertRegex(text, r'x86_64 +5 +1 +4 .*FAILED')
		skips = report.skips([good, v])
		self.assertEqual(skips[0], 'skipped 3: no template: needs the series')
		self.assertEqual(len([l for l in skips if 'no template' in l]), 1)
		self.assertIn('stub.stub_param.n 3', '\n'.join(report.failures(v)))
		report.write([good, v], str(self.dir / 'all.json'), str(self.dir / 'all.xml'))
		merged = json.loads((self.dir / 'all.json').read_text())
		self.assertEqual([o['subject'] for o in merged['outcomes']], ['uml', 'x86_64'])
		self.assertEqual(merged['outcomes'][1]['passed'], 5)
		root = ElementTree.parse(self.dir / 'all.xml').getroot()
		suite = root.find('testsuite[@name="x86_64"]')
		assert suite is not None
		# The failed case, and the kernel's complaint.
		self.assertEqual((suite.get('tests'), suite.get('failures'), suite.get('skipped')), ('3', '2', '1'))
		skipped = suite.find('.//skipped')
		assert skipped is not None
		self.assertEqual(skipped.get('message'), 'no template: needs the series')

	def test_one_mistake_is_not_told_for_each_case(self) -> None:
		cases = [f'zone_device_init.zd_model_test.{kind}, order {n}' for kind in ('PRIVATE', 'COHERENT') for n in range(20)]
		others = [f'zone_device_init.zd_{n}_test' for n in range(12)]
		own = ['gate_test.Cells.test_a', 'gate_test.Cells.test_b']
		outcome = Outcome('kunit', 'x86_64', failed=54, failures=[(n, [f'said by {n}']) for n in [*own, *cases, *others]])
		lines = report.failures(outcome)
		# Each test is there, and of cases the first in its own words.
		self.assertEqual([l for l in lines if l.startswith('FAILED')],
			[f'FAILED x86_64: {n}' for n in [*own, cases[0], *others]])
		self.assertEqual([l for l in lines if 'zd_model_test' in l][1:], [f'    said by {cases[0]}'])
		self.assertIn('    and 39 more of its cases: PRIVATE, order 1, PRIVATE, order 2, PRIVATE, order 3, PRIVATE, order 4'
			' and 35 more', lines)

	def test_the_verdict_stands_where_a_terminal_ends(self) -> None:
		red = Outcome('kunit', 'x86_64', failed=2, failures=[('s.a', []), ('s.b', [])], skips=[('s.c', 'no device')])
		hung = Outcome('kunit', 'uml', problem='the guest hung')
		out = io.StringIO()
		with mock.patch('sys.stdout', out):
			report.show([Outcome('kunit', 'arm64', passed=1), red, hung])
		self.assertEqual(out.getvalue().splitlines()[-2:], ['FAILED x86_64: 2 failed, the first: s.a', 'FAILED uml: the guest hung'])


if __name__ == '__main__':
	unittest.main()
