# SPDX-License-Identifier: GPL-2.0
"""The machine's own Debian mirror, asked for newer suites than the machine's,
without touching its apt lists."""

import contextlib
import re
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

from host import cache, files, process
from host.messages import Error, Full

# Where new kernels turn up. Aliases and code names both, as a mirror may have
# one and not the other; a suite that is absent costs one request.
SUITES = ['sid', 'forky', 'stable-backports', 'trixie-backports']


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
			done = files.size(cwd) + files.size(self.dir / 'archives/partial')
			return f'{done >> 20} MB, '
		cache.remove(self.log)
		if process.run(['apt-get', '-q', *self.options, *arguments], cwd=cwd, log=self.log,
				label=label, status=status):
			if files.disk_full(self.dir):
				raise Full(f'no space left on device ({self.dir})')
			errors = [l[2:].strip() for l in files.tail(self.log, 40) if l.startswith('E:')]
			# Addresses are of no use to the reader and may carry a password.
			why = re.sub(r'\S+://\S+\s*', '', errors[0]) if errors else 'no reason given'
			raise Error(f'apt-get {arguments[0]} failed: {why} (log: {self.log})')


def version_key(version: str) -> Tuple[int, ...]:
	return tuple(int(n) for n in re.findall(r'\d+', version.split('-')[0].split('~')[0]))
