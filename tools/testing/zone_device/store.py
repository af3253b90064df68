# SPDX-License-Identifier: GPL-2.0
"""Outcomes that are kept, by a hash of all that they depend on. The text of
this project is a part of it, so that no change of ours is answered from before
it."""

import contextlib
import datetime
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import List, Optional

from guest import build
from guest.target import Target
from host import cache, files, process
from host.files import REPO
from outcome import Outcome


def project() -> str:
	"""A hash of all of this project's files."""
	found = hashlib.sha256()
	for where, directories, names in sorted(os.walk(REPO)):
		directories[:] = [d for d in directories if d not in ('.git', '.mypy_cache', '__pycache__')]
		for name in sorted(names):
			path = Path(where) / name
			if path.is_file():
				found.update(os.fsencode(path.relative_to(REPO)) + b'\0' + path.read_bytes() + b'\0')
	return found.hexdigest()


def facts(target: Target) -> List[object]:
	"""What a target's outcomes depend on: configuration, compiler, QEMU."""
	qemu = process.output([target.arch.qemu, '--version']).splitlines()[:1] if target.arch.qemu else []
	return [target.name, target.timeout, *build.facts(target), qemu, os.path.exists('/dev/kvm'), sys.version]


def key(parts: List[object]) -> str:
	return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _path(key: str) -> Path:
	return cache.directory() / 'outcomes' / f'{key}.json'


def find(key: str) -> Optional[Outcome]:
	with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
		return Outcome.from_json(json.loads(_path(key).read_text()))
	return None


def keep(key: str, outcome: Outcome) -> None:
	"""A failure is kept as one; that something cannot be judged is not."""
	if outcome.unknown:
		return
	now = datetime.datetime.now().isoformat(' ', 'minutes')
	_path(key).parent.mkdir(exist_ok=True)
	files.write_atomically(_path(key), json.dumps({**outcome.as_json(), 'kept': now}))
