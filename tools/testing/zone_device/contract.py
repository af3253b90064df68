# SPDX-License-Identifier: GPL-2.0
"""contract = what a revision of the series promises. The tables of contracts and
promises are the suites' own, in promise.c; here they are read, and what the
kernels said of each promise is summed up."""

import re
from dataclasses import dataclass
from typing import Dict, FrozenSet, Iterable, List, Tuple

from host.files import REPO

TABLES = REPO / 'lib/tests/memcpy_streaming/promise.c'
# What is known of a kernel with no known streaming copy, and of one whose copy
# is of no known revision.
BASE, UNKNOWN = 'base', 'unknown'
# What figures of second sides are called.
COMPARED = 'compared with: '
# The promise that no kernel without a series keeps, whatever its copy is called.
TEMPLATE = 'template'


@dataclass(frozen=True)
class Promise:
	name: str
	# The contracts that have it.
	by: FrozenSet[str]
	text: str


@dataclass(frozen=True)
class Seen:
	"""What a run has seen of a promise: kept so often, of so many @what."""
	name: str
	kept: int
	of: int
	what: str


def _read() -> Tuple[Dict[str, str], List[Promise]]:
	text = TABLES.read_text()
	contracts = re.findall(r'^\t\{ "(\w+)", (\w+), "(.*)" \},$', text, re.M)
	# What a contract is called in the table of promises -> its name.
	known = {made_by: name for name, made_by, _ in contracts if made_by != '0'}
	groups = {name: members.split(' | ') for name, members in re.findall(r'^#define (\w+)\t+\((.*)\)$', text, re.M)}
	promises = [Promise(name, frozenset(known[maker] for part in by.split(' | ') for maker in groups.get(part, [part])), about)
		for name, by, about in re.findall(r'\] = \{ "(\w+)", ([\w |]+),\s+"(.*)" \},$', text, re.M)]
	return {name: about for name, _, about in contracts}, promises


CONTRACTS, PROMISES = _read()


def recognised(features: str) -> str:
	"""By which contract a tree is judged of which features.sh said so."""
	found = re.search(r'-DZD_CONTRACT=(\w+)', features)
	return found.group(1) if found else BASE


def parameters(contract: str, partial: bool) -> List[str]:
	"""For the kernel's command line; see promise.c."""
	return [f'zone_device.contract={contract}', *(['zone_device.partial=1'] if partial else [])]


def seen(lines: Iterable[str]) -> List[Seen]:
	"""What a kernel's log says of promises, one for each promise and kind of evidence."""
	matches = (re.search(r'# \w+: promise (\w+): (\d+) of (\d+) (.*)$', l.rstrip()) for l in lines)
	return total(Seen(m.group(1), int(m.group(2)), int(m.group(3)), m.group(4)) for m in matches if m)


def total(everything: Iterable[Seen]) -> List[Seen]:
	"""The same, with what is of the same kind added up."""
	sums: Dict[Tuple[str, str], Seen] = {}
	for one in everything:
		before = sums.get((one.name, one.what), Seen(one.name, 0, 0, one.what))
		sums[one.name, one.what] = Seen(one.name, before.kept + one.kept, before.of + one.of, one.what)
	return list(sums.values())


def second_sides(lines: Iterable[str]) -> Dict[str, int]:
	"""How many cases were compared with which second side."""
	found = [m.group(1) for m in (re.search(r'# \w+: second side: (.*)$', l.rstrip()) for l in lines) if m]
	return {name: found.count(name) for name in dict.fromkeys(found)}


def broken(contract: str, found: Iterable[Seen]) -> List[str]:
	"""The promises of a contract that were not kept."""
	names = {s.name for s in found if s.kept < s.of}
	return [p.name for p in PROMISES if contract in p.by and p.name in names]


def doubt(contract: str, found: Iterable[Seen]) -> str:
	"""Why nothing can be said of promises, if so."""
	by = ', '.join(n for n in CONTRACTS if n not in (BASE, UNKNOWN))
	if contract == UNKNOWN:
		return f'its streaming copy is of no revision that is known: CONTRACT= says by which it is judged ({by})'
	copied = [s for s in found if s.name == TEMPLATE and s.kept]
	if contract == BASE and copied:
		return f'{copied[0].kept} of {copied[0].of} {copied[0].what}, which no kernel without a series does: ' \
			f'CONTRACT= says by which contract it is judged ({by})'
	return ''


def table(contract: str, partial: bool, found: Iterable[Seen]) -> List[List[str]]:
	"""The promises, a row each: what was seen of it, and the numbers."""
	rows = [['promise', 'made', 'seen', 'evidence']]
	everything = list(found)
	for promise in PROMISES:
		evidence = [s for s in everything if s.name == promise.name and s.of]
		made = contract in promise.by
		kept = all(s.kept == s.of for s in evidence)
		what = 'not judged' if not evidence else 'kept' if kept else \
			'BROKEN' if made and not partial else 'not yet' if made else 'not kept'
		said = [f'{s.kept} of {s.of} {s.what}' for s in evidence] or ['']
		rows.append([promise.name, 'yes' if made else '-', what, said[0]])
		rows += [['', '', '', more] for more in said[1:]]
	return rows


def brief(contract: str, partial: bool, found: Iterable[Seen]) -> Dict[str, str]:
	"""The same in a few words each, of the promises of which something was seen."""
	said: Dict[str, str] = {}
	name = ''
	for first, made, seen_, evidence in table(contract, partial, found)[1:]:
		name = first or name
		if evidence:
			said[name] = f'{said[name]}; {evidence}' if name in said else \
				f'{"made, " if made == "yes" else ""}{seen_}: {evidence}'
	return said
