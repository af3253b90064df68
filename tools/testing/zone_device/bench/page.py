# SPDX-License-Identifier: GPL-2.0
"""What was measured in the guests, as one HTML file that needs nothing else:
no script, no font, no network. It is attached to mails and opened from CI."""

from datetime import datetime
from html import escape
from itertools import groupby
from math import floor, isfinite, log, log10
from statistics import median
from typing import Callable, Dict, List, Optional, Sequence, Tuple, TypeVar

from bench.model import AUTHOR, BINDS, Experiment, LOOP, Result, REVIEWER, Row, Sample, WHAT, WHOLE
from host.machine import human

Scale = Callable[[float], float]

PUBLISHED = (AUTHOR, REVIEWER)
# Colour and sign: either alone is enough to tell them apart.
VERDICTS = {
	'reproduced': ('good', '✓'), 'faster': ('good', '▲'), 'not reproduced': ('weak', '≠'),
	'opposite': ('bad', '✕'), 'slower': ('bad', '▼'), 'no difference': ('mute', '='), 'cannot judge': ('mute', '?'),
}
# In the order in which they are to find room on the axis.
TICKS = (1, 2, 0.5, 4, 0.25, 8, 0.125, 16, 32, 64, 3, 1.5, 0.7, 1.25, 0.8, 1.1, 0.9)

CSS = '''
:root { color-scheme: light dark; --paper: #fdfdfc; --ink: #1d2023; --mute: #666b70; --rule: #dfe0dd;
	--faint: #f3f3f0; --a: #0b62a8; --b: #c4500a; --good: #18703d; --weak: #85580a; --bad: #b3261e; }
@media screen and (prefers-color-scheme: dark) {
	:root { --paper: #15181a; --ink: #e3e4e2; --mute: #9ba1a5; --rule: #32373a; --faint: #1f2326;
		--a: #6db4f2; --b: #f2964f; --good: #70c890; --weak: #d9ac55; --bad: #f28c82; } }
* { box-sizing: border-box; }
html { background: var(--paper); color: var(--ink); -webkit-text-size-adjust: 100%; }
body { max-width: 1200px; margin: 0 auto; padding: 3rem 1.25rem 4rem;
	font: 16px/1.5 -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, system-ui, sans-serif;
	font-variant-numeric: tabular-nums; }
h1 { font-size: 1.75rem; line-height: 1.2; font-weight: 600; letter-spacing: -.015em; margin: 0 0 .35rem; }
h2 { font-size: 1.2rem; font-weight: 600; margin: 3.2rem 0 .6rem; padding-top: .8rem;
	border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; font-weight: 600; margin: 2rem 0 .6rem; }
p { max-width: 44em; margin: 0 0 .75rem; }
.says p:first-of-type { font-size: 1.125rem; }
small, .mute { color: var(--mute); }
small { display: block; font-size: .8125rem; line-height: 1.35; font-weight: 400; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem 1.25rem; margin: 0 0 1.2rem; }
dt { color: var(--mute); } dd { margin: 0; overflow-wrap: anywhere; }
.a { color: var(--a); } .b { color: var(--b); } dt.a, dt.b, th.a, th.b { font-weight: 600; }
.notice { margin: 1.6rem 0 0; padding: .6rem .9rem; max-width: none; border-left: 4px solid var(--weak);
	background: var(--faint); }
.scroll { overflow-x: auto; margin: .8rem 0 1.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; line-height: 1.4; }
caption { text-align: left; color: var(--mute); font-size: .875rem; padding-bottom: .5rem; }
caption span { position: sticky; left: 0; display: inline-block; max-width: min(68em, calc(100vw - 2.5rem)); }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0; font-weight: 400; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--mute); font-size: .8125rem; vertical-align: bottom; }
thead tr { border-bottom: 1px solid var(--ink); }
thead th.a { color: var(--a); } thead th.b { color: var(--b); }
tbody { border-bottom: 1px solid var(--rule); }
th[scope=rowgroup] { min-width: 11em; max-width: 17em; } th b { font-weight: 600; }
.n { text-align: right; white-space: nowrap; } td.what { min-width: 9em; } .binds { white-space: nowrap; }
.plot { width: 190px; } .plot svg { display: block; }
td.verdict { min-width: 10em; } .verdict b { font-weight: 600; white-space: nowrap; }
.brief th, .brief td { padding-top: .15rem; padding-bottom: .15rem; } .brief td { white-space: nowrap; }
.brief td.n small { display: inline; } .brief td.verdict { white-space: normal; }
.cost { width: auto; } .cost th[scope=row] { width: 20em; } .cost .n { min-width: 7em; }
.good { color: var(--good); } .weak { color: var(--weak); } .bad { color: var(--bad); }
figure { margin: 1.6rem 0; break-inside: avoid; } figcaption { margin-bottom: .3rem; line-height: 1.35; }
figcaption b { font-weight: 600; }
.big + .big, .small + .small { margin-top: .5rem; }
.big { display: block; width: 100%; min-width: 760px; height: auto; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr)); gap: 1.4rem 1.6rem; }
.grid figure { margin: 0; } .grid figcaption { font-size: .875rem; }
.grid svg { display: block; width: 100%; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; list-style: none; margin: .6rem 0; padding: 0;
	font-size: .875rem; } .legend svg { margin-right: .35rem; vertical-align: -2px; }
svg text { font-size: 12px; fill: var(--mute); } svg text.a { fill: var(--a); } svg text.b { fill: var(--b); }
svg .head { fill: var(--ink); }
.grid line, .rule { stroke: var(--rule); } .one { stroke: var(--mute); } .tick { stroke: var(--ink); stroke-width: 2; }
.m { stroke-width: 1.5; fill: currentColor; fill-opacity: .8; stroke: none; }
.m.first { fill: var(--paper); fill-opacity: 1; stroke: currentColor; }
.band { fill: currentColor; fill-opacity: .055; stroke: none; }
.mid { stroke: currentColor; stroke-width: 1; stroke-opacity: .9; }
.span { stroke: currentColor; stroke-width: 2; } .bar { fill: currentColor; }
@media print { @page { margin: 14mm; } html { background: none; } body { padding: 0; max-width: none; font-size: 10pt; }
	.scroll { overflow: visible; } .big { min-width: 0; } table { font-size: 8pt; } small, thead th { font-size: 7.5pt; }
	th, td { padding-right: .5rem; } tbody, tr { break-inside: avoid; } h2, h3, caption { break-after: avoid; }
	.brief tbody { break-inside: auto; }
	.grid { grid-template-columns: repeat(3, 1fr); } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
'''


def _real(value: Optional[float]) -> Optional[float]:
	return float(value) if value is not None and isfinite(value) else None


def _ms(value: Optional[float]) -> str:
	"""Three significant digits, and never an exponent."""
	number = _real(value)
	if number is None:
		return '-'
	number = float(f'{number:.3g}')
	return f'{number:.{max(0, 2 - floor(log10(abs(number))))}f}' if number else '0'


def _two(value: Optional[float]) -> str:
	number = _real(value)
	return '-' if number is None else f'{number:.2f}'


def _px(value: float) -> str:
	return f'{value:.1f}'.replace('.0', '')


def _mark(side: int, x: float, y: float, classes: str = 'm', size: float = 2.6, title: str = '') -> str:
	"""A disc or a diamond of about the same area."""
	cls, inside = f'class="{classes} {"ab"[side]}"', f'<title>{escape(title)}</title>' if title else ''
	if side == 0:
		return f'<circle {cls} cx="{_px(x)}" cy="{_px(y)}" r="{size}">{inside}</circle>'
	d = _px(size * 1.3)
	return f'<path {cls} d="M{_px(x)} {_px(y - size * 1.3)}l{d} {d}-{d} {d}-{d}-{d}z">{inside}</path>'


class Axis:
	"""Ratios on the log scale that all rows of a table share; 1 is always on it."""

	WIDTH, HEIGHT, MARGIN = 176, 22, 8

	def __init__(self, rows: Sequence[Row]) -> None:
		values = [v for row in rows for v in (*self._of(row), self.published(row)) if v]
		# Not so narrow that noise about 1 fills the whole width.
		self.low = log(min([0.8, *values]) / 1.04)
		self.high = log(max([1.25, *values]) * 1.04)

	@staticmethod
	def _of(row: Row) -> List[float]:
		"""Value, and both ends of its interval: 0 for what there is not."""
		return [max(_real(v) or 0.0, 0.0) for v in (row.ratio.value, row.ratio.low, row.ratio.high)]

	@staticmethod
	def published(row: Row) -> float:
		return max(_real(row.published.ratio) or 0.0, 0.0) if row.published else 0.0

	def x(self, ratio: float) -> float:
		return self.MARGIN + (log(ratio) - self.low) / (self.high - self.low) * (self.WIDTH - 2 * self.MARGIN)

	def head(self) -> str:
		taken: List[Tuple[float, float]] = []
		for tick in TICKS:
			if self.low <= log(tick) <= self.high and all(abs(self.x(tick) - x) >= 30 for x, _t in taken):
				taken.append((self.x(tick), tick))
		labels = ''.join(f'<text x="{_px(x)}" y="27" text-anchor="middle">{t:g}</text>' for x, t in taken)
		one = self.x(1)
		# A word goes only where it has the room.
		words = ''.join(f'<text x="{_px(one + d)}" y="11" text-anchor="{a}">{w}</text>' for d, a, w, room in (
			(-6, 'end', '← slower', one), (6, 'start', 'faster →', self.WIDTH - one)) if room > 58)
		return f'<svg width="{self.WIDTH}" height="32" role="img"><title>ratio on a log scale</title>' \
			f'<path class="one" d="M{_px(one)} 0v14"/>{words}{labels}</svg>'

	def row(self, row: Row) -> str:
		value, low, high = self._of(row)
		if not value:
			return ''
		said = f'{value:.2f} times as fast' + (f', 95 % CI {low:.2f} to {high:.2f}' if low else '')
		published, mid = self.published(row), self.HEIGHT // 2
		drawn = f'<path class="one" d="M{_px(self.x(1))} 0v{self.HEIGHT}"/>'
		if published:
			said += f'; published {published:.2f}'
			drawn += f'<path class="tick" d="M{_px(self.x(published))} 2v{self.HEIGHT - 4}"/>'
		if low and high:
			start, end = self.x(low), self.x(high)
			drawn += f'<path class="span" d="M{_px(start)} {mid}H{_px(end)}M{_px(start)} {mid - 5}v10' \
				f'M{_px(end)} {mid - 5}v10"/>'
		judged = row.verdict != 'cannot judge'
		drawn += f'<circle class="m{"" if judged else " first"}" cx="{_px(self.x(value))}" cy="{mid}" r="3.2"/>'
		return f'<svg class="{_look(row)[0]}" width="{self.WIDTH}" height="{self.HEIGHT}" role="img">' \
			f'<title>{said}</title>{drawn}</svg>'


def _look(row: Row) -> Tuple[str, str]:
	return VERDICTS.get(row.verdict, ('mute', '·'))


def _scroll(label: str, body: str) -> str:
	# Whoever has no mouse scrolls it by keys, once it can be focused.
	return f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">{body}</div>'


def _section(title: str, body: str, cls: str = '') -> str:
	"""Without a body there is none."""
	return f'<section class="{cls}"><h2>{title}</h2>{body}</section>\n' if body else ''


def _paragraphs(texts: Sequence[str]) -> str:
	return ''.join(f'<p>{escape(text)}</p>' for text in texts)


Of = TypeVar('Of', Row, Sample)


def _gathered(items: Sequence[Of]) -> Dict[str, List[Of]]:
	found: Dict[str, List[Of]] = {}
	for item in items:
		found.setdefault(item.experiment, []).append(item)
	return found


def _about(experiment: Experiment) -> str:
	"""Group, size and description, as far as they are there."""
	parts = [experiment.group if experiment.group in PUBLISHED else '',
		human(experiment.size) if experiment.size else '', experiment.about]
	return escape(' · '.join(p for p in parts if p))


class Page:
	def __init__(self, result: Result) -> None:
		self.result = result
		self.sides = list(result.sides)
		self.experiments = {e.name: e for e in result.experiments}
		self.samples = _gathered(result.samples)

	def _side_heads(self, names: Sequence[str], unit: str) -> str:
		return ''.join(f'<th scope="col" class="n {c}">{escape(n)}{unit}</th>' for c, n in zip('ab', names))

	def _row(self, row: Row, axis: Axis, brief: bool) -> str:
		"""What stands right of the cells that rows share."""
		cells = [f'<td class="binds">{escape(BINDS.get(row.binds, row.binds))}</td>']
		for side in self.sides:
			spread = _real(row.iqr.get(side))
			iqr = f'<small>IQR {spread:.1%}</small>' if spread is not None and not brief else ''
			cells.append(f'<td class="n">{_ms(row.median_ms.get(side))}{iqr}</td>')
		ratio = row.ratio
		sure = f' <small>{_two(ratio.low)} to {_two(ratio.high)}</small>' if ratio.low else ''
		cells.append(f'<td class="n">{_two(ratio.value or None)}{sure}</td>')
		if not brief:
			paper = row.published
			times = f'<small>{paper.base_ms:g} → {paper.series_ms:g} ms</small>' \
				if paper and paper.base_ms and paper.series_ms else ''
			cells.append(f'<td class="n">{_two(paper.ratio if paper else None)}{times}</td>')
		cells.append(f'<td class="plot">{axis.row(row)}</td>')
		why = row.reason or ratio.problem
		reason = f'<small>{escape(why)}</small>' if why and why != self.result.cannot_judge else ''
		colour, sign = _look(row)
		cells.append(f'<td class="verdict"><b class="{colour}"><span aria-hidden="true">{sign}</span> '
			f'{escape(row.verdict)}</b>{reason}</td>')
		return ''.join(cells)

	def table(self, caption: str, rows: Sequence[Row], brief: bool) -> str:
		if not rows:
			return ''
		axis, bodies = Axis(rows), ''
		for name, of_one in _gathered(rows).items():
			known = self.experiments.get(name)
			about = '' if brief else f'<small>{_about(known) if known else ""}</small>'
			shared = f'<th scope="rowgroup" rowspan="{len(of_one)}"><b>{escape(name)}</b>{about}</th>'
			bodies += '<tbody>'
			for what, run in groupby(of_one, lambda row: row.what):
				alike = list(run)
				shared += f'<td class="what" rowspan="{len(alike)}">{escape(WHAT.get(what, what))}</td>'
				for row in alike:
					bodies += f'<tr>{shared}{self._row(row, axis, brief)}</tr>\n'
					shared = ''
			bodies += '</tbody>\n'
		iqr = ', ms' if brief else ', ms<small>median</small>'
		published = '' if brief else '<th scope="col" class="n">published</th>'
		return _scroll(caption, f'<table{" class=brief" if brief else ""}><caption><span>{escape(caption)}</span></caption>'
			'<thead><tr><th scope="col">measurement</th><th scope="col">timed</th><th scope="col">binds</th>'
			f'{self._side_heads(self.sides, iqr)}<th scope="col" class="n">times as fast<small>95 % CI</small></th>'
			f'{published}<th scope="col" class="plot">{axis.head()}</th><th scope="col">verdict</th></tr></thead>\n'
			f'{bodies}</table>')

	def panel(self, samples: Sequence[Sample], what: str, big: bool) -> str:
		"""The times of one experiment, loops or wholes. A sample without one
		keeps its place, so that panels of an experiment can be compared."""
		points = [(i, s, ms) for i, s in enumerate(samples) for ms in [_real(s.ms(what))] if ms is not None]
		if not points:
			return ''
		width, height, left, top, bottom = (1000, 190, 50, 36, 20) if big else (340, 92, 40, 18, 6)
		top_ms = max(ms for _i, _s, ms in points) * 1.04 or 1.0
		step = (width - left - 2) / len(samples)
		def x(i: float) -> float:
			return left + step * i
		def y(ms: float) -> float:
			return height - bottom - ms / top_ms * (height - top - bottom)
		drawn = [f'<text class="head" x="0" y="12">{WHAT[what]}, ms</text>']
		power = 10.0 ** floor(log10(top_ms))
		gap = next(g * power for g in (0.2, 0.5, 1, 2, 5) if top_ms / (g * power) <= (5 if big else 2.5))
		for n in range(int(top_ms / gap) + 1):
			drawn.append(f'<path class="rule" d="M{left} {_px(y(n * gap))}H{width}"/>'
				f'<text x="{left - 7}" y="{_px(y(n * gap) + 4)}" text-anchor="end">{n * gap:.6g}</text>')
		drawn += self._boots(samples, points, x, y, top, big)
		marks = []
		for i, s, ms in points:
			first = s.round == 0
			title = f'{s.side}, boot {s.boot}, bind {s.round}: {_ms(ms)} ms' if big else ''
			marks.append((first, _mark(self.sides.index(s.side), x(i + 0.5), y(ms), 'm first' if first else 'm',
				(3.4 if first else 2.6) if big else (2.4 if first else 1.5), title)))
		# What is rare goes on top.
		drawn += [mark for first, mark in sorted(marks, key=lambda m: bool(m[0]))]
		medians = []
		for side in self.sides:
			of = [ms for _i, s, ms in points if s.side == side]
			if of:
				medians.append(f'{side}: {len(of)} samples, median {_ms(median(of))} ms, {_ms(min(of))} to {_ms(max(of))}')
		name = escape(f'{samples[0].experiment}: {WHAT[what]}')
		return f'<svg class="{"big" if big else "small"}" viewBox="0 0 {width} {height}" role="img"><title>{name}</title>' \
			f'<desc>{escape("; ".join(medians))}</desc>{"".join(drawn)}</svg>'

	def _boots(self, samples: Sequence[Sample], points: Sequence[Tuple[int, Sample, float]], x: Scale, y: Scale,
		   top: int, big: bool) -> List[str]:
		"""The ground that the samples stand on: whose boot, and its median."""
		drawn, start = [], 0
		while start < len(samples):
			boot, side = samples[start].boot, self.sides.index(samples[start].side)
			end = start
			while end < len(samples) and samples[end].boot == boot:
				end += 1
			from_x, to_x, cls = x(start), x(end), 'ab'[side]
			drawn.append(f'<rect class="band {cls}" x="{_px(from_x)}" y="{top - 4}" width="{_px(to_x - from_x)}" '
				f'height="{_px(y(0) - top + 4)}"/>' + (f'<path class="one" stroke-width=".5" d="M{_px(from_x)} '
				f'{top - 4}V{_px(y(0))}"/>' if start else ''))
			again = [ms for i, s, ms in points if start <= i < end and s.round > 0]
			if again:
				drawn.append(f'<path class="mid {cls}" d="M{_px(from_x)} {_px(y(median(again)))}H{_px(to_x)}"/>')
			for text, line, look in ((self.sides[side], top - 9, cls), (f'boot {boot}', y(0) + 15, '')):
				if big and len(text) * 7 < to_x - from_x:
					drawn.append(f'<text class="{look}" x="{_px((from_x + to_x) / 2)}" y="{_px(line)}" '
						f'text-anchor="middle">{escape(text)}</text>')
			start = end
		return drawn

	def figures(self, big: bool) -> str:
		found = ''
		for name, experiment in self.experiments.items():
			if (experiment.group in PUBLISHED) != big:
				continue
			panels = ''.join(self.panel(self.samples.get(name, []), what, big) for what in (LOOP, WHOLE))
			if panels:
				found += f'<figure><figcaption><b>{escape(name)}</b><small>{_about(experiment)}</small></figcaption>' \
					f'{_scroll(name, panels) if big else panels}</figure>\n'
		return found

	def legend(self) -> str:
		keys = [f'<li><svg width="12" height="12" aria-hidden="true">{_mark(side, 6, 6, cls, 4)}</svg>'
			f'{escape(name)}, {what}</li>' for side, name in enumerate(self.sides)
			for cls, what in (('m', 'rebind'), ('m first', 'first bind of a boot'))]
		keys.append('<li><svg width="18" height="12" aria-hidden="true"><path class="mid" d="M0 6h18"/></svg>'
			'median of a boot’s rebinds</li>')
		return f'<ul class="legend">{"".join(keys)}</ul>'

	def cost(self) -> str:
		cost = self.result.cost
		if not cost:
			return ''
		parts = [f'<p>{escape(cost.about)}</p>']
		for table in cost.tables:
			most = max((_real(v) or 0.0 for _name, *values in table.rows for v in values), default=0.0) or 1.0
			rows = ''
			for name, base, series in table.rows:
				share = series / base if base and series is not None else None
				bars = ''.join(f'<rect class="bar {c}" y="{n}" width="{_px(max(v or 0.0, 0.0) / most * 200)}" height="6"/>'
					for c, v, n in (('a', _real(base), 3), ('b', _real(series), 12)))
				rows += f'<tr><th scope="row">{escape(name)}</th><td class="n">{_two(base)}</td>' \
					f'<td class="n">{_two(series)}</td><td class="n">{_two(share)}</td>' \
					f'<td class="plot"><svg width="200" height="21" aria-hidden="true">{bars}</svg></td></tr>\n'
			over = escape(' / '.join(reversed(cost.sides)))
			parts.append(_scroll(table.name, '<table class="cost"><caption><span>'
				f'{escape(table.name)}</span></caption><thead><tr><th scope="col">experiment</th>'
				f'{self._side_heads(cost.sides, "")}<th scope="col" class="n">{over}</th><td class="plot"></td></tr>'
				f'</thead><tbody>{rows}</tbody></table>'))
		return ''.join(parts)

	def html(self) -> str:
		result = self.result
		title = f'ZONE_DEVICE memmap initialisation: {" against ".join(self.sides)}'
		try:
			when = datetime.fromisoformat(result.when).strftime('%Y-%m-%d %H:%M %Z').strip()
		except ValueError:
			when = result.when
		sides = ''.join(f'<dt class="{c}">{escape(n)}</dt><dd>{escape(t)}</dd>'
			for c, (n, t) in zip('ab', result.sides.items()))
		out = ['<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>', escape(title), '</title>'
			'<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" '
			'content="default-src \'none\'; style-src \'unsafe-inline\'"><style>', CSS, '</style></head><body>\n'
			f'<header><h1>{escape(title)}</h1><p class="mute"><time datetime="{escape(result.when)}">{escape(when)}</time>'
			f'</p><dl>{sides}</dl></header><main>\n']
		if result.cannot_judge:
			out.append(f'<p class="notice" role="note"><b>Cannot judge:</b> {escape(result.cannot_judge)}</p>\n')
		out.append(_section('What the numbers say', _paragraphs(result.says), 'says'))
		published = [r for r in result.rows if r.group in PUBLISHED]
		square = [r for r in result.rows if r.group not in PUBLISHED]
		how = f'Ratio: {" / ".join(self.sides)}, above 1 {self.sides[1]} is faster; disc and bar: ratio and its interval'
		hollow = '; hollow: cannot be judged.'
		out.append(_section('The published measurements', self.table(
			f'{how}; thick tick: the ratio that was published{hollow}', published, False)))
		large, small = self.figures(True), self.figures(False)
		grid = f'<h3>The square</h3><div class="grid">{small}</div>' if small else ''
		out.append(_section('Every sample, in the order of time', (large or small) and self.legend() + large + grid))
		out.append(_section('The square: types, orders and places of the memmap',
			self.table(how + hollow, square, True)))
		out.append(_section('Cost', self.cost()))
		facts = ''.join(f'<dt>{escape(k)}</dt><dd>{escape(v)}</dd>' for k, v in result.facts.items())
		out.append(_section('What it was measured on', facts and f'<dl>{facts}</dl>'))
		out.append(_section('Method', _paragraphs(result.method)))
		out.append('</main></body></html>\n')
		return ''.join(out)


def page(result: Result) -> str:
	return Page(result).html()
