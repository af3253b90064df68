# SPDX-License-Identifier: GPL-2.0
"""s390: big-endian, and device memory can be mapped in a part of its addresses only."""

from arch import Arch
from host.packages import Need

ARCH = Arch('s390',
	needs=(Need('s390x-linux-gnu-gcc', 'gcc-s390x-linux-gnu'), Need('qemu-system-s390x', 'qemu-system-misc')),
	qemu='qemu-system-s390x', cross_compile='s390x-linux-gnu-',
	# What is behind mem= is the device's: from the middle of a section on.
	kernel_args=('mem=1344M', 'zone_device.memory=704M!0x54000000'))
