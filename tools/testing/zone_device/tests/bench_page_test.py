# SPDX-License-Identifier: GPL-2.0
"""The page of make bench: whole, safe to open, and true to what was measured."""

import re
import unittest
from dataclasses import replace
from typing import List
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import helper  # noqa: F401

from bench.model import FSDAX, LOOP, Result, Sample
from bench.page import Axis, page, panel, VERDICTS
from bench.stats import Ratio
from bench_test import result

SIDES = ['base', 'series']
HOSTILE = '<script>alert("1")</script>&amp;'


def words(of: Element) -> str:
	return ''.join(of.itertext())


def rows(of: Element) -> List[List[str]]:
	return [[words(cell) for cell in row] for row in of.iter('tr')]


def marks(of: Element) -> List[Element]:
	return [m for figure in of.iter('svg') for m in figure if (m.get('class') or '').split()[:1] in (['m'], ['first'])]


class PageTest(unittest.TestCase):
	def parse(self, found: Result) -> Element:
		"""What has to hold for any page. It is XML, too: each tag is closed."""
		text = page(found)
		self.assertNotRegex(text, r'https?:|//[a-z]|@import|url\(|<script|<link|\ssrc=')
		self.assertNotRegex(text, r'\bnan\b|\binf\b|\bNone\b')
		parsed = ElementTree.fromstring(text)
		for table in parsed.iter('table'):
			self.assertEqual(len({sum(int(c.get('colspan', 1)) for c in row) for row in table.iter('tr')}), 1)
		return parsed

	def test_a_verdict_is_the_first_thing_in_its_row(self) -> None:
		verdicts = [r for r in rows(self.parse(result())) if r[0][2:] in VERDICTS]
		self.assertEqual(len(verdicts), len(result().rows))
		self.assertEqual(verdicts[0][:7], ['✓ reproduced', 'loop, rebinds', '100.0', '41.7', '2.40', '2.40 to 2.40', '2.42'])

	def test_a_reason_is_below_its_row(self) -> None:
		found = result()
		found.rows[0].verdict, found.rows[0].reason = 'cannot judge', 'noise'
		shown = rows(self.parse(found))
		self.assertEqual(shown[shown.index(['noise']) - 1][0], '? cannot judge')

	def test_counts_come_first_where_time_means_nothing(self) -> None:
		parsed = self.parse(result(reason='TCG', counted=True))
		self.assertIn([FSDAX, '60.00 → 12.00', '5.00', '80.00 → 40.00', '2.00', '75, 30', '101 → 65'], rows(parsed))
		self.assertLess(words(parsed).index('60.00 → 12.00'), words(parsed).index('cannot judge'))
		self.assertEqual(words(parsed).count('TCG'), 1)

	def test_each_sample_is_a_mark(self) -> None:
		found = result()
		found.samples[5].whole_ns = None
		figures = list(self.parse(found).iter('figure'))
		self.assertEqual(len(figures), len({s.experiment for s in found.samples}))
		drawn = [(m.tag, m.get('class')) for figure in figures for m in marks(figure)]
		# A loop and a mapping; sides differ in shape, first binds in their ground.
		self.assertEqual(len(drawn), 2 * len(found.samples) - 1)
		self.assertEqual(set(drawn), {(t, f'{c} {s}') for t, s in (('circle', 'a'), ('path', 'b')) for c in ('m', 'first')})

	def test_marks_are_where_the_samples_say(self) -> None:
		two = [Sample(FSDAX, 'base', 0, n, 1, ns) for n, ns in enumerate((4e8, 1e8))]
		text = panel(two, LOOP, SIDES, 500)
		# What is rare goes on top, and is drawn last.
		again, first = marks(ElementTree.fromstring(f'<p>{text}</p>'))
		self.assertEqual((first.get('class'), again.get('class')), ('first a', 'm a'))
		self.assertLess(float(first.get('cx', 0)), float(again.get('cx', 0)))
		# The axis begins at 0: a quarter of the time is a quarter of the height.
		zero = max(float(y) for y in re.findall(r'class="rule" d="M44 ([\d.]+)H', text))
		self.assertLessEqual(zero, 130)
		self.assertAlmostEqual((zero - float(again.get('cy', 0))) / (zero - float(first.get('cy', 0))), 0.25, delta=0.01)

	def test_boots_stand_on_the_ground_of_their_side(self) -> None:
		boots = [Sample(FSDAX, SIDES[n % 2], n, 0, 1, 1e8) for n in range(3)]
		self.assertEqual(re.findall(r'class="band (.)"', panel(boots, LOOP, SIDES, 500)), ['a', 'b', 'a'])

	def test_intervals_lie_on_their_side_of_one(self) -> None:
		one = result().rows[0]
		pair = [replace(one, ratio=Ratio(2.42, 2.31, 2.55)), replace(one, ratio=Ratio(0.5, 0.4, 0.6), published=None)]
		axis = Axis(pair)
		for row, side in zip(pair, (1, -1)):
			ends = [float(x) for x in re.findall(r'class="span" d="M([\d.]+) \d+H([\d.]+)', axis.row(row))[0]]
			middle = float(re.findall(r'cx="([\d.]+)"', axis.row(row))[0])
			self.assertTrue(0 < ends[0] < middle < ends[1] < axis.WIDTH, axis.row(row))
			self.assertTrue(all((x - axis.x(1)) * side > 0 for x in ends), axis.row(row))
		self.assertEqual(['class="tick"' in axis.row(r) for r in pair], [True, False])
		for verdict in VERDICTS:
			self.assertEqual('class="first"' in axis.row(replace(one, verdict=verdict)), verdict == 'cannot judge')

	def test_names_are_text(self) -> None:
		found = result(reason=f'{HOSTILE}why')
		found.facts, found.when = {f'{HOSTILE}CPU': f'{HOSTILE}a CPU'}, f'{HOSTILE}when'
		found.sides = {'base': f'{HOSTILE}linux', 'series': 'x'}
		for row in found.rows:
			row.experiment = f'{HOSTILE}{row.experiment}'
		for sample in found.samples:
			sample.experiment = f'{HOSTILE}{sample.experiment}'
		for text in ('why', 'CPU', 'a CPU', 'when', 'linux', FSDAX):
			self.assertIn(HOSTILE + text, words(self.parse(found)))

	def test_nothing_at_all(self) -> None:
		parsed = self.parse(Result({'A': 'x', 'B': 'y'}, {}, '', [], []))
		self.assertEqual(rows(parsed), [])
		self.assertIn('A against B', words(parsed))


if __name__ == '__main__':
	unittest.main()
