# SPDX-License-Identifier: GPL-2.0
"""The kernel that is tested where the user names none: the newest source
package of the machine's own Debian mirror that the series applies to."""

import hashlib
import os
import re
import shlex
import tempfile
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from host import cache, files, locks, process
from host.messages import Error, Full, say
from kernel.apt import Apt, version_key

PACKAGE = re.compile(r'linux-source-(\d+)\.(\d+)$')
# The oldest kernel that the series, and so the suites, were written for.
OLDEST = (7, 1)
# In an unpacked kernel: how much of it there is to be.
WHOLE = '.zone_device-whole'


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
			lines = [l for l in files.tail(log) if l.strip()]
			full = files.disk_full(temp) or any('No space left' in l for l in lines)
			why = 'no space left on device' if full else lines[0] if lines else 'it is empty'
			raise (Full if full else Error)(f'{archive.name} cannot be unpacked: {why}')
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


def _kept(bases: Path, pattern: str) -> Optional[Path]:
	"""The newest that is cached. One that is damaged goes, and so does what is left of
	a fetch that was interrupted."""
	for stale in bases.glob('.deb-*'):
		cache.remove(stale)
	whole = []
	for known in (p for p in bases.glob(pattern) if p.is_dir()):
		if is_whole(known):
			whole.append(known)
		else:
			say(f'{known} is damaged: it is fetched again')
			cache.discard(known)
	return max(whole, key=lambda p: (version_key(p.name.split('_')[1]), p.name)) if whole else None


def debian(applies: Callable[[Path], bool]) -> Path:
	"""The directory of the default base, fetched if none is cached yet.

	@applies says whether our series applies to an unpacked candidate.
	"""
	bases = cache.directory() / 'base'
	with locks.locked(bases / '.lock'):
		kept = _kept(bases, 'linux-source-*')
		if kept:
			return kept
		apt = Apt()
		apt.update()
		offered = candidates(apt)
		for package, version in offered:
			into = bases / f'{package}_{version}'
			_fetch(apt, package, version, into)
			if applies(into):
				return into
			say(f'the series does not apply to {package} {version}')
			cache.remove(into)
		raise Error('the series applies to none of the kernels that the mirror offers: '
			+ (', '.join(v for _, v in offered) or 'none is new enough'))


def _fetch(apt: Apt, package: str, version: str, into: Path) -> None:
	with tempfile.TemporaryDirectory(prefix='.deb-', dir=into.parent) as temp:
		say(f'fetching {package} {version} from the Debian mirror')
		apt.get('download', f'{package}={version}', cwd=Path(temp), label=f'fetching {package}')
		unpack(next(Path(temp).glob('*.deb')), into)


def release(name: str) -> Path:
	"""The directory of the newest package of one release, as 7.2, fetched if none is
	cached yet. Its name is not one that debian() takes for its own."""
	bases = cache.directory() / 'base'
	with locks.locked(bases / '.lock'):
		kept = _kept(bases, f'release-linux-source-{name}_*')
		if kept:
			return kept
		apt = Apt()
		apt.update()
		for package, version in candidates(apt):
			if package == f'linux-source-{name}':
				into = bases / f'release-{package}_{version}'
				_fetch(apt, package, version, into)
				return into
	raise Error(f'the Debian mirror offers no linux-source-{name}: give that kernel by KTARBALL=')


def tarball(archive: Path) -> Path:
	archive = Path(os.path.abspath(archive))
	if not archive.is_file():
		raise Error(f'KTARBALL={archive}: no such file')
	stat = archive.stat()
	# The place too: two may have one name, and one date.
	digest = hashlib.sha256(os.fsencode(os.path.realpath(archive))).hexdigest()[:8]
	into = cache.directory() / 'base' / '-'.join(
		('tarball', cache.safe_name(archive.name), digest, str(stat.st_size), str(stat.st_ctime_ns)))
	with locks.locked(into.parent / '.lock'):
		if into.is_dir() and not is_whole(into):
			say(f'{into} is damaged: it is unpacked again')
			cache.discard(into)
		if not into.is_dir():
			unpack(archive, into)
	return into
