# SPDX-License-Identifier: GPL-2.0
"""By whose promises a kernel is judged, and what becomes of them."""

import os
import unittest
from pathlib import Path
from typing import List, Union

from helper import Case, Front, patch_text

import contract
import report
from contract import Seen
from outcome import Outcome

STRING_H = 'include/linux/string.h'


def adds(*definitions: str, name: str = 'copy') -> str:
	"""A patch that defines something in string.h."""
	body = ''.join(f'+{d}\n' for d in definitions)
	return (f'Subject: add {name}\n\n---\n--- a/{STRING_H}\n+++ b/{STRING_H}\n'
		f'@@ -1,1 +1,{1 + len(definitions)} @@\n void *memcpy(void);\n{body}-- \n2.39\n')


COPY = '#define memcpy_streaming(d, s, n) memcpy(d, s, n)'
DRAIN = '#define memcpy_streaming_drain() do { } while (0)'
LATER = 'static inline void memcpy_nontemporal(void *d, const void *s, size_t n)'


class Tables(unittest.TestCase):
	def test_the_suites_tables_are_read(self) -> None:
		self.assertEqual(list(contract.CONTRACTS), ['base', 'streaming', 'nontemporal', 'unknown'])
		of = {p.name: p.by for p in contract.PROMISES}
		self.assertEqual(of['traced_builds'], {'streaming'})
		self.assertEqual(of['copy_known'], {'nontemporal'})
		self.assertEqual(of['template'], {'streaming', 'nontemporal'})
		self.assertEqual(len(of), contract.TABLES.read_text().count('\t[ZD_PROMISE_'))

	def test_no_two_contracts_are_the_same(self) -> None:
		made = {n: frozenset(p.name for p in contract.PROMISES if n in p.by) for n in contract.CONTRACTS}
		self.assertEqual(made['base'], frozenset())
		self.assertNotEqual(made['streaming'], made['nontemporal'])


class Recognised(Case):
	def of(self, *texts: str, upto: int = 0, extra: str = '') -> str:
		os.environ['KDIR'] = str(self.kernel(f'linux{len(os.listdir(self.dir))}'))
		series: Union[str, Path] = 'none'
		if texts:
			series = self.series(*texts, name=f'series{len(os.listdir(self.dir))}')
		mutant: List[Path] = []
		if extra:
			mutant = [self.dir / 'mutant.patch']
			mutant[0].write_text(extra)
		return self.prepare(series, upto or None, mutant).contract

	def test_by_the_name_of_the_copy_and_its_drain(self) -> None:
		self.assertEqual(self.of(), 'base')
		self.assertEqual(self.of(adds(COPY, DRAIN)), 'streaming')
		self.assertEqual(self.of(adds(COPY.replace('streaming', 'nt'), DRAIN.replace('streaming', 'nt'))), 'streaming')
		self.assertEqual(self.of(adds(LATER)), 'nontemporal')

	def test_a_copy_with_half_of_what_belongs_to_it_is_of_no_known_revision(self) -> None:
		self.assertEqual(self.of(adds(COPY)), 'unknown')
		self.assertEqual(self.of(adds(LATER, DRAIN.replace('streaming', 'nontemporal'))), 'unknown')

	def test_commits_and_mutants_inherit_the_contract_of_the_tip(self) -> None:
		self.assertEqual(self.of(patch_text(5, 'a'), adds(COPY, DRAIN), upto=1), 'streaming')
		loses = (f'--- a/{STRING_H}\n+++ b/{STRING_H}\n@@ -1,3 +1,2 @@\n void *memcpy(void);\n {COPY}\n-{DRAIN}\n')
		self.assertEqual(self.of(adds(COPY, DRAIN), extra=loses), 'streaming')

	def test_the_series_is_partial_if_something_was_left_out(self) -> None:
		os.environ['KDIR'] = str(self.kernel())
		series = self.series(patch_text(5, 'a'), patch_text(15, 'b'))
		self.assertTrue(self.prepare(series, 1).partial)
		self.assertFalse(self.prepare(series).partial)
		self.assertEqual(contract.parameters('streaming', True),
			['zone_device.contract=streaming', 'zone_device.partial=1'])


class Evidence(unittest.TestCase):
	LOG = ['    # zd_traced_test: promise traced_builds: 3 of 4 pages built',
		'[    1.0]     # zd_traced_test: promise traced_builds: 4 of 4 pages built',
		'    # zd_toggle_test: promise traced_builds: 6 of 6 calls',
		'    # zd_differential_test: second side: slow path',
		'    # zd_differential_test: second side: slow path']

	def test_is_added_up_from_the_log(self) -> None:
		self.assertEqual(contract.seen(self.LOG), [Seen('traced_builds', 7, 8, 'pages built'),
			Seen('traced_builds', 6, 6, 'calls')])
		self.assertEqual(contract.second_sides(self.LOG), {'slow path': 2})

	def row(self, by: str, partial: bool = False) -> List[str]:
		return next(r for r in contract.table(by, partial, contract.seen(self.LOG)) if r[0] == 'traced_builds')

	def test_is_judged_by_the_contract(self) -> None:
		self.assertEqual(self.row('streaming')[1:3], ['yes', 'BROKEN'])
		self.assertEqual(self.row('streaming', partial=True)[1:3], ['yes', 'not yet'])
		self.assertEqual(self.row('nontemporal')[1:3], ['-', 'not kept'])
		self.assertIn('7 of 8 pages built', self.row('nontemporal')[3])

	def test_what_has_no_numbers_is_not_judged(self) -> None:
		rows = {r[0]: r for r in contract.table('streaming', False, [Seen('resched', 0, 0, 'sections')])}
		self.assertEqual(rows['resched'][2], 'not judged')
		self.assertEqual(rows['template'][2], 'not judged')

	def test_a_template_in_a_base_is_a_doubt(self) -> None:
		copied = [Seen('template', 5, 9, 'pages copied')]
		self.assertIn('CONTRACT=', contract.doubt('base', copied))
		self.assertIn('CONTRACT=', contract.doubt('unknown', []))
		self.assertEqual(contract.doubt('base', [Seen('template', 0, 9, 'pages copied')]), '')
		self.assertEqual(contract.doubt('streaming', copied), '')

	def test_two_results_differ_in_a_promise(self) -> None:
		results = [{'outcomes': [Outcome('kunit', 'x86_64', passed=1, contract=by, seen=contract.seen(self.LOG)
			if by == 'streaming' else []).as_json()]} for by in ('streaming', 'nontemporal')]
		text = '\n'.join(report.compare(['a', 'b'], results))
		self.assertRegex(text, r'traced_builds +made, BROKEN: 7 of 8 pages built; 6 of 6 calls')


class Option(Front):
	def test_a_contract_that_there_is_not(self) -> None:
		self.assertOneSentence(self.kunit(CONTRACT='streeming'), 'no such contract', 'is streaming meant')
		self.assertOneSentence(self.kunit(CONTRACT='v11'), 'there are base, streaming')

	def test_an_unknown_one_is_neither_green_nor_a_failure(self) -> None:
		done = self.kunit(CONTRACT='unknown')
		self.assertNotEqual(done.returncode, 0)
		self.assertRegex(done.stdout, r'uml +1 +0 +0 .*cannot judge')
		self.assertIn('cannot judge uml: its streaming copy is of no revision that is known: CONTRACT=', done.stdout)
		self.assertEqual(self.kunit(CONTRACT='base').returncode, 0)


if __name__ == '__main__':
	unittest.main()
