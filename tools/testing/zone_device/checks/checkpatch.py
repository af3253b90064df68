# SPDX-License-Identifier: GPL-2.0
"""checkpatch.pl --strict, on each patch of the series and on the suites."""

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Callable, Dict, List, Sequence

from checks import Check
from guest.target import Target
from host import cache, process
from host.lanes import each
from host.messages import Error
from kernel import overlay, post
from kernel.series import Patch
from kernel.source import Source
from kernel.tree import Tree
from outcome import of_files, Outcome


# Not said of the suites: offsetof() and sizeof_field() in a macro do not evaluate
# what they are given, but checkpatch takes them for uses with side effects; and
# the kernel's own __SetPageHead() is what it calls camel case.
SUITES = '--ignore=MACRO_ARG_REUSE,CAMELCASE'


class Checkpatch(Check):
	name = 'checkpatch'

	def __init__(self, last: bool = False, port: bool = False) -> None:
		"""@last: the last patch of the tree alone; @port: it is a port's, whose new files
		have the maintainers of their architecture."""
		self.last = last
		self.port = port

	def depends_on(self) -> List[object]:
		return [self.last, self.port]

	def run(self, tree: Tree, target: Target) -> Outcome:
		if self.last:
			return of_files(self.name, checkpatch(tree.source, tree.patches[-1:], suites=False,
				ignore=('FILE_PATH_CHANGES',) if self.port else (), lanes=target.toolchain.jobs))
		return of_files(self.name, checkpatch(tree.source, tree.patches, tree.features, lanes=target.toolchain.jobs))


def checkpatch(origin: Source, series: Sequence[Patch], bound: str = '', suites: bool = True,
	       ignore: Sequence[str] = (), lanes: int = 1) -> Dict[str, List[str]]:
	"""Patch or file of the suites -> what checkpatch.pl says of it, @lanes of them at a
	time. The suites as they are posted are looked at if there is something @bound to test."""
	script = origin.path / 'scripts/checkpatch.pl'
	if not script.is_file():
		raise Error(f'{origin.name} has no scripts/checkpatch.pl')
	options = ['perl', str(script), f'--root={origin.path}', '--strict', '--no-signoff',
		'--terse', '--show-types', '--no-summary', *(f'--ignore={what}' for what in ignore)]
	(cache.directory() / 'tmp').mkdir(parents=True, exist_ok=True)
	asked: Dict[str, Callable[[], List[str]]] = {p.name: partial(_patch, options, p) for p in series}
	if 'ZD_COPY' in bound:
		asked.update((p.name, partial(_patch, [*options, SUITES], p)) for p in post.posted(origin.path, series))
	for name, path in overlay.files(overlay.ALL).items() if suites else ():
		if name.endswith(('.c', '.h')):
			asked[name] = partial(_said, [*options, SUITES, '--file', str(path)], str(path), name)
	return each(asked, lanes)


def _patch(options: List[str], patch: Patch) -> List[str]:
	temp = cache.directory() / 'tmp' / f'{os.getpid()}.patch'
	temp.write_bytes(patch.text)
	try:
		return _said([*options, str(temp)], str(temp), patch.name)
	finally:
		cache.remove(temp)


def _said(command: List[str], path: str, name: str) -> List[str]:
	# It leaves a list of names in the directory where it runs, which another one would read.
	with tempfile.TemporaryDirectory(dir=cache.directory() / 'tmp') as where:
		log = Path(where) / 'log'
		status = process.run(command, log=log, cwd=log.parent)
		lines = [l.replace(path, name) for l in log.read_text(errors='replace').splitlines() if l]
	if status and not lines:
		return [f'{name}: checkpatch.pl failed with status {status}']
	return lines if status else []
