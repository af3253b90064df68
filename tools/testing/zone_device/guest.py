# SPDX-License-Identifier: GPL-2.0
"""The initramfs in which the machine's own ndctl makes namespaces.

What it holds is copied from this machine; the kernel's own tool packs it.
"""

import os
import re
import shutil
from pathlib import Path
from typing import List, Set

import host
import packages
from host import Error, REPO
from packages import Need
from target import Target
from tree import Tree

INIT = REPO / 'tools/testing/zone_device/guest/init'
PACKAGES = [Need('ndctl', 'ndctl'), Need('busybox', 'busybox-static'), Need('ldd', 'libc-bin')]
DIRECTORIES = ('bin', 'dev', 'etc', 'proc', 'run', 'sys', 'tmp')
TOOL = 'usr/gen_init_cpio'


def _libraries(program: str) -> Set[str]:
	"""What the dynamic linker would load for @program, itself included; ldd
	says that a static one is not for it, and fails."""
	said = host.output(['sh', '-c', 'ldd "$1" 2>&1 || true', 'ldd', program])
	return set(re.findall(r'(?:=> |^\s+)(/\S+) \(0x', said, re.M))


def _command(name: str) -> str:
	path = shutil.which(name)
	if not path:
		raise Error(f'{name}: no such command; install it with: '
			f'apt-get install {next(n.package for n in PACKAGES if n.what == name)}')
	return path


def _contents(init: Path) -> List[str]:
	"""Lines for gen_init_cpio."""
	ndctl, busybox = _command('ndctl'), _command('busybox')
	libraries = _libraries(ndctl) | _libraries(busybox)
	directories = set(DIRECTORIES)
	for library in libraries:
		directories.update(str(p)[1:] for p in Path(library).parents if str(p) != '/')
	lines = [f'dir /{d} 755 0 0' for d in sorted(directories)]
	lines += ['nod /dev/console 600 0 0 c 5 1', f'file /init {init} 755 0 0',
		f'file /bin/busybox {busybox} 755 0 0', 'slink /bin/sh busybox 777 0 0',
		f'file /bin/ndctl {ndctl} 755 0 0']
	return lines + [f'file {l} {os.path.realpath(l)} 755 0 0' for l in sorted(libraries)]


def initramfs(tree: Tree, target: Target) -> Path:
	"""Packs it with the tool that building @target of @tree left there."""
	build = tree.build_dir(target.name)
	contents, image, init = (build / f'guest.{n}' for n in ('list', 'cpio', 'init'))
	# Words of a line end at spaces, which the project's own path may have.
	shutil.copyfile(INIT, init)
	contents.write_text('\n'.join(_contents(init)) + '\n')
	with open(image, 'wb') as out:
		log = build / 'guest.log'
		host.remove(log)
		if host.run([build / TOOL, contents], stdout=out, log=log):
			raise Error(f'no initramfs: {(host.tail(log) or ["no reason given"])[-1]}')
	return image
