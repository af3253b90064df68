# SPDX-License-Identifier: GPL-2.0
"""arm64: weakly ordered, and a memcpy_flushcache() that cleans what it copied."""

from arch import Arch
from host.packages import Need

ARCH = Arch('arm64',
	needs=(Need('aarch64-linux-gnu-gcc', 'gcc-aarch64-linux-gnu'),
		Need('qemu-system-aarch64', 'qemu-system-arm')),
	qemu='qemu-system-aarch64', cross_compile='aarch64-linux-gnu-',
	# Two nodes; and what is behind mem= is the device's: from the middle of a
	# section on, with 4 and with 64 KiB pages.
	kernel_args=('numa=fake=2', 'mem=1344M', 'zone_device.memory=704M!0x94000000'))
