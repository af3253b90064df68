# SPDX-License-Identifier: GPL-2.0
"""What is read from a kernel image, and what is made of the plugin's report."""

import shutil
import subprocess
import unittest
from pathlib import Path

from helper import Case

from checks import cost, order
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
		result = order.Result('s', Outcome('kunit', 'x86_64', passed=1), self.image, True, entered=1,
			totals={'partial-page': 3, 'empty-drain': 1})
		result.found.append(order.Found('partial-page', 'watched', watched, watched + 1,
			0xffffea0000000000 + 64 * 0x100 + 8, 0, 0))
		text = '\n'.join(order.details(result))
		self.assertIn('VIOLATION partial-page: 3 times', text)
		self.assertIn('pfn 0x100, offset 0x8 in struct page, CPU 0', text)
		self.assertIn('waste empty-drain: 1 times', text)
		self.assertEqual(result.violations, 3)
		self.assertFalse(result.ok)

	def test_nothing_to_see_is_said_and_is_no_failure(self) -> None:
		result = order.Result('s', Outcome('kunit', 'x86_64', passed=1), self.image, entered=5)
		self.assertIn('nothing non-temporal was seen', order.summary(result))
		self.assertTrue(result.ok)

	def test_a_run_in_which_nothing_was_watched_fails(self) -> None:
		self.assertFalse(order.Result('s', Outcome('kunit', 'x86_64', passed=1), self.image).ok)


def _table(name: str, instructions: int) -> cost.Table:
	table = cost.Table(name, 'gcc 12', '7.3')
	lines = [['cost', cost.LOOP, '1', '100', str(instructions), '200', '300', '6400', '1', '50'],
		['cost', cost.WHOLE, '1', '100', str(2 * instructions), '400', '600', '6400', '1', '100'],
		['cost', cost.LOOP, '0', '100', '1', '1', '1', '1', '1', '1']]
	cost.read(table, lines, {1: 'PRIVATE, order 0'})
	return table


class Cost(Case):
	def test_names_come_from_the_log(self) -> None:
		log = ['    # Subtest: zone_device_cost', '        # Subtest: zd_cost_test',
			'        ok 1 PRIVATE, order 0', '        ok 2 PRIVATE, order 9, full', '    ok 1 zd_cost_test']
		self.assertEqual(cost.case_names(log), {1: 'PRIVATE, order 0', 2: 'PRIVATE, order 9, full'})

	def test_table_has_base_series_ratio_and_share(self) -> None:
		lines = '\n'.join(cost.show([_table('base', 5000), _table('series', 1000)]))
		self.assertRegex(lines, r'PRIVATE, order 0 +50\.00 +10\.00 +0\.20')
		self.assertRegex(lines, r'PRIVATE, order 0 +100\.00 +20\.00 +0\.20 +50 % +50 %')

	def test_budget(self) -> None:
		budgets = cost.as_json(_table('series', 1000))
		self.assertEqual(cost.judge(_table('series', 1020), budgets), ([], None))
		over, reason = cost.judge(_table('series', 1021), budgets)
		self.assertIsNone(reason)
		self.assertIn('instructions: 1021, the budget is 1000', over[0])

	def test_another_compiler_is_not_judged(self) -> None:
		budgets = cost.as_json(_table('series', 1000))
		table = _table('series', 9999)
		table.compiler = 'gcc 14'
		self.assertEqual(cost.judge(table, budgets),
			([], 'the budgets are for compiler gcc 12, this is gcc 14'))

	def test_a_case_that_is_gone_is_no_saving(self) -> None:
		budgets = cost.as_json(_table('series', 1000))
		over, _ = cost.judge(cost.Table('series', 'gcc 12', '7.3'), budgets)
		self.assertIn('nothing was counted', over[0])

	def test_compiler_from_config(self) -> None:
		config = Path(self.dir / '.config')
		config.write_text('CONFIG_CC_IS_GCC=y\nCONFIG_GCC_VERSION=120200\nCONFIG_CLANG_VERSION=0\n')
		self.assertEqual(cost.compiler(config), 'gcc 12')


if __name__ == '__main__':
	unittest.main()
