# SPDX-License-Identifier: GPL-2.0
"""The sweep of make bench-native as a picture: what gnuplot is told."""

from typing import List

from bench.native_report import FIELDS, LIMIT, MEMCPY, METHODS, Result, STATES, STREAMING
from host.machine import human

# Told apart without colours: by line, and by mark.
LOOKS = {MEMCPY: 'dt 2 lw 1.5 pt 6', STREAMING: 'dt 1 lw 2 pt 7', LIMIT: 'dt 3 lw 1.5 pt 8'}


def _quoted(text: str) -> str:
	return "'" + text.replace("'", "''") + "'"


def _data(result: Result, state: str) -> List[str]:
	lines = [f'${state} << END']
	for size in result.plan.sizes:
		ratios = [result.ratio(state, size, m) for m in result.methods]
		lines.append(' '.join([str(size), *(f'{r.value:.4f} {r.low or r.value:.4f} {r.high or r.value:.4f}'
			for r in ratios)]))
	return [*lines, 'END']


def _cache(name: str, size: int) -> List[str]:
	return [f'set arrow from {size}, graph 0 to {size}, graph 1 nohead dt 4 lw 1 back',
		f'set label {_quoted(f"{name} {human(size)}")} at {size}, graph 0.98 right rotate by 90 offset -0.9,0']


def script(result: Result) -> str:
	"""Cold and warm caches beside each other, on one scale. Both axes are
	logarithmic: twice as fast is as far from 1 as half as fast."""
	sizes = result.plan.sizes
	ratios = [result.ratio(state, s, m) for state in STATES for s in sizes for m in result.methods]
	low, high = min(r.low or r.value for r in ratios), max(r.high or r.value for r in ratios)
	ticks = ', '.join(f'{_quoted(human(s))} {s}' for s in sizes[::2])
	lines = [
		'set terminal svg size 1000,600 dynamic noenhanced background "white" font "sans-serif,12"',
		'set encoding utf8',
		*(l for state in STATES for l in _data(result, state)),
		'set multiplot layout 1,2 title ' + _quoted(f'{result.machine.model}, hypervisor {result.hypervisor}'),
		'set logscale xy 2', f'set xrange [{sizes[0] / 1.3}:{sizes[-1] * 1.3}]', f'set xtics rotate by -35 ({ticks})',
		f'set yrange [{min(low, 1) / 1.15:.3f}:{max(high, 1) * 1.15:.3f}]',
		'set ytics (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32)', 'set grid ytics lt 1 lc "#dddddd"',
		'set bmargin at screen 0.33', 'set tmargin at screen 0.86',
		'set key at screen 0.6, screen 0.02 bottom',
		'set xlabel "struct pages (a device has 64 times as much memory)"',
		'set ylabel "times as fast as field by field"',
		*_cache('L2', result.machine.l2), *_cache('last level', result.machine.llc),
	]
	for state in STATES:
		plots = [f'1 with lines lc "black" lw 1 title {_quoted(METHODS[FIELDS])}']
		for column, method in enumerate(result.methods):
			places = ':'.join(['1', *(str(3 * column + n) for n in (2, 3, 4))])
			plots.append(f'${state} using {places} with yerrorlines lc "black" {LOOKS[method]} '
				f'title {_quoted(METHODS[method])}')
		# One key is enough for both.
		lines += [f'set title "{state} caches"', 'plot ' + ', \\\n\t'.join(plots), 'unset key']
	return '\n'.join([*lines, 'unset multiplot', ''])
