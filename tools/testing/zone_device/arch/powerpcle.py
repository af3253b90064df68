# SPDX-License-Identifier: GPL-2.0
"""powerpc, little-endian: pages of 64 KiB, and a vmemmap and a memcpy_flushcache() of its own."""

from arch import Arch
from host.packages import Need

ARCH = Arch('powerpcle',
	needs=(Need('powerpc64le-linux-gnu-gcc', 'gcc-powerpc64le-linux-gnu'),
		Need('qemu-system-ppc64', 'qemu-system-ppc')),
	qemu='qemu-system-ppc64', cross_compile='powerpc64le-linux-gnu-',
	# kunit.py's power8 has the hash MMU, which takes no addresses but those of RAM. A
	# huge page of struct pages is for 2 GiB.
	qemu_args=('-cpu', 'power9', '-m', '4G'),
	# What is behind mem= is the device's. A section, of 16 MiB, has no room for what is
	# mapped with struct pages from boot.
	kernel_args=('mem=1352M', 'zone_device.memory=2744M!0x54800000'))
