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
from typing import Dict, List, Optional, Tuple

from guest import build
from guest.target import Target
from host import cache, files, process
from host.files import REPO
from outcome import Outcome


def project() -> str:
	"""A hash of this project's files, but for ledgers and docs: what is kept is what was
	skipped, and not whether it may be. The same in each clone of a commit."""
	found = hashlib.sha256()
	for top in files.TOPS:
		# os.walk() looks at what is left of the directories when it goes on.
		for where, directories, names in os.walk(REPO / top):
			directories[:] = sorted({*directories} - {'.mypy_cache', '__pycache__', 'ledgers', 'docs'})
			for path in (Path(where) / n for n in sorted(names)):
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


def read(path: Path) -> Optional[Outcome]:
	"""What write() wrote there; None if it did not, or not to the end."""
	with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
		return Outcome.from_json(json.loads(path.read_text()))
	return None


def write(path: Path, outcome: Outcome, **more: object) -> None:
	path.parent.mkdir(parents=True, exist_ok=True)
	files.write_atomically(path, json.dumps({**outcome.as_json(), **more}))


def find(key: str) -> Optional[Outcome]:
	return read(_path(key))


def keep(key: str, outcome: Outcome, target: Target, seconds: float) -> None:
	"""A failure is kept as one; that something cannot be judged is not. @seconds:
	how long it took to find out."""
	if not outcome.unknown:
		now = datetime.datetime.now().isoformat(' ', 'minutes')
		write(_path(key), outcome, kept=now, target=target.name, seconds=seconds)


def durations() -> Dict[Tuple[str, str], float]:
	"""(check, target) -> the seconds that it took, the last time."""
	found: Dict[Tuple[str, str], float] = {}
	for path in sorted(_path('*').parent.glob('*.json'), key=lambda p: p.stat().st_mtime):
		with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
			known = json.loads(path.read_text())
			found[known['check'], known['target']] = float(known['seconds'])
	return found
