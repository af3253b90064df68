# SPDX-License-Identifier: GPL-2.0
"""loongarch: struct pages that know their virtual address, in kernels with KFENCE."""

from arch import Arch
from host.packages import Need

ARCH = Arch('loongarch', qemu='qemu-system-loongarch64',
	# objtool reads the object files that it checks.
	needs=(Need('gelf.h', 'libelf-dev'), Need('qemu-system-loongarch64', 'qemu-system-misc')),
	# Not a word on the console.
	qemu_fails='QEMU emulator version 7.2',
	# The one there is in QEMU 7.2; kunit.py's is max.
	qemu_args=('-cpu', 'la464'))
