# SPDX-License-Identifier: GPL-2.0
"""x86_64, the one architecture that the series has a streaming copy for."""


from arch import Arch
from host.packages import Need

ARCH = Arch('x86_64',
	# objtool reads the object files that it checks.
	needs=(Need('gelf.h', 'libelf-dev'), Need('qemu-system-x86_64', 'qemu-system-x86')),
	qemu='qemu-system-x86_64',
	# The default has none of the features that a copy may look for.
	qemu_args=('-cpu', 'max'),
	# __memcpy_flushcache() is there.
	copy_sources=('arch/x86/lib/usercopy_64.c',),
	# Aligned for SSE, which libc uses.
	user_stack=(('gcc', '-mpreferred-stack-boundary=4'), ('clang', '-mstack-alignment=16')),
	entries=r'asm_(?:exc|sysvec)_\w+',
	entry_tables=('irq_entries_start', 'spurious_entries_start'),
	entry_end='jmp', entry_padding=('int3', 'nop', 'xchg'),
	# With five levels of page tables the memmap would be elsewhere.
	plugin_args=('no5lvl',))
