# SPDX-License-Identifier: GPL-2.0
"""A patch series: a directory, an mbox or one patch file, read and applied."""

import email.header
import mailbox
import re
import shutil
import subprocess
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import List, Optional, Set

from host import Error

_TOUCHED = re.compile(rb'^(?:---|\+\+\+) (?:"?[ab]/)([^\t\r\n"]+)|^(?:rename|copy) (?:from|to) (.+)$', re.M)
_CREATES = re.compile(rb'^--- /dev/null\r?\n\+\+\+ "?b/([^\t\r\n"]+)', re.M)


@dataclass(frozen=True)
class Patch:
	name: str
	text: bytes

	def touched(self) -> Set[str]:
		return {(a or b).decode() for a, b in _TOUCHED.findall(self.text)}

	def created(self) -> Set[str]:
		return {m.decode() for m in _CREATES.findall(self.text)}


def load(where: Path) -> List[Patch]:
	if where.is_dir():
		patches = _from_directory(where)
	elif where.is_file():
		patches = _from_file(where)
	else:
		raise Error(f'SERIES={where}: no such file or directory')
	if not patches:
		raise Error(f'SERIES={where} holds no patch')
	return patches


def _from_directory(where: Path) -> List[Patch]:
	order = where / 'series'
	if order.is_file():
		names = [line.split('#')[0].split() for line in order.read_text().splitlines()]
		paths = [where / n[0] for n in names if n]
	else:
		paths = sorted(where.glob('*.patch'))
	for path in paths:
		if not path.is_file():
			raise Error(f'{order} names {path.name}, which is not there')
	return [Patch(p.name, p.read_bytes()) for p in paths]


def _from_file(where: Path) -> List[Patch]:
	text = where.read_bytes()
	if text.count(b'\nFrom ') + text.startswith(b'From ') <= 1 and where.suffix != '.mbox':
		return [Patch(where.name, text)] if _TOUCHED.search(text) else []
	return _from_mbox(where)


def _subject(message: Message) -> str:
	parts = email.header.decode_header(message.get('Subject', ''))
	text = ''.join(p.decode(c or 'utf-8', 'replace') if isinstance(p, bytes) else p
		for p, c in parts)
	return ' '.join(text.split())


def _body(message: Message) -> bytes:
	return b'\n'.join(part.get_payload(decode=True) or b''
		for part in message.walk() if part.get_content_maintype() == 'text')


def _from_mbox(where: Path) -> List[Patch]:
	"""A thread as archives hand it out: a cover letter, replies that quote
	the patches, and the patches in any order."""
	found = []
	box = mailbox.mbox(str(where), create=False)
	try:
		for place, message in enumerate(box):
			subject = _subject(message)
			body = _body(message).replace(b'\r\n', b'\n')
			if re.match(r're:|aw:', subject, re.I) or not _TOUCHED.search(body):
				continue
			number = re.match(r'\[[^]]*?(\d+)/\d+\]', subject)
			rank = int(number.group(1)) if number else place
			name = f'"{subject}"' if subject else f'message {place + 1} of {where.name}'
			found.append((rank, place, Patch(name, body)))
	finally:
		box.close()
	return [patch for _, _, patch in sorted(found, key=lambda f: f[:2])]


def apply(patches: List[Patch], original: Path, stage: Path) -> Set[str]:
	"""Applies @patches to copies, in @stage, of the files they touch.

	Returns the touched files; one that is then not in @stage was deleted.
	Exact context only: a patch that fits somewhere else by luck builds a
	kernel nobody wrote.
	"""
	touched: Set[str] = set()
	for patch in patches:
		for name in sorted(patch.touched() - touched):
			if name.startswith('/') or '..' in Path(name).parts:
				raise Error(f'patch {patch.name} touches {name}, outside the tree')
			if (original / name).is_file():
				copy = stage / name
				copy.parent.mkdir(parents=True, exist_ok=True)
				shutil.copyfile(original / name, copy)
				copy.chmod((original / name).stat().st_mode | 0o600)
			elif name not in patch.created() and not re.search(
					rb'^rename to |^copy to ', patch.text, re.M):
				raise Error(f'patch {patch.name} does not apply: {name} is not in the tree')
		touched |= patch.touched()
		failed = _apply_one(patch, stage)
		if failed:
			raise Error(f'patch {patch.name} does not apply to {failed}')
	return touched


def _apply_one(patch: Patch, stage: Path) -> Optional[str]:
	"""Applies one patch; returns the first file it does not apply to."""
	try:
		done = subprocess.run(['patch', '-p1', '-F0', '--batch', '--forward',
			'--no-backup-if-mismatch', '-r', '-'], cwd=stage, check=False,
			input=patch.text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
	except FileNotFoundError:
		raise Error('patch: no such command') from None
	if not done.returncode:
		return None
	name = None
	for line in done.stdout.decode(errors='replace').splitlines():
		match = re.match(r'(?:checking|patching) file (\S+)', line)
		if match:
			name = match.group(1).strip("'")
		elif re.search(r'FAILED|No file to patch|[Ss]kipping|ignored|malformed|No space', line):
			if 'malformed' in line or 'No space' in line:
				raise Error(f'patch {patch.name} cannot be applied: {line.strip()}')
			return name or sorted(patch.touched())[0]
	raise Error(f'patch {patch.name} cannot be applied: '
		f'{done.stdout.decode(errors="replace").strip().splitlines()[-1:] or done.returncode}')
