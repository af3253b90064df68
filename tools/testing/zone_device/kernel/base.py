# SPDX-License-Identifier: GPL-2.0
"""The kernel that is tested where the user names none: the newest source
package of the machine's own Debian mirror, without touching its apt lists."""

import contextlib
import os
import re
import shlex
import tempfile
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

from host import cache
from host import process
from host import locks
from host.messages import Error, say

# Where new kernels turn up. Aliases and code names both, as a mirror may have
# one and not the other; a suite that is absent costs one request.
SUITES = ['sid', 'forky', 'stable-backports', 'trixie-backports']
PACKAGE = re.compile(r'linux-source-(\d+)\.(\d+)$')
# The oldest kernel that the series, and so the suites, were written for.
OLDEST = (7, 1)
# In an unpacked kernel: how much of it there is to be.
WHOLE = '.zone_device-whole'


def _os_release() -> Dict[str, str]:
	found = {}
	with contextlib.suppress(OSError):
		for line in Path('/etc/os-release').read_text().splitlines():
			key, _, value = line.partition('=')
			found[key] = value.strip('"')
	return found


def _deb822(text: str) -> Iterator[Tuple[str, str, List[str], List[str]]]:
	for stanza in re.split(r'\n[ \t]*\n', text):
		fields: Dict[str, str] = {}
		key = ''
		for line in stanza.splitlines():
			if line.startswith('#'):
				continue
			if line[:1] in ' \t' and key:
				fields[key] += '\n' + line
			elif ':' in line:
				key, _, value = line.partition(':')
				key = key.lower()
				fields[key] = value.strip()
		if 'deb' not in fields.get('types', '').split() or fields.get('enabled', '') == 'no':
			continue
		signed = fields.get('signed-by', '')
		option = f'[signed-by={signed}]' if signed.startswith('/') else ''
		for uri in fields.get('uris', '').split():
			yield option, uri, fields.get('suites', '').split(), fields.get('components', '').split()


def _one_line(text: str) -> Iterator[Tuple[str, str, List[str], List[str]]]:
	for line in text.splitlines():
		match = re.match(r'deb\s+(\[[^]]*\])?\s*(\S+)\s+(\S+)\s+(.*)', line)
		if match:
			option, uri, suite, components = match.groups()
			yield option or '', uri, [suite], components.split()


def mirror(etc: Path = Path('/etc/apt')) -> str:
	"""'[options] address' of the distribution's mirror, as apt knows it."""
	entries: List[Tuple[str, str, List[str], List[str]]] = []
	for path in sorted(etc.glob('sources.list.d/*.sources')):
		entries += _deb822(path.read_text(errors='replace'))
	for path in [etc / 'sources.list', *sorted(etc.glob('sources.list.d/*.list'))]:
		if path.is_file():
			entries += _one_line(path.read_text(errors='replace'))
	codename = _os_release().get('VERSION_CODENAME', '')
	wanted = {codename, 'sid', 'unstable', 'testing', 'stable', 'forky', 'trixie', 'bookworm'} - {''}
	for option, uri, suites, components in entries:
		if wanted & set(suites) and 'main' in components and not uri.startswith('cdrom:'):
			return f'{option} {uri}'.strip()
	raise Error('the machine\'s apt sources name no Debian mirror to fetch a kernel from: '
		'give one with KDIR= or KTARBALL=')


class Apt:
	"""apt-get with lists, cache and sources of its own."""

	def __init__(self, kind: str = 'deb') -> None:
		if process.output(['sh', '-c', 'command -v apt-get || true']).strip() == '':
			raise Error('there is no apt-get to fetch a kernel with: give one with '
				'KDIR= or KTARBALL=')
		self.dir = cache.directory() / 'apt' / kind
		for part in ('lists/partial', 'archives/partial'):
			(self.dir / part).mkdir(parents=True, exist_ok=True)
		suites = list(SUITES)
		codename = _os_release().get('VERSION_CODENAME')
		if codename:
			suites.append(f'{codename}-backports')
		where = mirror()
		sources = self.dir / 'sources.list'
		sources.write_text(''.join(f'{kind} {where} {s} main\n' for s in suites))
		self.log = self.dir / 'log'
		self.options = [f'-oDir::Etc::sourcelist={sources}', '-oDir::Etc::sourceparts=-',
			f'-oDir::State::Lists={self.dir}/lists', f'-oDir::Cache={self.dir}',
			'-oAPT::Sandbox::User=root', '-oAcquire::Languages=none', '-oAcquire::Retries=2',
			'-oAcquire::http::Timeout=30', '-oAcquire::AllowReleaseInfoChange=true',
			'-oAPT::Get::List-Cleanup=false', '-oDebug::NoLocking=true']

	def update(self) -> None:
		cache.remove(self.log)
		# The exit status says that some suite is absent, which is expected.
		process.run(['apt-get', '-q', *self.options, 'update'], log=self.log,
			label='reading the mirror\'s lists')
		if not list((self.dir / 'lists').glob('*_InRelease')):
			raise Error('the Debian mirror cannot be reached and no kernel is cached: '
				f'give one with KDIR= or KTARBALL= (log: {self.log})')

	def index(self, pattern: str) -> Iterator[Dict[str, str]]:
		"""The stanzas, of all suites' lists, of the packages asked for."""
		wanted = re.compile(f'Package: {pattern}$', re.M)
		for path in sorted((self.dir / 'lists').glob('*_main_*')):
			text = process.output(['/usr/lib/apt/apt-helper', *self.options, 'cat-file', path])
			for stanza in text.split('\n\n'):
				if wanted.match(stanza):
					yield dict(line.split(': ', 1) for line in stanza.splitlines()
						if ': ' in line and line[0] not in ' \t')

	def get(self, *arguments: str, cwd: Path, label: str) -> None:
		def status(_pid: int) -> str:
			done = process.size(cwd) + process.size(self.dir / 'archives/partial')
			return f'{done >> 20} MB, '
		cache.remove(self.log)
		if process.run(['apt-get', '-q', *self.options, *arguments], cwd=cwd, log=self.log,
				label=label, status=status):
			if process.disk_full(self.dir):
				raise Error(f'no space left on device ({self.dir})')
			errors = [l[2:].strip() for l in process.tail(self.log, 40) if l.startswith('E:')]
			# Addresses are of no use to the reader and may carry a password.
			why = re.sub(r'\S+://\S+\s*', '', errors[0]) if errors else 'no reason given'
			raise Error(f'apt-get {arguments[0]} failed: {why} (log: {self.log})')


def version_key(version: str) -> Tuple[int, ...]:
	return tuple(int(n) for n in re.findall(r'\d+', version.split('-')[0].split('~')[0]))


def candidates(apt: Apt) -> List[Tuple[str, str]]:
	"""The newest package of each release, newest first."""
	newest: Dict[str, str] = {}
	for stanza in apt.index(r'linux-source-\d+\.\d+'):
		match = PACKAGE.match(stanza['Package'])
		if not match or (int(match.group(1)), int(match.group(2))) < OLDEST:
			continue
		known = newest.get(stanza['Package'], '')
		newest[stanza['Package']] = max(known, stanza['Version'], key=version_key)
	return sorted(newest.items(), key=lambda c: version_key(c[1]), reverse=True)


def unpack(archive: Path, into: Path) -> None:
	"""Unpacks a kernel tarball, or the one in a Debian source package, so that
	@into appears whole or not at all."""
	if not archive.is_file():
		raise Error(f'KTARBALL={archive}: no such file')
	into.parent.mkdir(parents=True, exist_ok=True)
	for stale in into.parent.glob('.unpack-*'):
		cache.remove(stale)
	temp = Path(tempfile.mkdtemp(prefix='.unpack-', dir=into.parent))
	log = temp / 'log'
	tree = temp / 'tree'
	tree.mkdir()
	quoted = shlex.quote(str(archive))
	if archive.suffix == '.deb':
		# The package holds a tarball: stream it through, whatever its name.
		source = (f'dpkg-deb --fsys-tarfile {quoted} | '
			'tar -xO --wildcards "./usr/src/linux-source-*.tar.*" | ')
		flag = '-J'
	else:
		source = ''
		flag = f'-af {quoted}'
	script = f'set -o pipefail; {source}tar -x {flag} --strip-components=1'
	try:
		failed = process.run(['bash', '-c', script], cwd=tree, log=log,
			label=f'unpacking {archive.name}')
		if failed:
			lines = [l for l in process.tail(log) if l.strip()]
			full = process.disk_full(temp) or any('No space left' in l for l in lines)
			why = 'no space left on device' if full else lines[0] if lines else 'it is empty'
			raise Error(f'{archive.name} cannot be unpacked: {why}')
		(tree / WHOLE).write_text(f'{count(tree)}\n')
		os.replace(tree, into)
	finally:
		cache.remove(temp)


def count(tree: Path) -> int:
	"""How many entries the directories of a tree have, two levels down: where
	somebody removed a part of it, fewer than there were."""
	return sum(len(os.listdir(d)) for d in [tree, *tree.glob('*/'), *tree.glob('*/*/')]
		if not d.is_symlink()) - (tree / WHOLE).exists()


def is_whole(tree: Path) -> bool:
	"""Whether an unpacked kernel is still what was unpacked."""
	try:
		return int((tree / WHOLE).read_text()) == count(tree)
	except (OSError, ValueError):
		return False


def debian(applies: Callable[[Path], bool]) -> Path:
	"""The directory of the default base, fetched if none is cached yet.

	@applies says whether our series applies to an unpacked candidate.
	"""
	bases = cache.directory() / 'base'
	with locks.locked(bases / '.lock'):
		for stale in bases.glob('.deb-*'):
			cache.remove(stale)
		kept = []
		for known in (p for p in bases.glob('linux-source-*') if p.is_dir()):
			if is_whole(known):
				kept.append(known)
			else:
				say(f'{known} is damaged: it is fetched again')
				cache.discard(known)
		if kept:
			return max(kept, key=lambda p: (version_key(p.name.split('_')[1]), p.name))
		apt = Apt()
		apt.update()
		offered = candidates(apt)
		for package, version in offered:
			into = bases / f'{package}_{version}'
			with tempfile.TemporaryDirectory(prefix='.deb-', dir=bases) as temp:
				say(f'fetching {package} {version} from the Debian mirror')
				apt.get('download', f'{package}={version}', cwd=Path(temp),
					label=f'fetching {package}')
				unpack(next(Path(temp).glob('*.deb')), into)
			if applies(into):
				return into
			say(f'the series does not apply to {package} {version}')
			cache.remove(into)
		raise Error('the series applies to none of the kernels that the mirror offers: '
			+ (', '.join(v for _, v in offered) or 'none is new enough'))


def tarball(archive: Path) -> Path:
	archive = Path(os.path.abspath(archive))
	if not archive.is_file():
		raise Error(f'KTARBALL={archive}: no such file')
	stat = archive.stat()
	into = cache.directory() / 'base' / '-'.join(
		('tarball', cache.safe_name(archive.name), str(stat.st_size), str(stat.st_mtime_ns)))
	with locks.locked(into.parent / '.lock'):
		if into.is_dir() and not is_whole(into):
			say(f'{into} is damaged: it is unpacked again')
			cache.discard(into)
		if not into.is_dir():
			unpack(archive, into)
	return into
