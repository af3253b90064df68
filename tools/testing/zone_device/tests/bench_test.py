# SPDX-License-Identifier: GPL-2.0
"""Samples in, rows and tables out; and what make bench asks of the machine."""

import contextlib
import io
import json
import unittest
from dataclasses import asdict
from typing import Any, Dict, List, Optional, Tuple
from unittest import mock

from helper import Case, REPO

import report
from bench import bench, guests as guest, model, result as bench_result, tables
from bench.model import AGAIN, ALL, DEVDAX, FIRST, FSDAX, LOOP, Result, REVIEWED, Row, Sample, WHOLE
from bench.stats import Ratio
from bench.watch import Watcher
from checks import cost
from guest import accelerator, build, qemu
from host.messages import Error, WIDTH
from options import Options
from outcome import Outcome

GIB = 1 << 30
SIDES = {'base': 'linux', 'series': 'linux, 8 patches'}

LOG = '''
[    1.2] zone_device_bench: type=PRIVATE order=0 altmap=0 pages=9 written=9 loop_ns=999 whole_ns=9999
[    1.3]     # zone_device_bench: kind=fsdax
[    1.4] zone_device_bench: type=FS_DAX order=0 altmap=1 pages=9 written=8 loop_ns=5000000 whole_ns=7000000
[    1.5] zone_device_bench: type=FS_DAX order=0 altmap=1 pages=9 written=8 loop_ns=2000000 whole_ns=3000000
[    1.6]     ok 1 fsdax
[    1.7] zone_device_bench: type=PRIVATE order=0 altmap=0 pages=9 written=9 loop_ns=999 whole_ns=9999
[    1.8]     # zone_device_bench: kind=FS_DAX, order 9, full
[    1.9] zone_device_bench: type=FS_DAX order=9 altmap=1 pages=9 written=9 loop_ns=1000 whole_ns=0
[    2.0]         ok 12 FS_DAX, order 9, full
'''.splitlines()


def measured(boots: int = 6, rounds: int = 5, first: float = 200.0, loop: float = 2.4,
	     rest: float = 100.0, noise: float = 0.0, written: int = 1 << 24) -> List[Sample]:
	"""Loops of 100 ms in the base, @loop times as fast in the series, @rest ms
	around them and @first ms more in first binds in either."""
	samples = []
	for boot in range(2 * boots):
		side = 'base' if (boot + 1) // 2 % 2 == 0 else 'series'
		for experiment in (FSDAX, DEVDAX, REVIEWED, 'FS_DAX, order 0, altmap', 'FS_DAX, order 0'):
			for number in range(rounds + 1):
				ms = 100.0 / (loop if side == 'series' else 1) + (first if not number else 0)
				ms *= 1 + noise * (boot % 3)
				samples.append(Sample(experiment, side, boot, number, written, ms * 1e6,
					(ms + rest) * 1e6))
	return samples


def result(samples: Optional[List[Sample]] = None, reason: str = '', counted: bool = False) -> Result:
	samples = measured() if samples is None else samples
	return Result(SIDES, {'CPU': 'a CPU'}, reason, samples, list(bench_result.rows(samples, list(SIDES), True, reason,
		32 << 20)), '2026-01-01T00:00:00+00:00', COUNTED if counted else [])


def row(found: Result, experiment: str, what: str, binds: str) -> Row:
	return next(r for r in found.rows if (r.experiment, r.what, r.binds) == (experiment, what, binds))


def counted(side: str, loop: int, whole: int, plain: int, streamed: int) -> cost.Table:
	"""Of ten pages of each kind; of those that there is no mapping of, the loop alone."""
	def of(instructions: int) -> cost.Counted:
		return cost.Counted(10, {**dict.fromkeys(cost.COUNTS, 0), 'instructions': 10 * instructions,
			'bytes stored': 10 * plain, 'bytes stored non-temporally': 10 * streamed})
	kinds = {k: of(loop) for k in (*model.KINDS.values(), REVIEWED, 'FS_DAX, order 9, full')}
	return cost.Table(side, 'gcc 12', '7.3', {cost.LOOP: kinds,
		cost.WHOLE: {k: of(whole) for k in kinds if k != 'FS_DAX, order 9, full'}})


COUNTED = [counted('base', 60, 80, 101, 0), counted('series', 12, 40, 1, 64)]


class Log(unittest.TestCase):
	def test_what_is_no_experiments_is_left_out(self) -> None:
		found = bench_result.read(LOG, 'base', 3)
		self.assertEqual(found, [Sample(FSDAX, 'base', 3, 0, 8, 5e6, 7e6),
			Sample(FSDAX, 'base', 3, 1, 8, 2e6, 3e6),
			Sample('FS_DAX, order 9, full', 'base', 3, 0, 9, 1000.0, None)])

	def test_what_is_not_what_it_was_announced_as(self) -> None:
		for place, old, new, words in (
				(3, 'altmap=1', 'altmap=0', 'nd_pmem, fsdax is not what was mapped: altmap 0 and not 1'),
				(3, 'FS_DAX', 'GENERIC', 'type GENERIC and not FS_DAX'),
				(8, 'order=9', 'order=0', 'FS_DAX, order 9, full is not what was mapped: order 0 and not 9')):
			lines = list(LOG)
			self.assertIn(old, lines[place])
			lines[place] = lines[place].replace(old, new)
			with self.assertRaisesRegex(Error, words):
				bench_result.read(lines, 'base', 0)

	def test_a_boot_must_be_whole(self) -> None:
		boot = [s for s in measured(rounds=9) if s.boot == 0]
		# Of the reviewer's a third.
		whole = [s for s in boot if s.experiment != REVIEWED or s.round < 3]
		bench_result.must_be_whole(whole, 9)
		for name, wanted in ((FSDAX, 10), (DEVDAX, 10), (REVIEWED, 3)):
			part = list(whole)
			part.remove(next(s for s in part if s.experiment == name))
			with self.assertRaisesRegex(Error, f'{name}: {wanted - 1} binds were timed and not {wanted}'):
				bench_result.must_be_whole(part, 9)

	def test_the_kernel_and_the_reader_speak_of_the_same(self) -> None:
		"""The words that are read are those that C and the guest's init write."""
		clock = next(REPO.rglob('bench_clock.c')).read_text()
		self.assertIn('loop_ns=%llu whole_ns=%llu\\n', clock)
		for name in model.NAMESPACES:
			self.assertRegex(guest.INIT.read_text(), rf'\nbind namespace\S+ {name} ')
		kinds = list(json.loads((cost.BUDGETS / 'streaming.json').read_text())['costs'][cost.LOOP])
		self.assertLessEqual(set(model.KINDS.values()), set(kinds))
		# All rounds are the first one's, and the others have a third of them.
		self.assertEqual(kinds[0], REVIEWED)


class Rows(unittest.TestCase):
	def test_reproduced(self) -> None:
		found = row(result(), FSDAX, LOOP, AGAIN)
		self.assertEqual(found.verdict, 'reproduced')
		self.assertAlmostEqual(found.ratio.value, 2.4)
		self.assertEqual(found.published, 262.12 / 108.36)
		self.assertAlmostEqual(found.ms['base'], 100.0)

	def test_first_binds_apart(self) -> None:
		found = result()
		self.assertAlmostEqual(row(found, FSDAX, LOOP, FIRST).ms['base'], 300.0)
		self.assertAlmostEqual(row(found, FSDAX, LOOP, AGAIN).ms['base'], 100.0)

	def test_the_reviewers_mean_has_the_first_bind_in_it(self) -> None:
		found = row(result(), REVIEWED, WHOLE, ALL)
		self.assertAlmostEqual(found.ms['base'], (300 + 5 * 100) / 6 + 100)
		self.assertEqual(found.published, 0.97)
		self.assertAlmostEqual(row(result(), REVIEWED, WHOLE, AGAIN).ms['base'], 200.0)

	def test_judge(self) -> None:
		author, reviewer = 2.42, 0.97
		for found, published, expected in [
				(Ratio(2.3, 2.2, 2.4), author, 'reproduced'), (Ratio(1.2, 1.1, 1.3), author, 'not reproduced'),
				(Ratio(1.75, 1.7, 1.82), author, 'not reproduced'), (Ratio(1.85, 1.8, 1.9), author, 'reproduced'),
				(Ratio(3.2, 3.1, 3.3), author, 'reproduced'), (Ratio(3.4, 3.2, 3.5), author, 'not reproduced'),
				(Ratio(1.0, 0.97, 1.03), author, 'not reproduced'), (Ratio(0.9, 0.85, 0.95), author, 'opposite'),
				(Ratio(0.97, 0.96, 0.98), reviewer, 'reproduced'), (Ratio(0.8, 0.79, 0.81), reviewer, 'not reproduced'),
				(Ratio(0.9, 0.851, 0.959), reviewer, 'cannot judge'), (Ratio(0.99, 0.98, 1.005), reviewer, 'not reproduced'),
				(Ratio(0.98, 0.96, 1.01), reviewer, 'cannot judge'), (Ratio(1.2, 1.1, 1.3), reviewer, 'opposite'),
				(Ratio(1.01, 1.001, 1.02), reviewer, 'opposite'), (Ratio(1.0, 0.99, 1.01), reviewer, 'not reproduced'),
				(Ratio(1.2, 1.1, 1.3), None, 'faster'), (Ratio(0.9, 0.8, 0.95), None, 'slower'),
				(Ratio(1.0, 0.9, 1.05), None, 'no difference')]:
			self.assertEqual(bench_result.judge(found, published, '')[0], expected, (found, published))

	def test_a_reason_is_stronger_than_any_number(self) -> None:
		self.assertEqual(bench_result.judge(Ratio(2.4, 2.3, 2.5), 2.42, 'TCG'), ('cannot judge', 'TCG'))
		for found in result(reason='TCG').rows:
			self.assertEqual((found.verdict, found.reason), ('cannot judge', 'TCG'))

	def test_too_few_boots(self) -> None:
		found = row(result(measured(boots=5)), FSDAX, LOOP, AGAIN)
		self.assertEqual((found.verdict, found.reason), ('cannot judge', 'fewer than 6 boots'))

	def test_too_noisy(self) -> None:
		found = row(result(measured(noise=0.3)), FSDAX, LOOP, AGAIN)
		self.assertEqual(found.verdict, 'cannot judge')
		self.assertIn('wide', found.reason)

	def test_small_in_its_cache(self) -> None:
		"""Each by what it writes: shared tails are few."""
		samples = measured()
		for sample in samples:
			if sample.experiment == REVIEWED:
				sample.written = (4 * 32 << 20) // 64 - 1
		self.assertIn('beside 32 MiB of cache', row(result(samples), REVIEWED, WHOLE, ALL).reason)
		self.assertEqual(row(result(samples), FSDAX, LOOP, AGAIN).reason, '')

	def test_pairs_are_of_neighbours(self) -> None:
		"""One that lacks its partner must not have another's."""
		samples = [s for s in measured(boots=8) if s.boot != 5]
		for sample in samples:
			sample.loop_ns *= 10 ** (sample.boot // 2)
		found = row(result(samples), FSDAX, LOOP, AGAIN).ratio
		self.assertAlmostEqual(found.low, 2.4)
		self.assertAlmostEqual(found.high, 2.4)

	def test_two_series_have_nothing_published(self) -> None:
		found = next(bench_result.rows(measured(), list(SIDES), False, '', 32 << 20))
		self.assertEqual((found.published, found.verdict), (None, 'faster'))

	def test_the_loops_share_of_a_mapping(self) -> None:
		found = row(result(), REVIEWED, WHOLE, AGAIN).share
		self.assertAlmostEqual(found['base'], 0.5)
		self.assertAlmostEqual(found['series'], 1 / 3.4)


class Tables(unittest.TestCase):
	def text(self, found: Result) -> str:
		lines = tables.text(found)
		self.assertLessEqual(max(len(l) for l in lines if l.startswith('  ')), WIDTH)
		return '\n'.join(lines)

	def test_times(self) -> None:
		said = self.text(result())
		self.assertRegex(said, r'\nnd_pmem, fsdax\n  reproduced +loop, rebinds +100\.0 +41\.7 +2\.40 +2\.40 to 2\.40 +2\.42 +-\n')
		self.assertRegex(said, r'\n  faster +mapping, rebinds +200\.0 +141\.7 +1\.41 +1\.41 to 1\.41 +- +50, 29\n')
		# What matters most is the last that is read.
		self.assertLess(said.index('FS_DAX, order 0'), said.index('nd_pmem, fsdax'))

	def test_a_reason_is_below_its_row_and_that_of_all_at_the_end(self) -> None:
		self.assertRegex(self.text(result(measured(boots=5))), r'\n  cannot judge .*\n    fewer than 6 boots\n')
		self.assertRegex(self.text(result(measured(boots=5))), r'PRIVATE, order 0\n(  cannot judge .*\n){3}    fewer')
		said = self.text(result(reason='TCG'))
		self.assertEqual(said.count('TCG'), 1)
		self.assertTrue(said.endswith('\nCannot judge: TCG'))

	def test_counts_where_time_means_nothing(self) -> None:
		said = self.text(result(reason='TCG', counted=True))
		for name in (FSDAX, REVIEWED):
			self.assertRegex(said, rf'\n  {name} +60\.00 → 12\.00 +5\.00 +80\.00 → 40\.00 +2\.00 +75, 30 +101 → 65\n')
		self.assertRegex(said, r'\nOthers\n  FS_DAX, order 9, full +60\.00 → 12\.00 +5\.00 +- +- +- +-\n')


class Machine(Case):
	def sizes(self, available: int, kvm: bool = True, size: str = '') -> bench.Plan:
		return bench.plan(available * GIB, kvm, size, None, None)

	def test_less_where_there_is_less(self) -> None:
		for found, expected, words in ((self.sizes(32), (100, 64, 6, 30), '$'), (self.sizes(6), (70, 38, 6, 30), '6 GiB of memory'),
				(self.sizes(32, kvm=False), (16, 16, 1, 3), 'no KVM')):
			self.assertEqual((found.author // GIB, found.reviewer // GIB, found.boots, found.rounds), expected)
			self.assertRegex(found.scaled, '^' + words)

	def test_what_cannot_be(self) -> None:
		for size, words in (('2000G', 'need .* of memory'), ('x', 'not a size'), ('1M', 'at least 1 GiB')):
			with self.assertRaisesRegex(Error, words):
				self.sizes(8, size=size)
		with self.assertRaisesRegex(Error, 'may use'):
			self.sizes(1)

	def test_sides_take_turns(self) -> None:
		self.assertEqual(bench._order(3), [0, 1, 1, 0, 0, 1])

	def test_swapping(self) -> None:
		self.assertEqual(Watcher().problem(), '')
		self.assertEqual(Watcher(swapped=7 << 20).problem(), 'the host swapped out 7 MiB of a guest')

	def test_a_clock_with_steps(self) -> None:
		watcher = Watcher()
		watcher.clock(['[ 0.1] clocksource: Switched to clocksource refined-jiffies',
			'[ 0.2] clocksource: Switched to clocksource kvm-clock'])
		self.assertEqual((watcher.sources, watcher.problem()), ({'kvm-clock'}, ''))
		watcher.clock(['[ 0.1] clocksource: Switched to clocksource refined-jiffies'])
		self.assertEqual(watcher.problem(), 'a guest\'s clock was refined-jiffies')

	def test_a_guest_that_gives_up(self) -> None:
		log = self.dir / 'test.log'
		verdict = Outcome('kunit', 't', passed=1, log=log)
		log.write_text('KTAP version 1\n')
		watcher = Watcher()
		self.assertEqual(guest._judged(verdict, watcher), ['KTAP version 1'])
		log.write_text('[ 0.1] zone_device_bench: failed: no ndctl\n')
		with self.assertRaisesRegex(Error, 'did not do what was to be timed'), contextlib.redirect_stdout(io.StringIO()):
			guest._judged(verdict, watcher)
		self.assertEqual(verdict.problem, 'no ndctl')


class Refused(Case):
	def test_before_anything_is_built(self) -> None:
		kdir = self.kernel()
		wrong: List[Tuple[Dict[str, Any], str]] = [({'SERIES_A': 'none'}, 'SERIES_A= and SERIES_B= go together'),
				({'SERIES_A': self.dir, 'SERIES_B': f'{self.dir}/.'}, 'nothing to compare'),
				({'SERIES': 'none'}, 'no series to compare with'),
				({'SERIES_A': self.dir, 'SERIES_B': 'none', 'SERIES_UPTO': '3'}, 'SERIES_UPTO='),
				({'HTML': self.dir / 'none/file'}, 'cannot be written'), ({'SIZE': '9000T'}, 'SIZE=9000T')]
		for variables, words in wrong:
			self.assertOneSentence(self.make('bench', KDIR=kdir, **variables), words)


class Run(Case):
	"""All but the kernels and the guests, which say what a log would."""

	def setUp(self) -> None:
		super().setUp()
		(self.dir / '.config').write_text('CONFIG_GCC_VERSION=120200\n')
		made = mock.Mock(**{'describe.return_value': 'linux', 'build_dir.return_value': self.dir})
		made.features = ()
		self.built: Dict[str, Any] = {'base': made, 'series': made}

	@staticmethod
	def log(*announced: str) -> List[str]:
		"""Two binds of each, of 20 ms."""
		fields = {'fsdax': 'type=FS_DAX order=0 altmap=1', 'devdax': 'type=GENERIC order=9 altmap=1',
			REVIEWED: 'type=PRIVATE order=0 altmap=0'}
		return [f'zone_device_bench: {l}' for name in announced for l in (f'kind={name}',
			*[f'{fields[name]} written=99999999 loop_ns=20000000 whole_ns=40000000'] * 2)]

	def bench(self, kinds: List[Any], kvm: bool = True) -> Result:
		with contextlib.ExitStack() as stack:
			for place, name, value in ((build, 'build', mock.Mock()), (qemu, 'machine', mock.Mock()),
					(accelerator, 'kvm', mock.Mock(return_value=(kvm, 'so it is'))),
					(guest, 'namespaces', mock.Mock(return_value=self.log('fsdax', 'devdax'))),
					(guest, 'kinds', mock.Mock(side_effect=kinds)),
					(cost, 'measure', lambda _tree, side, *_more: counted(side, 60, 80, 101, 0))):
				stack.enter_context(mock.patch.object(place, name, value))
			stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
			found = bench._bench(self.built, guest.TARGET, Options(size='1G', rounds=1, boots=1), self.dir / 'own.json')
		return found

	def test_in_kvm(self) -> None:
		found = self.bench([self.log(REVIEWED)] * 2)
		self.assertEqual([(s.side, s.boot) for s in found.samples if s.experiment == REVIEWED],
			[('base', 0), ('base', 0), ('series', 1), ('series', 1)])
		self.assertEqual((found.cannot_judge, found.counted), ('', []))
		with mock.patch.object(Watcher, 'problem', return_value='swapped out'):
			self.assertEqual({r.reason for r in self.bench([self.log(REVIEWED)] * 2).rows}, {'swapped out'})
		self.assertEqual((found.facts['accelerator'], found.facts['compiler']), ('KVM: so it is', 'gcc 12'))

	def test_without_kvm_it_counts(self) -> None:
		found = self.bench([self.log(REVIEWED)] * 2, kvm=False)
		self.assertEqual([t.name for t in found.counted], ['base', 'series'])
		self.assertEqual({r.verdict for r in found.rows}, {'cannot judge'})

	def test_what_was_timed_outlives_an_interrupt(self) -> None:
		with self.assertRaises(KeyboardInterrupt):
			self.bench([self.log(REVIEWED), KeyboardInterrupt])
		written = json.loads((self.dir / 'own.json').read_text())['bench']
		self.assertEqual({s['boot'] for s in written['samples']}, {0})


class Compare(Case):
	def write(self, name: str, found: Result) -> str:
		path = self.dir / name
		path.write_text(report.as_json([bench.outcome(found)], bench=asdict(found)))
		return str(path)

	def test_two_runs(self) -> None:
		one, other = result(counted=True), result(measured(loop=1.1), counted=True)
		done = self.make('compare', self.write('a.json', one), self.write('b.json', other))
		self.assertEqual(done.returncode, 0, done.stdout)
		self.assertIn('\nbench base and series: nd_pmem, fsdax, loop, rebinds\n    A: 2.40 (2.40 to 2.40), reproduced\n'
			'    B: 1.10 (1.10 to 1.10), not reproduced\n', done.stdout)
		self.assertNotIn('a CPU', done.stdout)
		self.assertNotIn('counted', done.stdout)
		other.facts['CPU'], other.counted = 'another', []
		done = self.make('compare', self.dir / 'a.json', self.write('b.json', other))
		self.assertIn('\nbench base and series: CPU\n    A: a CPU\n    B: another\n', done.stdout)
		self.assertIn(': PRIVATE, order 0, counted\n    A: 60.00 → 12.00, 5.00, 80.00 → 40.00, 2.00, 75, 30, 101 → 65\n'
			'    B: -\n', done.stdout)
		done = self.make('compare', self.dir / 'a.json', self.dir / 'a.json')
		self.assertIn('they do not differ', done.stdout)

	def test_a_reason_for_all_is_one_difference(self) -> None:
		done = self.make('compare', self.write('a.json', result()), self.write('b.json', result(reason='TCG')))
		self.assertEqual(done.stdout.count('TCG'), 1)
		self.assertRegex(done.stdout, r'B: 2\.40 \(2\.40 to 2\.40\), cannot judge\n')

	def test_samples_are_in_the_file(self) -> None:
		written = json.loads(report.as_json([bench.outcome(result())], bench=asdict(result())))
		self.assertEqual([Sample(**s) for s in written['bench']['samples']], measured())


if __name__ == '__main__':
	unittest.main()
