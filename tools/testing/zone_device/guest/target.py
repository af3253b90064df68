# SPDX-License-Identifier: GPL-2.0
"""target = arch + config: one entry of TARGETS a line. Add yours here."""

from dataclasses import dataclass
from typing import Dict, Iterable, List, Tuple

from arch import Arch, ARCHES
from host import packages
from host.files import REPO
from host.messages import Error

CONFIGS = REPO / 'tools/testing/zone_device/configs'


@dataclass(frozen=True)
class Target:
	name: str
	arch: Arch
	# Directories of the suites that run there.
	suites: Tuple[str, ...]
	# Fragments in configs/, which come after the suites' own and win.
	fragments: Tuple[str, ...]
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


_X86, _UM = ARCHES['x86_64'], ARCHES['um']

TARGETS: Dict[str, Target] = {t.name: t for t in [
	Target('uml', _UM, ('lib/tests',), ('uml',)),
	Target('x86_64', _X86, ('mm/tests', 'lib/tests'), ('x86_64',)),
	Target('x86_64-kasan', _X86, ('mm/tests',), ('x86_64', 'kasan'), 900),
	Target('x86_64-bench', _X86, ('mm/tests',), ('x86_64', 'bench'), 1800),
	Target('x86_64-pointer', _X86, ('mm/tests',), ('x86_64', 'pointer')),
]}
DEFAULT = 'uml x86_64'
# What make check builds with the series; without it, MAIN alone, which is also
# where instruments look.
CHECKED = 'uml x86_64 x86_64-pointer'
MAIN = TARGETS['x86_64']
BENCH = TARGETS['x86_64-bench']


def chosen(names: str) -> List[Target]:
	unknown = [n for n in names.split() if n not in TARGETS]
	if unknown:
		raise Error(f'TARGETS={unknown[0]}: no such target; there are {" ".join(TARGETS)}')
	# One that is named twice is run once.
	return [TARGETS[n] for n in dict.fromkeys(names.split())]


def needs(targets: Iterable[Target]) -> List[packages.Need]:
	"""What must be installed to build and boot them."""
	return [*packages.to_build(), *(n for t in targets for n in t.arch.needs)]
