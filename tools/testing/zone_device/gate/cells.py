# SPDX-License-Identifier: GPL-2.0
"""The table of a gate: what each commit is said to be, by each column.

A column has findings, each a fault in a few words. What a cell says follows from
the findings of its commit and of those before it, in one place, below.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Callable, Counter as CounterOf, Dict, Iterable, List, Optional, Tuple

import contract as contracts
from checks import cost, order, order_result
from contract import Seen
from outcome import Outcome

OK, NEW, INHERITED, FIXED, SKIP, UNKNOWN, SAME = 'ok', 'new', 'inherited', 'fixed', 'skip', '?', 'same'
# A struct page may cost so much more before it is said: what is counted, and what
# it is called in a cell. Two runs print the same, but code that moves changes a little.
SLACK = {'instructions': 0.5, 'bytes': 4.0, 'fences': 0.1}
BYTES = ('bytes stored', 'bytes stored non-temporally')
# Suites of the copy; all others are those of mm.
LIB = 'memcpy_'
# Why a cell is a skip: nobody asked, or there was nothing to ask.
NOT_ASKED, ALL_SKIPPED = 'not asked', 'each of its tests was skipped'


@dataclass
class Commit:
	"""A commit, or the base, which is number 0: what the checks say of it."""
	number: int
	subject: str
	patch: str = ''
	# Check and target -> outcome; one that was not asked is not there.
	outcomes: Dict[Tuple[str, str], Outcome] = field(default_factory=dict)
	# It is the same image as the commit's before, for each target.
	same: bool = False

	def of(self, check: str) -> List[Outcome]:
		return [o for (name, _), o in self.outcomes.items() if name == check]

	@property
	def builds(self) -> bool:
		"""On each target; one that was not asked does not."""
		built = self.of('build')
		return bool(built) and all(o.ok for o in built)


@dataclass
class Cell:
	column: str
	says: str
	# What is new, or why nothing can be said.
	words: List[str] = field(default_factory=list)
	# A few words that stand beside it in any case.
	note: str = ''
	# What asks again.
	command: str = ''


# The findings of a commit, None if there are none to be had, and why something cannot be said.
Findings = Tuple[Optional[CounterOf[str]], str]


def of_all(o: Outcome, what: str = '') -> str:
	"""What is wrong with all of it, in words that are the same wherever it is done."""
	return f'{o.subject}: {re.sub(r" [(]log: .*[)]", "", what or o.problem)}'


def _whole(outcomes: Iterable[Outcome]) -> Findings:
	"""What is wrong with all of one, and whether each was asked and could answer."""
	found = list(outcomes)
	if not found:
		return None, NOT_ASKED
	unknown = [o for o in found if _is_unknown(o)]
	why = of_all(unknown[0], unknown[0].problem or unknown[0].unknown) if unknown else ''
	return (None if len(unknown) == len(found) else Counter(of_all(o) for o in found if o.problem and o not in unknown)), why


def _is_unknown(o: Outcome) -> bool:
	return o.broken or bool(o.unknown) and not o.doubtful


def _build(commit: Commit) -> Findings:
	found, why = _whole(commit.of('build'))
	if found is not None:
		found.update(f'{o.subject}: {w}' for o in commit.of('build') for w in o.warnings)
	return found, why


def _files(check: str) -> Callable[[Commit], Findings]:
	def findings(commit: Commit) -> Findings:
		found, why = _whole(commit.of(check))
		if found is not None:
			for o in commit.of(check):
				found.update(re.sub(r':\d+(?::\d+)?:', ':', l) for _, lines in o.failures for l in lines)
		return found, why
	return findings


def _tests(wanted: Callable[[str], bool]) -> Callable[[Commit], Findings]:
	def findings(commit: Commit) -> Findings:
		found, why = _whole(commit.of('kunit'))
		if found is None:
			return found, why
		found.update(f'{o.subject}: {name}' for o in commit.of('kunit') for name, _ in o.failures if wanted(name))
		cases = _cases(commit, wanted)
		return (None, ALL_SKIPPED) if cases and not (found or why or _passed(commit, wanted)) else (found, why)
	return findings


def _cases(commit: Commit, wanted: Callable[[str], bool]) -> List[str]:
	return [status for o in commit.of('kunit') for name, status in o.cases if wanted(name)]


def _passed(commit: Commit, wanted: Callable[[str], bool]) -> int:
	return _cases(commit, wanted).count('PASS')


def _order(commit: Commit) -> Findings:
	"""Invariants alone: promises have a column."""
	found, why = _whole(commit.of('order'))
	if found is None:
		return found, why
	promised = {rule for part in order.PARTS for rule in part.promises}
	for o in commit.of('order'):
		rules = {name for name, count in o.figures.items() if count}
		for part, lines in o.failures:
			of_part = {r.split(', ', 1)[1] for r in rules if r.startswith(f'{part}, ')}
			broken = of_part - promised - {*order_result.WASTES, 'stores', 'drains', 'violations'}
			tests = [l for l in lines if l.startswith('the test ')]
			if broken or tests or not of_part & promised:
				found.update(sorted(f'{part}: {b}' for b in broken) or [f'{part}: {l}' for l in tests or lines[:1]])
	return found, why


# Whose tests a column has.
SUITES: Dict[str, Callable[[str], bool]] = {
	'lib': lambda name: name.startswith(LIB),
	'mm': lambda name: not name.startswith(LIB),
}
COLUMNS: Dict[str, Callable[[Commit], Findings]] = {
	'build': _build,
	'sparse': _files('sparse'),
	'checkpatch': _files('checkpatch'),
	**{column: _tests(wanted) for column, wanted in SUITES.items()},
	'order': _order,
}
# The check that a column is made of, if it is called otherwise.
CHECKS = {'lib': 'kunit', 'mm': 'kunit', 'promises': 'kunit', 'cost': 'counts'}
# Of what runs, nothing is new where the image is the same.
RUN = ('lib', 'mm', 'order', 'promises', 'cost')


def cells(commits: List[Commit], contract: str) -> List[Dict[str, Cell]]:
	"""The table, a row each."""
	rows: List[Dict[str, Cell]] = [{} for _ in commits]
	for column, findings in COLUMNS.items():
		before: Optional[CounterOf[str]] = None
		for commit, row in zip(commits, rows):
			found, why = findings(commit)
			row[column] = _cell(column, commit, before if column != 'checkpatch' else Counter(), found, why)
			if found is not None:
				# What nobody could look at is as it was.
				blind = tuple(f'{o.subject}: ' for o in commit.of(CHECKS.get(column, column)) if o.problem or _is_unknown(o))
				before = found | Counter({w: n for w, n in (before or Counter()).items() if w.startswith(blind)})
	for column, wanted in SUITES.items():
		then = 0
		for commit, row in zip(commits, rows):
			now = _passed(commit, wanted)
			if row[column].says == OK and now < then:
				# It may be right, but coverage does not shrink unseen.
				row[column].note = f'{now} tests passed, {then} before'
			then = now if commit.of('kunit') else then
	for row, promises, costs in zip(rows, _promises(commits, contract), _cost(commits)):
		row.update(promises=promises, cost=costs)
	for commit, row in zip(commits, rows):
		for name in RUN:
			if commit.same and row[name].says == OK:
				row[name] = Cell(name, SAME)
	return rows


def _cell(column: str, commit: Commit, before: Optional[CounterOf[str]], found: Optional[CounterOf[str]],
	  why: str) -> Cell:
	if found is None:
		return Cell(column, SKIP if why in (NOT_ASKED, ALL_SKIPPED) else UNKNOWN, [why])
	# The base has nothing new: it is what it is.
	new = found - before if before is not None and commit.number else Counter()
	if new:
		return Cell(column, NEW, [w if n == 1 else f'{w} ({n} times)' for w, n in new.items()])
	if why:
		return Cell(column, UNKNOWN, [why])
	if found:
		return Cell(column, INHERITED, list(found))
	return Cell(column, FIXED, list(before)) if before else Cell(column, OK)


def _kept(commit: Commit) -> Dict[str, bool]:
	"""Promise -> whether it was kept wherever that could be seen."""
	seen: Iterable[Seen] = (s for o in commit.outcomes.values() for s in o.seen)
	kept: Dict[str, bool] = {}
	for s in seen:
		if s.of:
			kept[s.name] = kept.get(s.name, True) and s.kept == s.of
	return kept


def _promises(commits: List[Commit], contract: str) -> List[Cell]:
	"""A promise counts from the first commit that keeps it: one that is lost later, or
	not kept at the tip of the whole series, is a fault."""
	made = [p.name for p in contracts.PROMISES if contract in p.by]
	row: List[Cell] = []
	before: Dict[str, bool] = {}
	lost: List[str] = []
	for commit in commits:
		now = _kept(commit)
		if not now:
			why = next((of_all(o) for o in commit.outcomes.values() if o.problem), NOT_ASKED)
			row.append(Cell('promises', UNKNOWN if commit.builds else SKIP, [why]))
			continue
		last = commit is commits[-1]
		doubt = next((o.unknown for o in commit.of('kunit') if o.doubtful), '')
		if doubt:
			# It is the same for all; once is enough.
			row.append(Cell('promises', UNKNOWN if last else SKIP, [doubt]))
			continue
		began = [n for n in made if now.get(n) and not before.get(n)] if commit.number else []
		ceased = [n for n in made if before.get(n) and now.get(n) is False]
		whole = last and not any(o.partial for o in commit.outcomes.values())
		missing = [n for n in made if now.get(n) is False and n not in ceased and n not in lost] if whole else []
		unseen = [n for n in made if before.get(n) and n not in now]
		fixed = [n for n in lost if now.get(n)]
		lost = [n for n in lost if not now.get(n)]
		note = ', '.join([*(f'+{n}' for n in began), *(f'-{n}' for n in ceased)])
		words = [*(f'{n} was kept before' for n in ceased), *(f'{n} is not kept at the end' for n in missing)]
		says = NEW if words else UNKNOWN if unseen else INHERITED if lost else FIXED if fixed else OK
		words += [f'{n} was kept before, and nothing is seen of it now' for n in unseen]
		row.append(Cell('promises', says, words or [f'{n} was kept before' for n in (*lost, *fixed)], note))
		lost += ceased
		before = {**before, **now}
	return row


def _per_page(commit: Commit) -> Dict[Tuple[str, str], float]:
	"""(case, what) -> what a struct page costs."""
	found: Dict[Tuple[str, str], float] = {}
	for o in commit.of('counts'):
		for name, value in o.figures.items():
			case, _, what = name.rpartition(': ')
			kind = 'bytes' if what in BYTES else what
			if kind in SLACK:
				found[case, kind] = found.get((case, kind), 0.0) + value
	return found


def _cost(commits: List[Commit]) -> List[Cell]:
	row: List[Cell] = []
	before: Dict[Tuple[str, str], float] = {}
	least: Dict[Tuple[str, str], float] = {}
	base: Dict[Tuple[str, str], float] = {}
	was_bad: Dict[Tuple[str, str], float] = {}
	for commit in commits:
		now = _per_page(commit)
		if not now:
			asked = commit.of('counts')
			row.append(Cell('cost', UNKNOWN if asked else SKIP, [next((of_all(o, o.problem or o.unknown) for o in asked), NOT_ASKED)]))
			continue
		base = base or now
		more = {k: v - before[k] for k, v in now.items() if k in before and v - before[k] > SLACK[k[1]]}
		risen = {k: v for k, v in now.items() if k in least and v - least[k] > SLACK[k[1]]}
		words = [f'{case}: {before[case, what]:.2f} to {now[case, what]:.2f} {what}' for case, what in more] \
			or [f'{case}: {v:.2f} {what}, and {least[case, what]:.2f} before' for (case, what), v in risen.items()
				if (case, what) not in was_bad or not risen.keys() - was_bad.keys()]
		# A little more each time is more in the end.
		says = NEW if more or risen.keys() - was_bad.keys() else INHERITED if risen else FIXED if was_bad else OK
		note = _change(before, now)
		if commit is commits[-1] and commit.number > 1:
			note = ', '.join(filter(None, (note, f'{_change(base, now) or "+0.0"} since the base')))
		row.append(Cell('cost', says, words or [f'{case}: {what}' for case, what in was_bad], note))
		was_bad = risen
		if before and not all(o.ok for o in commit.of('kunit')):
			# That wrong struct pages cost less is no measure for right ones.
			now = {k: max(v, before.get(k, v)) for k, v in now.items()}
		least = {k: min(v, least.get(k, v)) for k, v in now.items()}
		before = now
	return row


def _change(before: Dict[Tuple[str, str], float], now: Dict[Tuple[str, str], float]) -> str:
	"""The largest change in instructions, for the reader's eye."""
	changes = [v - before[k] for k, v in now.items() if k in before and k[1] == 'instructions']
	largest = max(changes, key=abs, default=0.0)
	return f'{largest:+.1f}' if abs(largest) >= SLACK['instructions'] else ''


def first_bad(commits: List[Commit], rows: List[Dict[str, Cell]]) -> Optional[Tuple[Commit, Cell]]:
	"""The first commit in which something is worse than before."""
	return next(((c, cell) for c, row in zip(commits, rows) for cell in row.values() if cell.says == NEW), None)
