# SPDX-License-Identifier: GPL-2.0
"""Several runs at once, and runs that are ended: nothing is left behind, no
run joins what another one left, and none waits for ever."""

import contextlib
import os
import signal
import subprocess
import time
import unittest
from pathlib import Path
from typing import Any, List
from unittest import mock

from helper import Case, Front

from bench.watch import Watcher
from host import locks, process
from kernel import tree


class Ended(Front):
	def test_by_a_lost_terminal_and_the_rest(self) -> None:
		# These tests may themselves be run by nohup.
		self.addCleanup(signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, signal.SIG_DFL))
		for sig in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
			for phase in ('config', 'build', 'exec'):
				for reached in self.cache.glob('trees/*/*/build/uml/reached'):
					reached.unlink()
				(self.kdir / 'mm/mm_init.c').write_text(f'{sig} {phase}\n')
				self.interrupt('cache/trees/*/*/build/uml/reached', sig, FAKE_SLOW=phase)
		self.assertWorks()

	def test_while_a_child_is_started(self) -> None:
		"""A child that nobody knows yet is not left behind."""
		self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))
		real, made = subprocess.Popen, []

		def popen(*words: Any, **options: Any) -> Any:
			made.append(real(*words, **options))
			os.kill(os.getpid(), signal.SIGINT)
			time.sleep(0.05)
			return made[0]
		with mock.patch.object(subprocess, 'Popen', popen), self.assertRaises(KeyboardInterrupt):
			process.run(['sleep', '600'])
		self.assertIsNotNone(made[0].returncode)
		self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)

	def test_nohup_means_what_it_says(self) -> None:
		old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
		self.addCleanup(signal.signal, signal.SIGHUP, old)
		proc = self.start('kunit', 'cache/trees/*/*/build/uml', FAKE_SLOW='')
		os.killpg(proc.pid, signal.SIGHUP)
		out, _ = proc.communicate(timeout=30)
		self.assertEqual(proc.returncode, 0, out)

	def test_by_force(self) -> None:
		"""What outlives kill -9 keeps the next run out, which says so."""
		for phase in ('config', 'build', 'exec'):
			for reached in self.cache.glob('trees/*/*/build/uml/reached'):
				reached.unlink()
			(self.kdir / 'mm/mm_init.c').write_text(f'{phase}\n')
			proc = self.start('kunit', 'cache/trees/*/*/build/uml/reached', FAKE_SLOW=phase)
			os.killpg(proc.pid, signal.SIGKILL)
			proc.communicate()
			orphans = [p for p in Path('/proc').glob('[0-9]*') if self.is_of_this_cache(p)]
			self.assertNotEqual(orphans, [], phase)
			self.addCleanup(self.kill, orphans)
			second = self.start('kunit')
			time.sleep(2)
			self.assertIsNone(second.poll(), 'joined what the first one left')
			self.kill(orphans)
			out, _ = second.communicate(timeout=60)
			self.assertEqual(second.returncode, 0, out)
			self.assertRegex(out, r'waiting for another run that uses .*: process \d+ \(\S+')

	def is_of_this_cache(self, entry: Path) -> bool:
		with contextlib.suppress(OSError):
			return str(self.cache) in (entry / 'cmdline').read_text() or \
				os.readlink(entry / 'cwd').startswith(str(self.cache))
		return False

	@staticmethod
	def kill(entries: List[Path]) -> None:
		for entry in entries:
			with contextlib.suppress(ProcessLookupError):
				os.kill(int(entry.name), signal.SIGKILL)


class AtOnce(Front):
	def test_two_that_need_the_same_trees_in_opposite_order(self) -> None:
		for number in range(3000):
			where = self.kdir / f'drivers/{number // 500}'
			where.mkdir(parents=True, exist_ok=True)
			(where / f'{number}.c').write_text('x\n')
		code = ('from kernel import source, tree\norigin = source.user_tree({kdir!r})\nfor _ in range(10):\n'
			'\twith tree.using(*(tree.plan(origin, "none", slot=s) for s in {order})) as made:\n'
			'\t\tassert [t.dir.name for t in made] == {order}\n')
		procs = [self.python(code.format(order=order, kdir=str(self.kdir))) for order in (['a', 'b'], ['b', 'a'])]
		for proc in procs:
			out, _ = proc.communicate(timeout=60)
			self.assertEqual(proc.returncode, 0, out)

	def test_one_inside_the_other_is_a_mistake_of_ours(self) -> None:
		os.environ['KDIR'] = str(self.kdir)
		with tree.using(self.plan()):
			with self.assertRaises(AssertionError):
				self.prepare(series='none', slot='other')

	def test_a_lock_is_given_up_when_a_tree_is_no_longer_used(self) -> None:
		os.environ['KDIR'] = str(self.kdir)
		# make check, in which this runs, has one on its own cache.
		before = locks.descriptors()
		self.prepare(series='none')
		self.assertEqual(locks.descriptors(), before)

	def test_a_run_that_waits_while_the_cache_is_removed(self) -> None:
		first = self.start('kunit', 'cache/trees/*/*/build/uml/reached', FAKE_SLOW='exec')
		cleaner = self.start('distclean')
		time.sleep(1)
		waits = self.start('kunit')
		time.sleep(1)
		os.killpg(first.pid, signal.SIGINT)
		first.communicate(timeout=30)
		self.assertEqual(cleaner.wait(timeout=30), 0)
		out, _ = waits.communicate(timeout=60)
		self.assertEqual(waits.returncode, 0, out)
		self.assertWorks()

	def test_a_lock_file_that_was_removed_is_no_lock(self) -> None:
		path = self.cache / '.lock'
		locks.lock(path)
		waits = self.python(f'from host import locks\nlocks.lock(pathlib.Path({str(path)!r}))\n'
			f'print(pathlib.Path({str(path)!r}).exists())')
		time.sleep(1)
		path.unlink()
		locks.unlock(path)
		self.assertIn('True', waits.communicate(timeout=30)[0])

	def test_the_plugin_is_compiled_once(self) -> None:
		self.cache.mkdir()
		code = 'from guest import plugin\nplugin.compiled()'
		procs = [self.python(code) for _ in range(3)]
		for proc in procs:
			out, _ = proc.communicate(timeout=60)
			self.assertEqual(proc.returncode, 0, out)
		self.assertEqual([p.suffix for p in (self.cache / 'plugin').iterdir() if p.name != '.lock' and p.suffix != '.log'],
			['.so'])


class Guests(Case):
	def test_those_of_another_bench_are_not_ours(self) -> None:
		fake = self.dir / 'qemu-system-x86_64'
		fake.symlink_to('/bin/sleep')
		ours, theirs = (subprocess.Popen([fake, '60'], start_new_session=True) for _ in range(2))
		for proc in (ours, theirs):
			self.addCleanup(proc.wait)
			self.addCleanup(proc.kill)
		self.assertEqual(Watcher._guests(ours.pid), [f'/proc/{ours.pid}'])


if __name__ == '__main__':
	unittest.main()
