# SPDX-License-Identifier: GPL-2.0
"""What a time was measured on: the CPU, its caches, and how much memory is to
be had."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional

from host.messages import Error

# Cores of one kind that are sorted by quality differ by less than two kinds do.
ABOUT_AS_FAST = 0.9


def text_of(path: str) -> str:
	"""A file of sysfs or procfs, empty where it is not."""
	try:
		return Path(path).read_text(errors='replace').strip()
	except OSError:
		return ''


def size_of(text: str) -> int:
	"""Bytes; 64G and 64 GiB are the same. Raises ValueError."""
	match = re.fullmatch(r'(\d+)([KMGT]?)i?B?', text.strip(), re.I)
	if not match:
		raise ValueError(text)
	return int(match.group(1)) << 10 * ' KMGT'.index(match.group(2).upper() or ' ')


def human(size: float) -> str:
	for unit in ('B', 'KiB', 'MiB', 'GiB'):
		if size < 1024:
			return f'{size:.4g} {unit}'
		size /= 1024
	return f'{size:.4g} TiB'


def asked(size: str, least: int) -> int:
	"""The bytes of device memory that SIZE= asks for."""
	try:
		wanted = size_of(size)
	except ValueError:
		raise Error(f'SIZE={size} is not a size such as 64G') from None
	if wanted < least:
		raise Error(f'SIZE={size}: at least {human(least)} of device memory are needed')
	return wanted


@dataclass
class Machine:
	cpu: int
	model: str
	microcode: str
	governor: str
	l2: int
	llc: int
	# No hypervisor has to tell its guests.
	caches_known: bool
	available: int
	kernel: str

	def caches(self) -> str:
		return f'L2 {human(self.l2)}, last level {human(self.llc)}' \
			+ ('' if self.caches_known else ' (assumed: this kernel does not say)')


def _speed(cpu: int) -> int:
	"""The most that it can do, in kHz; 0 where nothing says so."""
	return int(text_of(f'/sys/devices/system/cpu/cpu{cpu}/cpufreq/cpuinfo_max_freq') or 0)


def fast_cpus() -> List[int]:
	"""Those that may be used and are about as fast as any: of a CPU with cores
	of two kinds, one kind."""
	allowed = sorted(os.sched_getaffinity(0))
	most = max(_speed(c) for c in allowed)
	return [c for c in allowed if _speed(c) >= ABOUT_AS_FAST * most]


def _pick_cpu(wanted: Optional[int]) -> int:
	allowed = sorted(os.sched_getaffinity(0))
	if wanted is not None:
		if wanted not in allowed:
			raise Error(f'CPU={wanted}: no such CPU, or none that may be used')
		return wanted
	# Cores may differ: one of the fastest. Interrupts prefer the first CPU.
	return max(allowed, key=lambda cpu: (_speed(cpu), cpu))


def _caches(cpu: int) -> Dict[int, int]:
	sizes: Dict[int, int] = {}
	for index in Path(f'/sys/devices/system/cpu/cpu{cpu}/cache').glob('index*'):
		if text_of(f'{index}/type') != 'Instruction':
			try:
				sizes[int(text_of(f'{index}/level'))] = size_of(text_of(f'{index}/size'))
			except ValueError:
				continue
	return sizes


def _available() -> int:
	match = re.search(r'^MemAvailable:\s+(\d+) kB', text_of('/proc/meminfo'), re.M)
	available = int(match.group(1)) << 10 if match else 0
	group = re.search(r'^0::(/.*)$', text_of('/proc/self/cgroup'), re.M)
	where = Path('/sys/fs/cgroup') / (group.group(1).lstrip('/') if group else '')
	for directory in (where, *where.parents):
		limit, used = text_of(f'{directory}/memory.max'), text_of(f'{directory}/memory.current')
		if limit.isdigit() and used.isdigit():
			available = min(available, max(int(limit) - int(used), 0))
	return available


def machine(wanted_cpu: Optional[int] = None) -> Machine:
	cpu = _pick_cpu(wanted_cpu)
	info = text_of('/proc/cpuinfo')
	def of(key: str) -> str:
		found = re.search(rf'^{key}\s*: (.*)$', info, re.M)
		return found.group(1) if found else ''
	caches = _caches(cpu)
	number = '-'.join(of(k) for k in ('cpu family', 'model', 'stepping'))
	return Machine(cpu, f'{of("model name")} (family-model-stepping {number})',
		of('microcode') or 'not readable',
		text_of(f'/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor') or 'not readable',
		caches.get(2, 1 << 20), max(caches.values(), default=32 << 20), bool(caches), _available(),
		os.uname().release)
