# SPDX-License-Identifier: GPL-2.0
"""make gate where others call it: git bisect, engines that spread jobs, CI
systems. All of them are real but for what the checks say; see data/played."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Any, Dict, List, Tuple

from helper import contents, DATA, patch_text, REPO, Repository, TOOLS

GATE = [sys.executable, '-B', str(TOOLS), 'gate']
# As the docs have it, but for where this project lies.
FOR_BISECT = re.findall(r"git bisect run sh -c '([^']*)'", (TOOLS / 'docs/gate.rst').read_text())[0].replace(
	'python3 ~/zone-device-kunit/tools/testing/zone_device gate', ' '.join(GATE))
# What a CI system or this machine has for all, and a test does not do.
NOT_HERE = ('apt-get',)


class Played(Repository):
	"""Checks that are played, of a line of commits."""

	def setUp(self) -> None:
		super().setUp()
		os.environ.update(PYTHONPATH=str(DATA / 'played'), FRESH='', TARGETS='uml')

	def edits(self, *lines: str) -> List[str]:
		"""A commit each; returns their names."""
		return [self.edit(number, line) for number, line in enumerate(lines, 4)]

	def wait_for(self, reached: Path) -> None:
		deadline = time.monotonic() + 90
		while not reached.exists() or not reached.read_text():
			self.assertLess(time.monotonic(), deadline, 'the job was not reached')
			time.sleep(0.05)

	def gate(self, **variables: Any) -> 'subprocess.CompletedProcess[str]':
		return self.make('gate', KDIR=self.kdir, RANGE='v7.3..HEAD', **variables)


class Bisect(Played):
	def test_it_finds_the_first_bad_one(self) -> None:
		for broken in (None, 1, 3):
			self.git('reset', '-q', '--hard', 'v7.3')
			# A promise that is not kept before the fifth is no fault of the others'.
			lines = ['one', 'two', 'wrong', 'four', 'uses the copy', 'six']
			if broken == 1:
				lines[:3] = ['wrong', 'two', 'three']
			elif broken:
				lines[broken - 1] = 'wrong, and does not compile'
				lines[broken] = 'compiles again'
			self.git('commit', '-q', '--allow-empty', '-m', 'a cover letter')
			made = self.edits(*lines)
			self.git('branch', '-f', 'topic')
			self.git('bisect', 'start', 'topic', 'v7.3')
			os.environ.update(KDIR='.', RANGE='v7.3..topic', CONTRACT='streaming')
			said = self.git('bisect', 'run', 'sh', '-c', FOR_BISECT, check=False)
			for name in ('KDIR', 'RANGE', 'CONTRACT'):
				os.environ.pop(name)
			self.git('bisect', 'reset')
			if broken == 3:
				# It could not be tried itself: git says so.
				self.assertRegex(said, rf'(?s)could be any of:.*{made[2]}')
			else:
				self.assertIn(f'{made[0 if broken == 1 else 2]} is the first bad commit', said)


class Table(Played):
	"""What the whole of it says of a range that is committed."""

	def table(self, **variables: Any) -> List[List[str]]:
		return [l.split()[1:] for l in self.gate(**variables).stdout.splitlines() if re.match(r'(base|\d/\d)( +[\w?]+){8}$', l)]

	def test_broken_in_4_and_repaired_in_6(self) -> None:
		self.edits('one', 'two', 'three', 'wrong', 'five', 'right again', 'seven')
		done = self.gate()
		self.assertEqual([row[4] for row in self.table()], ['ok', 'ok', 'ok', 'ok', 'new', 'inherited', 'fixed', 'ok'])
		self.assertNotEqual(done.returncode, 0)
		self.assertIn('4/7 "change 7" is the first bad one: mm: uml: zone_device_init.zd_model_test', ' '.join(done.stdout.split()))

	def test_what_touches_nothing_under_test(self) -> None:
		self.edits('one')
		(self.kdir / 'Documentation').mkdir()
		(self.kdir / 'Documentation/x').write_text('text\n')
		self.git('add', '-A')
		self.git('commit', '-qm', 'docs')
		self.edit(15)
		rows = self.table()
		self.assertEqual(rows[2], ['ok'] * 3 + ['same'] * 5)
		self.assertEqual([rows[n] for n in (1, 3)], [['ok'] * 8] * 2)

	def test_what_is_not_committed_does_not_matter(self) -> None:
		self.edits('one', 'two')
		clean = self.table()
		(self.kdir / 'mm/mm_init.c').write_text('wrong\n')
		(self.kdir / 'new').write_text('does not compile\n')
		before = contents(self.kdir)
		self.assertEqual(self.table(FRESH=1)[:2], clean[:2])
		self.assertEqual(contents(self.kdir), before)

	def test_what_is_no_question_is_no_verdict(self) -> None:
		self.edits('one')
		self.git('branch', 'before')
		self.git('checkout', '-qb', 'side', 'v7.3')
		self.edit(25)
		self.git('merge', '-q', '--no-edit', '-')
		self.git('commit', '-q', '--allow-empty', '-m', 'nothing')
		asked: List[Tuple[Dict[str, object], str]] = [({'RANGE': 'v7.3..side'}, 'has a merge in it'), ({'RANGE': 'HEAD..HEAD'}, 'is empty'),
			({'RANGE': 'side^..side'}, 'no commit in it changes a file'), ({'KDIR': self.dir / 'nowhere'}, 'no such file or directory'),
			({'TARGETS': 'vax'}, 'no such target'), ({'MERGE': self.dir / 'none', 'RANGE': 'v7.3..before'}, 'results are missing'),
			({'RANGE': '', 'SERIES': self.series(patch_text(15, 'a'), patch_text(15, 'b'))}, 'patch 0002-change.patch does not apply')]
		for variables, words in asked:
			done = subprocess.run(GATE, env={**os.environ, 'KDIR': str(self.kdir), **{n: str(v) for n, v in variables.items()}},
				check=False, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
			self.assertOneSentence(done, words)
			self.assertEqual(done.returncode, 2, words)


class Interrupted(Played):
	def test_it_goes_on_where_it_was(self) -> None:
		self.edits('one', 'wrong')
		for phase in ('build uml (0/2)', 'checkpatch x86_64 (1/2)', 'sparse x86_64 (1/2)', 'kunit uml (1/2)', 'order x86_64 (2/2)',
				'counts x86_64 (2/2)'):
			self.interrupt(phase)
		out = self.gate().stdout
		self.assertIn('order x86_64 (2/2): ok, known since', out)
		self.assertNotIn('counts x86_64 (2/2): ok, known since', out)
		self.assertIn('2/2 "change 5" is the first bad one', ' '.join(out.split()))

	def interrupt(self, phase: str) -> None:
		reached = self.dir / 'reached'
		reached.unlink(missing_ok=True)
		env = {**os.environ, 'KDIR': str(self.kdir), 'RANGE': 'v7.3..HEAD', 'PLAYED_SLOW': phase, 'PLAYED_REACHED': str(reached)}
		proc = subprocess.Popen(GATE, env=env, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
			stderr=subprocess.STDOUT)
		self.addCleanup(proc.kill)
		self.wait_for(reached)
		proc.send_signal(signal.SIGINT)
		out, _ = proc.communicate(timeout=60)
		self.assertEqual((proc.returncode, out.splitlines()[-1]),
			(130, 'zone_device: interrupted; the next run takes up from here'))


class Jobs(Played):
	def setUp(self) -> None:
		super().setUp()
		self.edits('one', 'wrong', 'three')
		self.file, self.results = self.dir / 'jobs', self.dir / 'results'

	def jobs(self) -> List[str]:
		done = self.gate(JOBS_FILE=self.file, MERGE=self.results)
		self.assertEqual(done.returncode, 0, done.stdout)
		return self.file.read_text().splitlines()

	def test_an_engine_one_worker_of_which_is_killed(self) -> None:
		if not shutil.which('parallel'):
			self.skipTest('there is no GNU parallel')
		lines = self.jobs()
		# The base: build, sparse, kunit, order, counts; and checkpatch of each commit.
		self.assertEqual(len(lines), 5 + 3 * 6, '\n'.join(lines))
		reached = self.dir / 'reached'
		engine = subprocess.Popen(['parallel', '--will-cite', '-j2', '-a', self.file], text=True,
			env={**os.environ, 'PLAYED_SLOW': 'order x86_64 (1/3)', 'PLAYED_REACHED': str(reached)},
			stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
		self.addCleanup(engine.kill)
		self.wait_for(reached)
		os.kill(int(reached.read_text()), signal.SIGKILL)
		out, _ = engine.communicate(timeout=90)
		self.assertEqual(engine.returncode, 1, out)
		self.assertOneSentence(self.gate(MERGE=self.results), '1 of 23 results are missing', 'order x86_64 (1/3)')
		left = self.jobs()
		self.assertEqual([re.sub('.* # ', '', l) for l in left], ['order x86_64 (1/3)'])
		subprocess.run(left[0], shell=True, check=True, stderr=subprocess.DEVNULL)
		merged, alone = self.gate(MERGE=self.results), self.gate()
		self.assertIn('2/3 "change 5" is the first bad one: mm: uml: zone_device_init.zd_model_test',
			' '.join(merged.stdout.split()))
		table = [self.table(done.stdout) for done in (merged, alone)]
		self.assertEqual(*table)
		self.assertEqual([row.split()[5] for row in table[0]], ['ok', 'ok', 'new', 'inherited'])
		self.assertEqual((merged.returncode, self.jobs()), (alone.returncode, []))
		# Asked for once more, all of it is.
		os.environ['FRESH'] = '1'
		again = self.jobs()
		self.assertEqual((len(again), [l for l in again if ' FRESH=1 ' not in l]), (23, []))

	@staticmethod
	def table(out: str) -> List[str]:
		return [l for l in out.splitlines() if re.match(r'(base|\d/\d)( +\w+){8}$', l)]

	def test_the_longest_comes_first(self) -> None:
		self.gate()
		for path in (self.cache / 'outcomes').glob('*.json'):
			text = path.read_text()
			path.write_text(text.replace('"seconds": 1.0', f'"seconds": {900 if """"check": "sparse""" in text else 1}'))
		self.assertEqual({re.sub(r'.* # (\w+) .*', r'\1', l) for l in self.jobs()[:3]}, {'sparse'})

	def test_one_of_another_state(self) -> None:
		# The base stays what it is; the tip is no tip any more.
		line = next(l for l in self.jobs() if l.endswith('(3/3)'))
		(self.kdir / 'mm/mm_init.c').write_text('another\n')
		self.git('commit', '-qam', 'another')
		done = subprocess.run(line, shell=True, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
		self.assertOneSentence(done, 'there is no such job here')
		self.assertOneSentence(self.gate(JOB='x'), 'JOB= wants MERGE=dir')
		self.assertOneSentence(self.gate(JOBS_FILE='-'), 'JOBS_FILE=- wants MERGE=dir')

	def test_results_do_not_go_into_a_tree_that_is_only_read(self) -> None:
		before = contents(self.kdir)
		for name in ('MERGE', 'JOBS_FILE'):
			self.assertOneSentence(self.gate(JOB='', **{name: self.kdir / 'there'}), 'lies in, KDIR=')
		# What stands beside the jobs may be a link.
		self.file.with_name('jobs.results').symlink_to(self.kdir)
		self.assertOneSentence(self.gate(JOBS_FILE=self.file), 'lies in, KDIR=')
		self.assertEqual(contents(self.kdir), before)

	def test_one_that_cannot_be_carried_out_has_no_result(self) -> None:
		line = self.jobs()[0]
		def done(**env: str) -> 'subprocess.CompletedProcess[str]':
			return subprocess.run(line, shell=True, check=False, text=True, env={**os.environ, **env},
				stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
		for why in ('no space left on device', 'no network'):
			self.assertOneSentence(done(PLAYED_BROKEN=line.rpartition(' # ')[2], PLAYED_WHY=why), why)
			self.assertEqual(list(self.results.glob('*')), [])
		self.assertEqual(done().returncode, 0)
		self.assertEqual(len(list(self.results.glob('*.json'))), 1)
		# An old result is none of a job that is asked for anew.
		done(FRESH='1', PLAYED_BROKEN=line.rpartition(' # ')[2])
		self.assertEqual(list(self.results.glob('*')), [])

	def test_where_it_is_run_does_not_matter(self) -> None:
		os.environ.update(KDIR='linux', RANGE='v7.3..HEAD', JOBS_FILE=str(self.file))
		subprocess.run(GATE, cwd=self.dir, check=True, stderr=subprocess.DEVNULL)
		line = self.file.read_text().splitlines()[-1]
		self.assertIn(f'KDIR={self.kdir} ', line)
		for name in ('KDIR', 'RANGE', 'JOBS_FILE'):
			os.environ.pop(name)
		subprocess.run(line, shell=True, cwd='/', check=True, stderr=subprocess.DEVNULL)
		self.assertEqual(len(list((self.dir / 'jobs.results').glob('*.json'))), 1)


class Systems(Played):
	"""The script lines of ci/, as they stand there, in the environment that the
	system gives them."""

	def setUp(self) -> None:
		super().setUp()
		made = self.edits('one', 'wrong')
		self.base, self.tip = self.git('rev-parse', 'v7.3'), made[-1]
		# What is cloned is what is tested, committed or not.
		clone = self.dir / 'project'
		shutil.copytree(REPO, clone, symlinks=True, ignore=shutil.ignore_patterns('.git', '__pycache__', '.mypy_cache'))
		self.commit(clone)
		os.environ.update(ZONE_DEVICE=f'file://{clone}', TMPDIR=str(self.dir / 'tmp'))
		(self.dir / 'tmp').mkdir()

	def lines(self, name: str, key: str) -> List[str]:
		text = (TOOLS / 'ci' / name).read_text()
		# What stands behind the key, or below it as a list.
		found = re.findall(rf'^ +(?:- )?{key}:(?: (.*)|\n((?: +- .*\n)*))', text, re.M)
		lines = [l.strip().removeprefix('- ') for one, more in found for l in ([one] if one else more.splitlines())]
		return [l for l in lines if not l.startswith(NOT_HERE)]

	def run_(self, lines: List[str]) -> 'subprocess.CompletedProcess[str]':
		return subprocess.run(['sh', '-e'], input='\n'.join(lines), text=True, check=False, cwd=self.kdir,
			stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

	def test_gitlab(self) -> None:
		os.environ.update(CI_PROJECT_DIR=str(self.kdir), CI_MERGE_REQUEST_DIFF_BASE_SHA=self.base, CI_COMMIT_SHA=self.tip)
		done = self.run_(self.lines('gitlab-ci.yml', 'script'))
		self.assertEqual(done.returncode, 1, done.stdout)
		self.assertIn('2/2 "change 5" is the first bad one', done.stdout)
		done = self.run_(self.lines('gitlab-ci.yml', 'after_script'))
		self.assertEqual(done.returncode, 0, done.stdout)
		self.assertIn('**new**', (self.kdir / 'gate.md').read_text())
		self.assertIn('zd_model_test', (self.kdir / 'junit.xml').read_text())

	def test_github(self) -> None:
		os.environ.update(GITHUB_WORKSPACE=str(self.kdir), RUNNER_TEMP=str(self.dir), BASE=self.base, TIP=self.tip,
			GITHUB_STEP_SUMMARY=str(self.dir / 'summary'))
		*lines, last = self.lines('github.yml', 'run')
		done = self.run_(lines)
		self.assertEqual(done.returncode, 1, done.stdout)
		self.run_([last])
		self.assertIn('**new**', (self.dir / 'summary').read_text())


if __name__ == '__main__':
	unittest.main()
