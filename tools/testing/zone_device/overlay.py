# SPDX-License-Identifier: GPL-2.0
"""The files that this project adds to a kernel tree, the lines that make the
tree build them, and how both get into a user's own tree and out again."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Dict, List

import host
from host import Error, REPO

# Each is appended to a file of the tree, so that it is easy to find and to
# take out again whatever else the user changed there.
HOOKS = {
	'mm/Kconfig': 'source "mm/tests/zone_device/Kconfig"',
	'mm/Makefile': 'obj-$(CONFIG_ZONE_DEVICE_INIT_KUNIT_TEST) += tests/zone_device/',
	'lib/Kconfig.debug': 'source "lib/tests/memcpy_streaming/Kconfig"',
	'lib/tests/Makefile': 'obj-y += memcpy_streaming/',
}
PARTS = ['mm/tests', 'lib/tests', 'tools/testing/zone_device/features.sh']
_LEFT_OUT = ('.o', '.cmd', '.orig', '.rej', '.swp', '~')


def files() -> Dict[str, Path]:
	"""Name in the kernel tree -> the project's file."""
	found: Dict[str, Path] = {}
	for part in PARTS:
		paths = [REPO / part] if (REPO / part).is_file() else sorted((REPO / part).rglob('*'))
		for path in paths:
			if path.is_file() and not path.name.endswith(_LEFT_OUT):
				found[str(path.relative_to(REPO))] = path
	return found


def hooked(text: str, line: str) -> str:
	"""@text with @line at its end, once."""
	if line in text.splitlines():
		return text
	return text + ('' if text.endswith('\n') else '\n') + line + '\n'


def unhooked(text: str, line: str) -> str:
	return ''.join(l for l in text.splitlines(keepends=True) if l.rstrip('\n') != line)


def _replace(path: Path, text: str) -> None:
	"""Not written through: trees that are hard-linked copies of each other
	are common."""
	temp = path.with_name(f'.{path.name}.zone_device-tmp')
	temp.write_text(text)
	shutil.copymode(path, temp)
	os.replace(temp, path)


def install(tree: Path) -> List[str]:
	"""Adds the overlay to @tree; refuses before the first write, not midway."""
	wanted = {name: path.read_bytes() for name, path in files().items()}
	changed = []
	for name, content in wanted.items():
		there = tree / name
		if there.is_file() and there.read_bytes() != content:
			raise Error(f'{there} is there already and differs: '
				'move it away, or run make uninstall with the version that installed it')
		if not there.exists():
			changed.append(name)
	for name in HOOKS:
		if not (tree / name).is_file():
			raise Error(f'{tree} has no {name}')
	_must_be_writable(tree)
	for name in changed:
		(tree / name).parent.mkdir(parents=True, exist_ok=True)
		(tree / name).write_bytes(wanted[name])
	for name, line in HOOKS.items():
		text = (tree / name).read_text()
		# A missing newline at the end could not be restored.
		if not text.endswith('\n'):
			raise Error(f'{tree / name} does not end with a newline')
		if hooked(text, line) != text:
			_replace(tree / name, hooked(text, line))
			changed.append(name)
	return changed


def uninstall(tree: Path) -> List[str]:
	"""Takes out what install() put in; a file that was changed since stays."""
	_must_be_writable(tree)
	changed = []
	for name, line in HOOKS.items():
		path = tree / name
		if path.is_file():
			text = path.read_text()
			if unhooked(text, line) != text:
				_replace(path, unhooked(text, line))
				changed.append(name)
	for name, path in files().items():
		there = tree / name
		if not there.is_file():
			continue
		if there.read_bytes() != path.read_bytes():
			host.say(f'{there} was changed since it was installed and stays')
			continue
		there.unlink()
		changed.append(name)
		# Git does not see empty directories, but the user does.
		with contextlib.suppress(OSError):
			for parent in there.parents:
				if parent == tree:
					break
				parent.rmdir()
	return changed


def _must_be_writable(tree: Path) -> None:
	for name in HOOKS:
		directory = (tree / name).parent
		if not os.access(directory, os.W_OK) or not os.access(tree / name, os.W_OK):
			raise Error(f'{tree} is read-only: make install and make uninstall need to write to it')


def stage(original: Path, into: Path, suites: bool = True) -> None:
	"""Puts the overlay and the hooked files into a staging directory."""
	if not suites:
		return
	for name, path in files().items():
		(into / name).parent.mkdir(parents=True, exist_ok=True)
		shutil.copyfile(path, into / name)
	for name, line in HOOKS.items():
		source = into / name if (into / name).is_file() else original / name
		if not source.is_file():
			raise Error(f'the kernel tree has no {name} to add the suites to')
		text = hooked(source.read_text(), line)
		(into / name).parent.mkdir(parents=True, exist_ok=True)
		(into / name).write_text(text)
