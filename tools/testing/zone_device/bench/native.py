# SPDX-License-Identifier: GPL-2.0
"""make bench-native: what this CPU can gain at most, in user space."""

import json
import os
from typing import Dict, List

from bench import native_report
from checks import native
from checks.native import Variant
from host import files, machine, packages, process
from host.messages import Error
from kernel import tree


def bench() -> int:
	packages.ensure(native.PACKAGES)
	on = machine.machine(os.environ.get('CPU', ''))
	plan = native_report.plan(on, os.environ.get('SIZE', ''), os.environ.get('ROUNDS', ''))
	with tree.with_base(tree.plan()) as prepared:
		return _bench(native.variants(prepared), on, plan)


def _bench(chosen: List[Variant], on: machine.Machine, plan: native_report.Plan) -> int:
	program = native.build(chosen)
	if not native.compare(program).ok:
		raise Error('native: the paths do not do the same, so that their times mean nothing')
	status, lines, errors = native.run_program(program, ['bench', *plan.arguments()], 3600)
	if status:
		raise Error(f'native: {(errors.strip().splitlines() or ["the program failed"])[0]}')
	trees: Dict[str, str] = {v.name: ', '.join(filter(None, (v.tree.describe(), v.how)))
		for v in chosen}
	version = process.output([w for w in native.compiler() if w != 'ccache'][:1] + ['--version'])
	result = native_report.Result(on, plan, trees, version.splitlines()[0], lines)
	print(result.text(), flush=True)
	files.write_output('JSON', json.dumps(result.json(), indent=1) + '\n')
	return 0
