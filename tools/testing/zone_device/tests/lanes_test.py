# SPDX-License-Identifier: GPL-2.0
"""Several processes at a time, and what becomes of them."""

import contextlib
import io
import os
import signal
import subprocess
import tempfile
import time
import unittest
from functools import partial
from unittest import mock

from helper import Case

from host import lanes
from host.messages import Error


def slow(number: int) -> int:
	time.sleep(0.02 * (3 - number))
	return number * number


def own_process() -> int:
	time.sleep(0.2)
	return os.getpid()


def refuses() -> int:
	raise Error('not two')


def no_such_key() -> int:
	return {1: 2}[3]


def is_killed() -> int:
	os.kill(os.getpid(), signal.SIGKILL)
	return 0


def is_interrupted() -> int:
	raise KeyboardInterrupt()


class Lanes(Case):
	def test_in_their_order(self) -> None:
		for number in (1, 2, 8):
			found = lanes.each({str(n): partial(slow, n) for n in range(4)}, number)
			self.assertEqual(list(found.items()), [('0', 0), ('1', 1), ('2', 4), ('3', 9)])
		self.assertEqual(lanes.each({}, 2), {})

	def test_at_a_time(self) -> None:
		def others() -> int:
			"""How many there are, itself included."""
			with tempfile.TemporaryDirectory(dir=self.dir):
				time.sleep(0.3)
				return len(list(self.dir.iterdir()))
		for number in (1, 2):
			found = lanes.each(dict.fromkeys('abcd', others), number)
			self.assertEqual(max(found.values()), number)

	def test_what_is_raised(self) -> None:
		with self.assertRaisesRegex(Error, '^not two$'):
			lanes.each({'a': own_process, 'b': refuses, 'c': own_process}, 2)

	def test_a_mistake_of_ours(self) -> None:
		"""It is what it was, and says where."""
		with self.assertRaises(KeyError), contextlib.redirect_stderr(io.StringIO()):
			lanes.each({'a': own_process, 'b': no_such_key}, 2)

	def test_what_cannot_be_sent(self) -> None:
		with self.assertRaisesRegex(Exception, 'pickle'), contextlib.redirect_stderr(io.StringIO()):
			lanes.each({'a': lambda: (lambda: 1)}, 2)

	def test_no_process_to_be_had(self) -> None:
		with mock.patch('os.fork', side_effect=BlockingIOError(11, 'Resource temporarily unavailable')):
			with self.assertRaises(BlockingIOError):
				lanes.each({'a': own_process}, 2)

	def test_one_that_does_not_end(self) -> None:
		"""It takes being told to end for something else, or is not told at all."""
		def stubborn() -> int:
			signal.signal(signal.SIGTERM, signal.SIG_IGN)
			time.sleep(20)
			return 0
		start = time.monotonic()
		with mock.patch.object(lanes, 'PATIENCE', 0.2), self.assertRaisesRegex(Error, '^not two$'):
			lanes.each({'a': stubborn, 'b': refuses}, 2)
		self.assertLess(time.monotonic() - start, 10)

	def test_one_that_is_killed(self) -> None:
		for ends in (is_killed, is_interrupted):
			with self.assertRaisesRegex(Error, '^b: the process that did it was killed$'):
				lanes.each({'a': own_process, 'b': ends, 'c': own_process}, 2)

	def test_none_is_left(self) -> None:
		"""At once of a run that is interrupted; of one that is killed when each has done what it is at."""
		for sig, output, last in ((signal.SIGTERM, 'ended\n', 600), (signal.SIGKILL, '', 3)):
			proc = self.python(f'import os, signal, time\nfrom host import lanes\nos.chdir({str(self.dir)!r})\n'
				'def end(*_): raise KeyboardInterrupt()\nsignal.signal(signal.SIGTERM, end)\n'
				'def work(n):\n\topen(str(n), "w").close()\n\ttime.sleep(n)\n'
				f'try: lanes.each({{"a": lambda: work(1), "b": lambda: work({last})}}, 2)\nexcept KeyboardInterrupt: print("ended")\n')
			while not (self.dir / str(last)).exists():
				self.assertIsNone(proc.poll())
				time.sleep(0.01)
			proc.send_signal(sig)
			proc.wait(timeout=10)
			assert proc.stdout is not None
			self.assertEqual((proc.stdout.read(), self.in_there()), (output, ''))
			(self.dir / str(last)).unlink()

	def in_there(self) -> str:
		return subprocess.run(f'ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -F {self.dir}', shell=True, check=False,
			text=True, stdout=subprocess.PIPE).stdout


if __name__ == '__main__':
	unittest.main()
