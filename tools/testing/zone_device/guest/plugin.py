# SPDX-License-Identifier: GPL-2.0
"""The QEMU plugin: built, told what to look for, and loaded into a guest."""

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from arch import Arch
from guest import boot as guest, build as built
from guest.target import Target
from host import cache, locks, process
from host.files import REPO
from host.messages import Error
from kernel.tree import Tree
from kernel.vmlinux import Kernel, Symbol
from outcome import Outcome

SOURCES = REPO / 'tools/testing/zone_device/plugin'
FLAGS = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-fPIC', '-shared', '-fvisibility=hidden']
# The address of each symbol must be that in vmlinux; and the kernel is to tell of
# the calls that it makes, see probes/note.c.
KERNEL_ARGS = ('nokaslr', 'zone_device_probes.note=1')
# Not looked into: what another task does meanwhile, and what happens to be
# done or not to be done before that; a probe's work is not the kernel's.
SUSPENDS = ('__schedule', '__cond_resched', 'optimized_callback')


@dataclass
class Watch:
	function: Symbol
	rules: Sequence[str] = ('all',)
	# 'rewrites', 'outer' or 'hands-over'; config.c says what they are.
	kind: str = '-'


@dataclass
class Point:
	"""Code before which nothing may be pending; see config.c for the kinds."""
	kind: str
	rule: str
	ranges: Tuple[int, ...]


@dataclass
class Settings:
	mode: str = 'order'
	watches: List[Watch] = field(default_factory=list)
	points: List[Point] = field(default_factory=list)
	suspends: Sequence[str] = SUSPENDS
	# Look at the memmap alone, as struct pages.
	memmap: bool = False


def compiled() -> Path:
	"""Compiles the plugin, unless that has been done; returns it."""
	sources = sorted(SOURCES.glob('*.[ch]'))
	key = hashlib.sha256(b'\0'.join([*(s.read_bytes() for s in sources),
		' '.join(FLAGS).encode()])).hexdigest()[:16]
	plugin = cache.directory() / 'plugin' / f'{key}.so'
	with locks.locked(plugin.with_name('.lock')):
		if not plugin.is_file():
			_compile(sources, plugin)
	return plugin


def _compile(sources: Sequence[Path], plugin: Path) -> None:
	log = plugin.with_suffix('.log')
	cache.remove(log)
	compiler = next((c for c in ('gcc', 'clang', 'cc') if shutil.which(c)), 'gcc')
	temp = plugin.with_suffix('.new')
	if process.run([compiler, *FLAGS, '-o', temp, *(s for s in sources if s.suffix == '.c'),
			'-lpthread'], log=log):
		raise Error(f'the QEMU plugin does not compile: {built.first_errors(log)[0]} (log: {log})')
	temp.replace(plugin)


def memmap(kernel: Kernel) -> Tuple[int, int]:
	"""Where the memmap starts, and the size of a struct page."""
	return kernel.value('vmemmap_base'), kernel.value('zd_note_page_size')


def lacks(arch: Arch) -> str:
	"""Why nothing can be judged there by what the plugin sees, or ''."""
	return '' if arch.entries else f'the QEMU plugin does not know {arch.name}: where a call stores its return address, ' \
		f'it takes its instructions in plugin/insn.c and its entries in arch/{arch.name}.py; where it does not, ' \
		'a QEMU whose plugins can read registers, 9.0 or newer'


def _stubs(kernel: Kernel, arch: Arch) -> List[int]:
	"""Where the CPU enters the kernel for interrupts and exceptions."""
	found = [s.addr for s in kernel.matching(arch.entries)]
	for name in arch.entry_tables:
		table = kernel.need(name)
		fresh = True
		for addr, text in kernel.disassemble(table.addr, table.end):
			word = text.split()[0] if text.split() else ''
			if fresh and word not in arch.entry_padding:
				found.append(addr)
				fresh = False
			fresh = fresh or word == arch.entry_end
	return sorted(set(found))


def configure(kernel: Kernel, arch: Arch, settings: Settings, config: Path, out: Path) -> None:
	lines = [f'out {out}', f'mode {settings.mode}']
	if settings.memmap:
		start, size = memmap(kernel)
		# A terabyte of struct pages is more than any guest here has.
		lines.append(f'window {start:x} {start + (1 << 40):x} {size:x}')
	note = kernel.find('zd_note')
	if note:
		lines.append(f'note {note.addr:x} {note.end:x} {kernel.need("zd_note_bytes").addr:x}')
	lines.append(f'entry {kernel.need("__entry_text_start").addr:x} '
		f'{kernel.need("__entry_text_end").addr:x}')
	lines += [f'stub {a:x}' for a in _stubs(kernel, arch)]
	lines += [f'suspend {s.addr:x}' for n in settings.suspends for s in kernel.copies(n)
		if '.cold' not in s.name]
	lines += [f'watch {w.function.addr:x} {w.function.name} {",".join(w.rules)} {w.kind}'
		for w in settings.watches]
	lines += [f'point {p.kind} {p.rule} {" ".join(f"{a:x}" for a in p.ranges)}'
		for p in settings.points]
	config.write_text('\n'.join(lines) + '\n')


def load(tree: Tree, target: Target) -> Kernel:
	"""The kernel that build.build() made."""
	directory = tree.build_dir(target.name)
	return Kernel(directory / 'vmlinux', tree.src, directory)


def boot(tree: Tree, target: Target, kernel: Kernel, settings: Settings, name: str,
	 filter: str = '', kernel_args: Sequence[str] = (), qemu_args: Sequence[str] = (),
	 ) -> Tuple[Outcome, List[List[str]]]:
	"""Boots with the plugin; returns the outcome and the words of each line
	that the plugin wrote."""
	plugin = compiled()
	directory = tree.build_dir(target.name)
	config, out = directory / f'{name}.config', directory / f'{name}.out'
	for path in (plugin, config):
		if ',' in str(path):
			raise Error(f'{path}: QEMU takes no plugin whose path has a comma; set CACHE=')
	cache.remove(out)
	configure(kernel, target.arch, settings, config, out)
	outcome = guest.boot(tree, target, filter=filter, emulate=True, name=name,
		kernel_args=(*KERNEL_ARGS, *target.arch.plugin_args, *kernel_args),
		qemu_args=(*qemu_args, '-plugin', f'{plugin},config={config}'))
	lines = [l.split() for l in out.read_text().splitlines()] if out.is_file() else []
	if not lines or lines[-1] != ['end']:
		outcome.problem = outcome.problem or f'the plugin wrote no report ({out})'
	return outcome, lines


def number(lines: List[List[str]], key: str) -> int:
	return next((int(l[1]) for l in lines if l[0] == key), 0)


def need_debug_info(kernel: Kernel, function: Symbol) -> None:
	places = kernel.places([function.addr])[function.addr]
	if not any(p.line.startswith('??') is False for p in places):
		raise Error(f'{kernel.image} has no debug info: CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT')


def find_function(kernel: Kernel, name: str) -> Symbol:
	symbol: Optional[Symbol] = kernel.find(name)
	if symbol:
		return symbol
	copies = [c for c in kernel.copies(name) if '.cold' not in c.name]
	if copies:
		return copies[0]
	raise Error(f'the kernel has no function {name}(): it may be inlined everywhere')
