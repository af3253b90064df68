# SPDX-License-Identifier: GPL-2.0
"""riscv: tails share struct pages, as on x86, and no instruction streams that the kernel uses."""

from arch import Arch
from host.packages import Need

ARCH = Arch('riscv',
	needs=(Need('riscv64-linux-gnu-gcc', 'gcc-riscv64-linux-gnu'), Need('qemu-system-riscv64', 'qemu-system-misc')),
	qemu='qemu-system-riscv64', cross_compile='riscv64-linux-gnu-',
	# Two nodes; and what is behind mem= is the device's: from the middle of a section on.
	kernel_args=('numa=fake=2', 'mem=1344M', 'zone_device.memory=704M!0xd4000000'))
