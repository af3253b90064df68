# SPDX-License-Identifier: GPL-2.0
"""Finding a mirror and a kernel on it, with an apt-get that plays one; and
unpacking what came."""

import os
import shutil
import subprocess
import unittest
from pathlib import Path
from unittest import mock

from front_test import works
from helper import Case, fake_kernel, Front, patch_text

from host.messages import Error
from kernel import apt, source

APT = '''#!/bin/sh
for a; do case $a in
	*Dir::State::Lists=*) lists=${{a#*=}};;
	*=*) want=${{a#*=}};;
esac; done
case "$*" in
*" update")
	[ -e {dir}/offline ] && {{ echo "E: no"; exit 100; }}
	echo > $lists/m_dists_sid_InRelease
	cp {dir}/Packages $lists/m_dists_sid_main_binary-amd64_Packages
	# An absent suite is an error to apt-get; the others' lists are there.
	exit 100;;
*" download "*)
	echo $want >> {dir}/downloads
	cp {dir}/$want.deb .
	[ "$FAKE_SLOW" = fetch ] && {{ touch ./reached; sleep 600; }}
	exit 0;;
esac
'''


class Mirror(Case):
	def etc(self, **files: str) -> Path:
		for name, text in files.items():
			path = self.dir / 'etc' / name.replace('__', '/').replace('_', '.')
			path.parent.mkdir(parents=True, exist_ok=True)
			path.write_text(text)
		return self.dir / 'etc'

	def setUp(self) -> None:
		super().setUp()
		release = mock.patch.object(apt, '_os_release', return_value={'VERSION_CODENAME': 'bookworm'})
		release.start()
		self.addCleanup(release.stop)

	def test_one_line_list(self) -> None:
		etc = self.etc(sources_list='# deb http://old/debian bookworm main\n'
			'deb cdrom:[x]/ bookworm main\n'
			'deb http://s/debian-security bookworm-security main\n'
			'deb [arch=amd64 signed-by=/k.gpg] http://m/debian bookworm main contrib\n')
		self.assertEqual(apt.mirror(etc), '[arch=amd64 signed-by=/k.gpg] http://m/debian')

	def test_deb822(self) -> None:
		etc = self.etc(**{'sources.list.d__debian_sources':
			'Types: deb\nURIs: http://other/apt\nSuites: stable-x\nComponents: main\n\n'
			'Types: deb deb-src\n# a comment\nURIs: http://m/debian\n'
			'Suites: bookworm\n bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n'})
		self.assertEqual(apt.mirror(etc), '[signed-by=/k.gpg] http://m/debian')

	def test_disabled_or_none(self) -> None:
		etc = self.etc(**{'sources.list.d__debian_sources': 'Types: deb\nEnabled: no\n'
			'URIs: http://m/debian\nSuites: bookworm\nComponents: main\n'})
		with self.assertRaisesRegex(Error, 'KDIR= or KTARBALL='):
			apt.mirror(etc)

	def test_versions_are_compared_as_numbers(self) -> None:
		self.assertGreater(apt.version_key('7.10.1-1'), apt.version_key('7.9.20-1~bpo13+1'))


def deb(where: Path, kernel: Path, package: str) -> Path:
	"""A Debian package of @kernel's sources, as Debian lays it out."""
	root = where / 'root'
	(root / 'usr/src').mkdir(parents=True)
	(root / 'DEBIAN').mkdir()
	(root / 'DEBIAN/control').write_text(f'Package: {package}\nVersion: 1\nArchitecture: all\n'
		'Maintainer: a <a@b>\nDescription: x\n')
	subprocess.run(['tar', '-cJf', root / f'usr/src/{package}.tar.xz', '-C', kernel.parent,
		kernel.name], check=True)
	made = where / f'{package}.deb'
	subprocess.run(['dpkg-deb', '-b', root, made], check=True, stdout=subprocess.DEVNULL)
	shutil.rmtree(root)
	return made


@unittest.skipUnless(works('dpkg-deb', '--version'), 'there is no dpkg-deb')
class Fetch(Front):
	"""With two kernels on offer, of which the series fits the older."""

	def setUp(self) -> None:
		super().setUp()
		self.play = self.dir / 'play'
		self.play.mkdir()
		bin = self.dir / 'bin'
		bin.mkdir()
		(bin / 'apt-get').write_text(APT.format(dir=self.play))
		(bin / 'apt-get').chmod(0o755)
		os.environ['PATH'] = f'{bin}:{os.environ["PATH"]}'
		stanzas = ''
		for release, version, mm_init in (('7.3', '7.3.4-1', 'other\n'), ('7.2', '7.2.13-1', None),
				('7.2', '7.2.9-1', None), ('6.12', '6.12.1-1', None)):
			kernel = fake_kernel(self.dir / version / f'linux-source-{release}')
			if mm_init:
				(kernel / 'mm/mm_init.c').write_text(mm_init)
			made = deb(self.play, kernel, f'linux-source-{release}')
			made.rename(self.play / f'{version}.deb')
			stanzas += f'Package: linux-source-{release}\nVersion: {version}\n\n'
		(self.play / 'Packages').write_text(f'Package: linux-source-7.3-rt\nVersion: 7.3.4-1\n\n{stanzas}')

	def downloads(self) -> str:
		return str((self.play / 'downloads').read_text().split())

	def test_newest_that_the_series_applies_to(self) -> None:
		series = self.series(patch_text(5, 'five'))
		with mock.patch.object(source, 'OUR_SERIES', series):
			found = source.chosen()
			self.assertEqual(found.name, 'linux-source-7.2_7.2.13-1')
			self.assertEqual(self.downloads(), "['7.3.4-1', '7.2.13-1']")
			# What is there is not fetched again, network or not.
			(self.play / 'offline').write_text('')
			self.assertEqual(source.chosen(), found)
		self.assertEqual([p.name for p in (self.cache / 'base').iterdir() if p.name != '.lock'],
			['linux-source-7.2_7.2.13-1'])

	def test_one_release(self) -> None:
		found = source.of_release('7.3')
		self.assertEqual((found.name, self.downloads()), ('release-linux-source-7.3_7.3.4-1', "['7.3.4-1']"))
		with mock.patch.object(source, 'OUR_SERIES', self.series(patch_text(5, 'five'))):
			# It does not count for the newest one that the series applies to.
			self.assertEqual(source.chosen().name, 'linux-source-7.2_7.2.13-1')
		(found.path / 'Makefile').unlink()
		self.assertEqual(source.of_release('7.3'), found)
		self.assertTrue((found.path / 'Makefile').exists())
		(self.play / 'offline').write_text('')
		self.assertEqual(source.of_release('7.3'), found)

	def test_a_release_that_is_not_offered(self) -> None:
		with self.assertRaisesRegex(Error, 'offers no linux-source-7.4: give that kernel by KTARBALL='):
			source.of_release('7.4')

	def test_none_fits(self) -> None:
		with mock.patch.object(source, 'OUR_SERIES', self.series(patch_text(5, 'a'), patch_text(5, 'b'))):
			with self.assertRaisesRegex(Error, 'applies to none .*: 7.3.4-1, 7.2.13-1$'):
				source.chosen()

	def test_no_network_and_nothing_cached(self) -> None:
		(self.play / 'offline').write_text('')
		self.assertOneSentence(self.kunit(KDIR=''), 'cannot be reached', 'KDIR= or KTARBALL=')

	def test_interrupted_while_fetching(self) -> None:
		self.interrupt('cache/base/.deb-*/reached', KDIR='', FAKE_SLOW='fetch')
		self.assertEqual(list(self.cache.glob('base/linux*')), [])
		with mock.patch.object(source, 'OUR_SERIES', self.series(patch_text(5, 'five'))):
			self.assertEqual(source.chosen().name, 'linux-source-7.2_7.2.13-1')
		self.assertEqual(list(self.cache.glob('base/.deb-*')), [])
		self.assertWorks(KDIR='')

	def test_tarballs(self) -> None:
		self.assertWorks(KDIR='', KTARBALL=self.play / '7.2.13-1.deb')
		plain = self.dir / 'linux.tar.gz'
		subprocess.run(['tar', '-czf', plain, '-C', self.dir, 'linux'], check=True)
		self.assertWorks(KDIR='', KTARBALL=plain)

	def test_bad_tarballs(self) -> None:
		self.assertOneSentence(self.kunit(KDIR='', KTARBALL='gone.tar.xz'), 'no such file')
		(self.dir / 'bad.tar.xz').write_text('no tarball')
		self.assertOneSentence(self.kunit(KDIR='', KTARBALL=self.dir / 'bad.tar.xz'), 'cannot be unpacked')
		(self.dir / 'other').mkdir()
		other = self.dir / 'other.tar.gz'
		subprocess.run(['tar', '-czf', other, '-C', self.dir, 'other'], check=True)
		self.assertOneSentence(self.kunit(KDIR='', KTARBALL=other), 'not a Linux kernel tree')
		self.assertEqual([p.name for p in self.cache.glob('base/.unpack*')], [])


if __name__ == '__main__':
	unittest.main()
