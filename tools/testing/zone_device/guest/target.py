# SPDX-License-Identifier: GPL-2.0
"""target = arch + config: one entry of TARGETS a line. Add yours here."""

import os
from dataclasses import dataclass, field, replace
from typing import Dict, Iterable, List, Sequence, Tuple

from arch import Arch, ARCHES
from host import packages
from host.files import REPO
from host.messages import Error
from options import Options

CONFIGS = REPO / 'tools/testing/zone_device/configs'


@dataclass(frozen=True)
class Toolchain:
	"""What a kernel is built with, as the kernel's Makefile has it: LLVM=1,
	LLVM=-19 or LLVM=/a/path/."""
	cc: str = ''
	llvm: str = ''
	kcflags: str = ''
	jobs: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))

	@property
	def named(self) -> bool:
		"""Whether the user says which compiler, and so has to install it."""
		return bool(self.cc or self.llvm)

	@property
	def compiler(self) -> str:
		default = 'gcc' if not self.llvm else f'{self.llvm}clang' if self.llvm.endswith('/') \
			else f'clang{self.llvm}' if self.llvm.startswith('-') else 'clang'
		return self.cc or default


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
	# Here because an image depends on its tree and on its target, no more.
	toolchain: Toolchain = Toolchain()

	def asked(self, given: Options) -> 'Target':
		"""As the user wants it built and run."""
		tools = Toolchain(given.cc, given.llvm, given.kcflags)
		return replace(self, timeout=given.timeout or self.timeout,
			toolchain=replace(tools, jobs=given.jobs or tools.jobs))

	def config_options(self) -> List[str]:
		"""kunit.py's options that make this target's .config."""
		options = [f'--kunitconfig={s}' for s in self.suites]
		for fragment in self.fragments:
			for line in (CONFIGS / f'{fragment}.config').read_text().splitlines():
				if line.startswith(('CONFIG_', '# CONFIG_')):
					options.append(f'--kconfig_add={line}')
		return options


_X86, _MM, _BOTH = ARCHES['x86_64'], ('mm/tests',), ('mm/tests', 'lib/tests')

TARGETS: Dict[str, Target] = {t.name: t for t in [
	Target('uml', ARCHES['um'], ('lib/tests',), ('uml',)),
	Target('x86_64', _X86, _BOTH, ('small', 'x86_64')),
	Target('x86_64-kasan', _X86, _MM, ('small', 'x86_64', 'kasan'), 900),
	Target('x86_64-bench', _X86, _MM, ('small', 'x86_64', 'bench'), 1800),
	Target('x86_64-pointer', _X86, _MM, ('small', 'x86_64', 'pointer')),
	Target('arm64', ARCHES['arm64'], _BOTH, ('small', 'arm64')),
]}
DEFAULT = ('uml', 'x86_64')
# What make check builds with the series; without it, MAIN alone, which is also
# where instruments look.
CHECKED = ('uml', 'x86_64', 'x86_64-pointer')
MAIN = TARGETS['x86_64']
BENCH = TARGETS['x86_64-bench']


def chosen(names: Sequence[str]) -> List[Target]:
	unknown = [n for n in names if n not in TARGETS]
	if unknown:
		raise Error(f'TARGETS={unknown[0]}: no such target; there are {" ".join(TARGETS)}')
	# One that is named twice is run once.
	return [TARGETS[n] for n in dict.fromkeys(names)]


def needs(targets: Iterable[Target]) -> List[packages.Need]:
	"""What must be installed to build and boot them."""
	return [*packages.TREE, *packages.BUILD, *(n for t in targets
		for n in (*([] if t.toolchain.named else [packages.GCC]), *t.arch.needs))]
