# SPDX-License-Identifier: GPL-2.0
"""The page of make bench: whole, safe to open, and true to what was measured."""

import copy
import re
import unittest
from dataclasses import asdict, fields, replace
from html.parser import HTMLParser
from typing import Any, Dict, List, Optional, Tuple

import helper  # noqa: F401

from bench.model import Cost, Experiment, Published, Result, Row, Sample, Table
from bench.page import Axis, Page, page, VERDICTS
from bench.stats import Ratio

VOID = {'meta', 'br', 'hr', 'img', 'link', 'input'}
SIDES = ('base', 'series')
HOSTILE = '<script>alert("1")</script>&amp;'
AUTHOR, REVIEWER, SQUARE = 'nd_pmem, fsdax', 'PRIVATE, order 0', 'FS_DAX, order 9, full, altmap'


def samples(name: str, boots: int = 2, rounds: int = 3, ns: float = 3e8) -> List[Sample]:
	return [Sample(name, SIDES[boot % 2], boot, n, 1, ns + n * 1e6, 2 * ns) for boot in range(boots)
		for n in range(rounds)]


def row(name: str, group: str, verdict: str = 'faster', **more: Any) -> Row:
	return replace(Row(name, group, 'loop', 'again', {'base': 312.04, 'series': 128.94}, {'base': 0.031, 'series': None},
		Ratio(2.42, 2.314, 2.55), None, verdict, ''), **more)


def measured(**more: Any) -> Result:
	cost = Table('instructions', 'loop', 'instructions', [('PRIVATE', 61.13, 12.14), ('none', None, 64.0), ('zero', 0.0, 64.0)])
	return replace(Result({'base': 'linux 7.3', 'series': 'linux 7.3, 8 patches'},
		{'CPU': 'a CPU', 'microcode': '0xa0011d1'}, '',
		[Experiment(AUTHOR, 'author', 16 << 30, 'through sysfs'), Experiment(REVIEWER, 'reviewer', 64 << 30, 'ten times'),
			Experiment(SQUARE, 'square', 1 << 30, '')],
		samples(AUTHOR) + samples(REVIEWER) + samples(SQUARE),
		[row(AUTHOR, 'author', 'reproduced', published=Published(2.39, 262.12, 108.36)),
			row(REVIEWER, 'reviewer', 'opposite', published=Published(0.97)), row(SQUARE, 'square')],
		['Bootstrap over boots.'], Cost('counted', ['base', 'series'], [cost]), '2026-11-23T14:40:00+00:00',
		['It is faster.']), **more)


class Parsed(HTMLParser):
	"""The page as a browser would have to take it, and each tag's match."""

	def __init__(self, text: str) -> None:
		super().__init__()
		self.open: List[str] = []
		self.wrong: List[str] = []
		self.tags: List[Tuple[str, Dict[str, Optional[str]], Tuple[str, ...]]] = []
		self.text: List[str] = []
		self.feed(text)
		self.close()
		self.wrong += [f'{tag} is not closed' for tag in self.open]

	def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
		self.tags.append((tag, dict(attrs), tuple(self.open)))
		if len(dict(attrs)) != len(attrs):
			self.wrong.append(f'{tag} has an attribute twice')
		if tag not in VOID:
			self.open.append(tag)

	def handle_startendtag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
		self.tags.append((tag, dict(attrs), tuple(self.open)))

	def handle_endtag(self, tag: str) -> None:
		if not self.open or self.open.pop() != tag:
			self.wrong.append(f'</{tag}> at {self.getpos()}')

	def handle_data(self, data: str) -> None:
		if 'style' not in self.open:
			self.text.append(data)

	def all(self, tag: str) -> List[Dict[str, Optional[str]]]:
		return [attrs for name, attrs, _open in self.tags if name == tag]

	def marks(self, cls: str = '') -> List[Dict[str, Optional[str]]]:
		"""Samples as they are drawn, and not the legend or an interval."""
		return [attrs for _tag, attrs, around in self.tags if 'figure' in around
			and {'m', *cls.split()} <= set((attrs.get('class') or '').split())]

	def words(self) -> str:
		return re.sub(r'\s+', ' ', ' '.join(self.text))


class PageTest(unittest.TestCase):
	def parse(self, result: Result) -> Parsed:
		"""What has to hold for any page."""
		before = copy.deepcopy(result)
		text = page(result)
		self.assertEqual(result, before)
		parsed = Parsed(text)
		self.assertEqual(parsed.wrong, [])
		self.assertNotRegex(text, r'https?:|//[a-z]|@import|url\(|<script|<link|\ssrc=')
		self.assertNotRegex(text, r'\bnan\b|\binf\b|\bNone\b')
		for tag, attrs, _around in parsed.tags:
			if tag == 'svg':
				self.assertTrue(attrs.get('role') == 'img' or attrs.get('aria-hidden') == 'true', attrs)
			elif tag == 'th':
				self.assertIn(attrs.get('scope'), ('col', 'row', 'rowgroup'))
		self.assertEqual(len(parsed.all('caption')), len(parsed.all('table')))
		self.assertEqual(len(parsed.all('figcaption')), len(parsed.all('figure')))
		self.assertColumnsAgree(parsed)
		return parsed

	def assertColumnsAgree(self, parsed: Parsed) -> None:
		"""Each row of a table is as wide as its head, spans from above included."""
		width = 0
		below: List[int] = []
		cells: List[int] = []
		def finish() -> None:
			nonlocal width, below
			if cells:
				wide = len(cells) + sum(b > 0 for b in below)
				self.assertEqual(wide, width or wide)
				width = width or wide
				below = [b - 1 for b in below if b > 1] + [c - 1 for c in cells if c > 1]
				cells.clear()
		for tag, attrs, _around in parsed.tags:
			if tag in ('tr', 'table', 'tbody'):
				finish()
			if tag in ('table', 'tbody'):
				self.assertEqual(below, [])
			if tag == 'table':
				width = 0
			if tag in ('th', 'td'):
				cells.append(int(attrs.get('rowspan') or 1))
		finish()

	def test_numbers_as_they_are_read(self) -> None:
		words = self.parse(measured()).words()
		for text in ('rebinds 312 IQR 3.1% 129 2.42 2.31 to 2.55 2.39 262.12 → 108.36 ms', '2.31 to 2.55 0.97 2.42',
				'0.20', '16 GiB', '2026-11-23 14:40 UTC', 'It is faster.', 'Bootstrap over boots.', 'microcode', '0xa0011d1',
				'through sysfs', 'base against series', 'linux 7.3, 8 patches'):
			self.assertIn(text, words)
		self.assertNotIn('- → -', words)

	def test_three_digits_without_an_exponent(self) -> None:
		for value, text in ((12345.0, '12300'), (9.996, '10.0'), (0.01234, '0.0123'), (0.0, '0'), (99.96, '100')):
			one = row(AUTHOR, 'author', median_ms={'base': value, 'series': None})
			words = self.parse(measured(rows=[one], samples=[], cost=None)).words()
			self.assertRegex(words, f'rebinds {re.escape(text)} IQR 3.1% - ')

	def test_each_sample_is_a_mark(self) -> None:
		parsed = self.parse(measured())
		# Three experiments of six samples, each with a loop and a whole.
		self.assertEqual(len(parsed.marks()), 36)
		for side in ('a', 'b'):
			self.assertEqual(len(parsed.marks(side)), 18)
			self.assertEqual(len(parsed.marks(side + ' first')), 6)
		self.assertEqual(len(parsed.all('figure')), 3)
		many = samples(AUTHOR, 12, 31)
		self.assertEqual(len(self.parse(measured(samples=many)).marks()), 2 * 12 * 31)
		many[5].whole_ns = None
		self.assertEqual(len(self.parse(measured(samples=many)).marks()), 2 * 12 * 31 - 1)

	def test_sides_differ_in_shape(self) -> None:
		parsed = self.parse(measured())
		shapes = {(tag, cls) for tag, attrs, around in parsed.tags if 'figure' in around
			for cls in ('a', 'b') if {'m', cls} <= set((attrs.get('class') or '').split())}
		self.assertEqual(shapes, {('circle', 'a'), ('path', 'b')})

	def test_marks_are_where_the_samples_say(self) -> None:
		two = samples(AUTHOR, 1, 2)
		two[0].loop_ns, two[1].loop_ns = 4e8, 1e8
		for one in two:
			one.whole_ns = None
		low, high = sorted((float(m['cy'] or 0), float(m['cx'] or 0)) for m in self.parse(measured(samples=two)).marks())
		self.assertLess(low[1], high[1])
		# The axis begins at 0: a quarter of the time is a quarter of the height.
		drawn = Page(measured(samples=two)).panel(two, 'loop', True)
		zero = max(float(y) for y in re.findall(r'class="rule" d="M50 ([\d.]+)H', drawn))
		self.assertAlmostEqual((zero - high[0]) / (zero - low[0]), 0.25, delta=0.01)

	def test_boots_are_told_apart(self) -> None:
		result = measured(samples=samples(AUTHOR, 5))
		bands = [a for a in self.parse(result).all('rect') if (a.get('class') or '').startswith('band')]
		# A loop and a whole.
		self.assertEqual([(b['class'] or '')[-1] for b in bands], list('ababa') * 2)
		self.assertEqual(page(result).count('>boot 4</text>'), 2)

	def test_verdicts(self) -> None:
		rows = [row(AUTHOR, 'author', verdict, reason=f'because {n}') for n, verdict in enumerate(VERDICTS)]
		parsed = self.parse(measured(rows=rows))
		for n, verdict in enumerate(VERDICTS):
			self.assertRegex(parsed.words(), f'{verdict} because {n}')

	def test_a_reason_for_all_is_given_once(self) -> None:
		why = 'times under TCG say nothing about a CPU'
		rows = [row(AUTHOR, 'author', 'cannot judge', reason=why), row(REVIEWER, 'reviewer', 'cannot judge', reason='noise')]
		words = self.parse(measured(rows=rows, cannot_judge=why)).words()
		self.assertEqual(words.count(why), 1)
		self.assertLess(words.index(why), words.index('It is faster.'))
		self.assertEqual(words.count('noise'), 1)
		self.assertEqual(self.parse(measured(rows=rows)).words().count(why), 1)

	def test_groups_have_tables_of_their_own(self) -> None:
		self.assertEqual(len(self.parse(measured()).all('table')), 3)
		words = self.parse(measured(rows=[row(AUTHOR, 'author')], cost=None)).words()
		self.assertNotIn('The square: types', words)
		self.assertIn('The published measurements', words)
		words = self.parse(measured(rows=[row(SQUARE, 'square')], cost=None)).words()
		self.assertIn('The square: types', words)
		self.assertNotIn('The published measurements', words)

	def test_rows_share_what_they_have_in_common(self) -> None:
		rows = [row(AUTHOR, 'author', what=w, binds=b) for w in ('printed', 'loop', 'whole') for b in ('first', 'again')]
		parsed = self.parse(measured(rows=rows, samples=[]))
		self.assertEqual(parsed.words().count(AUTHOR), 1)
		self.assertEqual(parsed.words().count('as pr_debug() prints it'), 1)
		self.assertEqual(parsed.words().count('first bind'), 3)

	def test_intervals_lie_on_their_side_of_one(self) -> None:
		rows = [row(AUTHOR, 'author'), row(AUTHOR, 'author', ratio=Ratio(0.5, 0.4, 0.6))]
		axis = Axis(rows)
		for one, side in zip(rows, (1, -1)):
			drawn = axis.row(one)
			ends = [float(x) for x in re.findall(r'class="span" d="M([\d.]+) \d+H([\d.]+)', drawn)[0]]
			middle = float(re.findall(r'cx="([\d.]+)"', drawn)[0])
			self.assertTrue(ends[0] < middle < ends[1], drawn)
			self.assertTrue(all((x - axis.x(1)) * side > 0 for x in ends), drawn)
			self.assertTrue(0 < ends[0] and ends[1] < axis.WIDTH, drawn)
		self.assertIn('class="tick"', axis.row(row(AUTHOR, 'author', published=Published(1.0))))
		self.assertNotIn('class="tick"', axis.row(rows[0]))
		for value in (0.001, 1000.0):
			alone = Axis([row(AUTHOR, 'author', ratio=Ratio(value))])
			for x in (alone.x(value), alone.x(1)):
				self.assertTrue(alone.MARGIN < x < alone.WIDTH - alone.MARGIN, x)

	def test_what_cannot_be_judged_is_hollow(self) -> None:
		for verdict in VERDICTS:
			one = row(AUTHOR, 'author', verdict)
			self.assertEqual('m first' in Axis([one]).row(one), verdict == 'cannot judge')

	def test_names_are_text(self) -> None:
		def hostile(value: Any) -> Any:
			if isinstance(value, dict):
				return {k if k in plain else HOSTILE + k: hostile(v) for k, v in value.items()}
			if isinstance(value, (list, tuple)):
				return [hostile(v) for v in value]
			return HOSTILE + value if isinstance(value, str) and value not in ('author', 'reviewer') else value
		plain = {f.name for kind in (Result, Experiment, Sample, Row, Ratio, Published, Cost, Table) for f in fields(kind)}
		result = Result.from_json(hostile(asdict(measured(cannot_judge='no', method=['m']))))
		self.assertIn(HOSTILE + 'base', result.sides)
		parsed = self.parse(result)
		self.assertEqual(len(parsed.marks()), 36)
		for text in ('base', 'linux 7.3', 'CPU', 'a CPU', 'It is faster.', AUTHOR, 'through sysfs', SQUARE, 'opposite',
				'loop', 'again', 'counted', 'instructions', 'PRIVATE', 'm', 'no', '2026-11-23T14:40:00+00:00'):
			self.assertIn(HOSTILE + text, parsed.words())
		self.assertNotIn('<script', page(result))

	def test_an_experiment_without_samples_has_no_figure(self) -> None:
		parsed = self.parse(measured(samples=samples(REVIEWER)))
		self.assertEqual(len(parsed.all('figure')), 1)
		self.assertNotIn('Every sample', self.parse(measured(samples=[])).words())

	def test_one_sample(self) -> None:
		parsed = self.parse(measured(samples=samples(AUTHOR, 1, 1)))
		self.assertEqual(len(parsed.marks('first')), 2)
		# There is no rebind to have a median.
		self.assertNotIn('mid a', [a.get('class') for a in parsed.all('path')])
		self.assertIn('mid a', [a.get('class') for a in self.parse(measured(samples=samples(AUTHOR, 1, 2))).all('path')])

	def test_equal_and_no_times(self) -> None:
		for ns in (3e8, 0.0, 1.0):
			same = [replace(s, loop_ns=ns, whole_ns=ns) for s in samples(AUTHOR)]
			heights = {m.get('cy') for m in self.parse(measured(samples=same)).marks('a') if m.get('class') == 'm a'}
			self.assertEqual(len(heights), 1)

	def test_what_is_missing_is_a_dash(self) -> None:
		bare = row(AUTHOR, 'author', 'cannot judge', median_ms={}, iqr={},
			ratio=Ratio(0.0, problem='no samples'))
		words = self.parse(measured(rows=[bare], samples=[], cost=None)).words()
		self.assertRegex(words, r'rebinds - - - - \? cannot judge no samples')

	def test_cost(self) -> None:
		words = self.parse(measured()).words()
		self.assertRegex(words, r'PRIVATE 61\.13 12\.14 0\.20 none - 64\.00 - zero 0\.00 64\.00 -')
		self.assertNotIn('Cost', self.parse(measured(cost=None)).words())
		self.assertIn('Cost', words)
		bars = [float(a['width'] or 0) for a in self.parse(measured(samples=[])).all('rect')]
		self.assertEqual(bars[2:], [0, 200, 0, 200])
		self.assertAlmostEqual(bars[1] / bars[0], 12.14 / 61.13, delta=0.01)

	def test_nothing_at_all(self) -> None:
		empty = measured(experiments=[], samples=[], rows=[], method=[], says=[], facts={}, cost=None, when='once')
		self.assertEqual(self.parse(empty).all('table'), [])
		self.assertIn('once', self.parse(empty).words())
		named = measured(sides={'A': 'x', 'B': 'y'}, samples=[], rows=[], cost=None)
		self.assertIn('A against B', self.parse(named).words())


if __name__ == '__main__':
	unittest.main()
