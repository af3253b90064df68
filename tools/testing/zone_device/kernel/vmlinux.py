# SPDX-License-Identifier: GPL-2.0
"""What a kernel image says of itself: symbols, values, and the lines of code,
inlined ones too, that its instructions come from."""

import bisect
import os
import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from host import process
from host.messages import Error


@dataclass(frozen=True)
class Symbol:
	addr: int
	name: str
	# Up to the next symbol: padding is included.
	end: int


@dataclass(frozen=True)
class Place:
	function: str
	line: str


def base_name(name: str) -> str:
	"""A function's name in the source: the compiler makes copies and parts."""
	return re.sub(r'\.(?:isra|constprop|part|cold|lto_priv)\b.*', '', name)


class Kernel:
	def __init__(self, image: Path, source: Optional[Path] = None, build: Optional[Path] = None) -> None:
		self.image = image
		# Where names of files are relative to, and what they are cut to.
		self.build, self.source = build or image.parent, source
		found: Dict[int, List[str]] = {}
		for line in process.output(['nm', '-n', image]).splitlines():
			where, kind, name = line.split(None, 2)
			if kind not in 'aA' and not name.startswith(('__pfx_', '.L')):
				found.setdefault(int(where, 16), []).append(name)
		self._addrs = sorted(found)
		self._by_addr = found
		self._by_name: Dict[str, List[int]] = {}
		for addr, names in found.items():
			for name in names:
				self._by_name.setdefault(name, []).append(addr)
		self._places: Dict[int, List[Place]] = {}

	def _symbol(self, addr: int, name: str) -> Symbol:
		after = bisect.bisect_right(self._addrs, addr)
		end = self._addrs[after] if after < len(self._addrs) else addr + 1
		return Symbol(addr, name, end)

	def find(self, name: str) -> Optional[Symbol]:
		addrs = self._by_name.get(name)
		return self._symbol(addrs[0], name) if addrs else None

	def need(self, name: str) -> Symbol:
		symbol = self.find(name)
		if not symbol:
			raise Error(f'{self.image} has no symbol {name}')
		return symbol

	def copies(self, name: str) -> List[Symbol]:
		"""Every function that the compiler made of @name."""
		return [self._symbol(addr, n) for n, addrs in self._by_name.items()
			if base_name(n) == name for addr in addrs]

	def matching(self, pattern: str) -> List[Symbol]:
		return [self._symbol(addr, n) for n, addrs in self._by_name.items()
			if re.fullmatch(pattern, n) for addr in addrs]

	def at(self, addr: int) -> Optional[Symbol]:
		index = bisect.bisect_right(self._addrs, addr) - 1
		if index < 0 or index + 1 >= len(self._addrs):
			return None
		start = self._addrs[index]
		return self._symbol(start, self._by_addr[start][0])

	def value(self, name: str) -> int:
		"""The initial value of an 8-byte variable."""
		addr = self.need(name).addr
		for line in process.output(['readelf', '-SW', self.image]).splitlines():
			match = re.match(r'\s*\[ *\d+\] \S+\s+PROGBITS\s+(\w+) (\w+) (\w+)', line)
			if not match:
				continue
			start, offset, size = (int(g, 16) for g in match.groups())
			if start <= addr < start + size:
				with open(self.image, 'rb') as image:
					image.seek(offset + addr - start)
					return int(struct.unpack('<Q', image.read(8))[0])
		raise Error(f'{self.image}: {name} has no initial value')

	def disassemble(self, start: int, end: int) -> List[Tuple[int, str]]:
		text = process.output(['objdump', '-d', '--no-show-raw-insn', f'--start-address={start}',
			f'--stop-address={end}', self.image])
		return [(int(m.group(1), 16), m.group(2)) for m in
			re.finditer(r'^ *([0-9a-f]+):\t(.*)$', text, re.M)]

	def _shorten(self, line: str) -> str:
		name, _, number = line.rpartition(':')
		number = number.split()[0] if number else '?'
		path = os.path.normpath(os.path.join(self.build, name))
		return f'{self._relative(path)}:{number}'

	def _relative(self, path: str) -> str:
		"""@path within the source. ccache may know an object from a build
		elsewhere, whose paths it then has."""
		parts = Path(path).parts
		for start in range(1, len(parts)):
			name = os.path.join(*parts[start:])
			if self.source and (self.source / name).is_file():
				return name
		return path

	def places(self, addrs: Iterable[int]) -> Dict[int, List[Place]]:
		"""For each address, the lines it comes from: first that of the code
		itself, then of what it is inlined into."""
		asked = sorted(set(addrs) - set(self._places))
		if asked:
			done = subprocess.run(['addr2line', '-e', str(self.image), '-f', '-i', '-a'],
				input=''.join(f'{a:#x}\n' for a in asked), check=False, text=True,
				stdout=subprocess.PIPE, stderr=subprocess.PIPE)
			if done.returncode:
				raise Error(f'addr2line failed: {done.stderr.strip()}')
			current: List[Place] = []
			lines = iter(done.stdout.splitlines())
			for line in lines:
				if line.startswith('0x'):
					current = self._places[int(line, 16)] = []
				else:
					current.append(Place(line, self._shorten(next(lines))))
		return {a: self._places[a] for a in addrs}

	def describe(self, addr: int) -> str:
		"""symbol+offset (file:line), as in the kernel's own reports."""
		symbol = self.at(addr)
		name = f'{symbol.name}+{addr - symbol.addr:#x}' if symbol else f'{addr:#x}'
		places = [p for p in self.places([addr])[addr] if not p.line.startswith('??')]
		if not places:
			return name
		# A helper's line says little without that of who uses it.
		return f'{name} ({" in ".join(dict.fromkeys(p.line for p in places[:3]))})'

	def ranges_of(self, name: str, functions: Sequence[Symbol]) -> List[Tuple[int, int, Symbol]]:
		"""Where in @functions code of @name is inlined: start, end, in which."""
		found = []
		for function in functions:
			code = [a for a, _ in self.disassemble(function.addr, function.end)]
			places = self.places(code)
			start = None
			for addr in [*code, function.end]:
				inside = addr in places and base_name(function.name) != name \
					and any(p.function == name for p in places[addr])
				if inside and start is None:
					start = addr
				elif not inside and start is not None:
					found.append((start, addr, function))
					start = None
		return found

	def callees(self, function: Symbol) -> List[Symbol]:
		"""The functions that @function calls or jumps to, its cold part too."""
		targets = re.findall(r'\b(?:call|j[a-z]+)\s+(?:0x)?([0-9a-f]{6,16}) <',
			'\n'.join(t for _, t in self.disassemble(function.addr, function.end)))
		found = [(int(t, 16), self.at(int(t, 16))) for t in dict.fromkeys(targets)]
		# What is no function's start is code that the kernel patches in.
		return list(dict.fromkeys(s for t, s in found if s and s.addr != function.addr
			and (s.addr == t or '.cold' in s.name)))

	def family(self, function: Symbol, depth: int) -> List[Symbol]:
		"""@function and what it calls, directly or through others."""
		found = [function]
		latest = [function]
		for _ in range(depth):
			latest = [c for f in latest for c in self.callees(f)]
			latest = [c for c in dict.fromkeys(latest) if c not in found]
			found += latest
		return found
