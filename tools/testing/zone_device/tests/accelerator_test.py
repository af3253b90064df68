# SPDX-License-Identifier: GPL-2.0
"""KVM is used where a guest boots in it, and nowhere else."""

import os
import unittest
from pathlib import Path
from typing import ContextManager, Tuple
from unittest import mock

from helper import Case

from guest import accelerator as accel
from guest.qemu import Machine

MACHINE = Machine('x86_64', 'bzImage', 'console=ttyS0', 'x86_64')


@unittest.skipUnless(os.uname().machine == 'x86_64', 'KVM is tried for x86_64 guests only')
class Accel(Case):
	device = True

	def setUp(self) -> None:
		super().setUp()
		self.cache.mkdir()
		self.bin = self.dir / 'bin'
		self.bin.mkdir()
		os.environ['PATH'] = f'{self.bin}:{os.environ["PATH"]}'
		patches: Tuple[ContextManager[object], ...] = (mock.patch.object(accel, 'PROBE_SECONDS', 0.5),
				mock.patch.object(accel, '_said', set()),
				mock.patch('os.path.exists', lambda p: self.device if p == '/dev/kvm'
					else Path(p).exists()),
				mock.patch('os.access', lambda p, m: self.device if p == '/dev/kvm'
					else Path(p).exists()))
		for patch in patches:
			self.enterContext(patch)

	def qemu(self, boots: str) -> None:
		path = self.bin / 'qemu-system-x86_64'
		path.write_text('#!/bin/sh\n[ "$1" = --version ] && { echo QEMU 1; exit; }\n'
			f'case "$*" in *"-accel kvm"*) {boots};; esac\n')
		path.chmod(0o755)

	def use(self) -> str:
		return accel.choose(MACHINE, self.dir)

	def test_a_guest_that_boots(self) -> None:
		self.qemu('echo KTAP version 1; exit 0')
		self.assertEqual(self.use(), 'kvm')

	def test_a_guest_that_hangs(self) -> None:
		for hangs in ('while :; do :; done', 'echo KVM internal error; sleep 60'):
			self.qemu(hangs)
			self.assertEqual(self.use(), 'tcg')
			# This is so until the machine is started again.
			with mock.patch.object(accel, '_boots', side_effect=AssertionError):
				self.use()
			(self.cache / 'kvm.json').unlink()

	def test_a_guest_that_had_no_time(self) -> None:
		self.qemu('sleep 60')
		self.assertEqual(self.use(), 'tcg')
		self.assertFalse((self.cache / 'kvm.json').exists())
		self.qemu('echo KTAP version 1; exit 0')
		self.assertEqual(self.use(), 'kvm')

	def test_two_probes_at_once_are_one(self) -> None:
		self.qemu(f'echo x >> {self.dir}/probes; sleep 0.2; echo KTAP version 1; exit 0')
		code = ('from guest import accelerator as accel, qemu\naccel.os.path.exists = accel.os.access = lambda *a: True\n'
			f'print(accel.kvm(qemu.{MACHINE}, pathlib.Path("build")))')
		procs = [self.python(code) for _ in range(3)]
		for proc in procs:
			self.assertIn('(True', proc.communicate(timeout=30)[0])
		self.assertEqual((self.dir / 'probes').read_text(), 'x\n')

	def test_a_guest_that_dies(self) -> None:
		self.qemu('echo "KVM: entry failed"; exit 1')
		self.assertEqual(self.use(), 'tcg')

	def test_a_guest_that_panics(self) -> None:
		self.qemu('echo "kunit.enable=1"; echo "Kernel panic - not syncing"; exit 0')
		self.assertEqual(self.use(), 'tcg')

	def test_one_probe_is_enough(self) -> None:
		self.qemu('exit 1')
		self.use()
		with mock.patch.object(accel, '_boots', side_effect=AssertionError):
			self.use()

	def test_no_device_no_probe(self) -> None:
		self.device = False
		self.qemu('exit 0')
		with mock.patch.object(accel, '_boots', side_effect=AssertionError):
			self.assertEqual(self.use(), 'tcg')


if __name__ == '__main__':
	unittest.main()
