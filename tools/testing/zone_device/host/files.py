# SPDX-License-Identifier: GPL-2.0
"""Files of any kind: how much room there is, and how they are written whole."""

import contextlib
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any, Dict, Iterable, List

from host.messages import Error

REPO = Path(__file__).resolve().parents[4]
# Where this project's files are, but for a few in REPO itself.
TOPS = ('include', 'lib', 'mm', 'series', 'tools')


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
		with contextlib.suppress(FileNotFoundError):
			temp.unlink()
		# Not through a link that somebody else has put there.
		with open(temp, 'x', encoding='utf-8') as out:
			out.write(text)
		with contextlib.suppress(OSError):
			old = path.stat()
			temp.chmod(stat.S_IMODE(old.st_mode))
			os.chown(temp, old.st_uid, old.st_gid)
		os.replace(temp, path)
	except BaseException:
		with contextlib.suppress(OSError):
			temp.unlink()
		raise


def _output(value: str) -> Path:
	return Path(os.path.realpath(os.path.expanduser(value)))


def forget_outputs(values: Iterable[str]) -> None:
	"""Whatever ends this run, no former result is to be taken for its."""
	for path in (_output(v) for v in values if v != '-'):
		with contextlib.suppress(FileNotFoundError):
			path.unlink()


def write_output(name: str, value: str, text: str) -> None:
	"""Writes what the user asked for by JSON= and its like, if it was; '-' is
	standard output."""
	if value == '-':
		print(text, end='', flush=True)
	elif value:
		try:
			write_atomically(_output(value), text)
		except OSError as err:
			raise Error(f'{name}={value} cannot be written: {(err.strerror or "").lower()}') from err


def read_result(path: str, format: str) -> Dict[str, Any]:
	"""What one of our commands wrote by JSON=, in @format."""
	try:
		result = json.loads(Path(path).read_text(encoding='utf-8'))
	except OSError as err:
		raise Error(f'{path}: {(err.strerror or "cannot be read").lower()}') from None
	except (ValueError, RecursionError):
		raise Error(f'{path} is not JSON') from None
	if not isinstance(result, dict) or result.get('format') != format:
		raise Error(f'{path} is not a result that JSON= wrote')
	return result


def tail(path: Path, lines: int = 20) -> List[str]:
	try:
		text = path.read_text(errors='replace')
	except OSError:
		return []
	return text.splitlines()[-lines:]
