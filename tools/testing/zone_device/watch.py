# SPDX-License-Identifier: GPL-2.0
"""What happens on the host while guests are timed: what stands behind their
memory, and what makes their times worth nothing."""

import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import List

import machine
from machine import human

# A clock that differs by more while guests run makes times hard to compare.
FREQUENCY_SPREAD = 0.10
# A look takes time that a guest may want.
LOOK_SECONDS = 2.0


@dataclass
class Watcher:
	"""@image: what tells a guest's QEMU from others, a part of its command."""
	image: str
	huge: int = 0
	resident: int = 0
	clocks: List[int] = field(default_factory=list)
	swapped: int = 0

	def __post_init__(self) -> None:
		self._swapped_before = self._swaps()
		self._next = 0.0

	@staticmethod
	def _swaps() -> int:
		return sum(int(n) for n in re.findall(r'^pswp(?:in|out) (\d+)', machine.read('/proc/vmstat'), re.M))

	def _guests(self) -> List[str]:
		"""Directories in /proc of the QEMUs."""
		found = []
		for entry in os.listdir('/proc'):
			if entry.isdigit():
				line = machine.read(f'/proc/{entry}/cmdline')
				if 'qemu-system' in line and self.image in line:
					found.append(f'/proc/{entry}')
		return found

	def look(self) -> str:
		"""For run.boot(), as what says how far it is: it has nothing to say."""
		if time.monotonic() < self._next:
			return ''
		self._next = time.monotonic() + LOOK_SECONDS
		for directory in self._guests():
			sizes = dict(re.findall(r'^(\w+):\s+(\d+) kB', machine.read(f'{directory}/smaps_rollup'), re.M))
			if int(sizes.get('Rss', 0)) << 10 > self.resident:
				self.resident = int(sizes['Rss']) << 10
				self.huge = sum(int(sizes.get(n, 0)) << 10 for n in ('AnonHugePages', 'ShmemPmdMapped'))
		speeds = [int(machine.read(str(p)) or 0)
			for p in Path('/sys/devices/system/cpu').glob('cpu[0-9]*/cpufreq/scaling_cur_freq')]
		if speeds:
			self.clocks.append(max(speeds))
		self.swapped = self._swaps() - self._swapped_before
		return ''

	def problem(self) -> str:
		if self.swapped:
			return f'the host swapped {self.swapped} pages meanwhile'
		# The slowest and the fastest moments are left out as chance.
		ordered = sorted(self.clocks)
		tenth = len(ordered) // 10
		low, high = (ordered[tenth], ordered[-1 - tenth]) if ordered else (0, 0)
		if low and (high - low) / low > FREQUENCY_SPREAD:
			return f'frequency scaling: the fastest CPU ran at {low / 1e6:.2f} to {high / 1e6:.2f} GHz'
		return ''

	def backing(self) -> str:
		setting = re.search(r'\[(\w+)\]', machine.read('/sys/kernel/mm/transparent_hugepage/enabled'))
		share = f'{self.huge / self.resident:.0%} of {human(self.resident)} in huge pages' \
			if self.resident else 'not readable'
		return f'{share}; transparent_hugepage={setting.group(1) if setting else "not readable"}'
