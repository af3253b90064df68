# SPDX-License-Identifier: GPL-2.0
"""A patch series: a directory, an mbox or one patch file, read and applied."""

import email
import email.errors
import email.header
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Set

from host import process
from host.messages import Error, say
from kernel import mirror

# Between mails, as mbox(5) has it; a sentence may start with the word too.
_SEPARATOR = re.compile(rb'^From \S+ +\w{3} \w{3} +\d+ [\d:]+ (?:[-+]\d{4} )?\d{4}.*\r?\n', re.M)
_COMPRESSED = {b'\x1f\x8b': 'gzip', b'\xfd7zXZ': 'xz', b'BZh': 'bzip2', b'(\xb5/\xfd': 'zstd', b'PK\3\4': 'zip'}
_HUNK = re.compile(rb'@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@')
# Git's prefixes: a/ and b/, or what diff.mnemonicPrefix makes of them.
_PREFIX = re.compile(rb'[abciow]/')
# Files of a directory that may well be patches that somebody forgot to name.
_PATCHES = ('.patch', '.diff', '.mbox', '.eml', '.mbx')


@dataclass
class _Change:
	"""What a diff says of one file before its hunks."""
	names: Set[str]
	creates: bool = False
	binary: bool = False
	# Neither hunks nor a rename: the mode alone, or an empty file.
	plain: bool = True


def _name(text: bytes) -> Optional[str]:
	"""A file's name as diff writes it: quoted if it is not plain ASCII, and
	followed by a tab and a date. None stands for no file."""
	text = text.split(b'\t')[0].rstrip(b'\r\n')
	if text.startswith(b'"') and text.endswith(b'"'):
		text = re.sub(rb'\\([0-7]{3}|.)', lambda m: bytes([int(m.group(1), 8)]) if len(m.group(1)) == 3
			else m.group(1), text[1:-1])
	if text == b'/dev/null':
		return None
	if not _PREFIX.match(text):
		raise Error(f'has no a/ and b/ before its file names ({os.fsdecode(text)}): make it by git format-patch, '
			'without --no-prefix')
	return os.fsdecode(text[2:])


def _without_prefix(text: bytes) -> str:
	return _name(b'"a/' + text.rstrip(b'\r\n')[1:] if text.startswith(b'"') else b'a/' + text) or ''


def _changes(text: bytes) -> List[_Change]:
	"""The files that a diff changes. Only its headers are looked at: a message
	may well have a line that looks like one, and so may a hunk."""
	found: List[_Change] = []
	lines = text.splitlines(keepends=True)
	place = 0
	while place < len(lines):
		line, after = lines[place], lines[place + 1:place + 3]
		place += 1
		if line.startswith(b'diff --git '):
			found.append(_Change(set()))
			halves = re.match(rb'diff --git [abciow]/(.+) [abciow]/\1\r?\n?$', line)
			if halves:
				found[-1].names.add(os.fsdecode(halves.group(1)))
		elif line.startswith(b'--- ') and len(after) > 1 and after[0].startswith(b'+++ ') and after[1].startswith(b'@@ '):
			if not found or not found[-1].plain:
				found.append(_Change(set()))
			old, new = _name(line[4:]), _name(after[0][4:])
			found[-1].names |= {n for n in (old, new) if n}
			found[-1].creates, found[-1].plain = old is None, False
			place = _skip_hunks(lines, place + 1)
		elif found and found[-1].plain:
			kind, _, rest = line.partition(b' ')
			if re.match(rb'(?:rename|copy) (?:from|to) ', line):
				found[-1].names.add(_without_prefix(rest.split(b' ', 1)[1]))
				# The new one need not be there.
				found[-1].creates = True
			elif line.startswith(b'new file mode '):
				found[-1].creates = True
			elif line.startswith((b'GIT binary patch', b'Binary files ')):
				found[-1].binary = True
	return found


def _skip_hunks(lines: List[bytes], place: int) -> int:
	"""Behind the hunks that start at @place, by their own counts."""
	while place < len(lines):
		hunk = _HUNK.match(lines[place])
		if not hunk:
			break
		place += 1
		old, new = (int(n) if n is not None else 1 for n in hunk.groups())
		while place < len(lines) and (old > 0 or new > 0):
			first = lines[place][:1]
			old -= first in (b' ', b'-', b'\n', b'\r')
			new -= first in (b' ', b'+', b'\n', b'\r')
			place += 1
	return place


@dataclass(frozen=True)
class Patch:
	name: str
	text: bytes
	# Without what is in brackets before it; '' if it has none.
	subject: str = ''

	def changes(self) -> List[_Change]:
		try:
			return _changes(self.text)
		except Error as err:
			raise Error(f'patch {self.name} {err}') from None

	def touched(self) -> Set[str]:
		return {n for change in self.changes() for n in change.names}

	def diff(self) -> bytes:
		"""The patch without its message, and without what mail and git add: the same
		change has the same diff, however it came here."""
		start = re.search(rb'^(?:diff --git |--- \S|Index: )', self.text, re.M)
		found = self.text[start.start():] if start else self.text
		found = re.sub(rb'(?m)^index [0-9a-f]+\.\.[0-9a-f]+.*\n', b'', found)
		# git's version, which no line of a hunk looks like.
		return re.sub(rb'\n-- \n\d[^\n]*\n*\Z', b'\n', found).rstrip(b'\n') + b'\n'


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
		_must_be_applicable(patch)
	return patches


def _must_be_applicable(patch: Patch) -> None:
	"""Refuses what git apply would skip without a word."""
	changes = patch.changes()
	if not any(c.names for c in changes):
		loose = re.search(rb'^\+\+\+ \S', patch.text, re.M)
		raise Error(f'patch {patch.name} ' + ('has no diff that can be read: make it by git format-patch'
			if loose else 'holds no patch'))
	if any(c.binary for c in changes) and b'GIT binary patch' not in patch.text:
		raise Error(f'patch {patch.name} has a binary change without its contents: make it by git format-patch, '
			'or leave that file out')
	if re.search(rb'^\*\*\* \S+.*\n--- \S+.*\n\*{15}', patch.text, re.M):
		raise Error(f'patch {patch.name} has a context diff: make it by git format-patch')


def _from_directory(where: Path) -> List[Patch]:
	order = where / 'series'
	if not order.is_file():
		paths = sorted(p for p in where.iterdir() if p.suffix in _PATCHES and p.is_file())
		other = [p.name for p in paths if p.suffix != paths[0].suffix]
		if other:
			raise Error(f'SERIES={where} has {paths[0].name} and {other[0]}: which kind is the series?')
		mails = [_read(p) for p in paths]
		loose = [m.patch.name for m in mails if m.number == NO_NUMBER]
		if loose and len(loose) < len(mails):
			# Somebody put it there: to leave it out would be to judge another series.
			raise Error(f'SERIES={where}: {loose[0]} has no number in its subject, as [PATCH 1/2] has, and others '
				'have: say the order in a file "series" there, a name a line')
		return _in_order(where, mails)
	found = []
	for line in order.read_text(errors='surrogateescape').splitlines():
		words = line.split('#')[0].split()
		if words[1:] and words[1:] != ['-p1']:
			raise Error(f'{order} says {" ".join(words[1:])} of {words[0]}, which is not done here: '
				'give it as a patch that is applied by -p1')
		if words and not (where / words[0]).is_file():
			raise Error(f'{order} names {words[0]}, which is not there')
		found += [_read(where / words[0]).patch] if words else []
	return found


def _read(path: Path, by_subject: bool = False) -> '_Mail':
	"""A file that holds one patch, which is named as the file is, or @by_subject."""
	return _of_text(path.read_bytes(), path, by_subject)


def from_mail(text: bytes) -> Patch:
	"""What somebody hands over."""
	return _of_text(text, Path('standard input')).patch


def _of_text(text: bytes, path: Path, by_subject: bool = False) -> '_Mail':
	for magic, what in _COMPRESSED.items():
		if text.startswith(magic):
			raise Error(f'SERIES={path} is compressed by {what}: unpack it first')
	starts = [m.start() for m in _SEPARATOR.finditer(text)]
	headers = re.findall(rb'^From: .*\n(?:[\w-]+:.*\n|[ \t].*\n)*?Subject: ', text, re.M)
	if len(starts) > 1 or len(headers) > 1:
		raise Error(f'{path} holds more than one mail: give it as SERIES=, as an mbox with its From lines')
	message = email.message_from_bytes(text)
	if message.is_multipart() or _encoding(message) in ('quoted-printable', 'base64'):
		text = _body(message)
	subject = _subject(message)
	return _mail(subject, f'"{subject}"' if by_subject and subject else path.name, text)


def _from_file(where: Path) -> List[Patch]:
	text = where.read_bytes()
	starts = [m.start() for m in _SEPARATOR.finditer(text)]
	if len(starts) > 1:
		return _from_thread(where, [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)])])
	mail = _read(where, by_subject=bool(starts))
	if mail.total > 1:
		say(f'{where.name} is patch {mail.number} of {mail.total}: it is applied alone')
	return [mail.patch] if mail.patch.text.strip() else []


def _subject(message: Message) -> str:
	raw = str(message.get('Subject', ''))
	try:
		parts = email.header.decode_header(raw)
		text = ''.join(p.decode(c or 'utf-8', 'replace') if isinstance(p, bytes) else p for p, c in parts)
	except (LookupError, email.errors.HeaderParseError):
		# A subject is for people; what cannot be read of it does not matter.
		text = raw.encode('utf-8', 'replace').decode()
	return ' '.join(text.split())


def _encoding(message: Message) -> str:
	"""Some write it in quotes, or with a semicolon."""
	found = re.search(r'[\w-]+', str(message.get('Content-Transfer-Encoding', '')))
	return found.group().lower() if found else ''


def _body(message: Message) -> bytes:
	"""The text of a mail, and what is attached to it that is a diff; of the
	same text in several forms, the plain one."""
	found = []
	for part in message.walk():
		if 'Content-Transfer-Encoding' in part:
			part.replace_header('Content-Transfer-Encoding', _encoding(part))
		content = part.get_payload(decode=True)
		if isinstance(content, bytes) and part.get_content_subtype() != 'html' \
				and (part.get_content_maintype() == 'text' or re.search(rb'^--- \S', content, re.M)):
			found.append(_unix(content))
	return b'\n'.join(found)


def _unix(text: bytes) -> bytes:
	"""A mail travels with CRLF; a file that has them in a diff has both."""
	lines = text.splitlines(keepends=True)
	return text.replace(b'\r\n', b'\n') if all(l.endswith(b'\r\n') for l in lines[:-1]) else text


NO_NUMBER = -1


@dataclass(frozen=True)
class _Mail:
	version: int
	# Of a numbered patch, which of how many; 0 is a cover letter.
	number: int
	total: int
	patch: Patch

	def is_talk(self, where: Path) -> bool:
		"""Whether a mail of a thread holds no patch; in a directory each file
		is meant to be one."""
		return not where.is_dir() and not self.patch.touched()


def _mail(subject: str, name: str, body: bytes) -> _Mail:
	"""What is in brackets before a subject says where a patch belongs."""
	tags = re.match(r'(?:\[[^]]*\] ?)*', subject)
	tag = tags.group() if tags else ''
	version = re.search(r'\bv(\d+)\b', tag, re.I)
	# The last of them: 5.10/5.15 may be the kernels that it is for.
	number = re.findall(r'(?<![\w./])(\d+)/(\d+)(?=[\s\]])', tag)
	return _Mail(int(version.group(1)) if version else 1, int(number[-1][0]) if number else NO_NUMBER,
		int(number[-1][1]) if number else 0, Patch(name, body, subject[len(tag):].strip()))


def _from_thread(where: Path, texts: List[bytes]) -> List[Patch]:
	"""A thread as archives hand it out: a cover letter, replies that quote
	the patches, and the patches in any order."""
	mails = []
	for place, text in enumerate(texts):
		message = email.message_from_bytes(text)
		subject, body = _subject(message), _body(message)
		if not re.match(r're:|aw:', subject, re.I):
			mails.append(_mail(subject, f'"{subject}"' if subject else
				f'message {place + 1} of {where.name}', body))
	return _in_order(where, mails)


def _in_order(where: Path, mails: List[_Mail]) -> List[Patch]:
	"""The patches of the newest version, in their order and complete."""
	# A cover letter is none, whatever it shows; a mail without a diff is talk.
	mails = [m for m in mails if m.number != 0 and (m.number != NO_NUMBER or not m.is_talk(where))]
	versions = sorted({m.version for m in mails if m.number != NO_NUMBER} or {m.version for m in mails})
	if len(versions) > 1:
		say(f'{where.name} has versions {" and ".join(map(str, versions))} of a series: '
			f'{versions[-1]} is taken')
	numbered = [m for m in mails if m.number != NO_NUMBER and m.version == versions[-1]]
	if not numbered:
		return [m.patch for m in mails if m.version == versions[-1]] if mails else []
	for other in (m for m in mails if m.number == NO_NUMBER):
		say(f'{where.name}: {other.patch.name} has no number and is left out')
	found: Dict[int, Patch] = {}
	for mail in numbered:
		same = found.setdefault(mail.number, mail.patch)
		if same.diff().strip() != mail.patch.diff().strip():
			raise Error(f'SERIES={where} has two patches {mail.number}/{mail.total} that differ: keep one of them')
	missing = [str(n) for n in range(1, max(m.total for m in numbered) + 1)
		if n not in found or not found[n].touched()]
	if missing:
		raise Error(f'SERIES={where} lacks {", ".join(missing)} of {max(m.total for m in numbered)} patches')
	return [found[n] for n in sorted(found)]


def apply(patches: Sequence[Patch], original: Path, stage: Path) -> Set[str]:
	"""Applies @patches to copies, in @stage, of the files they touch.

	Returns the touched files; one that is then not in @stage was deleted.
	Exact context only: a patch that fits somewhere else by luck builds a
	kernel nobody wrote. Nothing is read or written behind a link.
	"""
	touched: Set[str] = set()
	for patch in patches:
		for change in patch.changes():
			fresh = change.names - touched
			touched |= fresh
			for name in sorted(fresh):
				_copy(patch, name, change.creates, original, stage, touched)
		_apply_one(patch, stage)
		_must_stay_inside(patch, stage)
	return touched


def _copy(patch: Patch, name: str, creates: bool, original: Path, stage: Path, touched: Set[str]) -> None:
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
	elif not creates and not any(name in c.names and c.creates for c in patch.changes()):
		raise Error(f'patch {patch.name} does not apply: {name} is not in the tree')


def _must_stay_inside(patch: Patch, stage: Path) -> None:
	for path in stage.rglob('*'):
		if path.is_symlink():
			target, name = os.readlink(path), str(path.relative_to(stage))
			end = os.path.normpath(os.path.join(os.path.dirname(name), target))
			if end.startswith(('/', '../')) or end == '..':
				raise Error(f'patch {patch.name} makes {name} a link to {target}, outside the tree')


def _apply_one(patch: Patch, stage: Path) -> None:
	# The cache may lie in somebody's repository, which is not meant.
	env = process.git_environment(GIT_CEILING_DIRECTORIES=os.path.realpath(stage.parent))
	try:
		done = subprocess.run(['git', 'apply', '-p1', '--whitespace=nowarn', '-'], cwd=stage, env=env,
			check=False, input=patch.text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
	except FileNotFoundError:
		raise Error('git: no such command') from None
	if not done.returncode:
		return
	lines = done.stdout.decode(errors='replace').splitlines() or ['git apply says no reason']
	for line in lines:
		failed = re.match(r'error: (?:patch failed: (.+):\d+$|(.+): (?:patch does not apply|does not match|'
			r'already exists|wrong type|No such file))', line)
		if failed:
			raise Error(f'patch {patch.name} does not apply to {failed.group(1) or failed.group(2)}')
	raise Error(f'patch {patch.name} cannot be applied: {lines[0].replace("error: ", "")}')
