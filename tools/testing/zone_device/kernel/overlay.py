# SPDX-License-Identifier: GPL-2.0
"""The files that this project adds to a kernel tree, and the lines that make
the tree build them."""

import os
import shutil
from pathlib import Path
from typing import Dict, Sequence

from host.files import REPO
from host.messages import Error
from kernel import mirror

# Each is appended to a file of the tree, so that it is easy to find and to
# take out again whatever else the user changed there.
HOOKS = {
	'mm/Kconfig': 'source "mm/tests/zone_device/Kconfig"',
	'mm/Makefile': 'obj-$(CONFIG_ZONE_DEVICE_INIT_KUNIT_TEST) += tests/zone_device/',
	'lib/Kconfig.debug': 'source "lib/tests/memcpy_streaming/Kconfig"',
	'lib/tests/Makefile': 'obj-y += memcpy_streaming/',
}
PARTS = ('mm/tests', 'lib/tests', 'include/kunit', 'tools/testing/zone_device/features.sh')

# What instruments need on top, in trees that they look at.
PROBES = 'tools/testing/zone_device/probes'
PROBE_HOOKS = {
	'mm/Kconfig': f'source "{PROBES}/Kconfig"',
	'Kbuild': f'obj-$(CONFIG_ZONE_DEVICE_PROBES) += {PROBES}/',
}
ALL = (*PARTS, PROBES)
_LEFT_OUT = ('.o', '.json', '.cmd', '.orig', '.rej', '.swp', '~')


def files(parts: Sequence[str] = PARTS) -> Dict[str, Path]:
	"""Name in the kernel tree -> the project's file."""
	found: Dict[str, Path] = {}
	for part in parts:
		paths = [REPO / part] if (REPO / part).is_file() else sorted((REPO / part).rglob('*'))
		for path in paths:
			if path.is_file() and not path.name.endswith(_LEFT_OUT):
				found[str(path.relative_to(REPO))] = path
	return found


def hook(content: bytes, line: str) -> bytes:
	"""What has to follow @content, a file's, for it to have @line once: none if
	it has. Its line ends are what the file's are."""
	wanted = line.encode()
	lines = content.splitlines(keepends=True)
	if any(l.rstrip(b'\r\n') == wanted for l in lines):
		return b''
	end = b'\r\n' if lines and lines[0].endswith(b'\r\n') else b'\n'
	return (b'' if not lines or lines[-1].endswith(b'\n') else end) + wanted + end


def unhook(content: bytes, added: bytes) -> bytes:
	"""@content without what hook() said; the user may have written more since."""
	if content.endswith(added):
		return content[:len(content) - len(added)]
	line = added.strip(b'\r\n')
	return b''.join(l for l in content.splitlines(keepends=True) if l.rstrip(b'\r\n') != line)


def stage(original: Path, into: Path, probes: bool = False) -> None:
	"""Puts the overlay and the hooked files into a staging directory, where
	patches may have put theirs."""
	added = files(ALL if probes else PARTS)
	hooks = [*HOOKS.items(), *(PROBE_HOOKS.items() if probes else ())]
	for name in [*added, *(name for name, _line in hooks)]:
		link = mirror.link_above(into, name) or (name if (into / name).is_symlink() else None)
		if link:
			raise Error(f'the series makes {link} a link: the suites cannot be put there')
		(into / name).parent.mkdir(parents=True, exist_ok=True)
	for name, path in added.items():
		shutil.copyfile(path, into / name)
	for name, line in hooks:
		source = into / name if (into / name).is_file() else original / name
		if not source.is_file():
			raise Error(f'the kernel tree has no {name} to add the suites to')
		content = source.read_bytes()
		(into / name).write_bytes(content + hook(content, line))
		os.chmod(into / name, 0o644)
