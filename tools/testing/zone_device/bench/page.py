# SPDX-License-Identifier: GPL-2.0
"""What was measured in the guests, as one HTML file that needs nothing else:
no script, no font, no network. It is attached to mails and opened from CI."""

from html import escape
from itertools import groupby
from math import floor, log, log10
from statistics import median
from typing import List, Sequence

from bench import tables
from bench.model import LOOP, PUBLISHED, Result, Row, Sample, WHOLE
from bench.result import NEAR
from bench.tables import Line, Table

# Colour and sign: either alone is enough to tell them apart.
VERDICTS = {
	'reproduced': ('good', '✓'), 'faster': ('good', '▲'), 'not reproduced': ('weak', '≠'),
	'opposite': ('bad', '✕'), 'slower': ('bad', '▼'), 'no difference': ('mute', '='), 'cannot judge': ('mute', '?'),
}

METHOD = [
	'Each boot gives one value a row: the median of its binds, or the mean of all where that was published. A ratio '
	'is of a boot of one side to the next one of the other, in the order ABBA, so that a steady drift cancels. The median over these pairs is shown, and its 95 % interval by order statistics, which holds for '
	'any distribution. Binds of one boot share its memory and are not independent: boots count.',
	f'Reproduced: the interval is on the published side of 1, and the ratio misses the published effect by {NEAR:.0%} '
	'of it at most (as logarithms). Opposite: all of the interval is on the other side of 1.',
]

CSS = '''
:root { color-scheme: light dark; --paper: #fdfdfc; --ink: #1d2023; --mute: #666b70; --rule: #dfe0dd;
	--faint: #f3f3f0; --a: #0b62a8; --b: #c4500a; --good: #18703d; --weak: #85580a; --bad: #b3261e; }
@media screen and (prefers-color-scheme: dark) {
	:root { --paper: #15181a; --ink: #e3e4e2; --mute: #9ba1a5; --rule: #32373a; --faint: #1f2326;
		--a: #6db4f2; --b: #f2964f; --good: #70c890; --weak: #d9ac55; --bad: #f28c82; } }
* { box-sizing: border-box; }
html { background: var(--paper); color: var(--ink); -webkit-text-size-adjust: 100%; }
body { max-width: 1200px; margin: 0 auto; padding: 2rem 1.25rem 4rem; font: 16px/1.5 -apple-system, "Segoe UI", Roboto,
	"Noto Sans", "Liberation Sans", Arial, system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.6rem; line-height: 1.2; font-weight: 600; margin: 0 0 .35rem; }
h2 { font-size: 1.2rem; font-weight: 600; margin: 2.4rem 0 .6rem; padding-top: .8rem;
	border-top: 1px solid var(--rule); }
p { max-width: 48em; margin: 0 0 .75rem; }
.mute { color: var(--mute); }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem 1.25rem; margin: 0; }
dt { color: var(--mute); } dd { margin: 0; overflow-wrap: anywhere; }
.a { color: var(--a); } .b { color: var(--b); }
.good { color: var(--good); } .weak { color: var(--weak); } .bad { color: var(--bad); }
.notice { margin: 1.2rem 0 0; padding: .6rem .9rem; max-width: none; border-left: 4px solid var(--weak);
	background: var(--faint); }
.scroll { overflow-x: auto; margin: .8rem 0 1.2rem; }
table { border-collapse: collapse; font-size: .9375rem; line-height: 1.4; }
caption { text-align: left; color: var(--mute); font-size: .875rem; padding-bottom: .5rem; }
caption span { position: sticky; left: 0; display: inline-block; max-width: min(60em, calc(100vw - 2.5rem)); }
th, td { text-align: left; vertical-align: top; padding: .15rem 1.2rem .15rem 0; font-weight: 400; white-space: nowrap; }
td[colspan] { padding-left: 1.2em; font-size: .8125rem; }
thead th { color: var(--mute); font-size: .8125rem; vertical-align: bottom; border-bottom: 1px solid var(--ink); }
th[scope=rowgroup] { font-weight: 600; padding-top: .7rem; }
td b { font-weight: 600; }
.n { text-align: right; }
figure { margin: 0; break-inside: avoid; } figcaption { font-size: .875rem; font-weight: 600; }
.figures { display: grid; gap: 1.4rem 1.6rem; grid-template-columns: repeat(auto-fill, minmax(min(300px, 100%), 1fr)); }
.figures .wide { grid-column: 1 / -1; overflow-x: auto; } .wide svg { min-width: 700px; }
figure svg { display: block; width: 100%; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; list-style: none; margin: .6rem 0; padding: 0;
	font-size: .875rem; } .legend svg { margin-right: .35rem; }
svg text { font-size: 12px; fill: var(--mute); }
.rule { stroke: var(--rule); } .one { stroke: var(--mute); } .tick { stroke: var(--ink); stroke-width: 2; }
.m { fill: currentColor; } .first { fill: var(--paper); stroke: currentColor; stroke-width: 1.5; }
.band { fill: currentColor; fill-opacity: .07; } .mid { stroke: currentColor; }
.span { stroke: currentColor; stroke-width: 2; }
@media print { @page { margin: 14mm; } html { background: none; } body { padding: 0; max-width: none; font-size: 10pt; }
	.scroll, .wide { overflow: visible; } table { font-size: 7.5pt; } tr { break-inside: avoid; }
	* { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
'''


def _px(value: float) -> str:
	return f'{value:.1f}'.replace('.0', '')


def _mark(side: int, x: float, y: float, size: float, classes: str = 'm') -> str:
	"""A disc, or a diamond of about the same area."""
	d = _px(size * 1.3)
	shape = f'<path d="M{_px(x)} {_px(y - size * 1.3)}l{d} {d}-{d} {d}-{d}-{d}z"' if side \
		else f'<circle cx="{_px(x)}" cy="{_px(y)}" r="{size}"'
	return f'{shape} class="{classes} {"ab"[side]}"/>'


class Axis:
	"""Ratios on the log scale that all rows of a table share; 1 is always on it."""

	WIDTH, HEIGHT, MARGIN = 160, 20, 8

	def __init__(self, rows: Sequence[Row]) -> None:
		values = [v for r in rows for v in (r.ratio.value, r.ratio.low, r.ratio.high, r.published) if v]
		# Not so narrow that noise about 1 fills the whole width.
		self.low, self.high = log(min([0.8, *values]) / 1.04), log(max([1.25, *values]) * 1.04)

	def x(self, ratio: float) -> float:
		return self.MARGIN + (log(ratio) - self.low) / (self.high - self.low) * (self.WIDTH - 2 * self.MARGIN)

	def _svg(self, cls: str, title: str, drawn: str) -> str:
		return f'<svg class="{cls}" width="{self.WIDTH}" height="{self.HEIGHT}" role="img"><title>{title}</title>' \
			f'<path class="one" d="M{_px(self.x(1))} 0v{self.HEIGHT}"/>{drawn}</svg>'

	def head(self) -> str:
		return self._svg('mute', 'ratio on a log scale', f'<text x="{_px(self.x(1) + 3)}" y="14">1</text>')

	def row(self, row: Row) -> str:
		found, mid = row.ratio, self.HEIGHT // 2
		title, interval = tables.ratio(row)
		drawn = ''
		if row.published:
			title += f', published {row.published:.2f}'
			drawn += f'<path class="tick" d="M{_px(self.x(row.published))} 2v{self.HEIGHT - 4}"/>'
		if found.low:
			title += f', 95 % CI {interval}'
			start, end = _px(self.x(found.low)), _px(self.x(found.high))
			drawn += f'<path class="span" d="M{start} {mid}H{end}M{start} {mid - 5}v10M{end} {mid - 5}v10"/>'
		cls = 'first' if row.verdict == 'cannot judge' else 'm'
		return self._svg(VERDICTS[row.verdict][0], title,
			f'{drawn}<circle class="{cls}" cx="{_px(self.x(found.value))}" cy="{mid}" r="3.2"/>')


def _first(line: Line) -> str:
	"""Of a line, what it says: a verdict is seen at a glance."""
	text = escape(line.cells[0])
	if line.row:
		colour, sign = VERDICTS[line.row.verdict]
		text = f'<b class="{colour}"><span aria-hidden="true">{sign}</span> {text}</b>'
	return text


def _table(table: Table) -> str:
	lines = [line for of in table.groups.values() for line in of]
	axis = Axis([l.row for l in lines if l.row])
	drawn = any(l.row for l in lines)
	about = table.about + ('. Drawn: ratio and interval; thick line: published; hollow: cannot be judged' if drawn else '')
	def align(column: int) -> str:
		return '' if column < table.left else ' class="n"'
	heads = [f'<th scope="col"{align(i)}>{escape(h)}</th>' for i, h in enumerate(table.head)]
	if drawn:
		heads.append(f'<th scope="col">{axis.head()}</th>')
	bodies = ''
	for title, of in table.groups.items():
		bodies += f'<tbody><tr><th scope="rowgroup" colspan="{len(heads)}">{escape(title)}</th></tr>\n'
		for line in of:
			cells = [_first(line), *(escape(c) for c in line.cells[1:])]
			bodies += '<tr>' + ''.join(f'<td{align(i)}>{c}</td>' for i, c in enumerate(cells)) \
				+ (f'<td>{axis.row(line.row)}</td>' if line.row else '') + '</tr>\n'
			if line.note:
				bodies += f'<tr><td class="mute" colspan="{len(heads)}">{escape(line.note)}</td></tr>\n'
		bodies += '</tbody>'
	# Whoever has no mouse scrolls it by keys, once it can be focused.
	return f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(table.title)}"><table><caption><span>' \
		f'{escape(about)}</span></caption><thead><tr>{"".join(heads)}</tr></thead>\n{bodies}</table></div>'


def panel(samples: Sequence[Sample], what: str, sides: Sequence[str], width: int) -> str:
	"""The times of one experiment in the order of time, on the ground of the
	boots that they are of. One that lacks this time keeps its place."""
	known = [v for v in (s.ms(what) for s in samples) if v is not None]
	if not known:
		return ''
	height, left, top, bottom = 80 + width // 10, 44, 22, 4
	most = max(known) * 1.04 or 1.0
	step = (width - left) / len(samples)
	def y(ms: float) -> float:
		return height - bottom - ms / most * (height - top - bottom)
	power = 10.0 ** floor(log10(most))
	gap = next(g * power for g in (0.5, 1, 2, 5) if most / (g * power) <= 4)
	drawn = f'<text x="0" y="12">{what}, ms</text>'
	for tick in (n * gap for n in range(int(most / gap) + 1)):
		drawn += f'<path class="rule" d="M{left} {_px(y(tick))}H{width}"/>' \
			f'<text x="{left - 6}" y="{_px(y(tick) + 4)}" text-anchor="end">{tick:g}</text>'
	x = float(left)
	for (_boot, name), of_boot in groupby(samples, lambda s: (s.boot, s.side)):
		boot, side = list(of_boot), sides.index(name)
		cls, wide = 'ab'[side], step * len(boot)
		drawn += f'<rect class="band {cls}" x="{_px(x)}" y="{top}" width="{_px(wide - 1)}" height="{_px(y(0) - top)}"/>'
		again = [ms for s in boot if s.round for ms in [s.ms(what)] if ms is not None]
		if again:
			drawn += f'<path class="mid {cls}" d="M{_px(x)} {_px(y(median(again)))}h{_px(wide)}"/>'
		marks = [(s.round, _mark(side, x + step * (n + 0.5), y(ms), 2, 'm' if s.round else 'first'))
			for n, s in enumerate(boot) for ms in [s.ms(what)] if ms is not None]
		# What is rare goes on top.
		drawn += ''.join(mark for _round, mark in sorted(marks, reverse=True))
		x += wide
	return f'<svg viewBox="0 0 {width} {height}" role="img"><title>{escape(samples[0].experiment)}: {what}</title>{drawn}</svg>'


def _figures(result: Result) -> str:
	sides, found = list(result.sides), ''
	for name in dict.fromkeys(s.experiment for s in result.samples):
		wide = name in PUBLISHED
		samples = [s for s in result.samples if s.experiment == name]
		panels = ''.join(panel(samples, what, sides, 1160 if wide else 370) for what in (LOOP, WHOLE))
		found += f'<figure class="{"wide" if wide else "small"}"><figcaption>{escape(name)}</figcaption>{panels}</figure>\n'
	keys = ''.join(f'<li><svg width="12" height="12" aria-hidden="true">{_mark(n, 6, 6, 4, cls)}</svg>'
		f'{escape(side)}, {what}</li>' for n, side in enumerate(sides)
		for cls, what in (('m', 'rebind'), ('first', 'first bind of a boot')))
	return f'<ul class="legend">{keys}<li>line: median of a boot’s rebinds</li></ul><div class="figures">{found}</div>'


def _list(facts: Sequence[Sequence[str]]) -> str:
	return '<dl>' + ''.join(f'<dt>{escape(k)}</dt><dd>{escape(v)}</dd>' for k, v in facts) + '</dl>'


def page(result: Result) -> str:
	title = f'ZONE_DEVICE memmap initialisation: {" against ".join(result.sides)}'
	out = ['<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>', escape(title), '</title>'
		'<meta name="viewport" content="width=device-width, initial-scale=1"/><meta http-equiv="Content-Security-Policy" '
		'content="default-src \'none\'; style-src \'unsafe-inline\'"/><style>', CSS, '</style></head><body>\n'
		f'<h1>{escape(title)}</h1>', _list([('when', result.when), *result.sides.items()])]
	if result.cannot_judge:
		out.append(f'<p class="notice" role="note"><b>Cannot judge:</b> {escape(result.cannot_judge)}</p>\n')
	sections = [*((t.title, _table(t)) for t in tables.tables(result)),
		('Every sample, in the order of time', _figures(result) if result.samples else ''),
		('What it was measured on', _list(list(result.facts.items()))),
		('Method', ''.join(f'<p>{escape(text)}</p>' for text in METHOD))]
	out += [f'<section><h2>{escape(name)}</h2>{body}</section>\n' for name, body in sections if body]
	return ''.join([*out, '</body></html>\n'])
