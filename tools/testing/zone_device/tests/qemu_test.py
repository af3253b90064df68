# SPDX-License-Identifier: GPL-2.0
"""The command that boots a kernel has what the tree's kunit.py would have."""

import unittest
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

from helper import Case

from arch import ARCHES
from checks.kunit import Kunit
from guest import boot, build, qemu
from guest.qemu import Machine
from guest.target import TARGETS
from host import process
from host.messages import Error
from host.packages import Need
from outcome import Outcome

X86 = replace(ARCHES['x86_64'], needs=(Need('qemu-system-x86_64', 'qemu-package'), Need('firmware', 'bios-package')))


class Qemu(Case):
	def setUp(self) -> None:
		super().setUp()
		self.tree: Any = SimpleNamespace(src=self.kernel())
		self.config = self.tree.src / 'tools/testing/kunit/qemu_configs/x86_64.py'

	def machine(self, **here: object) -> Machine:
		return qemu.machine(self.tree, replace(X86, **here))

	def test_what_is_told_to_qemu(self) -> None:
		text = ' '.join(self.machine().command(self.dir, 'tcg', ['a=b'], ['-m', '3G']))
		for part in ('qemu-system-x86_64 ', ' -accel tcg ', f' -kernel {self.dir}/arch/x86/boot/bzImage ', ' -bios qboot.rom ',
				' -append console=ttyS0 kunit_shutdown=reboot kunit.enable=1 ', ' a=b ', ' -cpu max '):
			self.assertIn(part, text)
		self.assertTrue(text.endswith(' -m 3G'))
		text = ' '.join(self.machine(kernel_args=('mem=1G',)).command(self.dir, 'tcg', []))
		self.assertIn(' -append console=ttyS0 mem=1G kunit_shutdown=reboot ', text)

	def test_a_shutdown_of_its_own(self) -> None:
		self.config.write_text(self.config.read_text().replace('ttyS0', 'ttyS0 kunit_shutdown=halt'))
		self.assertNotIn('kunit_shutdown=reboot', ' '.join(self.machine().command(self.dir, 'tcg', [])))

	def test_one_that_is_known_not_to_boot_it(self) -> None:
		loong = replace(X86, qemu_fails='QEMU emulator version 7.2')
		for version, why in (('7.2.22', 'QEMU emulator version 7.2.22 (x) does not boot a kernel for x86_64'), ('10.0.1', '')):
			with mock.patch.object(process, 'output', return_value=f'QEMU emulator version {version} (x)\nCopyright'):
				self.assertEqual((qemu.cannot_boot(loong), qemu.cannot_boot(X86)), (why, ''))
		with mock.patch.object(build, 'build'), mock.patch.object(boot, 'boot') as booted, \
				mock.patch.object(qemu, 'cannot_boot', return_value='QEMU 7.2 does not boot it'):
			found = Kunit().run(self.tree, TARGETS['loongarch64'])
		self.assertEqual((found.unknown, found.status), ('it builds, but QEMU 7.2 does not boot it', 'cannot judge'))
		booted.assert_not_called()

	def test_uml_is_run_as_it_is(self) -> None:
		command = qemu.machine(self.tree, ARCHES['um']).command(self.dir, '', ['a=b'])
		self.assertEqual(command[0], str(self.dir / 'linux'))
		for part in ('mem=1G', 'console=tty', 'kunit_shutdown=halt', 'kunit.enable=1', 'a=b'):
			self.assertIn(part, command)

	def boot(self, script: str, suites: bool) -> Outcome:
		image = self.cache / 'build/linux'
		image.parent.mkdir(parents=True, exist_ok=True)
		image.write_text(f'#!/bin/sh\n{script}\n')
		image.chmod(0o755)
		tree: Any = SimpleNamespace(src=self.tree.src, contract='streaming', partial=True, build_dir=lambda _: image.parent)
		return boot.boot(tree, TARGETS['uml'], filter='a.*', kernel_args=['--', 'x'], suites=suites)

	def test_every_guest_is_told_its_contract(self) -> None:
		"""Also one that has no suites to run; before the words that are for init alone."""
		for suites in (True, False):
			outcome = self.boot('echo "$@"', suites)
			assert outcome.log is not None
			self.assertIn(' zone_device.contract=streaming zone_device.partial=1 kunit.filter_glob=a.* -- x\n',
				outcome.log.read_text())
			self.assertEqual((outcome.contract, outcome.partial), ('streaming', True))

	def test_a_guest_that_cannot_be_started(self) -> None:
		for suites in (True, False):
			self.assertEqual(self.boot('echo failed to initialize kvm; exit 1', suites).problem,
				'linux failed: failed to initialize kvm, no test had started')

	def test_arch_has_the_last_word(self) -> None:
		made = self.machine(qemu_args=('-bios', 'other'))
		self.assertEqual(made.extra_qemu_params, ['-bios', 'qboot.rom', '-bios', 'other'])

	def test_no_machine(self) -> None:
		for text, reason in (('print("\\n\\nno firmware in /x\\nsee there\\n")\nimport sys\nsys.exit()', 'no firmware in /x'),
				('raise OSError("is broken")', 'OSError: is broken'), ('QEMU_ARCH = 1', 'TypeError'), ('', 'no attribute')):
			self.config.write_text(text)
			with self.assertRaisesRegex(Error, f'^x86_64: .*qemu_configs/x86_64.py .*{reason}.* qemu-package bios-package'):
				self.machine()
		self.config.unlink()
		with self.assertRaisesRegex(Error, 'No module named'):
			self.machine()


if __name__ == '__main__':
	unittest.main()
