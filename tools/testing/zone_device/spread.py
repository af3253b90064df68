# SPDX-License-Identifier: GPL-2.0
"""Jobs for more than one machine. Each is a line, a command that any engine can
carry out, and is named by the hash of all that its outcome depends on; its result
is a file of that name. To do one twice does no harm."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

import judge
import store
from host import cache, files
from host.files import REPO
from host.messages import Error, say
from judge import Job, Keys
from options import Options, VARIABLES
from outcome import Outcome


def _result(where: Path, key: str) -> Path:
	return where / f'{key}.json'


def _absolute(given: Options) -> Options:
	"""The same from whatever directory the line is run in."""
	paths: Dict[str, Any] = {VARIABLES[name].name: str(cache.expand(name, text))
		for name, text in given.inputs.items() if text != 'none'}
	return replace(given, **paths)


def write(jobs: Sequence[Job], command: str, given: Options, cell: Callable[[Job], Tuple[str, ...]] = lambda job: ()) -> int:
	"""To JOBS_FILE= those that have no result yet, the longest one first; @cell is what
	CELL= is to be for one of them."""
	# options.parse() sees to it that there is such a place.
	assert given.merge
	where, keys, took = given.merge, Keys(), store.durations()
	there = f'-s -C {shlex.quote(str(REPO))} {command}'
	left = [job for job in jobs if given.fresh or not store.read(_result(where, keys.of(job)))]
	left.sort(key=lambda job: took.get((job.check.name, job.target.name), float('inf')), reverse=True)
	lines = [f'{_absolute(replace(given, cell=cell(job))).again(there, "TARGETS", "CELL", "TIMEOUT")} '
		f'MERGE={shlex.quote(str(where))} {"FRESH=1 " if given.fresh else ""}JOB={keys.of(job)} # {judge.title(job)}\n'
		for job in left]
	files.write_output('JOBS_FILE', given.jobs_file, ''.join(lines))
	say(f'{len(left)} of {len(jobs)} jobs are left to do; their results go to {where}')
	return 0


def carry_out(jobs: Sequence[Job], given: Options) -> int:
	"""The one that JOB= names. That it says something is wrong is no failure of the job;
	that it could not be carried out is, and then there is no result."""
	assert given.merge
	keys = Keys()
	# What a job is called is said by who reads the results.
	mine = [replace(job, quiet=True) for job in jobs if keys.of(job) == given.job]
	if not mine:
		raise Error(f'JOB={given.job}: there is no such job here; what it depends on is another than where JOBS_FILE= '
			'was written: the kernel, the series, this project, the compiler, ccache, Python, QEMU or whether there is /dev/kvm')
	if given.fresh:
		# What is there is not what is asked for now.
		_result(given.merge, given.job).unlink(missing_ok=True)
	found, = judge.run(mine, given.fresh, keep_going=True, keys=keys)
	if found.broken:
		return 1
	store.write(_result(given.merge, given.job), found)
	return 0


def merged(jobs: Sequence[Job], where: Path, keys: Keys) -> Dict[str, Outcome]:
	"""Key -> outcome, of all jobs. Raises Error if one is missing."""
	found = {keys.of(job): store.read(_result(where, keys.of(job))) for job in jobs}
	missing: List[str] = [judge.title(job) for job in jobs if not found[keys.of(job)]]
	if missing:
		raise Error(f'{len(missing)} of {len(jobs)} results are missing in {where}: {missing[0]}'
			+ (' and others' if missing[1:] else '') + '; JOBS_FILE= writes what is left to do')
	return {key: outcome for key, outcome in found.items() if outcome}
