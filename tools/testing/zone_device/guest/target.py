# SPDX-License-Identifier: GPL-2.0
"""target = arch + config: one entry of TARGETS a line. Add yours here."""

from dataclasses import dataclass
from typing import Any, Dict, List, Tuple

from host.messages import Error
from host.process import REPO

CONFIGS = REPO / 'tools/testing/zone_device/configs'


@dataclass(frozen=True)
class Target:
	name: str
	# As kunit.py and the kernel's Makefile know it.
	arch: str
	# What make builds, and where it ends up in the build directory.
	goal: str
	image: str
	# Directories of the suites that run there.
	suites: Tuple[str, ...]
	# Fragments in configs/, which come after the suites' own and win.
	fragments: Tuple[str, ...]
	# The command that boots it; '' where the image is a program itself.
	qemu: str = ''
	qemu_args: Tuple[str, ...] = ()
	cross_compile: str = ''
	# Seconds that its tests may take on a slow machine.
	timeout: int = 300

	def config_options(self) -> List[str]:
		"""kunit.py's options that make this target's .config."""
		options = [f'--kunitconfig={s}' for s in self.suites]
		for fragment in self.fragments:
			for line in (CONFIGS / f'{fragment}.config').read_text().splitlines():
				if line.startswith(('CONFIG_', '# CONFIG_')):
					options.append(f'--kconfig_add={line}')
		return options


_X86: Dict[str, Any] = dict(arch='x86_64', goal='bzImage', image='arch/x86/boot/bzImage',
	qemu='qemu-system-x86_64', qemu_args=('-smp 2', '-cpu max', '-m 2G'))

TARGETS: Dict[str, Target] = {t.name: t for t in [
	Target('uml', 'um', 'linux', 'linux', ('lib/tests',), ('uml',)),
	Target('x86_64', suites=('mm/tests', 'lib/tests'), fragments=('x86_64',), **_X86),
	Target('x86_64-kasan', suites=('mm/tests',), fragments=('x86_64', 'kasan'),
		timeout=900, **_X86),
	Target('x86_64-bench', suites=('mm/tests',), fragments=('x86_64', 'bench'),
		timeout=1800, **_X86),
	Target('x86_64-pointer', suites=('mm/tests',), fragments=('x86_64', 'pointer'), **_X86),
]}
DEFAULT = 'uml x86_64'


def chosen(names: str) -> List[Target]:
	unknown = [n for n in names.split() if n not in TARGETS]
	if unknown:
		raise Error(f'TARGETS={unknown[0]}: no such target; there are {" ".join(TARGETS)}')
	# One that is named twice is run once.
	return [TARGETS[n] for n in dict.fromkeys(names.split())]
