# SPDX-License-Identifier: GPL-2.0
"""What a boot's log says beyond kunit.py's counts: why a test was skipped,
what a failed one printed, and what the kernel complained about."""

import re
from dataclasses import dataclass, field
from typing import Iterable, List, Tuple

_PREFIX = re.compile(r'^(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?')
_HEADER = re.compile(r'^( *)# Subtest: (.*)$')
_RESULT = re.compile(r'^( *)(not ok|ok) \d+ ?(?:- )?([^#]*?)(?: # (.*))?$')
_SKIP = re.compile(r'SKIP ?(.*)')
_NOISE = re.compile(r'1\.\.\d+$|# (?:module|speed|Totals): |# \S+: pass:\d+ fail:')
_PANIC = re.compile(r'Kernel panic - not syncing: (.*)')
# Each starts a report that no test of the suites asks for.
_SPLAT = re.compile(r'^(?:WARNING|BUG|UBSAN|Oops|INFO: (?:task|rcu|suspicious))\b.*[:!]|'
	r'^(?:general protection fault|Unable to handle kernel)')


@dataclass
class Log:
	started: bool = False
	skips: List[Tuple[str, str]] = field(default_factory=list)
	# A failed test's name, and the lines it printed.
	failures: List[Tuple[str, List[str]]] = field(default_factory=list)
	splats: List[str] = field(default_factory=list)
	panic: str = ''
	# The last test that was seen to start, for when the rest is missing.
	last: str = ''


def parse(lines: Iterable[str]) -> Log:
	log = Log()
	# Subtests that are open: how far each is indented, and its name.
	path: List[Tuple[int, str]] = []
	printed: List[str] = []
	# A parent fails when its child does; the child has said it already.
	failed_below: List[int] = []
	for raw in lines:
		line = _PREFIX.sub('', raw.rstrip())
		text = line.strip()
		panic = _PANIC.search(line)
		if panic and not log.panic:
			log.panic = panic.group(1).rstrip(' ]-')
		elif _SPLAT.match(text):
			log.splats.append(text)
		if re.match(r' *KTAP version', line):
			log.started = True
			continue
		if not log.started:
			continue
		header = _HEADER.match(line)
		if header:
			path = [p for p in path if p[0] < len(header.group(1))]
			path.append((len(header.group(1)), header.group(2)))
			printed = []
			log.last = '.'.join(n for _, n in path)
			continue
		result = _RESULT.match(line)
		if not result:
			if text and not _NOISE.match(text):
				printed.append(text)
			continue
		indent, verdict, name, remark = len(result.group(1)), result.group(2), \
			result.group(3), result.group(4) or ''
		# A subtest's own result stands one level left of its header.
		is_parent = any(p[0] > indent for p in path)
		path = [p for p in path if p[0] <= indent]
		full = '.'.join([n for _, n in path] + [name])
		log.last = full
		skip = _SKIP.match(remark)
		if skip:
			if not is_parent:
				log.skips.append((full, skip.group(1) or 'no reason given'))
		elif verdict == 'not ok':
			children = [f for f in failed_below if f > indent]
			if not (is_parent and children):
				log.failures.append((full, printed))
			failed_below = [f for f in failed_below if f <= indent]
			failed_below.append(indent)
		printed = []
	return log


def excerpt(lines: List[str], count: int) -> List[str]:
	"""The part of a log that shows what went wrong: from just before the
	first report if there is one, else the end, where a hung guest stopped."""
	for place, raw in enumerate(lines):
		text = _PREFIX.sub('', raw.strip())
		if _PANIC.search(text) or _SPLAT.match(text):
			start = max(0, place - 4)
			return lines[start:start + count]
	return lines[-count:]
