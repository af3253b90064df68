# SPDX-License-Identifier: GPL-2.0
"""Which kernel to start from: the user's tree or tarball, else a fetched one."""

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Optional, Tuple

from host import cache, process
from host.files import REPO
from host.messages import Error
from kernel import base, series as patches

SERIES = REPO / 'series'
# The one of them that is applied unless another is asked for.
OUR_SERIES = SERIES / 'streaming'
# A port is that one and a patch more; these are no proposals, but there to be tested.
PORTS = REPO / 'tools/testing/zone_device/ports'
FEATURES = REPO / 'tools/testing/zone_device/features.sh'


@dataclass(frozen=True)
class Source:
	"""A kernel tree to start from."""
	path: Path
	# What names it to the user, and what the cache knows it by.
	name: str
	key: str
	# One in the cache never changes; a user's tree is looked at on each run.
	cached: bool = False


def kernel_version(path: Path) -> Optional[Tuple[int, int]]:
	if not (path / 'Makefile').is_file():
		return None
	try:
		with open(path / 'Makefile', errors='replace') as makefile:
			head = makefile.read(2000)
	except OSError:
		return None
	match = re.search(r'^VERSION = (\d+)\nPATCHLEVEL = (\d+)', head, re.M)
	return (int(match.group(1)), int(match.group(2))) if match else None


def ours() -> Dict[str, Path]:
	"""Series and ports that come with this project, by name."""
	return {where.name: where for kind in (SERIES, PORTS) for where in sorted(kind.iterdir())}


def must_be_kernel(path: Path, name: str) -> Tuple[int, int]:
	if not path.is_dir():
		raise Error(f'{name}: no such directory')
	version = kernel_version(path)
	if not version or not (path / 'mm').is_dir():
		raise Error(f'{name} is not a Linux kernel tree')
	oldest = '.'.join(map(str, base.OLDEST))
	if version < base.OLDEST:
		raise Error(f'{name} is Linux {version[0]}.{version[1]}, too old: '
			f'the suites need {oldest} or newer')
	for needed in ('mm/mm_init.c', 'tools/testing/kunit/kunit.py'):
		if not (path / needed).is_file():
			raise Error(f'{name} is not a complete kernel tree: it has no {needed}')
	return version


def features(path: Path) -> str:
	"""What a tree has of the series, as compiler flags."""
	return process.output(['sh', FEATURES, path]).strip()


def user_tree(kdir: str) -> Source:
	path = Path(os.path.realpath(cache.expand('KDIR', kdir)))
	must_be_kernel(path, f'KDIR={kdir}')
	digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
	return Source(path, f'KDIR={kdir}', f'{cache.safe_name(path.name)}-{digest}')


def applies(path: Path) -> bool:
	series = patches.load(OUR_SERIES)
	with tempfile.TemporaryDirectory() as temp:
		try:
			patches.apply(series, path, Path(temp))
		except Error:
			return False
	return True


def of_release(name: str) -> Source:
	"""The newest kernel of a release that the mirror offers."""
	path = base.release(name)
	must_be_kernel(path, path.name)
	return Source(path, path.name, path.name, cached=True)


def chosen(kdir: str = '', archive: str = '') -> Source:
	"""The source that KDIR= or KTARBALL= names, else the default one."""
	if kdir and archive:
		raise Error('KDIR= and KTARBALL= are both given: which one?')
	if kdir:
		return user_tree(kdir)
	path = base.tarball(cache.expand('KTARBALL', archive)) if archive else base.debian(applies)
	name = f'KTARBALL={archive}' if archive else path.name
	must_be_kernel(path, name)
	return Source(path, name, path.name, cached=True)
