# SPDX-License-Identifier: GPL-2.0
"""The user-space program, its numbers, and what is said of them."""

import dataclasses
import os
import random
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from statistics import median
from typing import Callable, List, Optional, Sequence
from unittest import mock
from xml.etree import ElementTree

from helper import Case, DATA

from bench.native import draw
from bench.native_report import sizes, Result
from bench.stats import interval, ratio
from checks import native
from host.machine import Machine, machine
from host.messages import Error
from kernel import tree
from outcome import total

CMD = ('savedcmd_mm/mm_init.o := ccache gcc -Wp,-MMD,mm/.mm_init.o.d -nostdinc -I/k/include '
	'-DKBUILD_BASENAME=\'"mm_init"\' -DX=$(pound)$$ -c -o mm/mm_init.o /k/mm/mm_init.c   ; '
	'./tools/objtool/objtool --orc mm/mm_init.o\n\nsource_mm/mm_init.o := /k/mm/mm_init.c\n')

SMALL = Machine(0, 'a CPU, it\'s said', '1', 'performance', 1 << 20, 8 << 20, True, 4 << 30, '7.3')
KIB, MIB = 1 << 10, 1 << 20


def swept(streaming: Callable[[str, int], float], noise: float = 0.0, rounds: int = 15,
	  methods: Sequence[str] = ('memcpy', 'streaming')) -> Result:
	"""A run in which field by field takes 10 ms, a plain template 8, and stores 5."""
	random.seed(1)
	chosen = sizes(SMALL, '16G', None)
	lines = ['hypervisor KVMKVMKVM', 'page_size 64', 'huge 512 1024', 'disturbed 3 0']
	for state in ('cold', 'warm'):
		for size in chosen.sizes:
			times = {'fields': 10.0, 'memcpy': 8.0, 'streaming': streaming(state, size), 'nt8': 5.0, 'plain64': 6.0}
			for number in range(rounds):
				for name in ('fields', *methods, 'nt8', 'plain64'):
					ns = times[name] * 1e6 * (1 + noise * random.random())
					lines.append(f'sample {state} {size} {name} {number} {ns:.0f}')
	return Result(SMALL, chosen, {'fields': 'base', 'streaming': 'ours'}, 'gcc', lines)


def measured(streaming: float, noise: float = 0.0, rounds: int = 15) -> Result:
	return swept(lambda _state, _size: streaming, noise, rounds)


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


	def test_what_has_the_series_in_it_is_no_reference(self) -> None:
		def of(features: str, base: Optional[tree.Tree] = None) -> tree.Tree:
			return mock.Mock(features=features, base=base)
		plain, done = of(''), of('-DZD_COPY=memcpy_nt')
		self.assertEqual([v.tree for v in native.variants(plain)], [plain])
		self.assertEqual([v.tree for v in native.variants(of('', plain))][:1], [plain])
		for tested in (done, of('', done), of('-DZD_COPY=memcpy_nt', done)):
			self.assertEqual(native.variants(tested), [])


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
		chosen = sizes(machine(), '32M', 7)
		status, lines, errors = native.run_program(program, ['bench', *chosen.arguments()], 60)
		self.assertEqual((status, errors), (0, ''))
		result = Result(SMALL, chosen, {}, 'gcc', lines)
		# Two variants and three limits, cold and warm, from 64 to 512 KiB.
		self.assertEqual(len(result.samples), 5 * 2 * 4)
		self.assertEqual({len(v) for v in result.samples.values()}, {7})
		self.assertIn('\n512 KiB  ', result.text())


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
		self.assertRegex(measured(5.0).answer(), r'^A gain: template . streaming is 2\.00 times .*At most: 2\.00 times')
		self.assertRegex(measured(10.0).answer(), '^No gain to be seen: .* 1.00 times')
		self.assertRegex(measured(12.5).answer(), '^A loss: .* 0.80 times')
		self.assertRegex(measured(5.0, noise=3).answer(), '^Cannot judge .*: the interval is')
		self.assertRegex(measured(5.0, rounds=4).answer(), '^Cannot judge .*: fewer than 6 rounds')

	def test_without_a_template_the_limit_is_the_answer(self) -> None:
		result = swept(lambda _state, _size: 0, methods=())
		self.assertIn('no template path', result.answer())
		self.assertIn('(nt8) are 2.00 times', result.answer())
		self.assertEqual((result.methods, result.crossings()), (['limit'], []))

	def test_json_has_every_sample(self) -> None:
		found = measured(5.0).as_json()['sweep']
		assert isinstance(found, list)
		self.assertEqual({(len(s['samples_ns']), len(v)) for s in found for v in s['samples_ns'].values()}, {(5, 15)})
		self.assertEqual([s['struct_pages_bytes'] for s in found[:13]], [64 * KIB << n for n in range(13)])

	def test_the_table_has_a_row_a_size_and_fits_the_terminal(self) -> None:
		lines = measured(5.0).text().splitlines()
		self.assertIn('  1 MiB  1.25  ±0%  2.00  ±0%  2.00  ±0%  nt8  1.25  ±0%  2.00  ±0%  2.00  ±0%  nt8', lines)
		self.assertEqual(len([l for l in lines if '  nt8  ' in l]), 13)
		self.assertEqual([l for l in lines if len(l) > 100 and '%  ' in l], [])

	def test_a_busy_machine_is_called_one(self) -> None:
		result = measured(5.0)
		# Of 1950 passes.
		result.disturbed = 0, 150
		self.assertNotIn('busy', result.text())
		result.disturbed = 0, 250
		self.assertIn('busy with other tasks', result.text())

	def test_where_streaming_overtakes(self) -> None:
		def says(streaming: Callable[[str, int], float], noise: float = 0.0) -> str:
			return '\n'.join(c.says() for c in swept(streaming, noise).crossings())
		found = says(lambda state, size: 12.0 if size < 16 * MIB else 7.0 if state == 'cold' else 9.0)
		self.assertIn('cold caches: streaming overtakes the plain template at 16 MiB of struct pages (1 GiB of device '
			'memory); at 8 MiB it is slower', found)
		self.assertIn('warm caches: streaming does not overtake the plain template, up to 256 MiB', found)
		self.assertIn('cold caches: streaming is faster than the plain template at every size', says(lambda *_: 7.0))
		self.assertIn('warm caches: cannot judge whether', says(lambda *_: 8.0, 1.0))
		# Surely faster, but by how much is not known: something disturbed it.
		self.assertIn('warm caches: cannot judge whether', says(lambda *_: 3.0, 1.0))
		# Faster at one size alone is not where it overtakes.
		self.assertIn('at 4 MiB of struct pages', says(lambda _, size: 12.0 if size in (64 * KIB, 2 * MIB) else 7.0))

	def test_another_struct_page_is_refused(self) -> None:
		with self.assertRaisesRegex(Error, '80 bytes'):
			Result(SMALL, sizes(SMALL, '', None), {}, 'gcc', ['page_size 80'])


class Input(unittest.TestCase):
	def refused(self, size: str = '', rounds: Optional[int] = None) -> str:
		with self.assertRaises(Error) as caught:
			sizes(SMALL, size, rounds)
		return str(caught.exception)

	def test_sizes(self) -> None:
		self.assertEqual(sizes(SMALL, '16M', None).sizes, [64 * KIB, 128 * KIB, 256 * KIB])
		# What is no power of two is not exceeded.
		self.assertEqual(sizes(SMALL, '100GiB', None).largest, 1024 * MIB)
		self.assertEqual(sizes(SMALL, '4M', None).sizes, [64 * KIB])
		self.assertIn('SIZE=1T takes 16 GiB for the struct pages, and 4 GiB of memory are available', self.refused('1T'))
		self.assertIn('at least 4 MiB', self.refused('1M'))
		for size in ('much', '-1G', '1.5G', '64X'):
			self.assertIn(f'SIZE={size}', self.refused(size))

	def test_the_default_takes_half_of_the_memory_at_most(self) -> None:
		self.assertEqual(sizes(SMALL, '', None).sizes, [64 * KIB << n for n in range(15)])
		little = dataclasses.replace(SMALL, available=700 * MIB)
		self.assertEqual(sizes(little, '', None).sizes[-1], 256 * MIB)
		with self.assertRaisesRegex(Error, '1 MiB of memory are available'):
			sizes(dataclasses.replace(SMALL, available=MIB), '', None)

	def test_rounds(self) -> None:
		self.assertEqual(sizes(SMALL, '', 7).rounds, 7)
		for rounds in (0, -3, 10001):
			self.assertIn(f'ROUNDS={rounds}', self.refused(rounds=rounds))

	def test_cpu(self) -> None:
		with self.assertRaisesRegex(Error, 'CPU=9999'):
			machine(9999)


class Picture(Case):
	def told(self, result: Result) -> str:
		"""What a gnuplot that only repeats it is told."""
		fake = self.dir / 'bin/gnuplot'
		fake.parent.mkdir(exist_ok=True)
		fake.write_text('#!/bin/sh\nexec cat "$1"\n')
		fake.chmod(0o755)
		os.environ['PATH'] = f'{fake.parent}:{os.environ["PATH"]}'
		return draw(result).read_text()

	def test_it_has_the_numbers_and_the_caches(self) -> None:
		told = self.told(swept(lambda state, _: 5.0 if state == 'cold' else 20.0))
		self.assertIn('$cold << END\n65536 1.2500 1.2500 1.2500 2.0000 2.0000 2.0000 2.0000', told)
		self.assertIn('$warm << END\n65536 1.2500 1.2500 1.2500 0.5000', told)
		self.assertIn('$warm using 1:5:6:7 ', told)
		self.assertIn("set label 'last level 8 MiB' at 8388608,", told)
		self.assertIn("set label 'L2 1 MiB' at 1048576,", told)
		self.assertIn("'a CPU, it''s said, hypervisor KVMKVMKVM'", told)

	def test_fewer_methods_are_fewer_lines(self) -> None:
		told = self.told(swept(lambda *_: 0, methods=()))
		self.assertEqual(told.count('yerrorlines'), 2)
		self.assertIn('$cold using 1:2:3:4 ', told)

	@unittest.skipUnless(shutil.which('gnuplot'), 'gnuplot is not installed')
	def test_gnuplot_takes_it_and_what_it_draws_is_svg(self) -> None:
		for result in (measured(5.0), measured(5.0, rounds=4), swept(lambda *_: 0, methods=())):
			picture = draw(result)
			self.assertTrue(picture.is_relative_to(self.cache / 'bench'), picture)
			top = ElementTree.fromstring(picture.read_text())
			self.assertEqual(top.tag, '{http://www.w3.org/2000/svg}svg')
			words = ''.join(top.itertext())
			for word in ('limit: stores alone', 'cold caches', 'warm caches', 'last level 8 MiB', '256 MiB'):
				self.assertIn(word, words)

	def test_what_gnuplot_says_against_it_is_told(self) -> None:
		self.told(measured(5.0))
		(self.dir / 'bin/gnuplot').write_text('#!/bin/sh\necho no font >&2\nexit 1\n')
		with self.assertRaisesRegex(Error, 'gnuplot failed: no font'):
			draw(measured(5.0))

	def test_a_missing_gnuplot_is_named_before_anything_is_done(self) -> None:
		needed = self.dir / 'bin'
		needed.mkdir()
		for name in ('python3', 'sh', 'dirname', *(n.what for n in native.PACKAGES)):
			found = shutil.which(name)
			if found:
				(needed / name).symlink_to(found)
		done = self.make('bench-native', KDIR=self.kernel(), PATH=needed)
		self.assertOneSentence(done, 'missing: gnuplot;', 'gnuplot-nox')
		self.assertEqual(list(self.cache.glob('trees/*')), [])


if __name__ == '__main__':
	unittest.main()
