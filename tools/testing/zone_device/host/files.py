# SPDX-License-Identifier: GPL-2.0
"""Files of any kind: how much room there is, and how they are written whole."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import List

from host.messages import Error

REPO = Path(__file__).resolve().parents[4]


def disk_full(path: Path) -> bool:
	"""Whether what has just failed there can only have failed for this: a log
	on the same disk has no room to say so."""
	return shutil.disk_usage(path).free < 1 << 20


def size(directory: Path) -> int:
	"""Bytes of the files below it, while somebody may be moving them about."""
	total = 0
	for where, _directories, names in os.walk(directory):
		for name in names:
			with contextlib.suppress(OSError):
				total += os.lstat(os.path.join(where, name)).st_size
	return total


def write_atomically(path: Path, text: str) -> None:
	temp = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
	try:
		temp.write_text(text, encoding='utf-8')
		os.replace(temp, path)
	except OSError:
		with contextlib.suppress(OSError):
			temp.unlink()
		raise


def write_output(name: str, text: str) -> None:
	"""Writes what the user asked for by JSON= and its like, if it was; '-' is
	standard output."""
	value = os.environ.get(name)
	if value == '-':
		print(text, end='', flush=True)
	elif value:
		path = Path(os.path.realpath(os.path.expanduser(value)))
		try:
			write_atomically(path, text)
		except OSError as err:
			raise Error(f'{name}={value} cannot be written: {(err.strerror or "").lower()}') from err


def tail(path: Path, lines: int = 20) -> List[str]:
	try:
		text = path.read_text(errors='replace')
	except OSError:
		return []
	return text.splitlines()[-lines:]
