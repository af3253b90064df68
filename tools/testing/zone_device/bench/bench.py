# SPDX-License-Identifier: GPL-2.0
"""make bench: two kernels boot in turns and are timed binding device memory.

Two guests a turn: in one, ndctl makes namespaces that are unbound and bound
again, as the series' author did; in the other a suite maps each kind of memory,
the reviewer's first.
"""

import datetime
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Dict, List, Optional

import report
import request
from bench import guests, page as bench_page, result as bench_result, tables
from bench.guests import GIB, TARGET
from bench.model import Result, Row, Sample
from bench.watch import Watcher
from checks import cost
from guest import accelerator, build, qemu
from guest.target import needs, Target
from host import cache, files, machine, packages, process
from host.machine import asked, human
from host.messages import Error, say, tell
from kernel import tree
from kernel.tree import Tree
from options import Options
from outcome import Outcome

AUTHOR_SIZE, REVIEWER_SIZE = 100 * GIB, 64 * GIB
# Nothing about time can be learned under TCG, so that a minute must do.
TCG_SIZE, TCG_ROUNDS, TCG_BOOTS = 16 * GIB, 3, 1
ROUNDS, BOOTS = 30, 6
# Guests may take this share of what memory the host has to give.
MEMORY_SHARE = 0.7
# What they take beside struct pages: with two namespaces, of which those of the
# second come on top; and with struct pages in RAM and on the device.
AUTHOR_BESIDE, REVIEWER_BESIDE = 2 * GIB, 3 * GIB


@dataclass
class Plan:
	"""Sizes are bytes of device memory in the author's and the reviewer's guest."""
	author: int
	reviewer: int
	boots: int
	rounds: int
	# Why the sizes are not those that were published, if so.
	scaled: str = ''


def plan(available: int, kvm: bool, size: str, rounds: Optional[int], boots: Optional[int]) -> Plan:
	rounds = rounds or (ROUNDS if kvm else TCG_ROUNDS)
	boots = boots or (BOOTS if kvm else TCG_BOOTS)
	# Device memory has a 64th of its size in struct pages, here twice.
	author, reviewer = (int(available * MEMORY_SHARE - beside) * 32 // GIB * GIB
		for beside in (AUTHOR_BESIDE, REVIEWER_BESIDE))
	least = asked(size, GIB) // GIB * GIB if size else GIB
	if reviewer < least:
		raise Error(f'{f"SIZE={size}: " if size else ""}the guests need {human(least / 32 + REVIEWER_BESIDE)} of memory '
			f'and may use {human(available * MEMORY_SHARE)} of the {human(available)} that are available')
	if size:
		return Plan(least, least, boots, rounds, f'SIZE={size}')
	if not kvm:
		return Plan(min(author, TCG_SIZE), min(reviewer, TCG_SIZE), boots, rounds,
			'no KVM: times mean nothing, so that less will do')
	scaled = f'{human(available)} of memory are available' if author < AUTHOR_SIZE or reviewer < REVIEWER_SIZE else ''
	return Plan(min(author, AUTHOR_SIZE), min(reviewer, REVIEWER_SIZE), boots, rounds, scaled)


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
	origin, own = request.kernel(given)
	if None in wanted.values() and not tree.series_path(origin, own):
		raise Error('there is no series to compare with: give the base as KDIR= and the patches as SERIES=')
	return {name: replace(tree.plan(origin, series) if series else request.plan(given, (origin, own)), probes=True)
		for name, series in wanted.items()}


def _order(boots: int) -> List[int]:
	"""Whose turn it is, so that a drift over time meets both sides alike."""
	return [side if pair % 2 == 0 else 1 - side for pair in range(boots) for side in (0, 1)]


def _facts(built: Dict[str, Tree], sizes: Plan, watcher: Watcher, accelerator: str, given: Options) -> Dict[str, str]:
	on, first = machine.machine(), next(iter(built.values()))
	flags = machine.text_of('/proc/cpuinfo')
	return {'CPU': on.model, 'microcode': on.microcode,
		'last level cache': human(on.llc), 'governor': on.governor,
		'this machine': 'itself a guest' if re.search(r'^flags.* hypervisor', flags, re.M) else 'no hypervisor seen',
		'host kernel': on.kernel, 'accelerator': accelerator,
		'QEMU': process.output([TARGET.arch.qemu, '--version']).splitlines()[0],
		**{f'kernel, {s}': t.describe() for s, t in built.items()},
		'compiler': cost.compiler(first.build_dir(TARGET.name) / '.config'),
		'memory behind guests': watcher.backing(),
		'device memory': f'{human(sizes.author)} a namespace, {human(sizes.reviewer)} else'
			+ (f' ({sizes.scaled})' if sizes.scaled else ''),
		'clock of guests': ' '.join(sorted(watcher.sources)),
		'kernel arguments': ' '.join(given.kernel_args) or 'none beyond the usual',
		'CPUs': f'{len(os.sched_getaffinity(0))} of {os.cpu_count()}',
		'boots, binds': f'{sizes.boots} a side; {sizes.rounds} rebinds of each namespace a boot'}


def _summary(row: Row, known: str) -> str:
	"""Enough of it to be set beside that of another run; a @known reason is not
	said again."""
	value, interval = tables.ratio(row)
	why = f': {row.reason}' if row.reason not in ('', known) else ''
	return f'{value} ({interval}), {row.verdict}{why}'


def outcome(result: Result) -> Outcome:
	"""As that of any check: what two runs differ in is what make compare says."""
	timed = {f'{r.experiment}, {r.what}, {r.binds}': _summary(r, result.cannot_judge) for r in result.rows}
	counted = {f'{name}, counted': ', '.join(cells) for name, cells in tables.counts(result.counted).items()}
	return Outcome('bench', ' and '.join(result.sides), unknown=result.cannot_judge, facts={**result.facts, **timed, **counted})


def _write(result: Result, path: Path) -> None:
	files.write_atomically(path, report.as_json([outcome(result)], bench=asdict(result)))


def bench(given: Options) -> int:
	# Before the long builds: what cannot work should fail at once.
	plan(machine.machine().available, True, given.size, given.rounds, given.boots)
	wanted = _wanted(given)
	target = TARGET.asked(given)
	packages.ensure([*needs([target]), *guests.PACKAGES])
	plans = _plans(wanted, given)
	where = cache.directory() / 'bench'
	where.mkdir(parents=True, exist_ok=True)
	now = datetime.datetime.now().astimezone()
	own = where / f'{now:%Y%m%d-%H%M%S}.json'
	with tree.using(*plans.values()) as trees:
		found = _bench(dict(zip(plans, trees)), target, given, own)
	files.write_atomically(own.with_suffix('.html'), bench_page.page(found))
	files.write_output('HTML', given.html, bench_page.page(found))
	report.write([outcome(found)], given.json, given.junit, bench=asdict(found))
	tell(tables.text(found))
	say(f'bench: wrote {given.json or own} and {given.html or own.with_suffix(".html")}')
	return 0


def _bench(built: Dict[str, Tree], target: Target, given: Options, own: Path) -> Result:
	for name, prepared in built.items():
		say(f'bench: {name}: {prepared.describe()}')
		build.build(prepared, target)
	on, names, first = machine.machine(), list(built), next(iter(built.values()))
	kvm, why = accelerator.kvm(qemu.machine(first, target.arch), first.build_dir(target.name))
	sizes = plan(on.available, kvm, given.size, given.rounds, given.boots)
	watcher = Watcher()
	# A core of another kind would be another CPU.
	os.sched_setaffinity(0, machine.fast_cpus())
	say(f'bench: what is known after each boot is in {own}')
	found = Result({s: t.describe() for s, t in built.items()}, {}, '', [], [],
		datetime.datetime.now().astimezone().isoformat(timespec='seconds'))
	for boot, side in enumerate(_order(sizes.boots)):
		say(f'bench: boot {boot + 1} of {2 * sizes.boots}: {names[side]}')
		found.samples += _boot(built[names[side]], names[side], boot, target, sizes, given, watcher)
		found.cannot_judge = watcher.problem() if kvm else 'times under TCG say nothing about a CPU'
		found.facts = _facts(built, sizes, watcher, f'{"KVM" if kvm else "TCG"}: {why}', given)
		found.rows = list(bench_result.rows(found.samples, names, 'base' in built and not first.features,
			found.cannot_judge, on.llc))
		_write(found, own)
	if not kvm:
		found.counted = [cost.measure(t, name, target, given.kernel_args) for name, t in built.items()]
		_write(found, own)
	return found


def _boot(prepared: Tree, side: str, boot: int, target: Target, sizes: Plan, given: Options,
	  watcher: Watcher) -> List[Sample]:
	rounds = bench_result.reviewers(sizes.rounds) - 1
	logs = (guests.namespaces(prepared, target, sizes.author, sizes.rounds, watcher, given.kernel_args),
		guests.kinds(prepared, target, sizes.reviewer, rounds, watcher, given.kernel_args))
	found = [s for log in logs for s in bench_result.read(log, side, boot)]
	bench_result.must_be_whole(found, sizes.rounds)
	return found
