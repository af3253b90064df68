# SPDX-License-Identifier: GPL-2.0
"""A patch series: a directory, an mbox or one patch file, read and applied."""

import email
import email.header
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Set

from kernel import mirror
from host.messages import Error, say

# Git's prefixes: a/ and b/, or what diff.mnemonicPrefix makes of them.
_TOUCHED = re.compile(rb'^(?:---|\+\+\+) (?:"?[abciow]/)([^\t\r\n"]+)|^(?:rename|copy) (?:from|to) (.+)$', re.M)
_CREATES = re.compile(rb'^--- /dev/null\r?\n\+\+\+ "?[biw]/([^\t\r\n"]+)', re.M)
# Between mails, as mbox(5) has it; a sentence may start with the word too.
_SEPARATOR = re.compile(rb'^From \S+ +\w{3} \w{3} +\d+ [\d:]+ \d{4}.*\r?\n', re.M)
# Why there may be no patch in a file, and the form that is needed.
_COMPRESSED = {b'\x1f\x8b': 'gzip', b'\xfd7zXZ': 'xz', b'BZh': 'bzip2', b'(\xb5/\xfd': 'zstd', b'PK\3\4': 'zip'}
_OTHER_FORMS = (
	(re.compile(rb'^(?:GIT binary patch|Binary files .* differ)', re.M),
		'has a binary change, which cannot be applied: leave that file out'),
	(re.compile(rb'^\+\+\+ \S', re.M),
		'has no a/ and b/ before its file names: make it by git format-patch, without --no-prefix'),
	(re.compile(rb'^new mode \d+', re.M), 'changes nothing but the modes of files: leave it out'),
)


@dataclass(frozen=True)
class Patch:
	name: str
	text: bytes

	def touched(self) -> Set[str]:
		return {os.fsdecode(a or b) for a, b in _TOUCHED.findall(self.text)}

	def diff(self) -> bytes:
		"""The patch without its message."""
		start = re.search(rb'^(?:diff --git |--- \S|Index: )', self.text, re.M)
		return self.text[start.start():] if start else self.text

	def created(self) -> Set[str]:
		return {os.fsdecode(m) for m in _CREATES.findall(self.text)}


def load(where: Path) -> List[Patch]:
	if where.is_dir():
		patches = _from_directory(where)
	elif where.is_file():
		patches = _from_file(where)
	else:
		raise Error(f'SERIES={where}: no such file or directory')
	if not patches:
		raise Error(f'SERIES={where} holds no patch')
	for patch in patches:
		_must_be_applicable(patch, where)
	return patches


def _must_be_applicable(patch: Patch, where: Path) -> None:
	"""Refuses what patch(1) would skip, or take for something else."""
	binary, *others = _OTHER_FORMS
	if binary[0].search(patch.text):
		raise Error(f'SERIES={where}: {patch.name} {binary[1]}')
	if not _TOUCHED.search(patch.text):
		why = next((w for form, w in others if form.search(patch.text)), 'holds no patch')
		raise Error(f'SERIES={where}: {patch.name} {why}')


def _from_directory(where: Path) -> List[Patch]:
	order = where / 'series'
	if order.is_file():
		text = order.read_text(errors='surrogateescape')
		names = [line.split('#')[0].split() for line in text.splitlines()]
		paths = [where / n[0] for n in names if n]
	else:
		paths = sorted(where.glob('*.patch'))
	for path in paths:
		if not path.is_file():
			raise Error(f'{order} names {path.name}, which is not there')
	return [_single(p.name, p.read_bytes()) for p in paths]


def _from_file(where: Path) -> List[Patch]:
	text = where.read_bytes()
	for magic, what in _COMPRESSED.items():
		if text.startswith(magic):
			raise Error(f'SERIES={where} is compressed by {what}: unpack it first')
	starts = [m.start() for m in _SEPARATOR.finditer(text)]
	if len(starts) < 2:
		subject = _subject(email.message_from_bytes(text)) if starts else ''
		patch = _single(f'"{subject}"' if subject else where.name, text)
		return [patch] if patch.text.strip() else []
	ends = [*starts[1:], len(text)]
	return _from_thread(where, [text[a:b] for a, b in zip(starts, ends)])


def _single(name: str, text: bytes) -> Patch:
	"""One patch, which may be a mail as it was saved."""
	message = email.message_from_bytes(text)
	encoding = str(message.get('Content-Transfer-Encoding', '')).strip().lower()
	if message.is_multipart() or encoding in ('quoted-printable', 'base64'):
		text = _body(message)
	return Patch(name, text)


def _subject(message: Message) -> str:
	parts = email.header.decode_header(message.get('Subject', ''))
	text = ''.join(p.decode(c or 'utf-8', 'replace') if isinstance(p, bytes) else p
		for p, c in parts)
	return ' '.join(text.split())


def _body(message: Message) -> bytes:
	parts = [part.get_payload(decode=True) for part in message.walk()
		if part.get_content_maintype() == 'text']
	return b'\n'.join(p for p in parts if isinstance(p, bytes)).replace(b'\r\n', b'\n')


@dataclass(frozen=True)
class _Mail:
	version: int
	# Of a numbered patch, which of how many; 0 of 0 elsewhere.
	number: int
	total: int
	patch: Patch


def _mail(subject: str, name: str, body: bytes) -> _Mail:
	"""What is in brackets before a subject says where a patch belongs."""
	tags = re.match(r'(?:\[[^]]*\] ?)*', subject)
	tag = tags.group() if tags else ''
	version = re.search(r'\bv(\d+)\b', tag, re.I)
	number = re.search(r'\b(\d+)/(\d+)\b', tag)
	return _Mail(int(version.group(1)) if version else 1, int(number.group(1)) if number else 0,
		int(number.group(2)) if number else 0, Patch(name, body))


def _from_thread(where: Path, texts: List[bytes]) -> List[Patch]:
	"""A thread as archives hand it out: a cover letter, replies that quote
	the patches, and the patches in any order."""
	mails = []
	for place, text in enumerate(texts):
		message = email.message_from_bytes(text)
		subject, body = _subject(message), _body(message)
		if not re.match(r're:|aw:', subject, re.I) and (_TOUCHED.search(body) or b'\ndiff --git ' in body):
			mails.append(_mail(subject, f'"{subject}"' if subject else
				f'message {place + 1} of {where.name}', body))
	versions = sorted({m.version for m in mails})
	if len(versions) > 1:
		say(f'{where.name} has versions {" and ".join(map(str, versions))} of a series: '
			f'{versions[-1]} is taken')
		mails = [m for m in mails if m.version == versions[-1]]
	return _in_order(where, mails)


def _in_order(where: Path, mails: List[_Mail]) -> List[Patch]:
	numbered: Dict[int, Patch] = {}
	for mail in (m for m in mails if m.number):
		same = numbered.setdefault(mail.number, mail.patch)
		if same.text.strip() != mail.patch.text.strip():
			raise Error(f'SERIES={where} has two patches {mail.number}/{mail.total} that differ: keep one of them')
	total = max((m.total for m in mails), default=0)
	missing = [str(n) for n in range(1, total + 1) if n not in numbered]
	if missing:
		raise Error(f'SERIES={where} lacks {", ".join(missing)} of {total} patches')
	return [numbered[n] for n in sorted(numbered)] + [m.patch for m in mails if not m.number]


def apply(patches: Sequence[Patch], original: Path, stage: Path) -> Set[str]:
	"""Applies @patches to copies, in @stage, of the files they touch.

	Returns the touched files; one that is then not in @stage was deleted.
	Exact context only: a patch that fits somewhere else by luck builds a
	kernel nobody wrote. Nothing is read or written behind a link.
	"""
	touched: Set[str] = set()
	for patch in patches:
		fresh = patch.touched() - touched
		touched |= fresh
		for name in sorted(fresh):
			_copy(patch, name, original, stage, touched)
		failed = _apply_one(patch, stage)
		if failed:
			raise Error(f'patch {patch.name} does not apply to {failed}')
		_must_stay_inside(patch, stage)
	return touched


def _copy(patch: Patch, name: str, original: Path, stage: Path, touched: Set[str]) -> None:
	"""Puts a file that @patch touches into @stage, if it is there before."""
	if name.startswith('/') or '..' in Path(name).parts:
		raise Error(f'patch {patch.name} touches {name}, outside the tree')
	link = mirror.link_above(original, name)
	if link and link not in touched:
		raise Error(f'patch {patch.name} touches {name}, but {link} is a link in the tree: '
			'what it points to is not changed')
	there, copy = original / name, stage / name
	if not link and (there.is_symlink() or there.is_file()):
		copy.parent.mkdir(parents=True, exist_ok=True)
		shutil.copyfile(there, copy, follow_symlinks=False)
		if not there.is_symlink():
			copy.chmod(there.stat().st_mode | 0o600)
	elif name not in patch.created() and not re.search(
			rb'^rename to |^copy to ', patch.text, re.M):
		raise Error(f'patch {patch.name} does not apply: {name} is not in the tree')


def _must_stay_inside(patch: Patch, stage: Path) -> None:
	for path in stage.rglob('*'):
		if path.is_symlink():
			target, name = os.readlink(path), str(path.relative_to(stage))
			end = os.path.normpath(os.path.join(os.path.dirname(name), target))
			if end.startswith(('/', '../')) or end == '..':
				raise Error(f'patch {patch.name} makes {name} a link to {target}, outside the tree')


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
		elif re.search(r'FAILED|No file to patch|[Ss]kipping|ignored|malformed|No space|refusing', line):
			if 'malformed' in line or 'No space' in line:
				raise Error(f'patch {patch.name} cannot be applied: {line.strip()}')
			return name or min(patch.touched())
	last = done.stdout.decode(errors='replace').strip().splitlines()[-1:]
	raise Error(f'patch {patch.name} cannot be applied: {last[0] if last else "patch(1) says no reason"}')
