# SPDX-License-Identifier: GPL-2.0
"""What has to agree across the project's files."""

import re
import unittest
from pathlib import Path
from typing import Set

from helper import REPO, TOOLS

import commands
import contract
import options as given
from checks import mutants
from guest import target
from host import cache, messages
from kernel import overlay, series, source


def options(path: Path) -> Set[str]:
	return {l for l in path.read_text().splitlines() if l.startswith(('CONFIG_', '# CONFIG_'))}


class Project(unittest.TestCase):
	def test_root_kunitconfig_is_both_suites(self) -> None:
		self.assertEqual(options(REPO / '.kunitconfig'),
			options(REPO / 'mm/tests/.kunitconfig') | options(REPO / 'lib/tests/.kunitconfig'))

	def test_every_target_has_what_it_names(self) -> None:
		for one in target.TARGETS.values():
			self.assertTrue(one.config_options(), one.name)
			for suite in one.suites:
				self.assertTrue((REPO / suite / '.kunitconfig').is_file(), suite)
		self.assertTrue(target.chosen(target.DEFAULT))

	def test_every_hook_leads_to_a_file_of_the_overlay(self) -> None:
		files = overlay.files(overlay.ALL)
		for name, line in [*overlay.HOOKS.items(), *overlay.PROBE_HOOKS.items()]:
			there = line.split('"')[1] if '"' in line else str(Path(name).parent / line.split('+= ')[1] / 'Makefile')
			self.assertIn(there, files)

	def test_one_place_reads_the_environment(self) -> None:
		"""What a user can ask for is in options.py, what a child gets in process.py."""
		for path in (p for p in TOOLS.rglob('*.py') if TOOLS / 'tests' not in p.parents):
			if path not in (TOOLS / 'options.py', TOOLS / 'host/process.py'):
				self.assertNotRegex(path.read_text(), r'\bos\.(environ|getenv)|import .*\b(environ|getenv)\b', path)

	def test_each_series_is_whole(self) -> None:
		self.assertIn(source.OUR_SERIES, source.SERIES.iterdir())
		for where in source.SERIES.iterdir():
			patches = series.load(where)
			self.assertEqual({p.name for p in patches}, {p.name for p in where.glob('*.patch')}, where)
			for number, patch in enumerate(patches, 1):
				self.assertIn(f'\nSubject: [PATCH {number}/{len(patches)}] '.encode(), patch.text, patch.name)

	def test_each_promise_has_a_mutant_that_breaks_it_alone(self) -> None:
		found = {m.breaks for m in map(mutants.parse, sorted(mutants.DIRECTORY.glob('*/*.patch')))}
		self.assertEqual([p.name for p in contract.PROMISES if p.name not in found], [])

	def test_all_that_is_kept_is_known_to_distclean(self) -> None:
		"""And so is none of it written behind a link, which the same lists refuse."""
		used = {name for path in TOOLS.rglob('*.py') if path.parent != TOOLS / 'tests'
			for name in re.findall(r"cache\.directory\(\) / f?'([^'/{]+)", path.read_text())}
		self.assertIn('trees', used)
		self.assertLessEqual(used, {*cache.CLEANED, *cache.KEPT})

	def test_a_line_of_a_result_is_folded(self) -> None:
		line = '    ' + ' '.join(['word'] * 30)
		folded = messages.fold(line).split('\n')
		self.assertEqual((len(folded), max(map(len, folded)) <= messages.WIDTH), (2, True))
		self.assertTrue(folded[1].startswith('        word'))
		self.assertEqual(''.join(f.strip() + ' ' for f in folded).split(), line.split())
		for same in ('a  b', 'x' * 300, ' ' * 4 + 'y' * messages.WIDTH):
			self.assertEqual(messages.fold(same).strip(), same.strip())

	def test_spdx(self) -> None:
		for path in [*TOOLS.rglob('*.py'), *TOOLS.rglob('*.sh'), *overlay.files(overlay.ALL).values()]:
			if path.suffix in ('.py', '.sh', '.c', '.h') or path.name in ('Kconfig', 'Makefile'):
				self.assertIn('SPDX-License-Identifier: GPL-2.0', path.read_text()[:200], path)

	def test_make_help_names_every_command(self) -> None:
		self.assertEqual(set(commands.COMMANDS), set(given.COMMANDS))
		makefile = (REPO / 'Makefile').read_text().replace('\\\n', ' ')
		targets = re.search(r'^COMMANDS := (.*)$', makefile, re.M)
		assert targets is not None
		self.assertEqual(set(targets.group(1).split()), {'help', *given.COMMANDS})
		for command in given.COMMANDS:
			self.assertIn(f'\nmake {command} ', f'\n{given.usage()}')


if __name__ == '__main__':
	unittest.main()
