# SPDX-License-Identifier: GPL-2.0
"""Samples in, rows and words out; and what make bench asks of the machine."""

import contextlib
import copy
import io
import json
import subprocess
import unittest
from typing import Any, Dict, List, Optional, Tuple, Union
from unittest import mock

from helper import Case, REPO

from bench import bench, guests as guest
from bench import compare as bench_compare, result as bench_result, says as bench_says, text as bench_text
from bench.model import (AGAIN, ALL, Cost, FIRST, LOOP, PRINTED, Published, Result, Row, Sample, Table,
	WHOLE)
from bench.result import REVIEWED
from bench.stats import Ratio
from bench.watch import Watcher
from host.messages import Error
from outcome import Outcome

GIB = 1 << 30
FSDAX, DEVDAX = (n for n, _kind in bench_result.NAMESPACES.values())
SIDES = {'base': 'linux', 'series': 'linux, 8 patches'}

LOG = '''
[    1.2] zone_device_bench: type=PRIVATE order=0 altmap=0 pages=9 written=9 loop_ns=999 whole_ns=9999
[    1.3]     # zone_device_bench: kind=fsdax
[    1.4] zone_device_bench: type=FS_DAX order=0 altmap=1 pages=9 written=8 loop_ns=5000000 whole_ns=7000000
[    1.4] zone_device_bench: printed_ms=4
[    1.5] zone_device_bench: type=FS_DAX order=0 altmap=1 pages=9 written=8 loop_ns=2000000 whole_ns=3000000
[    1.5] zone_device_bench: printed_ms=0
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
				samples.append(Sample(experiment, side, boot, number, written, ms * 1e6, (ms + rest) * 1e6,
					ms if experiment in (FSDAX, DEVDAX) else None))
	return samples


def result(samples: Optional[List[Sample]] = None, reason: str = '', cost: Optional[Cost] = None,
	   sides: Dict[str, str] = SIDES) -> Result:
	found = bench_result.collect(measured() if samples is None else samples, sides, 'base' in sides,
		{'CPU': 'a CPU'}, reason, {'author': 100 * GIB, 'reviewer': 64 * GIB}, 32 << 20, 4.0)
	found.when, found.cost = '2026-01-01T00:00:00+00:00', cost
	found.says = bench_says.says(found)
	return found


def row(found: Result, experiment: str, what: str, binds: str) -> Row:
	return next(r for r in found.rows if r.key == (experiment, what, binds))


COST = Cost('counted', ['base', 'series'], [
	Table('loop', 'loop', 'instructions', [
		('FS_DAX, order 0, altmap', 60.0, 12.0), ('FS_DAX, order 0', 60.0, 12.0), (REVIEWED, 60.0, 12.0),
		('GENERIC, order 9, full, altmap', 60.0, 12.0)]),
	Table('loop, bytes', 'loop', 'bytes stored', [(REVIEWED, 100.0, 0.0), ('FS_DAX, order 0, altmap', 100.0, 0.0)]),
	Table('loop, streamed', 'loop', 'bytes stored non-temporally', [
		(REVIEWED, 0.0, 64.0), ('FS_DAX, order 0, altmap', 0.0, 64.0)]),
	Table('whole, bytes', 'whole', 'bytes stored', [(REVIEWED, 165.0, 65.0), ('FS_DAX, order 0, altmap', 101.0, 1.0)]),
	Table('whole, streamed', 'whole', 'bytes stored non-temporally', [
		(REVIEWED, 0.0, 64.0), ('FS_DAX, order 0, altmap', 0.0, 64.0)]),
	Table('whole', 'whole', 'instructions', [
		('FS_DAX, order 0, altmap', 80.0, 40.0), ('FS_DAX, order 0', 80.0, 40.0), (REVIEWED, 80.0, 64.0),
		('GENERIC, order 9, full, altmap', 80.0, 40.0)])])


class Log(unittest.TestCase):
	def test_what_is_no_experiments_is_left_out(self) -> None:
		found = bench_result.read(LOG, 'base', 3)
		self.assertEqual(found, [Sample(FSDAX, 'base', 3, 0, 8, 5e6, 7e6, 4.0),
			Sample(FSDAX, 'base', 3, 1, 8, 2e6, 3e6, 0.0),
			Sample('FS_DAX, order 9, full', 'base', 3, 0, 9, 1000.0, None, None)])

	def test_what_is_not_what_it_was_announced_as(self) -> None:
		for place, old, new, words in (
				(3, 'altmap=1', 'altmap=0', 'nd_pmem, fsdax is not what was mapped: altmap 0 and not 1'),
				(3, 'FS_DAX', 'GENERIC', 'type GENERIC and not FS_DAX'),
				(10, 'order=9', 'order=0', 'FS_DAX, order 9, full is not what was mapped: order 0 and not 9')):
			lines = list(LOG)
			self.assertIn(old, lines[place])
			lines[place] = lines[place].replace(old, new)
			with self.assertRaisesRegex(Error, words):
				bench_result.read(lines, 'base', 0)

	def test_a_boot_must_be_whole(self) -> None:
		boot = [s for s in measured(rounds=9) if s.boot == 0]
		# Of the author's all, of the reviewer's a third, of the rest a third of that.
		whole = [s for s in boot if s.round < bench_result.binds(s.experiment, 9)]
		self.assertEqual([bench_result.binds(e, 9) for e in (FSDAX, REVIEWED, 'FS_DAX, order 0')], [10, 3, 2])
		bench_result.must_be_whole(whole, 9)
		for left_out in (FSDAX, REVIEWED, 'FS_DAX, order 0'):
			part = list(whole)
			part.remove(next(s for s in part if s.experiment == left_out))
			with self.assertRaisesRegex(Error, f'{left_out}: . binds were timed and not'):
				bench_result.must_be_whole(part, 9)
		with self.assertRaisesRegex(Error, f'{REVIEWED}: 0 binds'):
			bench_result.must_be_whole([s for s in whole if s.experiment != REVIEWED], 9)
		whole[0].printed_ms = None
		with self.assertRaisesRegex(Error, 'printed no time'):
			bench_result.must_be_whole(whole, 9)

	def test_the_kernel_and_the_reader_speak_of_the_same(self) -> None:
		"""The words that are read are those that C and the guest's init write."""
		clock = (REPO / 'mm/tests/zone_device/bench_clock.c').read_text()
		self.assertIn('loop_ns=%llu whole_ns=%llu\\n', clock)
		init = guest.INIT.read_text()
		for name in bench_result.NAMESPACES:
			self.assertRegex(init, rf'\nbind namespace\S+ {name} ')
		kinds = (REPO / 'mm/tests/zone_device/kinds.c').read_text()
		for name in [REVIEWED, *(k for _n, k in bench_result.NAMESPACES.values()),
				*(step[0] for step in bench_says.STEPS)]:
			self.assertIn(f'"{name}"', kinds)
		# All rounds are the first one's, and the others have a third of them.
		self.assertLess(kinds.index(f'"{REVIEWED}"'), kinds.index('"PRIVATE, order 9'))


class Rows(unittest.TestCase):
	def test_reproduced(self) -> None:
		found = row(result(), FSDAX, PRINTED, AGAIN)
		self.assertEqual(found.verdict, 'reproduced')
		self.assertAlmostEqual(found.ratio.value, 2.4)
		self.assertEqual(found.published, Published(2.419, 262.12, 108.36))
		self.assertAlmostEqual(found.median_ms['base'], 100.0)

	def test_first_binds_apart(self) -> None:
		found = result()
		self.assertAlmostEqual(row(found, FSDAX, PRINTED, FIRST).median_ms['base'], 300.0)
		self.assertAlmostEqual(row(found, FSDAX, LOOP, AGAIN).median_ms['base'], 100.0)

	def test_the_reviewers_mean_has_the_first_bind_in_it(self) -> None:
		found = row(result(), REVIEWED, WHOLE, ALL)
		self.assertAlmostEqual(found.median_ms['base'], (300 + 5 * 100) / 6 + 100)
		self.assertEqual(found.published, Published(0.97))
		self.assertAlmostEqual(row(result(), REVIEWED, WHOLE, AGAIN).median_ms['base'], 200.0)

	def test_judge(self) -> None:
		author, reviewer = Published(2.42), Published(0.97)
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
		self.assertEqual(bench_result.judge(Ratio(2.4, 2.3, 2.5), Published(2.42), 'TCG'), ('cannot judge', 'TCG'))
		for found in result(reason='TCG').rows:
			self.assertEqual((found.verdict, found.reason), ('cannot judge', 'TCG'))

	def test_too_few_boots(self) -> None:
		found = row(result(measured(boots=5)), FSDAX, PRINTED, AGAIN)
		self.assertEqual((found.verdict, found.reason), ('cannot judge', 'fewer than 6 boots'))

	def test_too_noisy(self) -> None:
		found = row(result(measured(noise=0.3)), FSDAX, LOOP, AGAIN)
		self.assertEqual(found.verdict, 'cannot judge')
		self.assertIn('wide', found.reason)

	def test_too_small_for_the_clock(self) -> None:
		found = row(result(measured(loop=4.0)), FSDAX, PRINTED, AGAIN)
		self.assertEqual(found.reason, 'too small: 25 ms by a clock of 4 ms steps')
		# Nanoseconds have no such steps.
		self.assertEqual(row(result(measured(loop=4.0)), FSDAX, LOOP, AGAIN).verdict, 'faster')

	def test_no_time_at_all(self) -> None:
		samples = measured(loop=1.0)
		for sample in samples:
			if sample.boot == 4:
				sample.printed_ms = 0.0
		found = row(result(samples), FSDAX, PRINTED, AGAIN)
		self.assertEqual((found.verdict, found.ratio.value), ('cannot judge', 0.0))

	def test_small_in_its_cache(self) -> None:
		"""Each by what it writes: shared tails are few."""
		samples = measured()
		for sample in samples:
			if sample.experiment == REVIEWED:
				sample.written = (4 * 32 << 20) // 64 - 1
		self.assertIn('beside 32 MiB of cache', row(result(samples), REVIEWED, WHOLE, ALL).reason)
		self.assertEqual(row(result(samples), FSDAX, LOOP, AGAIN).reason, '')

	def test_lost_ticks(self) -> None:
		samples = measured()
		next(s for s in samples if s.experiment == FSDAX and s.round == 2).printed_ms = 80.0
		self.assertEqual(row(result(samples), FSDAX, PRINTED, AGAIN).reason,
			'the guest\'s clock lost ticks: 80 ms printed, 100 ms passed')
		self.assertEqual(row(result(samples), FSDAX, LOOP, AGAIN).verdict, 'faster')
		self.assertEqual(row(result(samples), FSDAX, PRINTED, FIRST).reason, '')

	def test_pairs_are_of_neighbours(self) -> None:
		"""One that lacks its partner must not have another's."""
		samples = [s for s in measured(boots=8) if s.boot != 5]
		for sample in samples:
			sample.loop_ns *= 10 ** (sample.boot // 2)
		found = row(result(samples), FSDAX, LOOP, AGAIN).ratio
		self.assertAlmostEqual(found.low, 2.4)
		self.assertAlmostEqual(found.high, 2.4)

	def test_two_series_have_nothing_published(self) -> None:
		samples = measured()
		for sample in samples:
			sample.side = {'base': 'A', 'series': 'B'}[sample.side]
		found = row(result(samples, sides={'A': 'v4', 'B': 'v5'}), FSDAX, PRINTED, AGAIN)
		self.assertEqual((found.published, found.verdict), (None, 'faster'))


class Words(unittest.TestCase):
	def test_what_dominates(self) -> None:
		said = ' '.join(result().says)
		self.assertIn('is dominated by the memmap loop in base and by what is not the memmap loop in series', said)
		self.assertIn('the loop is 50% of its time in base and 29% in series', said)
		self.assertIn('2.40 times as fast in the loop is 1.41 times in all, and no loop, however good, could bring more than 2.00', said)

	def test_what_dominates_the_rest(self) -> None:
		samples = measured()
		for sample in samples:
			if sample.experiment == 'FS_DAX, order 0':
				sample.whole_ns = 10 * sample.loop_ns
		self.assertIn('In the rest of the square the loop dominates (its share of time in base, in series) '
			'in base only: FS_DAX, order 0, altmap (50%, 29%); in neither: FS_DAX, order 0 (10%, 10%).',
			' '.join(result(samples).says))

	def test_the_step_that_matters(self) -> None:
		said = ' '.join(result().says)
		self.assertIn('The step that changes most is "all of memremap_pages()"', said)
		self.assertIn('PRIVATE: 2.40, all of memremap_pages(): 1.41, the first bind in the mean: 1.33.', said)
		self.assertIn('No step changes it by much', ' '.join(result(measured(rest=0.1, first=0.1)).says))

	def test_a_slow_first_bind_is_no_type(self) -> None:
		said = ' '.join(result(measured(first=2000.0, rest=1.0)).says)
		self.assertIn('The step that changes most is "the first bind in the mean"', said)

	def test_first_binds_only_where_they_are_slow(self) -> None:
		said = ' '.join(result().says)
		self.assertIn('takes 200 ms more than that of a rebind in base and 200 ms more in series: about the same', said)
		self.assertNotIn('the loop of a first bind', ' '.join(result(measured(first=5.0)).says))
		samples = measured()
		for sample in samples:
			if sample.side == 'series' and not sample.round:
				sample.loop_ns -= 100e6
		said = ' '.join(result(samples).says)
		self.assertIn('200 ms more than that of a rebind in base and 100 ms more in series.', said)
		self.assertNotIn('about the same', said)

	def test_instructions_where_time_means_nothing(self) -> None:
		said = result(reason='TCG', cost=COST).says
		self.assertIn('Cannot judge', said[0])
		self.assertIn('the loop is 75% of its instructions in base and 30% in series', ' '.join(said))
		self.assertIn('5.00 times fewer instructions in the loop is 2.00 times in all', ' '.join(said))
		self.assertIn('"all of memremap_pages()", by a factor of 4.00', ' '.join(said))
		self.assertNotIn('as fast', ' '.join(said))

	def test_bytes_where_an_instruction_may_be_a_page(self) -> None:
		said = result(reason='TCG', cost=COST).says[-1]
		self.assertIn(f'in base and in series: {FSDAX}: 101 and 65; {REVIEWED}: 165 and 129. What is not the loop '
			f'stores much of it for {REVIEWED} (65), as where', said)
		cost = copy.deepcopy(COST)
		next(t for t in cost.tables if t.name == 'whole, bytes').rows[0] = (REVIEWED, 101.0, 1.0)
		self.assertIn('Next to all of it is stored by the loop.', result(reason='TCG', cost=cost).says[-1])

	def test_nothing_is_said_of_what_is_not_there(self) -> None:
		self.assertEqual(len(result(reason='TCG').says), 1)

	def test_terminal(self) -> None:
		said = '\n'.join(bench_text.text(result(cost=COST)))
		self.assertRegex(said, r'nd_pmem, fsdax +memmap loop, as pr_debug\(\) prints it +rebinds +100\.0 +41\.7 +0%/0% '
			r'+2\.40 +2\.40 to 2\.40 +2\.42 +reproduced')
		self.assertRegex(said, r'PRIVATE, order 0 +60\.00 +12\.00 +0\.20')
		said = '\n'.join(bench_text.text(result(reason='TCG')))
		# Once, and not in each row.
		self.assertEqual(said.count('Cannot judge: TCG'), 1)
		self.assertNotIn('cannot judge: TCG', said)


class Machine(Case):
	def sizes(self, available: int, kvm: bool = True, size: str = '') -> bench.Plan:
		return bench.plan(available * GIB, kvm, size, None, None)

	def test_as_published_where_there_is_room(self) -> None:
		found = self.sizes(32)
		self.assertEqual((found.author, found.reviewer, found.boots, found.rounds, found.scaled),
			(100 * GIB, 64 * GIB, 6, 30, ''))

	def test_scaled_and_said_so(self) -> None:
		found = self.sizes(6)
		self.assertEqual((found.author, found.reviewer), (60 * GIB, 38 * GIB))
		self.assertIn('6 GiB of memory are available', found.scaled)

	def test_less_will_do_without_kvm(self) -> None:
		found = self.sizes(32, kvm=False)
		self.assertEqual((found.author, found.boots), (16 * GIB, 1))
		self.assertIn('no KVM', found.scaled)

	def test_what_cannot_be(self) -> None:
		for size, words in (('2000G', 'need .* of memory'), ('x', 'not a size'), ('1M', 'at least 1 GiB')):
			with self.assertRaisesRegex(Error, words):
				self.sizes(8, size=size)
		with self.assertRaisesRegex(Error, 'may use'):
			self.sizes(1)

	def test_sides_take_turns(self) -> None:
		self.assertEqual(bench._order(3), [0, 1, 1, 0, 0, 1])

	def test_swapping_and_scaling(self) -> None:
		watcher = Watcher(clocks=[3000000] * 20)
		self.assertEqual(watcher.problem(), '')
		watcher.clocks += [2000000] * 20
		self.assertIn('2.00 to 3.00 GHz', watcher.problem())
		watcher.swapped = 7 << 20
		self.assertIn('swapped out 7 MiB', watcher.problem())

	def test_a_guest_that_ends_while_it_is_watched(self) -> None:
		watcher = Watcher()
		with mock.patch.object(Watcher, '_guests', return_value=['/proc/no-such-process']):
			self.assertEqual(watcher.look(0), '')
		self.assertEqual((watcher.resident, watcher.clocks), (0, []))

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


class Series(Case):
	def test_one_of_two(self) -> None:
		self.assertOneSentence(self.bench(SERIES_A='none'), 'SERIES_A= and SERIES_B= go together')

	def test_the_same_twice(self) -> None:
		self.assertOneSentence(self.bench(SERIES_A=self.dir, SERIES_B=f'{self.dir}/.'), 'nothing to compare')

	def test_no_series(self) -> None:
		self.assertOneSentence(self.bench(SERIES='none'), 'no series to compare with')

	def test_some_of_the_patches_of_two(self) -> None:
		self.assertOneSentence(self.bench(SERIES_A=self.dir, SERIES_B='none', SERIES_UPTO='3'), 'SERIES_UPTO=')

	def test_where_nothing_can_be_written(self) -> None:
		"""Known before anything is built, let alone timed."""
		for variable in ('JSON', 'HTML'):
			for path in (self.dir / 'none/file', self.dir):
				self.assertOneSentence(self.bench(**{variable: str(path)}), f'{path} cannot be written')

	def test_size(self) -> None:
		self.assertOneSentence(self.bench(SIZE='9000T'), 'SIZE=9000T')

	def bench(self, **variables: object) -> 'subprocess.CompletedProcess[str]':
		kdir = self.dir / 'linux'
		given: Dict[str, Any] = {'KDIR': kdir if kdir.exists() else self.kernel(), **variables}
		return self.make('bench', **given)


class Compare(Case):
	def write(self, name: str, found: Union[str, Result]) -> str:
		path = self.dir / name
		path.write_text(found if isinstance(found, str) else json.dumps(found.as_json()))
		return str(path)

	def lines(self, one: Result, other: Result) -> str:
		return '\n'.join(bench_compare.compare(one, other))

	def test_agree_and_differ(self) -> None:
		said = self.lines(result(), result())
		self.assertIn('all that is recorded of the two runs is the same', said)
		self.assertRegex(said, r'nd_pmem, fsdax .* do not differ')
		self.assertNotIn('differ: ', said)
		said = self.lines(result(), result(measured(loop=1.1)))
		self.assertRegex(said, r'nd_pmem, fsdax .* differ: less gain in B')
		self.assertIn('more gain in B', self.lines(result(measured(loop=1.1)), result()))

	def test_what_cannot_be_judged_is_not_compared(self) -> None:
		said = self.lines(result(), result(reason='TCG'))
		self.assertRegex(said, r'fsdax .* cannot judge\n')
		self.assertEqual(said.count('cannot judge: B: TCG'), 1)
		self.assertIn('cannot judge: A: fewer than 6 boots', self.lines(result(measured(boots=5)), result()))

	def test_facts_and_counts(self) -> None:
		one, other = result(cost=COST), result(cost=COST)
		self.assertIn('all that was counted is the same', self.lines(one, other))
		other = copy.deepcopy(other)
		other.facts['CPU'] = 'another'
		assert other.cost
		other.cost.tables[0].rows[2] = (REVIEWED, 60.0, 11.0)
		said = self.lines(one, other)
		self.assertRegex(said, r'CPU +a CPU +another')
		self.assertRegex(said, r'loop: PRIVATE, order 0 +60\.00 to 12\.00 +60\.00 to 11\.00')

	def test_what_is_written_is_what_is_read(self) -> None:
		found = result(cost=COST)
		text = json.dumps(found.as_json())
		self.assertEqual(Result.from_json(json.loads(text)), found)

	def test_a_damaged_result(self) -> None:
		whole = json.loads(json.dumps(result(cost=COST).as_json()))
		wrong: List[Tuple[List[Any], object]] = [(['sides'], None), (['rows', 0, 'ratio', 'low'], 'x'),
			(['rows', 0, 'what'], 'x'), (['samples', 0], {}), (['says'], 'x'),
			(['cost', 'tables', 0, 'rows', 0], ['x', 1.0])]
		for path, value in wrong:
			found = copy.deepcopy(whole)
			place = found
			for step in path[:-1]:
				place = place[step]
			place[path[-1]] = value
			with self.assertRaisesRegex(Error, 'x.json is a damaged result of make bench: '):
				bench_compare.read('x.json', found)
		bench_compare.read('x.json', whole)

	def test_bad_files(self) -> None:
		good = self.write('good.json', result())
		for text, words in (('{', 'is not JSON'), ('{}', 'not a result that JSON= wrote'), ('[]', 'not a result that')):
			done = self.make('compare', good, self.write('bad.json', text))
			self.assertOneSentence(done, words, 'bad.json')
		self.assertOneSentence(self.make('compare', good, self.dir / 'none'), 'no such file')
		self.assertOneSentence(self.make('compare', good), 'wants two results')
		other = self.write('two.json', result([], sides={'A': 'v4', 'B': 'v5'}))
		self.assertOneSentence(self.make('compare', good, other), 'one compares base with series')

	def test_through_make(self) -> None:
		done = self.make('compare', *(self.write(n, result()) for n in ('a.json', 'b.json')))
		self.assertEqual(done.returncode, 0, done.stdout)
		self.assertIn('do not differ', done.stdout)
		self.assertNotIn('Nothing to be done', done.stdout)


if __name__ == '__main__':
	unittest.main()
