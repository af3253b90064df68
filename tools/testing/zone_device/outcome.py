# SPDX-License-Identifier: GPL-2.0
"""outcome = what one check says of one tree on one target."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from contract import Seen

# What the compiler said first, where a tree does not build, is called among facts.
ERROR = 'first error'
OK, FAILED, SKIPPED, UNKNOWN = 'ok', 'FAILED', 'skipped', 'cannot judge'


@dataclass
class Outcome:
	check: str
	# The target, and what is special about the tree.
	subject: str
	passed: int = 0
	failed: int = 0
	skipped: int = 0
	# (test, 'PASS', 'FAIL', 'SKIP' or what else kunit.py says)
	cases: List[Tuple[str, str]] = field(default_factory=list)
	# (test, reason)
	skips: List[Tuple[str, str]] = field(default_factory=list)
	# (test, what it printed)
	failures: List[Tuple[str, List[str]]] = field(default_factory=list)
	# Why the whole of it is bad, in a sentence, whatever its tests say.
	problem: str = ''
	# Why nothing can be said, if so.
	unknown: str = ''
	# By whose promises it was judged, whether some may not be kept yet, what was
	# seen of each, and why nothing can be said of them, if so.
	contract: str = ''
	partial: bool = False
	seen: List[Seen] = field(default_factory=list)
	doubtful: bool = False
	# What was counted or measured: name -> value.
	figures: Dict[str, float] = field(default_factory=dict)
	# What it was measured on, and what was found in words: name -> words.
	facts: Dict[str, str] = field(default_factory=dict)
	# What it prints beyond the matrix.
	said: List[str] = field(default_factory=list)
	# FILTER= left nothing to run, which is bad only if it does so everywhere.
	empty: bool = False
	panicked: bool = False
	# It could not be carried out, which says nothing of the kernel.
	broken: bool = False
	warnings: List[str] = field(default_factory=list)
	# A hash of what was built.
	image: str = ''
	build_seconds: float = 0.0
	run_seconds: float = 0.0
	log: Optional[Path] = None
	# What does the same again.
	command: str = ''
	# When it was found out, if it is not news.
	kept: str = ''

	@property
	def ok(self) -> bool:
		return not self.failed and not self.problem

	@property
	def status(self) -> str:
		if not self.ok:
			return FAILED
		if self.unknown:
			return UNKNOWN
		return OK if self.passed or not self.skipped else SKIPPED

	@property
	def title(self) -> str:
		"""The suites are what all this is about: theirs is the target alone."""
		return self.subject if self.check == 'kunit' else f'{self.check} {self.subject}'.strip()

	def as_json(self) -> Dict[str, object]:
		return {**asdict(self), 'status': self.status, 'log': str(self.log or '')}

	@classmethod
	def from_json(cls, known: Dict[str, Any]) -> 'Outcome':
		"""Raises TypeError, KeyError or ValueError where it is not one."""
		made = cls(**{f.name: known[f.name] for f in fields(cls)})
		for name, kind in (('check', str), ('subject', str), ('passed', int), ('failed', int),
				('skipped', int), ('problem', str), ('unknown', str), ('figures', dict), ('facts', dict)):
			if not isinstance(getattr(made, name), kind):
				raise TypeError(name)
		made.log = Path(known['log']) if known['log'] else None
		made.cases = [(str(n), str(s)) for n, s in known['cases']]
		made.seen = [Seen(**s) for s in known['seen']]
		made.skips = [(str(n), str(r)) for n, r in known['skips']]
		made.failures = [(str(n), [str(l) for l in p]) for n, p in known['failures']]
		return made


def total(outcomes: List[Outcome]) -> Tuple[int, int, int]:
	"""Passed, failed and skipped in all; what is bad as a whole counts as one
	that failed, what cannot be judged as one that was skipped."""
	return (sum(o.passed for o in outcomes),
		sum(o.failed or (0 if o.ok else 1) for o in outcomes),
		sum(o.skipped or (1 if o.status == UNKNOWN else 0) for o in outcomes))


def of_files(check: str, found: Dict[str, List[str]]) -> Outcome:
	"""The outcome of a check that has findings in files."""
	bad = {name: lines for name, lines in found.items() if lines}
	return Outcome(check, '', passed=len(found) - len(bad), failed=len(bad), failures=list(bad.items()),
		cases=[(name, 'FAIL' if name in bad else 'PASS') for name in found],
		said=[f'{check}: {len(found)} files, {len(bad)} with findings'])
