# SPDX-License-Identifier: GPL-2.0
"""arch = what has to be known of an architecture. A port is one file here that
defines ARCH, and a line of TARGETS in guest/target.py."""

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Dict, Tuple

from host.packages import Need


@dataclass(frozen=True)
class Arch:
	# As kunit.py knows it.
	name: str
	# What must be installed to build and boot it, beyond what all need.
	needs: Tuple[Need, ...] = ()
	# The command that boots it; '' where the image is a program itself.
	qemu: str = ''
	# What its --version begins with where it was seen not to boot these kernels.
	qemu_fails: str = ''
	# Added to the arguments in the kernel's own qemu_configs/NAME.py; say why.
	qemu_args: Tuple[str, ...] = ()
	# More for the kernel's command line; say why.
	kernel_args: Tuple[str, ...] = ()
	cross_compile: str = ''
	# Sources of its own that the copy to the memmap may be in.
	copy_sources: Tuple[str, ...] = ()
	# What has code of the kernel keep the stack as user space does, by compiler.
	user_stack: Tuple[Tuple[str, str], ...] = ()
	# The functions by which interrupts and exceptions enter the kernel, for
	# the QEMU plugin; '' where it cannot follow calls.
	entries: str = ''
	# Tables of such entries, one instruction sequence after the other.
	entry_tables: Tuple[str, ...] = ()
	# What ends each of them, and what may fill the room up to the next.
	entry_end: str = ''
	entry_padding: Tuple[str, ...] = ()
	# More for the command line of a kernel that the plugin looks into.
	plugin_args: Tuple[str, ...] = ()


ARCHES: Dict[str, Arch] = {a.name: a for a in (
	importlib.import_module(f'arch.{m.name}').ARCH for m in pkgutil.iter_modules(__path__))}
