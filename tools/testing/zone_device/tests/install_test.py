# SPDX-License-Identifier: GPL-2.0
"""make install and make uninstall: what was there before is there afterwards,
whatever happens in between."""

import json
import os
import shutil
import subprocess
import unittest
from pathlib import Path
from unittest import mock

from helper import AS_NOBODY_SPECIAL, Case, contents, fake_kernel, REPO, snapshot

from host.messages import Error
from kernel import install, overlay


class Install(Case):
	def setUp(self) -> None:
		super().setUp()
		self.kdir = self.kernel()
		self.commit(self.kdir)
		self.before = contents(self.kdir)

	def status(self) -> str:
		return subprocess.run(['git', 'status', '--porcelain'], cwd=self.kdir, check=True,
			stdout=subprocess.PIPE, text=True).stdout

	def both(self) -> None:
		"""There and back again."""
		self.before = contents(self.kdir)
		done = self.make('install', KDIR=self.kdir)
		self.assertEqual(done.returncode, 0, done.stdout)
		self.assertNotEqual(contents(self.kdir), self.before)
		self.assertEqual(self.make('uninstall', KDIR=self.kdir).returncode, 0)
		self.assertEqual(contents(self.kdir), self.before)

	def refused(self, *words: str) -> None:
		before = snapshot(self.kdir)
		self.assertOneSentence(self.make('install', KDIR=self.kdir), *words)
		self.assertEqual(snapshot(self.kdir), before)

	def test_install_twice_and_uninstall_leaves_no_trace(self) -> None:
		self.assertEqual(self.make('install', KDIR=self.kdir).returncode, 0)
		self.assertIn('mm/tests/', self.status())
		once = snapshot(self.kdir / 'mm')
		self.assertIn('installed already', self.make('install', KDIR=self.kdir).stdout)
		self.assertEqual(snapshot(self.kdir / 'mm'), once)
		self.assertEqual(self.make('uninstall', KDIR=self.kdir).returncode, 0)
		self.assertEqual(contents(self.kdir), self.before)
		self.assertIn('nothing was installed', self.make('uninstall', KDIR=self.kdir).stdout)

	def test_every_byte_of_a_hooked_file(self) -> None:
		for content in (b'a\r\nb\r\n', b'no newline at the end', b'CRLF\r\nand none', b'caf\xe9\n', b'',
				b'\n\n', b'obj-y += x.o # ' + overlay.HOOKS['mm/Makefile'].encode() + b'\n'):
			for name in overlay.HOOKS:
				(self.kdir / name).write_bytes(content)
			before = contents(self.kdir)
			install.install(self.kdir)
			for name, line in overlay.HOOKS.items():
				self.assertEqual((self.kdir / name).read_bytes().splitlines()[-1], line.encode())
			install.uninstall(self.kdir)
			self.assertEqual(contents(self.kdir), before)
		self.both()

	def test_what_was_there_before(self) -> None:
		(self.kdir / 'mm/tests').mkdir()
		(self.kdir / 'tools/testing/zone_device').mkdir()
		with open(self.kdir / 'mm/Makefile', 'a') as makefile:
			makefile.write(overlay.HOOKS['mm/Makefile'] + '\n')
		name = next(iter(overlay.files()))
		(self.kdir / name).parent.mkdir(parents=True, exist_ok=True)
		shutil.copyfile(REPO / name, self.kdir / name)
		self.both()

	def test_a_hard_linked_copy_of_the_tree_stays_as_it_is(self) -> None:
		subprocess.run(['cp', '-al', self.kdir, self.dir / 'copy'], check=True)
		before = snapshot(self.dir / 'copy')
		self.both()
		self.assertEqual(snapshot(self.dir / 'copy'), before)

	@unittest.skipUnless(os.geteuid() == 0, 'only root can work on the tree of somebody else')
	def test_owner_and_mode(self) -> None:
		subprocess.run(['chown', '-R', '12345:54321', self.kdir], check=True)
		(self.kdir / 'mm/Makefile').chmod(0o640)
		self.both()
		install.install(self.kdir)
		owners = {(p.lstat().st_uid, p.lstat().st_gid) for p in self.kdir.rglob('*')}
		self.assertEqual(owners, {(12345, 54321)})
		self.assertEqual((self.kdir / 'mm/Makefile').stat().st_mode & 0o777, 0o640)

	def test_an_installed_tree_can_be_tested(self) -> None:
		install.install(self.kdir)
		os.environ['KDIR'] = str(self.kdir)
		made = self.prepare(series='none')
		self.assertEqual((made.src / 'mm/Kconfig').read_text().count('zone_device'), 1)

	def test_does_not_overwrite(self) -> None:
		name = next(iter(overlay.files()))
		(self.kdir / name).parent.mkdir(parents=True, exist_ok=True)
		(self.kdir / name).write_text('mine\n')
		self.refused('there already and differs')

	def test_files_and_links_in_the_way(self) -> None:
		(self.kdir / 'mm/tests').write_text('a file\n')
		self.refused('mm/tests is not a directory')
		(self.kdir / 'mm/tests').unlink()
		away = self.dir / 'away'
		away.mkdir()
		(self.kdir / 'mm/tests').symlink_to(away)
		self.refused('mm/tests is not a directory')
		self.assertEqual(list(away.iterdir()), [])
		(self.kdir / 'mm/tests').unlink()
		shutil.move(str(self.kdir / 'mm/Makefile'), away)
		(self.kdir / 'mm/Makefile').symlink_to(away / 'Makefile')
		self.refused('mm/Makefile is a link')
		(self.kdir / 'mm/Makefile').unlink()
		self.refused('has no mm/Makefile')

	def test_keeps_what_the_user_changed_since(self) -> None:
		install.install(self.kdir)
		with open(self.kdir / 'mm/Makefile', 'a') as makefile:
			makefile.write('obj-y += mine.o\n')
		changed = self.kdir / next(iter(overlay.files()))
		changed.write_text('mine\n')
		done = self.make('uninstall', KDIR=self.kdir)
		self.assertIn('was changed since it was installed and stays', done.stdout)
		self.assertEqual((self.kdir / 'mm/Makefile').read_text(),
			'obj-y += mm_init.o\nobj-y += mine.o\n')
		self.assertEqual(changed.read_text(), 'mine\n')

	def test_what_has_become_a_link_since(self) -> None:
		install.install(self.kdir)
		for name in ('mm/tests', 'mm/Makefile'):
			shutil.move(str(self.kdir / name), self.dir / Path(name).name)
			(self.kdir / name).symlink_to(self.dir / Path(name).name)
		before = snapshot(self.dir / 'tests'), snapshot(self.dir / 'Makefile')
		self.assertEqual(self.make('uninstall', KDIR=self.kdir).returncode, 0)
		self.assertEqual((snapshot(self.dir / 'tests'), snapshot(self.dir / 'Makefile')), before)

	def test_an_older_branch_is_checked_out(self) -> None:
		install.install(self.kdir)
		makefile = self.kdir / 'Makefile'
		text = makefile.read_text()
		makefile.write_text(text.replace('VERSION = 7', 'VERSION = 6').replace('PATCHLEVEL = 3', 'PATCHLEVEL = 6'))
		self.assertEqual(self.make('uninstall', KDIR=self.kdir).returncode, 0)
		makefile.write_text(text)
		self.assertEqual(contents(self.kdir), self.before)

	def test_another_version_of_the_suites(self) -> None:
		"""One with a file less and with another text in a file."""
		first, second, *rest = overlay.files().items()
		other = self.dir / 'other.c'
		other.write_text('other\n')
		with mock.patch.object(overlay, 'files', lambda: dict([(first[0], other), *rest])):
			install.install(self.kdir)
		self.refused('another version of the suites', 'make uninstall')
		self.assertEqual(self.make('uninstall', KDIR=self.kdir).returncode, 0)
		self.assertEqual(contents(self.kdir), self.before)

	def test_a_record_that_is_damaged_or_hostile(self) -> None:
		install.install(self.kdir)
		record = self.kdir / install.RECORD
		good = json.loads(record.read_text())
		for text in ('', '{', '[]', '{"files": {}}', '{"files": null, "hooks": {}, "directories": []}',
				json.dumps({**good, 'files': {**good['files'], '../victim': ''}}),
				json.dumps({**good, 'directories': [str(self.dir / 'victim')]}),
				json.dumps({**good, 'files': {'Makefile': ''}}), json.dumps({**good, 'hooks': {'mm/mm_init.c': 'line 5'}}),
				json.dumps({**good, 'hooks': {'mm/Makefile': 5}}), '[' * 100000):
			record.write_text(text)
			before = snapshot(self.kdir)
			for command in (install.install, install.uninstall):
				with self.assertRaisesRegex(Error, 'is damaged'):
					command(self.kdir)
			self.assertEqual(snapshot(self.kdir), before)
		self.assertOneSentence(self.make('uninstall', KDIR=self.kdir), 'is damaged')

	def test_read_only(self) -> None:
		os.chmod(self.kdir / 'mm', 0o555)
		self.addCleanup(os.chmod, self.kdir / 'mm', 0o755)
		before = snapshot(self.kdir)
		done = self.make('install', before=AS_NOBODY_SPECIAL, KDIR=self.kdir)
		self.assertOneSentence(done, 'read-only')
		self.assertEqual(snapshot(self.kdir), before)

	def test_needs_a_kernel(self) -> None:
		self.assertOneSentence(self.make('install'), 'KDIR=')
		self.assertOneSentence(self.make('install', KDIR=self.dir), 'is not a Linux kernel tree')
		self.assertOneSentence(self.make('uninstall', KDIR=self.dir / 'none'), 'no such')

	def test_a_fetched_kernel_stays_as_it_is(self) -> None:
		base = fake_kernel(self.cache / 'base/linux-source-7.3_7.3.4')
		before = snapshot(base)
		self.assertOneSentence(self.make('install', KDIR=base), 'a part of the cache')
		self.assertEqual(snapshot(base), before)


class CutOff(Case):
	"""Each write of an installation is the last, once."""

	def setUp(self) -> None:
		super().setUp()
		self.kdir = self.kernel()
		self.before = contents(self.kdir)

	def cut_off(self, when: int, how: BaseException) -> bool:
		calls = []
		write = os.replace

		def fail(*args: str) -> None:
			calls.append(args)
			if len(calls) == when:
				raise how
			write(*args)
		with mock.patch('os.replace', fail):
			try:
				install.install(self.kdir)
			except (OSError, KeyboardInterrupt):
				return True
		return False

	def test_failed_or_interrupted(self) -> None:
		for how in (OSError(28, 'No space left on device'), KeyboardInterrupt()):
			when = 1
			while self.cut_off(when, how):
				self.assertEqual(contents(self.kdir), self.before, when)
				when += 1
			self.assertGreater(when, len(overlay.files()) + len(overlay.HOOKS))
			install.uninstall(self.kdir)
			self.assertEqual(contents(self.kdir), self.before)

	def test_killed(self) -> None:
		"""Nothing is taken back then, but what is there says what to do."""
		when = 2
		while True:
			with mock.patch.object(install, '_take_back'):
				if not self.cut_off(when, KeyboardInterrupt()):
					break
			(self.kdir / 'mm/Makefile.zone_device-tmp').write_text('half of it')
			with self.assertRaisesRegex(Error, 'make uninstall'):
				install.install(self.kdir)
			install.uninstall(self.kdir)
			self.assertEqual(contents(self.kdir), self.before, when)
			when += 7
		self.assertGreater(when, len(overlay.files()))

	def test_uninstall_that_is_killed(self) -> None:
		install.install(self.kdir)
		with mock.patch.object(install, '_remove_empty', side_effect=KeyboardInterrupt):
			with self.assertRaises(KeyboardInterrupt):
				install.uninstall(self.kdir)
		install.uninstall(self.kdir)
		self.assertEqual(contents(self.kdir), self.before)

	def test_two_at_once(self) -> None:
		for _ in range(3):
			procs = [subprocess.Popen(['make', '-s', '-C', REPO, 'install'], stderr=subprocess.DEVNULL,
				env={**os.environ, 'KDIR': str(self.kdir)}) for _ in range(2)]
			self.assertEqual([p.wait() for p in procs], [0, 0])
			install.uninstall(self.kdir)
			self.assertEqual(contents(self.kdir), self.before)

	def test_killed_before_the_record_is_there(self) -> None:
		with mock.patch.object(install, '_take_back'):
			self.assertTrue(self.cut_off(1, KeyboardInterrupt()))
		added = set(contents(self.kdir)) - set(self.before)
		self.assertEqual(added, {str(Path(install.RECORD).parent)})
		(self.kdir / (install.RECORD + install.PARTIAL)).write_text('half of it')
		install.uninstall(self.kdir)
		self.assertEqual(contents(self.kdir), self.before)

	@unittest.skipUnless(shutil.which('unshare') and os.geteuid() == 0, 'mounting needs root')
	def test_a_nearly_full_disk(self) -> None:
		small = self.dir / 'small'
		small.mkdir()
		script = (f'mount -t tmpfs -o size={{size}}k none {small} && cp -a {self.kdir} {small}/linux && '
			f'find {small} -printf "%P %m %s\\n" | sort > {self.dir}/one; make -s -C {REPO} install '
			f'KDIR={small}/linux; echo status $?; find {small} -printf "%P %m %s\\n" | sort > {self.dir}/two')
		failed = 0
		for size in (120, 160, 200, 240, 280):
			done = subprocess.run(['unshare', '-m', 'sh', '-c', script.format(size=size)], text=True, check=False,
				stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
			if 'status 0' not in done.stdout:
				failed += 1
				self.assertIn('no space left on device', done.stdout)
				self.assertEqual((self.dir / 'one').read_text(), (self.dir / 'two').read_text(), size)
		self.assertGreater(failed, 0)


if __name__ == '__main__':
	unittest.main()
