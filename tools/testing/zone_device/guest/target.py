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
	# What has to be installed for it; nothing if the user names it, and so has it.
	needs: Tuple[packages.Need, ...] = (packages.GCC,)

	@property
	def named(self) -> bool:
		"""Whether it is another one than the architecture's own."""
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
		tools = Toolchain(given.cc, given.llvm, needs=()) if given.cc or given.llvm else self.toolchain
		return replace(self, timeout=given.timeout or self.timeout,
			toolchain=replace(tools, kcflags=given.kcflags, jobs=given.jobs or tools.jobs))

	def adding(self, fragment: str) -> 'Target':
		"""The same with that in it, in the same place."""
		return self if fragment in self.fragments else replace(self, fragments=(*self.fragments, fragment))

	def config_options(self) -> List[str]:
		"""kunit.py's options that make this target's .config."""
		options = [f'--kunitconfig={s}' for s in self.suites]
		for fragment in self.fragments:
			for line in (CONFIGS / f'{fragment}.config').read_text().splitlines():
				if line.startswith(('CONFIG_', '# CONFIG_')):
					options.append(f'--kconfig_add={line}')
		return options


_X86, _MM, _BOTH = ARCHES['x86_64'], ('mm/tests',), ('mm/tests', 'lib/tests')
_SMALL = ('small', 'no-sysctl')
# The newest that Debian 12 has; the kernel wants 17 at least.
_CLANG = Toolchain(llvm='-19', needs=tuple(packages.Need(f'{c}-19', f'{p}-19') for c, p in (
	('clang', 'clang'), ('ld.lld', 'lld'), ('llvm-nm', 'llvm'))))

TARGETS: Dict[str, Target] = {t.name: t for t in [
	Target('uml', ARCHES['um'], ('lib/tests',), ('uml',)),
	Target('x86_64', _X86, _BOTH, (*_SMALL, 'x86_64', 'lines')),
	Target('x86_64-kasan', _X86, _MM, (*_SMALL, 'x86_64', 'kasan'), 900),
	Target('x86_64-bench', _X86, _MM, ('small', 'x86_64', 'nvdimm', 'clock', 'bench'), 1800),
	Target('x86_64-pointer', _X86, _MM, ('small', 'x86_64', 'nvdimm', 'pointer')),
	Target('x86_64-clang', _X86, _BOTH, (*_SMALL, 'x86_64'), toolchain=_CLANG),
	Target('x86_64-debugvm', _X86, _MM, (*_SMALL, 'x86_64', 'debugvm')),
	Target('x86_64-kcsan', _X86, _MM, (*_SMALL, 'x86_64', 'kcsan'), 900),
	Target('x86_64-kmsan', _X86, _MM, (*_SMALL, 'x86_64', 'kmsan'), 900, toolchain=_CLANG),
	Target('x86_64-noref', _X86, _MM, (*_SMALL, 'x86_64', 'noref')),
	Target('x86_64-nothp', _X86, _MM, (*_SMALL, 'x86_64', 'nothp')),
	Target('x86_64-rt', _X86, _MM, (*_SMALL, 'x86_64', 'rt')),
	Target('x86_64-ubsan', _X86, _MM, (*_SMALL, 'x86_64', 'ubsan')),
	Target('arm64', ARCHES['arm64'], _BOTH, (*_SMALL, 'arm64')),
	Target('arm64-64k', ARCHES['arm64'], _BOTH, (*_SMALL, 'arm64', 'arm64-64k')),
	Target('loongarch64', ARCHES['loongarch'], _BOTH, (*_SMALL, 'loongarch64'), toolchain=_CLANG),
	# QEMU 7.2 has no dcbstps, which memcpy_flushcache() is made of there.
	Target('powerpc64le', ARCHES['powerpcle'], _MM, (*_SMALL, 'powerpc64le')),
	Target('riscv64', ARCHES['riscv'], _BOTH, (*_SMALL, 'riscv64')),
	Target('s390x', ARCHES['s390'], _BOTH, (*_SMALL, 's390x')),
]}
DEFAULT = ('uml', 'x86_64')
# What make check builds with the series; without it, MAIN alone, which is also
# where instruments look.
CHECKED = ('uml', 'x86_64', 'x86_64-pointer', 'arm64', 's390x')
MAIN = TARGETS['x86_64']
BENCH = TARGETS['x86_64-bench']
# In which its guests are tried, so that there is a kernel less to build.
TRIED = TARGETS['x86_64-pointer'].adding('clock')


def chosen(names: Sequence[str]) -> List[Target]:
	unknown = [n for n in names if n not in TARGETS]
	if unknown:
		raise Error(f'TARGETS={unknown[0]}: no such target; there are {" ".join(TARGETS)}')
	# One that is named twice is run once.
	return [TARGETS[n] for n in dict.fromkeys(names)]


def needs(targets: Iterable[Target]) -> List[packages.Need]:
	"""What must be installed to build and boot them."""
	return [*packages.TREE, *packages.BUILD, *(n for t in targets
		for n in (*t.toolchain.needs, *t.arch.needs))]
