# SPDX-License-Identifier: GPL-2.0
"""What happens on the host while guests are timed: what stands behind their
memory, and what makes their times worth nothing."""

import os
import re
import time
from dataclasses import dataclass, field
from typing import List, Sequence, Set

from host import machine
from host.machine import human

# Whatever else a guest falls back to has steps, or costs an exit to read.
FINE_CLOCKS = {'tsc', 'tsc-early', 'kvm-clock'}
# A look takes time that a guest may want.
LOOK_SECONDS = 2.0


@dataclass
class Watcher:
	huge: int = 0
	resident: int = 0
	swapped: int = 0
	sources: Set[str] = field(default_factory=set)

	def __post_init__(self) -> None:
		self._next = 0.0

	@staticmethod
	def _guests(session: int) -> List[str]:
		"""Directories in /proc of the QEMUs that run.boot() has started; those
		of somebody else's bench are none of ours."""
		found = []
		for entry in os.listdir('/proc'):
			if entry.isdigit() and 'qemu-system' in machine.text_of(f'/proc/{entry}/cmdline'):
				# The session: see proc(5).
				fields = machine.text_of(f'/proc/{entry}/stat').rpartition(')')[2].split()
				if fields[3:4] == [str(session)]:
					found.append(f'/proc/{entry}')
		return found

	def look(self, session: int) -> str:
		"""For run.boot(), as what says how far it is: it has nothing to say."""
		if time.monotonic() < self._next:
			return ''
		self._next = time.monotonic() + LOOK_SECONDS
		for directory in self._guests(session):
			sizes = {n: int(kib) << 10 for n, kib in re.findall(r'^(\w+):\s+(\d+) kB',
				machine.text_of(f'{directory}/smaps_rollup'), re.M)}
			if sizes.get('Rss', 0) > self.resident:
				self.resident = sizes['Rss']
				self.huge = sizes.get('AnonHugePages', 0) + sizes.get('ShmemPmdMapped', 0)
			self.swapped = max(self.swapped, sizes.get('Swap', 0))
		return ''

	def clock(self, log: Sequence[str]) -> None:
		"""What a guest took its time from: the last that it switched to."""
		found = re.findall(r'Switched to clocksource (\S+)', '\n'.join(log))
		self.sources.add(found[-1] if found else 'unknown')

	def problem(self) -> str:
		coarse = self.sources - FINE_CLOCKS
		if coarse:
			return f'a guest\'s clock was {sorted(coarse)[0]}'
		if self.swapped:
			return f'the host swapped out {human(self.swapped)} of a guest'
		return ''

	def backing(self) -> str:
		setting = re.search(r'\[(\w+)\]', machine.text_of('/sys/kernel/mm/transparent_hugepage/enabled'))
		share = f'{self.huge / self.resident:.0%} of {human(self.resident)} in huge pages' \
			if self.resident else 'not readable'
		return f'{share}; transparent_hugepage={setting.group(1) if setting else "not readable"}'
