# SPDX-License-Identifier: GPL-2.0
"""The two guests of make bench: one in which the machine's own ndctl makes
namespaces, and one in which the kernel maps memory by itself."""

import os
import re
import shutil
from pathlib import Path
from typing import List, Sequence, Set

import report
from bench.watch import Watcher
from guest import boot
from guest.target import BENCH, Target
from host import cache, files, process
from host.files import REPO
from host.messages import Error
from host.packages import Need
from kernel.tree import Tree
from outcome import Outcome

TARGET = BENCH
GIB = 1 << 30
INIT = REPO / 'tools/testing/zone_device/bench/guest_init.sh'
PACKAGES = [Need('ndctl', 'ndctl'), Need('busybox', 'busybox-static'), Need('ldd', 'libc-bin')]
DIRECTORIES = ('bin', 'dev', 'etc', 'proc', 'run', 'sys', 'tmp')
TOOL = 'usr/gen_init_cpio'


def _libraries(program: str) -> Set[str]:
	"""What the dynamic linker would load for @program, itself included; ldd
	says that a static one is not for it, and fails."""
	said = process.output(['sh', '-c', 'ldd "$1" 2>&1 || true', 'ldd', program])
	return set(re.findall(r'(?:=> |^\s+)(/\S+) \(0x', said, re.M))


def _contents(init: Path) -> List[str]:
	"""Lines for gen_init_cpio."""
	ndctl, busybox = (shutil.which(n) or n for n in ('ndctl', 'busybox'))
	libraries = _libraries(ndctl) | _libraries(busybox)
	directories = set(DIRECTORIES)
	for library in libraries:
		directories.update(str(p)[1:] for p in Path(library).parents if str(p) != '/')
	lines = [f'dir /{d} 755 0 0' for d in sorted(directories)]
	lines += ['nod /dev/console 600 0 0 c 5 1', f'file /init {init} 755 0 0',
		f'file /bin/busybox {busybox} 755 0 0', 'slink /bin/sh busybox 777 0 0',
		f'file /bin/ndctl {ndctl} 755 0 0']
	return lines + [f'file {l} {os.path.realpath(l)} 755 0 0' for l in sorted(libraries)]


def initramfs(prepared: Tree, target: Target) -> Path:
	"""What the first guest runs, copied from this machine and packed with the
	tool that building the kernel left there."""
	build = prepared.build_dir(target.name)
	contents, image, init = (build / f'guest.{n}' for n in ('list', 'cpio', 'init'))
	# Words of a line end at spaces, which the project's own path may have.
	shutil.copyfile(INIT, init)
	contents.write_text('\n'.join(_contents(init)) + '\n')
	with open(image, 'wb') as out:
		log = build / 'guest.log'
		cache.remove(log)
		if process.run([build / TOOL, contents], stdout=out, log=log):
			raise Error(f'no initramfs: {(files.tail(log) or ["no reason given"])[-1]}')
	return image


def _judged(verdict: Outcome, watcher: Watcher) -> List[str]:
	assert verdict.log is not None
	lines = verdict.log.read_text(errors='replace').splitlines()
	failed = [l.split('zone_device_bench: failed: ')[1] for l in lines if 'zone_device_bench: failed: ' in l]
	verdict.problem = verdict.problem or next(iter([*failed, *verdict.warnings]), '')
	if not verdict.ok or verdict.skipped:
		report.show([verdict])
		raise Error('bench: a guest did not do what was to be timed (see above)')
	watcher.clock(lines)
	return lines


def namespace_kernel(rounds: int, more: Sequence[str] = ()) -> List[str]:
	"""The kernel's command line where the guest's own init is to run."""
	# What follows the dashes is for init alone.
	return [*more, 'kunit.enable=0', 'kunit_shutdown=no', 'printk.devkmsg=on', '--', f'rounds={rounds}']


def namespace_qemu(prepared: Tree, target: Target, size: int) -> List[str]:
	"""A machine with two NVDIMMs of @size bytes; the host gives memory as it is
	touched, however large they are."""
	# SeaBIOS, as qboot hands down no table of NVDIMMs.
	arguments = ['-machine', 'q35,nvdimm=on', '-bios', 'bios-256k.bin',
		'-initrd', str(initramfs(prepared, target)), '-m', f'2G,slots=2,maxmem={(2 * size >> 30) + 16}G']
	for name in ('nv0', 'nv1'):
		arguments += ['-object', f'memory-backend-ram,id={name},size={size >> 20}M,reserve=off',
			'-device', f'nvdimm,id={name}d,memdev={name}']
	return arguments


def namespaces(prepared: Tree, target: Target, size: int, rounds: int, watcher: Watcher,
	       more: Sequence[str] = ()) -> List[str]:
	"""The log of the author's: real namespaces of @size bytes on emulated
	NVDIMMs, bound again @rounds times. @more: for the kernel's command line."""
	return _judged(boot.boot(prepared, target, kernel_args=namespace_kernel(rounds, more), suites=False,
		qemu_args=namespace_qemu(prepared, target, size), status=watcher.look), watcher)


def kinds(prepared: Tree, target: Target, size: int, rounds: int, watcher: Watcher,
	  more: Sequence[str] = ()) -> List[str]:
	"""The log of the reviewer's, and of the rest: @size bytes of each kind of
	memory, mapped by the kernel's own suite, the reviewer's @rounds times again.

	What is on the device is set aside from the guest's memory above 4 GiB; of
	it, nothing but struct pages is ever touched."""
	ram = 3 * GIB + size + size // 64 + GIB >> 20
	kernel = [*more, f'memmap={size >> 20}M!4G', f'zone_device_probes.bench_mib={size >> 20}',
		f'zone_device_probes.bench_rounds={rounds}']
	return _judged(boot.boot(prepared, target, filter='zone_device_bench.*', kernel_args=kernel,
		qemu_args=['-object', f'memory-backend-ram,id=ram,size={ram}M,reserve=off',
			'-machine', 'memory-backend=ram', '-m', f'{ram}M'], status=watcher.look), watcher)
