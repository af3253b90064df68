# SPDX-License-Identifier: GPL-2.0
"""make post: the suites as patches for the kernel, to be sent with a series.

What is posted tests one series, so its names stand in the patches: the copy, its
drain, and the contract. One line of a Makefile still looks whether the tree has
that copy, so that a kernel without the series builds, and skips what needs it.
"""

import os
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from host import process
from host.messages import Error
from kernel import overlay, series, tree
from kernel.series import Patch
from kernel.source import features
from kernel.tree import Plan

# Who has no name for git can still look at the patches.
NOBODY = ('ZONE_DEVICE KUnit suite', 'zone-device-kunit@localhost')
ENTRY = 'ZONE_DEVICE MEMMAP TESTS'
MAKEFILE = 'lib/tests/memcpy_streaming/Makefile'


@dataclass(frozen=True)
class Part:
	"""A patch: which files it adds, and what it says."""
	subject: str
	directories: Tuple[str, ...]
	text: str


# {copy} is the copy of the series that they are posted with.
PARTS = (
	Part('lib: add KUnit tests for {copy}()', ('lib/tests', 'include/kunit'), '''\
A copy that goes around the caches cannot be told from a plain one by what
is in memory afterwards, and a store fence that is missing changes no
value on the CPU that forgot it.  So the tests look at what is executed:
kprobes on all non-temporal stores that a copy can reach count what each
of them writes, and the code that the compiler made is walked to see that
a fence follows the last store on each way.

Contents are tested for each size up to 320 at each alignment, with
neither buffer touched beyond its end.  Where no file in nt_witness/ knows
an architecture's streaming stores they are what is tested, and the rest
is skipped with the reason.

What only some revisions of the series promise is listed in promise.c,
apart from what any kernel must do.  zone_device.contract=base judges a
kernel by the latter alone.
'''),
	Part('mm: add KUnit tests for memmap_init_zone_device()', ('mm/tests',), '''\
struct pages of device memory are initialised by copying a template, and
a field that is left out of it, or kept in it, shows much later and
somewhere else.

Map each type of device memory, in each order and with its memmap in RAM,
shared or not, and on the device; poison the struct pages; initialise them
again; and compare each byte with a model that is worked out from the
arguments, and with pages that were built in another way.  By kprobes and
page_ref events the tests make sure that these really were two ways.
Parts of pageblocks and sections, several ranges, nodes, two CPUs at once
and a second CPU that reads what the first one initialised are tested as
well.

The cases are a table each of types and of shapes, the expected contents
one of fields.
'''),
)


def write(origin: Path, patches: Sequence[Patch], into: Path) -> List[Path]:
	"""Writes into @into what follows @patches, those of a series for the kernel in
	@origin; returns the files. Raises Error if there is nothing to bind the names
	to, or if one is there already and differs."""
	if not shutil.which('git'):
		raise Error('git is needed to write patches')
	with tempfile.TemporaryDirectory() as temp:
		_make(origin, patches, Path(temp))
		return _put(sorted((Path(temp) / 'made').iterdir()), into)


def posted(origin: Path, patches: Sequence[Patch]) -> List[Patch]:
	"""The same, as patches of a series."""
	with tempfile.TemporaryDirectory() as temp:
		_make(origin, patches, Path(temp))
		return series.load(Path(temp) / 'made')


def instead(wanted: Plan, suites: Sequence[Patch]) -> Plan:
	"""@wanted, with the @suites as they are posted and not as the overlay; in the
	same place, so that it is a short build."""
	return replace(wanted, patches=(*wanted.patches, *suites), overlay=False)


def _make(origin: Path, patches: Sequence[Patch], temp: Path) -> None:
	repository = temp / 'tree'
	repository.mkdir()
	tree.tip(patches, origin, repository, [*overlay.HOOKS, 'MAINTAINERS'])
	bound = features(repository)
	copy = re.search(r'-DZD_COPY=(\w+)', bound)
	if not copy:
		raise Error('there is no streaming copy that the suites could be posted with: give SERIES=')
	name, email = _author()
	git = ['git', '-C', str(repository), '-c', f'user.name={name}', '-c', f'user.email={email}']
	_git([*git, 'init', '-q'])
	_commit(git, 'base')
	for part in PARTS:
		_add(part, repository, bound, copy.group(1), f'{name} <{email}>')
		_commit(git, f'{part.subject}\n\n{part.text}'.replace('{copy}', copy.group(1)))
	_git([*git, 'format-patch', '-q', '-n', f'-{len(PARTS)}', '--no-signature', '-o', str(temp / 'made')])


def _put(made: Sequence[Path], into: Path) -> List[Path]:
	for path in made:
		there = into / path.name
		if there.is_symlink():
			raise Error(f'{there} is a link: move it away, or name another place by POST=')
		if there.exists() and _undated(there) != _undated(path):
			raise Error(f'{there} is there already and differs: move it away, or name another place by POST=')
	into.mkdir(parents=True, exist_ok=True)
	for path in made:
		shutil.copyfile(path, into / path.name)
	return [into / p.name for p in made]


def _undated(path: Path) -> bytes:
	return re.sub(rb'(?m)^(From [0-9a-f]{40} .*|Date: .*)$', b'', path.read_bytes())


def _author() -> Tuple[str, str]:
	try:
		return (process.output(['git', 'config', 'user.name']).strip(),
			process.output(['git', 'config', 'user.email']).strip())
	except Error:
		return NOBODY


def _git(command: Sequence[str]) -> None:
	with tempfile.TemporaryDirectory() as temp:
		log = Path(temp) / 'log'
		if process.run(command, log=log, env=process.git_environment()):
			raise Error(f'git {command[-1]}: {log.read_text(errors="replace").strip()}')


def _commit(git: Sequence[str], message: str) -> None:
	_git([*git, 'add', '-A'])
	_git([*git, 'commit', '-q', '-m', message])


def _add(part: Part, repository: Path, bound: str, copy: str, author: str) -> None:
	names = overlay.files(part.directories)
	for name, path in names.items():
		(repository / name).parent.mkdir(parents=True, exist_ok=True)
		shutil.copyfile(path, repository / name)
	for name, line in overlay.HOOKS.items():
		if name.startswith(f'{part.directories[0].split("/", maxsplit=1)[0]}/'):
			_hook(repository / name, line)
	if MAKEFILE in names:
		_bind(repository / MAKEFILE, bound, copy)
	_maintain(repository / 'MAINTAINERS', sorted({_area(n) for n in names}), author)


def _hook(path: Path, line: str) -> None:
	"""@line at the end of the file, but in a menu that ends there."""
	text = path.read_text()
	ends = [m.start() for m in re.finditer('^endmenu', text, re.M)]
	if line.startswith('source') and ends:
		path.write_text(f'{text[:ends[-1]]}{line}\n\n{text[ends[-1]:]}')
	else:
		path.write_text(f'{text}{line}\n')


def _bind(path: Path, bound: str, copy: str) -> None:
	"""The names instead of the script that finds them."""
	text, changed = re.subn(r'# What the tree under test has.*\nsubdir-ccflags-y \+= .*features\.sh.*\n',
		f'# A tree without {copy}() has nothing of it to test, and only some architectures\n'
		'# have one of their own.\n'
		f'has-copy := $(shell grep -sw {copy} $(srctree)/include/linux/string.h)\n'
		"streams := $(shell grep -rlsE --include='*.[chS]' "
		f"'^([^[:space:]*/].*)?\\<{copy}\\>' $(srctree)/arch/$(SRCARCH))\n"
		'subdir-ccflags-y += $(if $(has-copy),' + ' \\\n\t'.join(bound.split()) + ')\n'
		'subdir-ccflags-y += $(if $(has-copy),$(if $(streams),-DZD_STREAMS))\n', path.read_text())
	if not changed:
		raise Error(f'{MAKEFILE} does not say by which script it finds names')
	path.write_text(text)


def _area(name: str) -> str:
	"""What MAINTAINERS says of a file: its directory, where that is all ours."""
	above = str(Path(name).parent)
	return name if above in ('include/kunit', 'lib/tests', 'mm/tests') else f'{"/".join(name.split("/")[:3])}/'


def _maintain(path: Path, areas: Sequence[str], author: str) -> None:
	"""Adds @areas to the suites' entry in MAINTAINERS, and that in its place."""
	entries = path.read_text().split('\n\n')
	found = next((i for i, e in enumerate(entries) if e.startswith(f'{ENTRY}\n')), None)
	known: Dict[str, None] = {}
	if found is None:
		# They are in order of their titles, behind a text that has none.
		found = next((i for i, e in enumerate(entries) if re.match(r'[^\n]+\n[A-Z]:\t', e)
			and e.split('\n', 1)[0] > ENTRY), len(entries) - 1)
		entries.insert(found, '')
	else:
		known = dict.fromkeys(re.findall(r'^F:\t(.*)$', entries[found], re.M))
	entries[found] = '\n'.join([ENTRY, f'M:\t{author}', 'L:\tlinux-mm@kvack.org', 'S:\tMaintained',
		*(f'F:\t{a}' for a in sorted({*known, *areas}))])
	path.write_text('\n\n'.join(entries))
