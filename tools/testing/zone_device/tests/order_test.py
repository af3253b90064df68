# SPDX-License-Identifier: GPL-2.0
"""What is read from a kernel image, and what is made of the plugin's report."""

import shutil
import subprocess
import unittest
from pathlib import Path

from helper import Case

import contract as contracts
from checks import cost, order, order_result
from host.messages import Error
from kernel.vmlinux import Kernel
from outcome import Outcome

SOURCE = '''
unsigned long vmemmap_base = 0xffffea0000000000UL;
const unsigned long zd_note_page_size = 64;
int seen;
static inline __attribute__((always_inline)) void prep_compound_head(int *at)
{
	*at = seen;
	at[1] = seen;
}
__attribute__((noinline)) void helper(int *at) { __asm__ volatile("" : : "r"(at)); }
void watched(int *at)
{
	helper(at);
	prep_compound_head(at + 2);
	helper(at + 4);
}
int main(void) { watched(&seen); return 0; }
'''


@unittest.skipUnless(shutil.which('gcc') and shutil.which('addr2line'), 'needs gcc and binutils')
class Image(Case):
	def setUp(self) -> None:
		super().setUp()
		(self.dir / 'code.c').write_text(SOURCE)
		subprocess.run(['gcc', '-g', '-O2', '-static', '-fno-pie', '-no-pie', '-o', 'image', 'code.c'],
			cwd=self.dir, check=True)
		self.image = Kernel(self.dir / 'image', self.dir)

	def test_symbols_and_values(self) -> None:
		self.assertEqual(self.image.value('vmemmap_base'), 0xffffea0000000000)
		self.assertEqual(self.image.value('zd_note_page_size'), 64)
		self.assertIsNone(self.image.find('nothing_of_the_kind'))
		with self.assertRaisesRegex(Error, 'no symbol nothing_of_the_kind'):
			self.image.need('nothing_of_the_kind')

	def test_inlined_code_is_found_by_debug_info(self) -> None:
		watched = self.image.need('watched')
		found = self.image.ranges_of('prep_compound_head', self.image.family(watched, 1))
		self.assertTrue(found)
		for start, end, function in found:
			self.assertEqual(function.name, 'watched')
			self.assertTrue(watched.addr <= start < end <= watched.end)

	def test_callees(self) -> None:
		self.assertIn('helper', [s.name for s in self.image.callees(self.image.need('watched'))])

	def test_descriptions_name_symbol_offset_file_and_line(self) -> None:
		watched = self.image.need('watched')
		self.assertRegex(self.image.describe(watched.addr + 1), r'^watched\+0x1 \(code\.c:\d+')

	def test_report_names_pfn_and_offset(self) -> None:
		watched = self.image.need('watched').addr
		result = order_result.Result('s', Outcome('kunit', 'x86_64', passed=1), self.image, True, entered=1,
			totals={'partial-page': 3, 'empty-drain': 1})
		result.found.append(order_result.Found('partial-page', 'watched', watched, watched + 1,
			0xffffea0000000000 + 64 * 0x100 + 8, 0, 0))
		text = '\n'.join(order_result.details(result))
		self.assertIn('VIOLATION partial-page: 3 times', text)
		self.assertIn('pfn 0x100, offset 0x8 in struct page, CPU 0', text)
		self.assertIn('waste empty-drain: 1 times', text)
		self.assertEqual(result.violations, 3)
		self.assertFalse(result.ok)

	def _judged(self, contract: str, partial: bool = False, **totals: int) -> order_result.Result:
		verdict = Outcome('kunit', 'x86_64', passed=1, contract=contract, partial=partial)
		return order_result.Result('s', verdict, self.image, True, order.MEMMAP_PROMISES, entered=1, stores=80,
			lines=10, pages=10, totals={n.replace('_', '-'): c for n, c in totals.items()},
			kept={'undrained-at-return': (8, 10)})

	def test_a_promise_fails_only_where_it_is_made(self) -> None:
		for contract, kind, ok in (('streaming', 'VIOLATION', False),
				('nontemporal', 'not promised by nontemporal', True),
				('base', 'not promised by base', True)):
			with self.subTest(contract):
				result = self._judged(contract, undrained_at_return=2)
				self.assertEqual((result.ok, bool(result.violations)), (ok, not ok))
				self.assertIn(f'{kind} undrained-at-return (promise drained_at_return): 2 times',
					order_result.details(result))
		partial = self._judged('streaming', True, undrained_at_return=2)
		self.assertTrue(partial.ok)
		self.assertIn('not yet undrained-at-return (promise drained_at_return): 2 times', order_result.details(partial))

	def test_a_plain_store_is_a_waste_unless_it_is_promised_away(self) -> None:
		self.assertEqual(self._judged('streaming', plain_store_to_pending=1).broken, ['plain-store-to-pending'])
		result = self._judged('nontemporal', plain_store_to_pending=1)
		self.assertEqual((result.ok, result.wastes, result.violations), (True, 1, 0))

	def test_invariants_fail_by_any_contract(self) -> None:
		for rule in ('foreign_cpu_touch', 'outside_range'):
			for contract in ('base', 'streaming', 'nontemporal', 'unknown'):
				self.assertFalse(self._judged(contract, True, **{rule: 1}).ok, (rule, contract))

	def test_evidence(self) -> None:
		seen = {s.name: (s.kept, s.of, s.what) for s in self._judged('nontemporal', plain_store_to_pending=3).seen}
		self.assertEqual(seen['drained_at_return'], (8, 10, 'calls of memmap_init_zone_device()'))
		self.assertEqual(seen['never_patched'], (7, 10, 'lines of struct pages'))
		self.assertEqual(seen['pages_whole'], (10, 10, 'struct pages, by the stores seen'))
		# What was never reached is no evidence.
		self.assertNotIn('drained_at_remap', seen)

	def test_each_rule_names_a_promise_that_there_is(self) -> None:
		there_is = {p.name for p in contracts.PROMISES}
		for part in order.PARTS:
			self.assertLessEqual({name for name, _ in part.promises.values()}, there_is)

	def test_what_drained_the_calls_is_said_with_shares(self) -> None:
		result = self._judged('nontemporal')
		watched = self.image.need('watched').addr
		result.read([['drained', 'watched', 'within', f'{watched:x}', '6'], ['drained', 'watched', 'after',
			f'{watched:x}', '1'], ['drained', 'watched', 'touched', f'{watched:x}', '2'],
			['drained', 'watched', 'never', '0', '1']])
		text = '\n'.join(order_result.drains(result))
		self.assertIn('s: 10 calls of watched() streamed; still pending at return: 4', text)
		self.assertRegex(text, r'6 +60 % +drained by \w+ in watched\+0x0 \(code\.c')
		self.assertRegex(text, r'2 +50 % +touched by another CPU, undrained')
		self.assertRegex(text, r'1 +25 % +never drained')

	def test_nothing_to_see_is_said_and_is_no_failure(self) -> None:
		result = order_result.Result('s', Outcome('kunit', 'x86_64', passed=1), self.image, entered=5)
		self.assertIn('nothing non-temporal was seen', order_result.summary(result))
		self.assertTrue(result.ok)

	def test_a_run_in_which_nothing_was_watched_fails(self) -> None:
		self.assertFalse(order_result.Result('s', Outcome('kunit', 'x86_64', passed=1), self.image).ok)


def _table(name: str, instructions: int) -> cost.Table:
	table = cost.Table(name, 'gcc 12', '7.3')
	lines = [['cost', cost.LOOP, '1', '100', str(instructions), '200', '300', '6400', '1', '50'],
		['cost', cost.WHOLE, '1', '100', str(2 * instructions), '400', '600', '6400', '1', '100'],
		['cost', cost.LOOP, '0', '100', '1', '1', '1', '1', '1', '1']]
	cost.count(table, lines, {1: 'PRIVATE, order 0'})
	return table


class Cost(Case):
	def test_names_come_from_the_log(self) -> None:
		log = ['    # Subtest: zone_device_cost', '        # Subtest: zd_cost_test',
			'        ok 1 PRIVATE, order 0', '        ok 2 PRIVATE, order 9, full', '    ok 1 zd_cost_test']
		self.assertEqual(cost.case_names(log), {1: 'PRIVATE, order 0', 2: 'PRIVATE, order 9, full'})

	def test_of_several_calls_the_cheapest_counts(self) -> None:
		# The one in the middle is the one that finds a slab used up.
		table = cost.Table('series', 'gcc 12', '7.3')
		for insns, stored in ((1002, 300), (1500, 4400), (1001, 310), (1003, 290)):
			cost.count(table, [['cost', cost.LOOP, '1', '100', str(insns), '0', str(stored), '0', '0', '0']],
				{1: 'PRIVATE, order 0'})
		self.assertEqual(table.costs[cost.LOOP]['PRIVATE, order 0'].counts['instructions'], 1001)
		self.assertEqual(table.costs[cost.LOOP]['PRIVATE, order 0'].counts['bytes stored'], 310)

	def test_table_has_base_series_ratio_and_share(self) -> None:
		lines = '\n'.join(cost.show([_table('base', 5000), _table('series', 1000)]))
		self.assertRegex(lines, r'PRIVATE, order 0 +50\.00 +10\.00 +0\.20')
		self.assertRegex(lines, r'PRIVATE, order 0 +100\.00 +20\.00 +0\.20 +50 % +50 %')

	def test_budget(self) -> None:
		budgets = cost.as_json(_table('series', 1000))
		self.assertEqual(cost.over_budget(_table('series', 1020), budgets), ([], None))
		over, reason = cost.over_budget(_table('series', 1021), budgets)
		self.assertIsNone(reason)
		self.assertIn('instructions: 1021, the budget is 1000', over[0])

	def test_another_compiler_is_not_judged(self) -> None:
		budgets = cost.as_json(_table('series', 1000))
		table = _table('series', 9999)
		table.compiler = 'gcc 14'
		self.assertEqual(cost.over_budget(table, budgets),
			([], 'the budgets are for compiler gcc 12, this is gcc 14'))

	def test_a_case_that_is_gone_is_no_saving(self) -> None:
		budgets = cost.as_json(_table('series', 1000))
		over, _ = cost.over_budget(cost.Table('series', 'gcc 12', '7.3'), budgets)
		self.assertIn('nothing was counted', over[0])

	def test_compiler_from_config(self) -> None:
		config = Path(self.dir / '.config')
		config.write_text('CONFIG_CC_IS_GCC=y\nCONFIG_GCC_VERSION=120200\nCONFIG_CLANG_VERSION=0\n')
		self.assertEqual(cost.compiler(config), 'gcc 12')


if __name__ == '__main__':
	unittest.main()
