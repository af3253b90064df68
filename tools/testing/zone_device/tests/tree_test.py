# SPDX-License-Identifier: GPL-2.0
"""Preparing trees: the source is never written to, and only what changed is
touched."""

import os
import subprocess
import time
import unittest
from pathlib import Path
from typing import Dict, Optional, Sequence, Union
from unittest import mock

from helper import Case, MM_INIT, patch_text, snapshot

from host import cache
from host.messages import Error
from kernel import mirror, overlay, source, tree


def dates(top: Path) -> Dict[str, int]:
	return {str(p.relative_to(top)): p.lstat().st_mtime_ns for p in top.rglob('*') if p.is_file()}


class Prepare(Case):
	def of(self, kdir: Path, series: Union[str, Path], upto: Optional[int] = None,
	       extra: Sequence[Path] = (), slot: Optional[str] = None) -> tree.Tree:
		os.environ['KDIR'] = str(kdir)
		return self.prepare(series, upto, extra, slot)

	def test_is_base_plus_series_plus_overlay(self) -> None:
		kdir = self.kernel()
		made = self.of(kdir, series=self.series(patch_text(5, 'five')))
		self.assertIn('five\n', (made.src / 'mm/mm_init.c').read_text())
		self.assertEqual((made.src / 'mm/Kconfig').read_text(),
			'endmenu\nsource "mm/tests/zone_device/Kconfig"\n')
		for name, path in overlay.files().items():
			self.assertEqual((made.src / name).read_bytes(), path.read_bytes())
		self.assertTrue(os.access(made.src / 'scripts/tool', os.X_OK))
		self.assertEqual(os.readlink(made.src / 'link'), 'Makefile')
		self.assertEqual(made.patched, {'mm/mm_init.c'})

	def test_what_instruments_need_is_there_only_where_they_look(self) -> None:
		kdir = self.kernel()
		for probes in (False, True, False):
			wanted = tree.plan(source.user_tree(str(kdir)), 'none', probes=probes)
			with tree.alone(wanted) as made:
				for name in overlay.files((overlay.PROBES,)):
					self.assertEqual((made.src / name).exists(), probes, name)
				for name, line in overlay.PROBE_HOOKS.items():
					self.assertEqual(line in (made.src / name).read_text(), probes, name)
				self.assertTrue((made.src / 'mm/tests/zone_device/model.c').is_file())

	def test_the_source_is_not_written_to(self) -> None:
		kdir = self.kernel()
		subprocess.run('git init -q && git add -A && git -c user.name=a -c user.email=a@b '
			'commit -qm a && echo changed >> mm/mm_init.c && touch mm/Makefile',
			shell=True, cwd=kdir, check=True)
		before = snapshot(kdir)
		made = self.of(kdir, series=self.series(patch_text(5, 'five')))
		(made.src / 'Kconfig').unlink()
		self.assertEqual(snapshot(kdir), before)
		# Uncommitted changes count.
		self.assertIn('changed\n', (made.src / 'mm/mm_init.c').read_text())

	def test_a_source_without_write_permission(self) -> None:
		kdir = self.kernel()
		subprocess.run(['chmod', '-R', 'a-w', kdir], check=True)
		self.addCleanup(lambda: subprocess.run(['chmod', '-R', 'u+w', kdir]))
		made = self.of(kdir, series=self.series(patch_text(5, 'five')))
		self.assertIn('five\n', (made.src / 'mm/mm_init.c').read_text())
		again = self.of(kdir, series='none')
		self.assertEqual((again.src / 'mm/mm_init.c').read_text(), MM_INIT)

	def test_nothing_changed_touches_nothing(self) -> None:
		kdir, series = self.kernel(), self.series(patch_text(5, 'five'))
		first = self.of(kdir, series=series)
		before = dates(first.src)
		second = self.of(kdir, series=series)
		self.assertEqual(dates(second.src), before)
		self.assertEqual(second.generation, first.generation)

	def test_one_changed_file_touches_one_file(self) -> None:
		kdir, series = self.kernel(), self.series(patch_text(5, 'five'))
		first = self.of(kdir, series=series)
		before = dates(first.src)
		(kdir / 'scripts/tool').write_text('#!/bin/sh\n:\n')
		second = self.of(kdir, series=series)
		after = dates(second.src)
		self.assertEqual({n for n in after if after[n] != before.get(n)}, {'scripts/tool'})
		self.assertNotEqual(second.generation, first.generation)

	def test_a_digest_is_of_the_contents(self) -> None:
		kdir = self.kernel()
		os.environ['KDIR'] = str(kdir)
		tool = kdir / 'scripts/tool'
		text, first = tool.read_text(), tree.digest(self.plan())
		os.utime(tool, (1, 1))
		self.assertEqual(tree.digest(self.plan()), first)
		for changed in ('another\n', text):
			tool.write_text(changed)
			self.assertEqual(tree.digest(self.plan()) == first, changed == text)
		tool.chmod(0o644)
		self.assertNotEqual(tree.digest(self.plan()), first)
		tool.chmod(0o755)
		# Another machine, where nothing is known of it.
		cache.set_directory(self.dir / 'other-cache')
		self.assertEqual(tree.digest(self.plan()), first)

	def test_another_last_patch_changes_no_commit_before_it(self) -> None:
		os.environ['KDIR'] = str(self.kernel())
		series = self.series(patch_text(5, 'five'), '')
		digests = []
		for last in ('fifteen', 'another'):
			(series / '0002-change.patch').write_text(patch_text(15, last))
			digests.append([tree.digest(self.plan(series, upto)) for upto in (0, 1, None)])
		self.assertEqual(digests[0][:2], digests[1][:2])
		self.assertNotEqual(digests[0][2], digests[1][2])
		# What the tip promises does count.
		other = tree.plan(source.user_tree(os.environ['KDIR']), series, 1, contract='streaming')
		self.assertNotEqual(tree.digest(other), digests[1][1])

	def test_an_older_file_gets_a_new_date(self) -> None:
		"""make compares dates only: a file that came from a backup must be
		newer than what was built from the one before."""
		kdir = self.kernel()
		self.of(kdir, series='none')
		then = time.time()
		(kdir / 'scripts/tool').write_text('older\n')
		os.utime(kdir / 'scripts/tool', (1, 1))
		made = self.of(kdir, series='none')
		self.assertGreaterEqual((made.src / 'scripts/tool').stat().st_mtime, then - 1)

	def test_added_and_removed_files(self) -> None:
		kdir = self.kernel()
		self.of(kdir, series='none')
		(kdir / 'mm/new.c').write_text('new\n')
		(kdir / 'scripts/tool').unlink()
		made = self.of(kdir, series='none')
		self.assertTrue((made.src / 'mm/new.c').exists())
		self.assertFalse((made.src / 'scripts/tool').exists())

	def test_one_place_turns_from_one_series_into_another(self) -> None:
		kdir = self.kernel()
		deletes = '--- a/scripts/tool\n+++ /dev/null\n@@ -1 +0,0 @@\n-#!/bin/sh\n'
		one = self.series(patch_text(5, 'five'), deletes, name='one')
		two = self.series(patch_text(15, 'fifteen'), name='two')
		first = self.of(kdir, series=one, slot='shared')
		self.assertFalse((first.src / 'scripts/tool').exists())
		old = (first.src / 'mm/mm_init.c').stat().st_mtime_ns
		second = self.of(kdir, series=two, slot='shared')
		self.assertEqual((second.src / 'mm/mm_init.c').read_text(),
			MM_INIT.replace('line 15\n', 'fifteen\n'))
		self.assertTrue((second.src / 'scripts/tool').exists())
		third = self.of(kdir, series='none', slot='shared')
		self.assertEqual((third.src / 'mm/mm_init.c').read_text(), MM_INIT)
		self.assertGreater((third.src / 'mm/mm_init.c').stat().st_mtime_ns, old)

	def test_trees_of_two_series_stand_side_by_side(self) -> None:
		kdir, series = self.kernel(), self.series(patch_text(5, 'five'), patch_text(15, 'b'))
		trees = [self.of(kdir, series='none'), self.of(kdir, series=series),
			self.of(kdir, series=series, upto=1)]
		self.assertEqual(len({t.dir for t in trees}), 3)
		self.assertNotIn('\nb\n', (trees[2].src / 'mm/mm_init.c').read_text())
		with self.assertRaisesRegex(Error, 'has 2 patches'):
			self.of(kdir, series=series, upto=3)

	def test_extra_patches_come_on_top(self) -> None:
		extra = self.dir / 'mutant.patch'
		extra.write_text(patch_text(15, 'mutant'))
		made = self.of(self.kernel(), series=self.series(patch_text(5, 'five')), extra=[extra])
		self.assertIn('five\n', (made.src / 'mm/mm_init.c').read_text())
		self.assertIn('mutant\n', (made.src / 'mm/mm_init.c').read_text())
		self.assertTrue(made.dir.name.endswith('+mutant'))

	def test_a_half_patched_tree_is_not_reused(self) -> None:
		kdir = self.kernel()
		good = self.series(patch_text(5, 'five'))
		first = self.of(kdir, series=good, slot='one')
		before = dates(first.src)
		bad = self.series(patch_text(9, 'nine'), patch_text(9, 'ten'), name='bad')
		with self.assertRaisesRegex(Error, r'0002-change\.patch does not apply to mm/mm_init\.c'):
			self.of(kdir, series=bad, slot='one')
		self.assertEqual(dates(first.src), before)
		self.assertFalse((first.dir / 'stage').exists())

	def test_what_a_build_left_in_the_source_stays_there(self) -> None:
		kdir = self.kernel()
		(kdir / '.gitignore').write_text('*.o\n.config\n/include/config/\n')
		(kdir / 'mm/mm_init.o').write_text('x')
		(kdir / '.config').write_text('x')
		(kdir / 'include/config').mkdir()
		(kdir / 'include/config/auto.conf').write_text('x')
		before = snapshot(kdir)
		made = self.of(kdir, series='none')
		for name in ('mm/mm_init.o', '.config', 'include/config'):
			self.assertFalse((made.src / name).exists(), name)
		self.assertTrue((made.src / 'mm/mm_init.c').exists())
		self.assertEqual(snapshot(kdir), before)

	def test_interrupted_copies_are_taken_up_again(self) -> None:
		kdir, series = self.kernel(), self.series(patch_text(5, 'five'))
		place = mirror._Place.put
		for when in (1, 5, 12):
			for changed in (False, True):
				calls = []
				def interrupt(*args: object, **kwargs: object) -> None:
					calls.append(args)
					if len(calls) > when:
						raise KeyboardInterrupt()
					place(*args, **kwargs)  # type: ignore[arg-type]
				if changed:
					for path in kdir.rglob('*.c'):
						path.write_text(path.read_text() + 'more\n')
				with mock.patch.object(mirror._Place, 'put', interrupt):
					try:
						self.of(kdir, series=series)
					except KeyboardInterrupt:
						pass
				made = self.of(kdir, series=series)
				wanted = (kdir / 'mm/mm_init.c').read_text().replace('line 5\n', 'five\n')
				self.assertEqual((made.src / 'mm/mm_init.c').read_text(), wanted)
				for path in kdir.rglob('*'):
					self.assertTrue((made.src / path.relative_to(kdir)).exists(), path)

	def test_features_decide_on_the_default_series(self) -> None:
		kdir = self.kernel()
		self.assertEqual(source.features(kdir), '')
		self.assertEqual(tree.series_path(source.user_tree(str(kdir))), source.OUR_SERIES)
		(kdir / 'include/linux/string.h').write_text(
			'static inline void memcpy_nt(void *d, const void *s, size_t n)\n{\n}\n'
			'#define memcpy_nt_drain() do { } while (0)\n')
		self.assertEqual(source.features(kdir), '-DZD_COPY=memcpy_nt -DZD_DRAIN=memcpy_nt_drain -DZD_CONTRACT=streaming')
		self.assertIsNone(tree.series_path(source.user_tree(str(kdir))))

	def test_a_copy_of_any_form(self) -> None:
		kdir = self.kernel()
		for form in ('void {}(void *d, const void *s, size_t n);', 'void *{}(void *d, const void *s, size_t n);',
				'extern void *{}(void *d, const void *s, size_t n);',
				'static __always_inline void {}(void *d, const void *s, size_t n)',
				'static inline void *{}(void *d, const void *s, size_t n)', '#define {}(d, s, n) memcpy(d, s, n)',
				'# define\t{}(d, s, n)\tmemcpy(d, s, n)', '#define {} memcpy', '# define {}\tmemcpy',
				'static __always_inline void\n{}(void *d, const void *s, size_t n)',
				'__always_inline static void {}(void *d, const void *s, size_t n)'):
			(kdir / 'include/linux/string.h').write_text(form.format('memcpy_nontemporal') + '\n')
			self.assertEqual(source.features(kdir), '-DZD_COPY=memcpy_nontemporal -DZD_CONTRACT=nontemporal', form)
		for no in ('\tmemcpy_nontemporal(d, s, n);', '/* memcpy_nontemporal() */', 'void memcpy_nontemporal2(void *d);',
				'#define memcpy_nontemporal2 memcpy', '#ifndef memcpy_nontemporal', '#if !defined(memcpy_nontemporal)',
				'#define other(d, s, n) memcpy_nontemporal(d, s, n)', 'EXPORT_SYMBOL(memcpy_nontemporal);'):
			(kdir / 'include/linux/string.h').write_text(no + '\n')
			self.assertEqual(source.features(kdir), '', no)

	def test_an_architecture_with_a_copy_of_its_own(self) -> None:
		kdir = self.kernel()
		copy = 'static inline void memcpy_nt(void *d, const void *s, size_t n)\n'
		(kdir / 'include/linux/string.h').write_text(copy)
		asm = kdir / 'arch/x86/include/asm'
		asm.mkdir(parents=True, exist_ok=True)
		(asm / 'string_64.h').write_text(copy)
		for arch, streams in (((), False), (('x86',), True), (('um',), False), (('arm64',), False)):
			flags = subprocess.run(['sh', source.FEATURES, kdir, *arch], check=True, text=True,
				stdout=subprocess.PIPE).stdout
			self.assertEqual('-DZD_STREAMS' in flags, streams, arch)
		for text, streams in (('\tmemcpy_nt(d, s, n);\n', False), ('/* as memcpy_nt() does */\n', False),
				(' * as memcpy_nt() does\n', False), ('SYM_FUNC_START(memcpy_nt)\n', True),
				('static __always_inline void\nmemcpy_nt(void *d)\n', True), ('#define memcpy_nt memcpy_nt\n', True)):
			where = kdir / 'arch/arm64/lib/memcpy.S'
			where.parent.mkdir(parents=True, exist_ok=True)
			where.write_text(text)
			flags = subprocess.run(['sh', source.FEATURES, kdir, 'arm64'], check=True, text=True,
				stdout=subprocess.PIPE).stdout
			self.assertEqual('-DZD_STREAMS' in flags, streams, text)


if __name__ == '__main__':
	unittest.main()
