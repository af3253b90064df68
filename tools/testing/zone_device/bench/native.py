# SPDX-License-Identifier: GPL-2.0
"""make bench-native: what this CPU can gain at most, in user space."""

import datetime
import json
from pathlib import Path
from typing import Dict, List

import request
from bench import native_plot, native_report
from checks import native
from checks.native import Variant
from guest.target import Target
from host import cache, files, machine, packages, process
from host.messages import Error, say, tell
from kernel import tree
from options import Options


def bench(given: Options) -> int:
	packages.ensure([*native.PACKAGES, *packages.PLOT])
	on = machine.machine(given.cpu)
	plan = native_report.sizes(on, given.size, given.rounds)
	wanted = request.plan(given)
	with tree.with_base(wanted) as prepared:
		result = _measure(native.variants(prepared), native.TARGET.asked(given), on, plan)
	tell(result.text().splitlines())
	files.write_output('JSON', given.json, json.dumps(result.as_json(), indent=1) + '\n')
	picture = draw(result)
	files.write_output('SVG', given.svg, picture.read_text())
	say(f'bench-native: wrote {given.svg or picture}')
	return 0


def _measure(chosen: List[Variant], target: Target, on: machine.Machine,
	     plan: native_report.Plan) -> native_report.Result:
	if not chosen:
		raise Error(f'bench-native: cannot judge: {native.NO_BASE}')
	program = native.link(chosen, target)
	if not native.compare(program).ok:
		raise Error('native: the paths do not do the same, so that their times mean nothing')
	status, lines, errors = native.run_program(program, ['bench', *plan.arguments()], 3600)
	if status:
		raise Error(f'native: {(errors.strip().splitlines() or ["the program failed"])[0]}')
	trees: Dict[str, str] = {v.name: ', '.join(filter(None, (v.tree.describe(), v.how)))
		for v in chosen}
	version = process.output([w for w in native.compiler(target) if w != 'ccache'][:1] + ['--version'])
	return native_report.Result(on, plan, trees, version.splitlines()[0], lines)


def draw(result: native_report.Result) -> Path:
	"""The picture; what gnuplot was told stays beside it, to draw it otherwise."""
	where = cache.directory() / 'bench'
	where.mkdir(parents=True, exist_ok=True)
	script = where / f'native-{datetime.datetime.now():%Y%m%d-%H%M%S}.gnuplot'
	files.write_atomically(script, native_plot.script(result))
	picture = script.with_suffix('.svg')
	files.write_atomically(picture, process.output(['gnuplot', script]))
	return picture
