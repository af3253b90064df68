# SPDX-License-Identifier: GPL-2.0
"""What is wrong with a variable is said first, before anything is prepared."""

import os
import subprocess
import unittest
from typing import Any, Dict, Sequence

from helper import Front, patch_text, REPO, snapshot

import options
from guest.target import Toolchain


class Options(Front):
	def refused(self, *words: str, command: str = 'kunit', arguments: Sequence[str] = (),
		    **variables: Any) -> None:
		before = snapshot(self.dir)
		variables.setdefault('KDIR', self.kdir)
		self.assertOneSentence(self.make(command, *arguments, **variables), *words)
		self.assertEqual(snapshot(self.dir), before)

	def test_numbers(self) -> None:
		for name in ('TIMEOUT', 'JOBS', 'ROUNDS', 'BOOTS'):
			for value in ('abc', '0', '-1', '1.5', '²', '9' * 400):
				variables: Dict[str, Any] = {name: value}
				self.refused(f'{name}={value} is not a number', **variables)
		self.refused('SERIES_UPTO=x is not a number', command='bench-native', SERIES_UPTO='x')

	def test_one_of_our_series_by_its_name(self) -> None:
		os.environ.update(SERIES='nontemporal', SERIES_A=str(self.dir), SERIES_B='none')
		given = options.parse()
		self.assertEqual((given.series, given.series_b), (str(REPO / 'series/nontemporal'), 'none'))
		self.refused('no such file or directory; is nontemporal meant?', SERIES='nontemporel')
		self.refused('no such file or directory', SERIES='..x')
		# What the user has comes first.
		(self.dir / 'nontemporal').mkdir()
		self.addCleanup(os.chdir, os.getcwd())
		os.chdir(self.dir)
		self.assertEqual(options.parse().series, 'nontemporal')

	def test_an_input_is_not_overwritten(self) -> None:
		series = self.dir / 'p.patch'
		series.write_text(patch_text(5, 'five'))
		os.environ['SERIES'] = str(series)
		for name in ('JSON', 'JUNIT', 'HTML'):
			variables: Dict[str, Any] = {name: series}
			self.refused('would overwrite', 'SERIES=', **variables)
		(self.dir / 'link').symlink_to(series)
		self.refused('would overwrite', 'SERIES=', JSON=self.dir / 'link')
		self.refused('lies in, KDIR=', JSON=self.kdir / 'mm/mm_init.c')
		self.refused('lies in, KDIR=', JSON=self.kdir / 'new.json')
		self.refused('lies in, SERIES=', JSON=self.series('x', name='many') / '0001-change.patch',
			SERIES=self.dir / 'many')

	def test_two_outputs_in_one_file(self) -> None:
		self.refused('would overwrite', JSON=self.dir / 'r', JUNIT=self.dir / 'r')
		self.refused('would overwrite', JSON=self.dir / 'r', JUNIT=self.dir / '.' / 'linux/../r')

	def test_an_output_that_cannot_be_written(self) -> None:
		self.refused('no directory', JSON='/nope/x.json')
		self.refused('no regular file', JSON=self.dir)
		self.refused('no regular file', JSON='/dev/null')

	def test_standard_output(self) -> None:
		done = self.kunit(JSON='-')
		self.assertIn('"passed": 1', done.stdout)
		self.assertFalse(os.path.exists('-'))

	def test_an_output_is_not_ours(self) -> None:
		before = snapshot(REPO / 'mm')
		for name in ('README.md', 'mm/tests/zone_device/model.c', 'mm/new.json', '.git/config'):
			self.refused('is a file of this project', JSON=name)
		self.assertWorks()
		for name in ('CACHEDIR.TAG', 'new.json', 'trees/x'):
			done = self.kunit(JSON=self.cache / name)
			self.assertOneSentence(done, 'is a file of the cache')
		self.assertEqual(snapshot(REPO / 'mm'), before)
		tracked = subprocess.run(['git', '-C', REPO, 'ls-files'], check=True, text=True, stdout=subprocess.PIPE).stdout.split()
		self.assertEqual(sorted(n for n in tracked if '/' not in n), sorted(options.OURS))

	def test_an_output_keeps_its_mode_and_follows_no_planted_link(self) -> None:
		result = self.dir / 'r.json'
		result.write_text('old')
		result.chmod(0o600)
		self.assertWorks(JSON=result)
		self.assertIn('"passed": 1', result.read_text())

	def test_a_former_result_is_not_taken_for_this_one(self) -> None:
		self.assertWorks(JSON=self.dir / 'r.json')
		(self.kdir / 'mm/mm_init.c').unlink()
		self.assertOneSentence(self.kunit(JSON=self.dir / 'r.json'), 'has no mm/mm_init.c')
		self.assertFalse((self.dir / 'r.json').exists())

	def test_blank_on_the_command_line(self) -> None:
		for name in ('KDIR', 'SERIES', 'CACHE', 'JSON', 'SERIES_UPTO', 'FILTER', 'CONTRACT', 'JOBS'):
			self.assertOneSentence(self.make('kunit', f'{name}=', KDIR=self.kdir), f'{name}= is blank')
		self.assertOneSentence(self.make('distclean', 'CACHE='), 'CACHE= is blank')

	def test_a_variable_that_there_is_not(self) -> None:
		self.refused('FILTERS= is no variable', 'FILTER= meant', arguments=('FILTERS=x',))
		self.refused('TARGET= is no variable', 'TARGETS= meant', arguments=('TARGET=uml x86_64',))
		self.refused('SERIES-UPTO= is no variable', arguments=('SERIES-UPTO=1',))
		self.refused('SERIE= is no variable', arguments=('SERIE:=/x',))
		self.refused('QWERTY= is no variable', 'make help', arguments=('QWERTY=1',))
		# In the environment it may be meant for somebody else.
		self.assertWorks(FILTERS='x')

	def test_one_that_the_command_does_not_look_at(self) -> None:
		self.refused('make check does not look at TARGETS=', 'leave it out', command='check', arguments=('TARGETS=arm64',))
		self.refused('make kunit does not look at MUTANTS=', 'make mutants and make order-mutants', arguments=('MUTANTS=x',))
		# In the environment it may be for another command.
		self.assertWorks(MUTANTS='x')

	def test_one_on_the_command_line(self) -> None:
		done = self.make('kunit', f'KDIR={self.kdir}', 'FILTER=s.*', 'JOBS=1')
		self.assertEqual(done.returncode, 0, done.stdout)

	def test_a_compiler_of_llvm(self) -> None:
		for llvm, wanted in (('1', 'clang'), ('-19', 'clang-19'), ('/opt/llvm/bin/', '/opt/llvm/bin/clang')):
			self.assertEqual(Toolchain(llvm=llvm).compiler, wanted)
		self.assertOneSentence(self.kunit(LLVM='-99'), 'clang-99: no such compiler')


if __name__ == '__main__':
	unittest.main()
