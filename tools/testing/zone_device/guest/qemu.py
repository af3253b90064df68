# SPDX-License-Identifier: GPL-2.0
"""The command that boots a kernel: image, machine and console are those that
the tree's own kunit.py has for the architecture."""

import json
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import List, Sequence

from arch import Arch
from host import process
from host.messages import Error
from kernel.tree import Tree

# In a process of its own, as what is imported may do anything, even exit.
_READ = '''import importlib, json, sys
sys.path.insert(0, sys.argv[1])
print(json.dumps(vars(importlib.import_module('kunit.qemu_configs.' + sys.argv[2]).QEMU_ARCH)))'''


@dataclass(frozen=True)
class Machine:
	"""The fields of kunit.py's QemuArchParams."""
	linux_arch: str
	kernel_path: str
	kernel_command_line: str
	# '' where the image is a program itself.
	qemu_arch: str = ''
	extra_qemu_params: Sequence[str] = ()
	serial: str = 'stdio'

	def command(self, build: Path, accelerator: str, arguments: Sequence[str], more: Sequence[str] = ()) -> List[str]:
		"""Boots what is in @build, and ends after the last test; what comes later wins."""
		shutdown = '' if 'kunit_shutdown=' in self.kernel_command_line else 'kunit_shutdown=reboot'
		# An oops or a panic is to end the guest at once, not at the time limit.
		line = f'{self.kernel_command_line} {shutdown} kunit.enable=1 oops=panic panic=-1'.split() + [*arguments]
		image = str(build / self.kernel_path)
		if not self.qemu_arch:
			return [image, *line]
		return [f'qemu-system-{self.qemu_arch}', '-nodefaults', '-no-reboot', '-nographic', '-accel', accelerator,
			# The suites map gigabytes, and have two CPUs race.
			'-m', '2G', '-smp', '2', '-serial', self.serial, '-kernel', image, '-append', ' '.join(line),
			*self.extra_qemu_params, *more]


# kunit.py has no file for it, and does this. A reboot would run the same program again.
UML = Machine('um', 'linux', 'mem=1G console=tty kunit_shutdown=halt')


def cannot_boot(arch: Arch) -> str:
	"""Why this machine's QEMU is not even tried, if so."""
	version = (process.output([arch.qemu, '--version']).splitlines() or ['?'])[0] if arch.qemu_fails else ''
	return f'{version} does not boot a kernel for {arch.name}' if version and version.startswith(arch.qemu_fails) else ''


def machine(tree: Tree, arch: Arch) -> Machine:
	"""As the tree has it, and what arch/ adds."""
	if not arch.qemu:
		return UML
	done = subprocess.run([sys.executable, '-ISB', '-c', _READ, tree.src / 'tools/testing', arch.name], check=False,
		text=True, errors='replace', stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
	lines = [l.strip() for l in done.stdout.splitlines() if l.strip()] or ['it says nothing']
	try:
		values = json.loads(lines[-1])
		values['extra_qemu_params'] += arch.qemu_args
		values['kernel_command_line'] = ' '.join([values['kernel_command_line'], *arch.kernel_args])
		return Machine(**{f.name: values[f.name] for f in fields(Machine) if f.name in values})
	except (ValueError, TypeError, KeyError):
		# A traceback ends with the reason; what just exits begins with it.
		raise Error(f'{arch.name}: the kernel\'s tools/testing/kunit/qemu_configs/{arch.name}.py gives no machine: '
			f'{lines[-1 if done.returncode else 0]} (what it needs is in Debian\'s '
			f'{" ".join(n.package for n in arch.needs)})') from None
