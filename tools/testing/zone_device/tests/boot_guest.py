# SPDX-License-Identifier: GPL-2.0
"""Guests that go wrong for real: the kernel that make kunit built, made to
panic or to hang. Run by make check after that build."""

import contextlib
import os
import signal
import unittest
from pathlib import Path
from typing import Any

from helper import asked

import report
from guest import boot, build, target
from kernel.tree import Tree
from outcome import Outcome

X86 = target.TARGETS['x86_64']
# The first test taints the kernel as one that ran tests: this has it panic.
PANIC = 'panic_on_taint=0x40000'


class Guest(unittest.TestCase):
	tree: Tree
	target: target.Target

	@classmethod
	def setUpClass(cls) -> None:
		stack = contextlib.ExitStack()
		cls.addClassCleanup(stack.close)
		cls.tree, cls.target = stack.enter_context(asked(X86))
		build.build(cls.tree, cls.target)

	def boot(self, **kwargs: Any) -> Outcome:
		return boot.boot(self.tree, self.target, **kwargs)

	def assertNoGuest(self) -> None:
		image = str(self.tree.build_dir(X86.name))
		for entry in Path('/proc').glob('[0-9]*/cmdline'):
			try:
				self.assertNotIn(image, entry.read_text(errors='replace')
					if 'qemu' in entry.read_text(errors='replace') else '')
			except OSError:
				pass

	def test_panic(self) -> None:
		verdict = self.boot(kernel_args=[PANIC])
		self.assertFalse(verdict.ok)
		self.assertIn('the kernel panicked: panic_on_taint', verdict.problem)
		self.assertLess(verdict.run_seconds, X86.timeout / 2)
		shown = '\n'.join(report.failures(verdict))
		self.assertIn('Kernel panic', shown)
		self.assertIn(f'log: {verdict.log}', shown)

	def test_hang(self) -> None:
		"""A panic that does not reboot spins for ever."""
		verdict = self.boot(kernel_args=[PANIC, 'panic=0'], timeout=10)
		self.assertFalse(verdict.ok)
		self.assertIn('the guest hung and was stopped after 10 s', verdict.problem)
		self.assertLess(verdict.run_seconds, 15)
		assert verdict.log is not None
		self.assertIn('KTAP version 1', verdict.log.read_text())
		self.assertNoGuest()

	def test_guest_that_never_starts(self) -> None:
		verdict = self.boot(qemu_args=['-S'], timeout=3)
		self.assertIn('hung and was stopped after 3 s, no test had started', verdict.problem)
		self.assertNoGuest()

	def test_qemu_that_does_not_die(self) -> None:
		"""One that is stopped does not heed SIGTERM."""
		verdict = self.boot(qemu_args=['-S'], timeout=3,
			status=lambda pid: os.kill(pid, signal.SIGSTOP) or '')  # type: ignore[func-returns-value]
		self.assertIn('hung', verdict.problem)
		self.assertLess(verdict.run_seconds, 20)
		self.assertNoGuest()

	def test_filter_that_matches_nothing(self) -> None:
		self.assertIn('no test matches FILTER=nothing.*', self.boot(filter='nothing.*').problem)

	def test_good_boot_after_all_that(self) -> None:
		self.assertEqual(self.boot(filter='memcpy_streaming*').problem, '')


if __name__ == '__main__':
	unittest.main()
