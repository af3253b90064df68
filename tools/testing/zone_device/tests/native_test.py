# SPDX-License-Identifier: GPL-2.0
"""The user-space program, its numbers, and what is said of them."""

import json
import os
import random
import subprocess
import tempfile
import unittest
from pathlib import Path
from statistics import median
from typing import List, Optional

from helper import Case, DATA

from bench.native_report import plan, Result
from bench.stats import interval, ratio
from checks import native
from host.machine import Machine, machine
from host.messages import Error
from kernel import tree
from outcome import total

CMD = ('savedcmd_mm/mm_init.o := ccache gcc -Wp,-MMD,mm/.mm_init.o.d -nostdinc -I/k/include '
	'-DKBUILD_BASENAME=\'"mm_init"\' -DX=$(pound)$$ -c -o mm/mm_init.o /k/mm/mm_init.c   ; '
	'./tools/objtool/objtool --orc mm/mm_init.o\n\nsource_mm/mm_init.o := /k/mm/mm_init.c\n')

SMALL = Machine(0, 'CPU', '1', 'performance', 1 << 20, 8 << 20, 4 << 30, '7.3')


def measured(streaming: float, noise: float = 0.0, rounds: int = 15) -> Result:
	"""A run in which field by field takes 10 ms."""
	random.seed(1)
	times = {'fields-0': 10.0, 'memcpy-0': 9.0, 'streaming-0': streaming, 'movnti': 5.0}
	lines = ['hypervisor KVMKVMKVM', 'page_size 64', 'backing 4k 0 1024', 'disturbed 4k 0 3']
	for number in range(rounds):
		for name, ms in times.items():
			ns = ms * 1e6 * (1 + noise * random.random())
			lines.append(f'sample cold 4k {name} {number} {ns:.0f}')
	return Result(SMALL, plan(SMALL, '16G', None), {'fields': 'base', 'streaming': 'ours'}, 'gcc', lines)


class Commands(Case):
	def test_the_kernels_command_without_its_files(self) -> None:
		(self.dir / 'mm').mkdir()
		(self.dir / 'mm/.mm_init.o.cmd').write_text(CMD)
		self.assertEqual(native.command_of(self.dir), ['ccache', 'gcc', '-nostdinc', '-I/k/include',
			'-DKBUILD_BASENAME="mm_init"', '-DX=#$'])

	def test_a_record_that_is_not_understood(self) -> None:
		(self.dir / 'mm').mkdir()
		(self.dir / 'mm/.mm_init.o.cmd').write_text('cmd := something else\n')
		with self.assertRaisesRegex(Error, 'cannot tell how'):
			native.command_of(self.dir)

	def test_the_copy_is_bound_by_the_name_that_the_tree_has(self) -> None:
		text = native._preface_memcpy('-DZD_COPY=memcpy_nt -DZD_DRAIN=memcpy_nt_drain')
		self.assertIn('#define memcpy_nt(dst, src, len) memcpy(dst, src, len)', text)
		self.assertIn('#define memcpy_nt_drain()', text)
		self.assertNotIn('_drain', native._preface_memcpy('-DZD_COPY=memcpy_nontemporal'))

	def test_a_tree_that_has_the_series_in_it_cannot_be_compared(self) -> None:
		kdir = self.kernel()
		(kdir / 'include/linux/string.h').write_text('#define memcpy_nontemporal(d, s, n) memcpy(d, s, n)\n')
		os.environ['KDIR'] = str(kdir)
		with tree.with_base(self.plan()) as prepared:
			outcome = native.Native().run(prepared, native.TARGET)
		self.assertEqual(outcome.status, 'cannot judge')
		self.assertIn('no unpatched text is known', outcome.unknown)

	def test_a_tree_without_a_series_is_skipped(self) -> None:
		os.environ['KDIR'] = str(self.kernel())
		with tree.with_base(self.plan()) as prepared:
			outcome = native.Native().run(prepared, native.TARGET)
		self.assertEqual((outcome.status, outcome.skipped), ('skipped', 1))
		self.assertIn('no series', outcome.skips[0][1])


class Program(Case):
	"""The C code, with two variants that need no kernel tree."""

	objects: Path

	@classmethod
	def setUpClass(cls) -> None:
		temp = tempfile.TemporaryDirectory(prefix='zone_device-test-')
		cls.addClassCleanup(temp.cleanup)
		cls.objects = Path(temp.name)
		for sanitize in (False, True):
			where = cls.objects / str(sanitize)
			where.mkdir()
			subprocess.run([*cls.gcc(sanitize), '-c', *(native.HERE / n for n in native.PROGRAM)],
				cwd=where, check=True)

	@staticmethod
	def gcc(sanitize: bool) -> List[str]:
		return ['gcc', '-O2', '-Wall', '-Wextra', '-Werror', *native._user_flags(sanitize),
			'-I', str(native.HERE)]

	def program(self, broken: str = '', sanitize: bool = False) -> Path:
		self.cache.mkdir(exist_ok=True)
		program = self.cache / 'native'
		objects = (self.objects / str(sanitize)).glob('*.o')
		subprocess.run([*self.gcc(sanitize), '-no-pie', f'-DBROKEN={broken}', '-o', program,
			DATA / 'native_fake.c', *objects], check=True)
		return program

	def compare(self, program: Path) -> str:
		outcome = native.compare(program)
		self.said = '\n'.join([outcome.problem, *(l for _, lines in outcome.failures for l in lines)])
		passed, failed, _skipped = total([outcome])
		return f'{passed} passed, {failed} failed'

	def test_two_that_do_the_same(self) -> None:
		self.assertEqual(self.compare(self.program()), '170 passed, 0 failed')

	def test_a_byte_that_is_not_written(self) -> None:
		self.assertEqual(self.compare(self.program('end[-1] ^= 1')), '0 passed, 170 failed')
		self.assertIn('pfn 0 of 1, byte 63 of struct page: fields 0x01, memcpy 0x00',
			self.said)

	def test_a_store_past_the_range(self) -> None:
		self.assertEqual(self.compare(self.program('*end = 1')), '0 passed, 170 failed')
		self.assertIn('wrote outside of the range, 64 bytes from its start', self.said)

	def test_a_store_past_the_memmap_is_the_sanitizers(self) -> None:
		self.assertEqual(self.compare(self.program('end[64 * 64] = 1', sanitize=True)), '0 passed, 1 failed')
		self.assertIn('heap-buffer-overflow', self.said)

	def test_a_call_of_what_is_not_there_is_named(self) -> None:
		program = self.program('((void (*)(void))absent)()')
		done = subprocess.run([str(program), 'check'], check=False, stderr=subprocess.PIPE, text=True)
		self.assertEqual(done.returncode, 2)
		self.assertIn('called absent()', done.stderr)

	def test_a_warning_of_the_kernel_is_named(self) -> None:
		program = self.program('__builtin_trap()')
		done = subprocess.run([str(program), 'check'], check=False, stderr=subprocess.PIPE, text=True)
		self.assertEqual(done.returncode, 2)
		self.assertIn('WARN() or BUG()', done.stderr)

	def test_samples_are_what_the_report_reads(self) -> None:
		program = self.program()
		chosen = plan(machine(), '128M', 7)
		status, lines, _errors = native.run_program(program, ['bench', *chosen.arguments()], 60)
		self.assertEqual(status, 0)
		result = Result(SMALL, chosen, {}, 'gcc', lines)
		# Two variants of two orders and two limits; cold and warm; two backings.
		self.assertEqual(len(result.samples), 6 * 4)
		self.assertEqual({len(v) for v in result.samples.values()}, {7})
		self.assertIn('field by field, order 9', result.text())


class Numbers(unittest.TestCase):
	def test_interval_of_few(self) -> None:
		self.assertIsNone(interval([1, 2, 3, 4, 5]))
		self.assertEqual(interval([3, 1, 2, 6, 5, 4]), (1, 6))
		# 4th and 12th of 15: tables of the binomial distribution have 96.5 %.
		self.assertEqual(interval(list(range(1, 16))), (4, 12))

	def test_interval_holds_the_median_often_enough(self) -> None:
		random.seed(3)
		held = 0
		for _ in range(1000):
			found = interval([random.expovariate(1) for _ in range(15)])
			held += found is not None and found[0] <= 0.6931 <= found[1]
		self.assertGreater(held, 940)

	def test_a_ratio_is_taken_within_the_round(self) -> None:
		slow = [1, 10, 2, 30, 4, 7, 9]
		self.assertEqual(ratio(slow, [t / 2 for t in slow]).value, 2)
		self.assertEqual(median(slow) / median([t / 2 for t in slow]), 2)
		self.assertEqual(ratio(slow, [t / 2 for t in slow]).problem, '')

	def test_answers(self) -> None:
		self.assertRegex(measured(5.0).answer(), r'^At most 2\.00 times .* 100% of what')
		self.assertRegex(measured(10.0).answer(), '^No gain to be seen: 1.00')
		self.assertRegex(measured(12.5).answer(), '^A loss: 0.80')
		self.assertRegex(measured(5.0, noise=3).answer(), '^Cannot judge: the interval is')
		self.assertRegex(measured(5.0, rounds=4).answer(), '^Cannot judge: fewer than 6 rounds')

	def test_without_a_template_the_limit_is_the_answer(self) -> None:
		result = measured(5.0)
		for key in [k for k in result.samples if k[2].startswith(('memcpy', 'streaming'))]:
			del result.samples[key]
		self.assertIn('no template path', result.answer())
		self.assertIn('2.00 times', result.answer())

	def test_json_has_every_sample(self) -> None:
		rows = json.loads(json.dumps(measured(5.0).as_json()))['rows']
		self.assertEqual({len(r['samples_ns']) for r in rows}, {15})

	def test_another_struct_page_is_refused(self) -> None:
		with self.assertRaisesRegex(Error, '80 bytes'):
			Result(SMALL, plan(SMALL, '', None), {}, 'gcc', ['page_size 80'])


class Input(unittest.TestCase):
	def refused(self, size: str = '', rounds: Optional[int] = None) -> str:
		with self.assertRaises(Error) as caught:
			plan(SMALL, size, rounds)
		return str(caught.exception)

	def test_sizes(self) -> None:
		self.assertEqual(plan(SMALL, '64G', None).memmap, 1 << 30)
		self.assertEqual(plan(SMALL, '64GiB', None).memmap, 1 << 30)
		self.assertIn('are available', self.refused('1T'))
		self.assertIn('at least 128 MiB', self.refused('1M'))
		for size in ('much', '-1G', '1.5G', '64X'):
			self.assertIn(f'SIZE={size}', self.refused(size))

	def test_the_default_is_larger_than_the_caches(self) -> None:
		self.assertGreaterEqual(plan(SMALL, '', None).memmap, 16 * SMALL.llc)

	def test_rounds(self) -> None:
		self.assertEqual(plan(SMALL, '', 7).rounds, 7)
		for rounds in (0, -3, 10001):
			self.assertIn(f'ROUNDS={rounds}', self.refused(rounds=rounds))

	def test_cpu(self) -> None:
		with self.assertRaisesRegex(Error, 'CPU=9999'):
			machine(9999)


if __name__ == '__main__':
	unittest.main()
