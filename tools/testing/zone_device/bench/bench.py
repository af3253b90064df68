# SPDX-License-Identifier: GPL-2.0
"""make bench: two kernels boot in turns and are timed binding device memory.

Two guests a turn: in one, ndctl makes namespaces that are unbound and bound
again, as the series' author did; in the other a suite maps each kind of memory,
the reviewer's first.
"""

import datetime
import json
import os
import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence

from bench import guests, page as bench_page, result as bench_result, says as bench_says, text as bench_text
from bench.guests import GIB, TARGET
from bench.model import AUTHOR, Cost, Result, REVIEWER, Sample, Table
from bench.result import REVIEWED
from bench.watch import Watcher
from checks import cost
from guest import accelerator, build, qemu
from guest.target import needs, Target
from host import cache, files, machine, packages, process
from host.machine import asked, human
from host.messages import Error, say
from kernel import source, tree
from kernel.tree import Tree
from options import Options

AUTHOR_SIZE, REVIEWER_SIZE = 100 * GIB, 64 * GIB
# Nothing about time can be learned under TCG, so that a minute must do.
TCG_SIZE, TCG_ROUNDS, TCG_BOOTS = 16 * GIB, 3, 1
ROUNDS, BOOTS = 30, 6
# struct pages may take this share of what memory the host has to give.
MEMORY_SHARE = 0.7


@dataclass
class Plan:
	"""Sizes are bytes of device memory in the author's and the reviewer's guest."""
	author: int
	reviewer: int
	boots: int
	rounds: int
	# Why the sizes are not those that were published, if so.
	scaled: str = ''


def _memory(author: int, reviewer: int) -> int:
	"""What the larger of the two guests makes the host give, in bytes: struct
	pages of two namespaces; or struct pages in RAM and on the device."""
	return max(2 * author // 64 + 2 * GIB, 2 * reviewer // 64 + 3 * GIB)


def plan(available: int, kvm: bool, size: str, rounds: Optional[int], boots: Optional[int]) -> Plan:
	rounds = rounds or (ROUNDS if kvm else TCG_ROUNDS)
	boots = boots or (BOOTS if kvm else TCG_BOOTS)
	budget = int(available * MEMORY_SHARE)
	if size:
		wanted = asked(size, GIB) // GIB * GIB
		if _memory(wanted, wanted) > budget:
			raise Error(f'SIZE={size}: the guests need {human(_memory(wanted, wanted))} of memory '
				f'and may use {human(budget)} of the {human(available)} that are available')
		return Plan(wanted, wanted, boots, rounds, f'SIZE={size}')
	most = (AUTHOR_SIZE, REVIEWER_SIZE) if kvm else (TCG_SIZE, TCG_SIZE)
	why = '' if kvm else 'no KVM: times mean nothing, so that less will do'
	for percent in range(100, 0, -1):
		author, reviewer = (m * percent // 100 // GIB * GIB for m in most)
		if reviewer and _memory(author, reviewer) <= budget:
			break
		why = f'{human(available)} of memory are available'
	else:
		raise Error(f'the guests need {human(_memory(GIB, GIB))} of memory and may use '
			f'{human(budget)} of the {human(available)} that are available')
	return Plan(author, reviewer, boots, rounds, why)


def _wanted(given: Options) -> Dict[str, Optional[str]]:
	"""The two sides, and the series of each; None for what SERIES= says."""
	one, other = given.series_a, given.series_b
	if not (one or other):
		return {'base': 'none', 'series': None}
	if not (one and other):
		raise Error('SERIES_A= and SERIES_B= go together: one of them may be none')
	if os.path.realpath(one) == os.path.realpath(other):
		raise Error('SERIES_A= and SERIES_B= are the same: there is nothing to compare')
	if given.series_upto is not None:
		raise Error('SERIES_UPTO= says nothing about SERIES_A= and SERIES_B=')
	return {'A': one, 'B': other}


def _plans(wanted: Dict[str, Optional[str]], given: Options) -> Dict[str, tree.Plan]:
	origin = source.chosen(given.kdir, given.ktarball)
	if None in wanted.values() and not tree.series_path(origin, given.series):
		raise Error('there is no series to compare with: give the base as KDIR= and the patches as SERIES=')
	return {name: tree.plan(origin, series) if series else tree.plan(origin, given.series, given.series_upto)
		for name, series in wanted.items()}


def _order(boots: int) -> List[int]:
	"""Whose turn it is, so that a drift over time meets both sides alike."""
	return [side if pair % 2 == 0 else 1 - side for pair in range(boots) for side in (0, 1)]


def _config(built: Dict[str, Tree], option: str) -> str:
	"""What both kernels were configured with."""
	text = (next(iter(built.values())).build_dir(TARGET.name) / '.config').read_text()
	found = re.search(rf'^CONFIG_{option}="?(.*?)"?$', text, re.M)
	if not found:
		raise Error(f'bench: the kernel was built without CONFIG_{option}')
	return found.group(1)


def _facts(built: Dict[str, Tree], sizes: Plan, watcher: Watcher, accelerator: str,
	   kernel_args: Sequence[str]) -> Dict[str, str]:
	on = machine.machine()
	flags = machine.text_of('/proc/cpuinfo')
	return {'CPU': on.model, 'microcode': on.microcode,
		'last level cache': human(on.llc), 'governor': on.governor,
		'this machine': 'itself a guest' if re.search(r'^flags.* hypervisor', flags, re.M) else 'no hypervisor seen',
		'host kernel': on.kernel, 'accelerator': accelerator,
		'QEMU': process.output([TARGET.arch.qemu, '--version']).splitlines()[0],
		'guest kernel': '; '.join(f'{s}: {t.describe()}' for s, t in built.items()),
		'HZ': _config(built, 'HZ'), 'compiler': _config(built, 'CC_VERSION_TEXT'),
		'memory behind guests': watcher.backing(),
		'device memory': f'{human(sizes.author)} a namespace, {human(sizes.reviewer)} else'
			+ (f' ({sizes.scaled})' if sizes.scaled else ''),
		'clock of guests': ' '.join(sorted(watcher.sources)),
		'kernel arguments': ' '.join(kernel_args) or 'none beyond the usual',
		'CPUs': f'{len(os.sched_getaffinity(0))} of {os.cpu_count()}',
		'boots, binds': f'{sizes.boots} a side; {sizes.rounds} rebinds of each namespace a boot'}


def _measure(built: Dict[str, Tree], target: Target, sizes: Plan, kernel_args: Sequence[str], watcher: Watcher,
	     samples: List[Sample]) -> None:
	names = list(built)
	for boot, side in enumerate(_order(sizes.boots)):
		say(f'bench: boot {boot + 1} of {2 * sizes.boots}: {names[side]}')
		prepared, found = built[names[side]], []
		rounds = bench_result.binds(REVIEWED, sizes.rounds) - 1
		for log in (guests.namespaces(prepared, target, sizes.author, sizes.rounds, watcher, kernel_args),
				guests.kinds(prepared, target, sizes.reviewer, rounds, watcher, kernel_args)):
			found += bench_result.read(log, names[side], boot)
		bench_result.must_be_whole(found, sizes.rounds)
		samples += found


def _cost(built: Dict[str, Tree], target: Target, kernel_args: Sequence[str]) -> Cost:
	tables = [cost.measure(t, name, target, kernel_args) for name, t in built.items()]
	listed = []
	for function in (cost.LOOP, cost.WHOLE):
		for what in ('instructions', 'bytes stored', 'bytes stored non-temporally'):
			rows = []
			for case in tables[0].costs[function]:
				one, other = (t.costs[function][case].per_page(what) if case in t.costs[function] else None
					for t in tables)
				rows.append((case, one, other))
			listed.append(Table(f'{function}(), {what}', function, what, rows))
	return Cost('counted by a QEMU plugin, per struct page written', list(built), listed)


class Report:
	"""Where the result goes, found out before there is one."""

	def __init__(self) -> None:
		now = datetime.datetime.now().astimezone()
		self.when = now.isoformat(timespec='seconds')
		where = cache.directory() / 'bench'
		where.mkdir(parents=True, exist_ok=True)
		self.own = where / f'{now:%Y%m%d-%H%M%S}.json'

	def save(self, result: Result) -> None:
		files.write_atomically(self.own, self._json(result))

	@staticmethod
	def _json(result: Result) -> str:
		return json.dumps(result.as_json(), indent=1) + '\n'

	def publish(self, result: Result, to_json: str, to_html: str) -> None:
		self.save(result)
		page = self.own.with_suffix('.html')
		files.write_atomically(page, bench_page.page(result))
		files.write_output('JSON', to_json, self._json(result))
		files.write_output('HTML', to_html, bench_page.page(result))
		for written in (to_json or self.own, to_html or page):
			say(f'bench: wrote {written}')


def bench(given: Options) -> int:
	# Before the long builds: what cannot work should fail at once.
	plan(machine.machine().available, True, given.size, given.rounds, given.boots)
	wanted, where = _wanted(given), Report()
	target = TARGET.asked(given)
	packages.ensure([*needs([target]), *guests.PACKAGES])
	plans = _plans(wanted, given)
	with tree.using(*plans.values()) as trees:
		return _bench(dict(zip(plans, trees)), target, where, given)


def _bench(built: Dict[str, Tree], target: Target, where: Report, given: Options) -> int:
	for name, prepared in built.items():
		say(f'bench: {name}: {prepared.describe()}')
		build.build(prepared, target)
	available = machine.machine().available
	first = next(iter(built.values()))
	kvm, why = accelerator.kvm(qemu.machine(first, target.arch), first.build_dir(target.name))
	sizes = plan(available, kvm, given.size, given.rounds, given.boots)
	watcher = Watcher()
	samples: List[Sample] = []

	def result() -> Result:
		reason = watcher.problem() if kvm else 'times under TCG say nothing about a CPU'
		facts = _facts(built, sizes, watcher, f'{"KVM" if kvm else "TCG"}: {why}', given.kernel_args)
		found = bench_result.collect(samples, {s: t.describe() for s, t in built.items()},
			'base' in built and not first.features, facts, reason,
			{AUTHOR: sizes.author, REVIEWER: sizes.reviewer}, machine.machine().llc,
			1000 / int(_config(built, 'HZ')))
		found.when, found.says = where.when, bench_says.says(found)
		return found

	try:
		# A core of another kind would be another CPU.
		os.sched_setaffinity(0, machine.fast_cpus())
		_measure(built, target, sizes, given.kernel_args, watcher, samples)
	except BaseException:
		if samples:
			where.save(result())
			say(f'bench: what was timed until then is in {where.own}')
		raise
	found = result()
	where.save(found)
	if not kvm:
		found.cost = _cost(built, target, given.kernel_args)
		found.says = bench_says.says(found)
	where.publish(found, given.json, given.html)
	print('\n'.join(bench_text.text(found)), flush=True)
	return 0
