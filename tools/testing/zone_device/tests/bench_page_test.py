# SPDX-License-Identifier: GPL-2.0
"""The page of make bench: whole, safe to open, and true to what was measured."""

import re
import unittest
from dataclasses import replace
from html.parser import HTMLParser
from typing import Dict, List, Optional, Tuple

import helper  # noqa: F401

from bench.model import FSDAX, LOOP, Result, Sample
from bench.page import Axis, page, panel, VERDICTS
from bench.stats import Ratio
from bench_test import result

VOID = {'meta'}
SIDES = ['base', 'series']
HOSTILE = '<script>alert("1")</script>&amp;'


class Parsed(HTMLParser):
	"""The page as a browser would have to take it."""

	def __init__(self, text: str) -> None:
		super().__init__()
		self.open: List[str] = []
		self.wrong: List[str] = []
		self.tags: List[Tuple[str, Dict[str, Optional[str]], Tuple[str, ...]]] = []
		# Of each row the texts of its cells, and how many columns they take.
		self.rows: List[List[str]] = []
		self.widths: List[int] = []
		self.text = ''
		self.feed(text)
		self.close()
		self.wrong += [f'{tag} is not closed' for tag in self.open]

	def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
		self.tags.append((tag, dict(attrs), tuple(self.open)))
		if tag not in VOID:
			self.open.append(tag)
		if tag == 'tr':
			self.rows.append([])
			self.widths.append(0)
		elif tag in ('td', 'th'):
			self.rows[-1].append('')
			self.widths[-1] += int(dict(attrs).get('colspan') or 1)

	def handle_startendtag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
		self.tags.append((tag, dict(attrs), tuple(self.open)))

	def handle_endtag(self, tag: str) -> None:
		if not self.open or self.open.pop() != tag:
			self.wrong.append(f'</{tag}> at {self.getpos()}')

	def handle_data(self, data: str) -> None:
		if 'style' not in self.open:
			self.text += data
		if 'tr' in self.open and self.rows[-1]:
			self.rows[-1][-1] += data

	def count(self, tag: str, around: str = 'html') -> int:
		return len([t for t, _attrs, outside in self.tags if t == tag and around in outside])


def drawn(text: str) -> List[Tuple[str, float, float]]:
	"""Class and place of each disc."""
	return [(c, float(x), float(y)) for x, y, c in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="2" class="(.*?)"', text)]


class PageTest(unittest.TestCase):
	def parse(self, found: Result) -> Parsed:
		"""What has to hold for any page."""
		text = page(found)
		parsed = Parsed(text)
		self.assertEqual(parsed.wrong, [])
		self.assertNotRegex(text, r'https?:|//[a-z]|@import|url\(|<script|<link|\ssrc=')
		self.assertNotRegex(text, r'\bnan\b|\binf\b|\bNone\b')
		self.assertEqual(parsed.count('caption'), parsed.count('table'))
		for tag, attrs, _around in parsed.tags:
			if tag == 'svg':
				self.assertTrue(attrs.get('role') == 'img' or attrs.get('aria-hidden') == 'true', attrs)
		return parsed

	def test_a_verdict_is_the_first_thing_in_its_row(self) -> None:
		parsed = self.parse(result())
		verdicts = [r for r in parsed.rows if r[0][2:] in VERDICTS]
		self.assertEqual(len(verdicts), len(result().rows))
		self.assertEqual(verdicts[0][:7],
			['✓ reproduced', 'loop, rebinds', '100.0', '41.7', '2.40', '2.40 to 2.40', '2.42'])
		# All rows of a table are as wide as its head.
		self.assertEqual(set(parsed.widths), {9})

	def test_counts_come_first_where_time_means_nothing(self) -> None:
		parsed = self.parse(result(reason='TCG', counted=True))
		self.assertIn(['nd_pmem, fsdax', '60.00 → 12.00', '5.00', '80.00 → 40.00', '2.00', '75, 30', '101 → 65'], parsed.rows)
		self.assertLess(parsed.text.index('60.00 → 12.00'), parsed.text.index('cannot judge'))
		self.assertEqual(parsed.text.count('TCG'), 1)

	def test_each_sample_is_a_mark(self) -> None:
		found = result()
		found.samples[5].whole_ns = None
		parsed = self.parse(found)
		self.assertEqual(parsed.count('figure'), len({s.experiment for s in found.samples}))
		marks = [(t, a['class']) for t, a, around in parsed.tags if 'figure' in around
			and {'m', 'first'} & set((a.get('class') or '').split())]
		# A loop and a mapping; sides differ in shape, first binds in their ground.
		self.assertEqual(len(marks), 2 * len(found.samples) - 1)
		self.assertEqual(set(marks), {(t, f'{c} {s}') for t, s in (('circle', 'a'), ('path', 'b')) for c in ('m', 'first')})

	def test_marks_are_where_the_samples_say(self) -> None:
		two = [Sample(FSDAX, 'base', 0, n, 1, ns) for n, ns in enumerate((4e8, 1e8))]
		text = panel(two, LOOP, SIDES, 500)
		first, second = sorted(drawn(text))
		self.assertEqual((first[0], second[0]), ('first a', 'm a'))
		self.assertLess(first[1], second[1])
		# The axis begins at 0: a quarter of the time is a quarter of the height.
		zero = max(float(y) for y in re.findall(r'class="rule" d="M44 ([\d.]+)H', text))
		self.assertAlmostEqual((zero - second[2]) / (zero - first[2]), 0.25, delta=0.01)

	def test_boots_stand_on_the_ground_of_their_side(self) -> None:
		boots = [Sample(FSDAX, SIDES[n % 2], n, 0, 1, 1e8) for n in range(3)]
		self.assertEqual(re.findall(r'class="band (.)"', panel(boots, LOOP, SIDES, 500)), ['a', 'b', 'a'])

	def test_no_time_at_all(self) -> None:
		zero = [Sample(FSDAX, 'base', 0, n, 1, 0.0) for n in range(2)]
		self.assertEqual(len(drawn(panel(zero, LOOP, SIDES, 500))), 2)

	def test_intervals_lie_on_their_side_of_one(self) -> None:
		one = result().rows[0]
		rows = [replace(one, ratio=Ratio(2.42, 2.31, 2.55)), replace(one, ratio=Ratio(0.5, 0.4, 0.6), published=None)]
		axis = Axis(rows)
		for row, side in zip(rows, (1, -1)):
			ends = [float(x) for x in re.findall(r'class="span" d="M([\d.]+) \d+H([\d.]+)', axis.row(row))[0]]
			middle = float(re.findall(r'cx="([\d.]+)"', axis.row(row))[0])
			self.assertTrue(0 < ends[0] < middle < ends[1] < axis.WIDTH, axis.row(row))
			self.assertTrue(all((x - axis.x(1)) * side > 0 for x in ends), axis.row(row))
		self.assertEqual(['class="tick"' in axis.row(r) for r in rows], [True, False])
		for verdict in VERDICTS:
			self.assertEqual('class="first"' in axis.row(replace(one, verdict=verdict)), verdict == 'cannot judge')

	def test_names_are_text(self) -> None:
		found = result(reason=f'{HOSTILE}why')
		found.facts, found.when, found.sides = {f'{HOSTILE}CPU': f'{HOSTILE}a CPU'}, f'{HOSTILE}when', \
			{'base': f'{HOSTILE}linux', 'series': 'x'}
		for row in found.rows:
			row.experiment = f'{HOSTILE}{row.experiment}'
		for sample in found.samples:
			sample.experiment = f'{HOSTILE}{sample.experiment}'
		parsed = self.parse(found)
		for text in ('why', 'CPU', 'a CPU', 'when', 'linux', FSDAX):
			self.assertIn(HOSTILE + text, parsed.text)

	def test_nothing_at_all(self) -> None:
		parsed = self.parse(Result({'A': 'x', 'B': 'y'}, {}, '', [], []))
		self.assertEqual(parsed.rows, [])
		self.assertIn('A against B', parsed.text)


if __name__ == '__main__':
	unittest.main()
