# SPDX-License-Identifier: GPL-2.0
"""checkpatch.pl --strict, on each patch of the series and on the suites."""

import os
from typing import Dict, List, Sequence

from checks import Check
from guest.target import Target
from host import cache, process
from host.messages import Error
from kernel import overlay
from kernel.series import Patch
from kernel.source import Source
from kernel.tree import Tree
from outcome import of_files, Outcome


class Checkpatch(Check):
	name = 'checkpatch'

	def run(self, tree: Tree, target: Target) -> Outcome:
		return of_files(self.name, checkpatch(tree.source, tree.patches))


def checkpatch(origin: Source, series: Sequence[Patch]) -> Dict[str, List[str]]:
	"""Patch or file of the suites -> what checkpatch.pl says of it."""
	script = origin.path / 'scripts/checkpatch.pl'
	if not script.is_file():
		raise Error(f'{origin.name} has no scripts/checkpatch.pl')
	options = ['perl', str(script), f'--root={origin.path}', '--strict', '--no-signoff',
		'--terse', '--show-types', '--no-summary']
	work = cache.directory() / 'tmp'
	work.mkdir(parents=True, exist_ok=True)
	result: Dict[str, List[str]] = {}
	for patch in series:
		temp = work / f'{os.getpid()}.patch'
		temp.write_bytes(patch.text)
		try:
			result[patch.name] = _said([*options, str(temp)], str(temp), patch.name)
		finally:
			cache.remove(temp)
	for name, path in overlay.files().items():
		if name.endswith(('.c', '.h')):
			# offsetof() and sizeof_field() in a macro do not evaluate what they
			# are given, but checkpatch takes them for uses with side effects. And the
			# kernel's own __SetPageHead() is what it calls camel case.
			result[name] = _said([*options, '--ignore=MACRO_ARG_REUSE,CAMELCASE', '--file', str(path)],
				str(path), name)
	return result


def _said(command: List[str], path: str, name: str) -> List[str]:
	log = cache.directory() / 'tmp' / f'{os.getpid()}.checkpatch'
	cache.remove(log)
	try:
		# It leaves a list of names in the directory where it runs.
		status = process.run(command, log=log, cwd=log.parent)
		lines = [l.replace(path, name) for l in log.read_text(errors='replace').splitlines() if l]
	finally:
		cache.remove(log)
	if status and not lines:
		return [f'{name}: checkpatch.pl failed with status {status}']
	return lines if status else []
