# SPDX-License-Identifier: GPL-2.0
"""Reading series of every form, and applying them strictly."""

import contextlib
import email.message
import gzip
import io
import unittest
from pathlib import Path
from typing import Tuple

from helper import Case, MM_INIT, patch_text

from host.messages import Error
from kernel import series
from kernel.series import Patch


class Load(Case):
	def test_series_file_gives_the_order_and_may_have_comments(self) -> None:
		where = self.series(patch_text(5, 'a'), patch_text(15, 'b'))
		(where / 'series').write_text('# order\n0002-change.patch -p1 # second first\n\n0001-change.patch\n')
		self.assertEqual([p.name for p in series.load(where)], ['0002-change.patch', '0001-change.patch'])

	def test_directory_without_series_file_is_sorted(self) -> None:
		where = self.series(patch_text(5, 'a'), patch_text(15, 'b'))
		self.assertEqual([p.name for p in series.load(where)], ['0001-change.patch', '0002-change.patch'])

	def test_series_file_that_names_a_missing_patch(self) -> None:
		where = self.series(patch_text(5, 'a'))
		(where / 'series').write_text('0009-gone.patch\n')
		with self.assertRaisesRegex(Error, 'names 0009-gone.patch, which is not there'):
			series.load(where)

	def test_mbox_is_a_thread_in_any_order_with_cover_and_replies(self) -> None:
		def mail(subject: str, body: str) -> str:
			return f'From a@b Mon Sep 17 00:00:00 2001\nFrom: a@b\nSubject: {subject}\n\n{body}\n\n'
		box = self.dir / 'thread.mbox'
		quoted = ''.join(f'> {l}\n' for l in patch_text(5, 'a').splitlines())
		box.write_text(mail('[PATCH v4 0/2] cover', 'words') + mail('[PATCH v4 2/2] second', patch_text(15, 'b'))
			+ mail('Re: [PATCH v4 1/2] first', quoted + patch_text(5, 'wrong'))
			+ mail('[PATCH v4 1/2] first', patch_text(5, 'a')))
		self.assertEqual([p.name for p in series.load(box)],
			['"[PATCH v4 1/2] first"', '"[PATCH v4 2/2] second"'])

	def test_encoded_mail_is_decoded(self) -> None:
		box = self.dir / 'qp.mbox'
		body = patch_text(5, 'a = b').replace('=', '=3D')
		box.write_text('From a@b Mon Sep 17 00:00:00 2001\nSubject: =?utf-8?q?=5BPATCH=5D_caf=C3=A9?=\n'
			f'MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n'
			f'Content-Transfer-Encoding: quoted-printable\n\n{body}\n')
		patch, = series.load(box)
		self.assertEqual(patch.name, '"[PATCH] café"')
		self.assertIn(b'+a = b\n', patch.text)

	def raw(self, encoding: str, name: str = 'saved.eml') -> Path:
		"""One mail, as a mail program saves it: no From line, no .mbox."""
		mail = email.message.EmailMessage()
		mail['Subject'] = '[PATCH] one'
		mail.set_content(patch_text(5, 'a = b'), cte=encoding)
		where = self.dir / name
		where.write_bytes(bytes(mail))
		return where

	def test_one_mail_is_decoded_whatever_its_name(self) -> None:
		for encoding in ('quoted-printable', 'base64', '7bit'):
			for name in ('saved.eml', 'saved.patch', 'saved.mbox'):
				patch, = series.load(self.raw(encoding, name))
				self.assertIn(b'\n+a = b\n', patch.text, (encoding, name))
		where = self.dir / 'directory'
		where.mkdir()
		self.raw('base64').rename(where / '1.patch')
		self.assertIn(b'\n+a = b\n', series.load(where)[0].text)

	def thread(self, *mails: Tuple[str, str]) -> Path:
		box = self.dir / 'thread.mbox'
		box.write_text(''.join(f'From a@b Mon Sep 17 00:00:00 2001\nFrom: a@b\nSubject: {s}\n\n{b}\n\n'
			for s, b in mails))
		return box

	def test_patches_that_are_missing(self) -> None:
		one, two, three = (patch_text(n, 'a') for n in (5, 13, 21))
		box = self.thread(('[PATCH 1/3] a', one), ('[PATCH 3/3] c', three))
		with self.assertRaisesRegex(Error, r'lacks 2 of 3 patches'):
			series.load(box)
		box = self.thread(('[PATCH 1/3] a', one), ('[PATCH 2/3] b', 'no diff in here'), ('[PATCH 3/3] c', three))
		with self.assertRaisesRegex(Error, r'lacks 2 of 3 patches'):
			series.load(box)
		box = self.thread(('[PATCH 1/3] a', one), ('[PATCH 3/3] c', three), ('[PATCH 2/3] b', two))
		self.assertEqual(len(series.load(box)), 3)

	def test_a_patch_of_a_directory_that_is_empty(self) -> None:
		where = self.series(patch_text(5, 'a'), '', patch_text(15, 'b'))
		with self.assertRaisesRegex(Error, r'0002-change\.patch holds no patch'):
			series.load(where)

	def test_two_versions_of_a_series(self) -> None:
		box = self.thread(('[PATCH 1/2] a', patch_text(5, 'old')), ('[PATCH v10 2/2] b', patch_text(15, 'new')),
			('[PATCH v9 1/3] x', patch_text(5, 'x')), ('[PATCH v10 mm-new 1/2] a', patch_text(5, 'new')))
		with contextlib.redirect_stderr(io.StringIO()) as said:
			found = series.load(box)
		self.assertEqual([p.name for p in found], ['"[PATCH v10 mm-new 1/2] a"', '"[PATCH v10 2/2] b"'])
		self.assertIn('versions 1 and 9 and 10 of a series: 10 is taken', said.getvalue())

	def test_a_patch_that_is_there_twice(self) -> None:
		twice = ('[PATCH 1/1] a', patch_text(5, 'a'))
		self.assertEqual(len(series.load(self.thread(twice, twice))), 1)
		with self.assertRaisesRegex(Error, 'two patches 1/1 that differ'):
			series.load(self.thread(twice, ('[PATCH 1/1] a', patch_text(5, 'b'))))

	def test_a_sentence_that_starts_with_from(self) -> None:
		text = 'From here on it is simple.\nFrom what is known.\n' + patch_text(5, 'a')
		found = series.load(self.thread(('[PATCH 1/2] a', text), ('[PATCH 2/2] b', patch_text(15, 'b'))))
		self.assertEqual(len(found), 2)
		self.assertIn(b'From here on', found[0].text)

	def test_forms_that_cannot_be_applied(self) -> None:
		plain = patch_text(5, 'a')
		for text, words in ((plain.replace(' a/', ' ').replace(' b/', ' '), 'no a/ and b/ .*format-patch'),
				(f'{plain}diff --git a/x b/x\nBinary files a/x and b/x differ\n', 'binary'), ('words\n', 'no patch')):
			where = self.dir / 'one.patch'
			where.write_text(text)
			with self.assertRaisesRegex(Error, words):
				series.load(where)
		where.write_bytes(gzip.compress(plain.encode()))
		with self.assertRaisesRegex(Error, 'compressed by gzip: unpack it'):
			series.load(where)

	def test_a_directory_as_format_patch_makes_it(self) -> None:
		where = self.series('Subject: [PATCH 0/2] words\n\nno diff\n', 'Subject: [PATCH 1/2] a\n\n' + patch_text(5, 'a'),
			'Subject: [PATCH 2/2] b\n\n' + patch_text(15, 'b'))
		self.assertEqual([p.name for p in series.load(where)], ['0002-change.patch', '0003-change.patch'])
		(where / '0002-change.patch').unlink()
		with self.assertRaisesRegex(Error, 'lacks 1 of 2 patches'):
			series.load(where)

	def test_a_file_without_a_number_among_those_that_have(self) -> None:
		where = self.series('Subject: [PATCH 1/1] a\n\n' + patch_text(5, 'a'), 'Subject: [PATCH] b\n\n' + patch_text(15, 'b'))
		with self.assertRaisesRegex(Error, '0002-change.patch has no number in its subject.*"series"'):
			series.load(where)
		(where / 'series').write_text('0001-change.patch\n0002-change.patch\n')
		self.assertEqual(len(series.load(where)), 2)

	def test_a_cover_letter_that_shows_a_diff(self) -> None:
		box = self.thread(('[PATCH 0/1] words', patch_text(15, 'hack')), ('[PATCH 1/1] a', patch_text(5, 'a')))
		self.assertEqual([p.name for p in series.load(box)], ['"[PATCH 1/1] a"'])

	def test_what_has_no_number_among_those_that_have(self) -> None:
		box = self.thread(('[PATCH 1/1] a', patch_text(5, 'a')), ('[RFC] other', patch_text(15, 'b')))
		with contextlib.redirect_stderr(io.StringIO()) as said:
			self.assertEqual(len(series.load(box)), 1)
		self.assertIn('"[RFC] other" has no number and is left out', said.getvalue())

	def test_kinds_of_files_that_are_mixed(self) -> None:
		where = self.series(patch_text(5, 'a'))
		(where / '0002.diff').write_text(patch_text(15, 'b'))
		with self.assertRaisesRegex(Error, 'which kind is the series'):
			series.load(where)

	def test_a_series_file_that_wants_more(self) -> None:
		where = self.series(patch_text(5, 'a'))
		(where / 'series').write_text('0001-change.patch -R\n')
		with self.assertRaisesRegex(Error, 'says -R'):
			series.load(where)

	def test_several_mails_without_their_separators(self) -> None:
		where = self.dir / 'two.txt'
		where.write_text(''.join(f'From: a@b\nDate: x\nSubject: [PATCH {n}/2] a\n\n{patch_text(5 * n, "a")}\n'
			for n in (1, 2)))
		with self.assertRaisesRegex(Error, 'more than one mail'):
			series.load(where)

	def test_encodings_that_are_written_otherwise(self) -> None:
		for header in ('quoted-printable;', '"quoted-printable"', 'Quoted-Printable'):
			where = self.dir / 'odd.patch'
			where.write_text(f'Subject: x\nContent-Type: text/plain\nContent-Transfer-Encoding: {header}\n\n'
				+ patch_text(5, 'a = b').replace('=', '=3D'))
			self.assertIn(b'+a = b', series.load(where)[0].text, header)

	def test_subjects_that_cannot_be_decoded(self) -> None:
		for subject in (b'gr\xf6\xdfe', b'=?x-mac-foo?q?abc?=', b'=?utf-8?b?a?='):
			box = self.dir / 'odd.mbox'
			box.write_bytes(b''.join(b'From a@b Mon Sep 17 00:00:00 2001\nSubject: [PATCH %d/2] %s\n\n%s\n' % (
				n, subject, patch_text(5 * n, 'a').encode()) for n in (1, 2)))
			self.assertEqual(len(series.load(box)), 2)

	def test_a_series_file_that_is_not_utf8(self) -> None:
		where = self.series(patch_text(5, 'a'))
		(where / 'series').write_bytes(b'# caf\xe9\n0001-change.patch\n')
		self.assertEqual(len(series.load(where)), 1)
		(where / 'series').write_bytes(b'caf\xe9.patch\n')
		with self.assertRaisesRegex(Error, 'which is not there'):
			series.load(where)

	def test_one_patch_file(self) -> None:
		where = self.series(patch_text(5, 'a')) / '0001-change.patch'
		self.assertEqual([p.name for p in series.load(where)], ['0001-change.patch'])

	def test_nothing_there(self) -> None:
		with self.assertRaisesRegex(Error, 'no such file'):
			series.load(self.dir / 'none')
		(self.dir / 'empty').mkdir()
		with self.assertRaisesRegex(Error, 'holds no patch'):
			series.load(self.dir / 'empty')


class Apply(Case):
	def apply(self, *texts: str) -> Path:
		stage = self.dir / 'stage'
		stage.mkdir()
		patches = [series.Patch(f'{n}.patch', t.encode()) for n, t in enumerate(texts, 1)]
		self.touched = series.apply(patches, self.kernel(), stage)
		return stage

	def test_applies_in_order_with_offsets(self) -> None:
		stage = self.apply('--- a/mm/mm_init.c\n+++ b/mm/mm_init.c\n'
			'@@ -1,3 +1,4 @@\n line 1\n+new\n line 2\n line 3\n', patch_text(15, 'b'))
		text = (stage / 'mm/mm_init.c').read_text()
		self.assertEqual(text, MM_INIT.replace('line 2\n', 'new\nline 2\n')
			.replace('line 15\n', 'b\n'))
		self.assertEqual(self.touched, {'mm/mm_init.c'})

	def test_names_patch_and_file_that_do_not_fit(self) -> None:
		with self.assertRaisesRegex(Error, r'2\.patch does not apply to mm/mm_init\.c'):
			self.apply(patch_text(5, 'a'), patch_text(7, 'b'))

	def test_no_fuzz(self) -> None:
		with self.assertRaisesRegex(Error, 'does not apply to mm/mm_init.c'):
			self.apply(patch_text(9, 'a').replace(' line 6\n', ' line six\n'))

	def test_names_a_file_that_is_not_there(self) -> None:
		with self.assertRaisesRegex(Error, r'1\.patch does not apply: mm/gone\.c is not in the tree'):
			self.apply(patch_text(5, 'a', name='mm/gone.c'))

	def test_new_and_deleted_files(self) -> None:
		stage = self.apply('--- /dev/null\n+++ b/mm/new.c\n@@ -0,0 +1 @@\n+new\n'
			'--- a/scripts/tool\n+++ /dev/null\n@@ -1 +0,0 @@\n-#!/bin/sh\n')
		self.assertEqual((stage / 'mm/new.c').read_text(), 'new\n')
		self.assertFalse((stage / 'scripts/tool').exists())
		self.assertEqual(self.touched, {'mm/new.c', 'scripts/tool'})

	def test_rename(self) -> None:
		stage = self.apply('diff --git a/mm/mm_init.c b/mm/init.c\nsimilarity index 100%\n'
			'rename from mm/mm_init.c\nrename to mm/init.c\n')
		self.assertEqual((stage / 'mm/init.c').read_text(), MM_INIT)
		self.assertFalse((stage / 'mm/mm_init.c').exists())

	def test_applied_already(self) -> None:
		with self.assertRaisesRegex(Error, r'2\.patch does not apply to mm/mm_init\.c'):
			self.apply(patch_text(5, 'a'), patch_text(5, 'a'))

	def test_modes_empty_files_and_odd_names(self) -> None:
		stage = self.apply('diff --git a/scripts/tool b/scripts/tool\nold mode 100755\nnew mode 100644\n'
			'diff --git a/mm/empty.c b/mm/empty.c\nnew file mode 100644\nindex 0000000..e69de29\n'
			'diff --git "a/mm/caf\\303\\251.c" "b/mm/caf\\303\\251.c"\nnew file mode 100644\n--- /dev/null\n'
			'+++ "b/mm/caf\\303\\251.c"\n@@ -0,0 +1 @@\n+x\n')
		self.assertEqual((stage / 'scripts/tool').stat().st_mode & 0o111, 0)
		self.assertEqual((stage / 'mm/empty.c').read_text(), '')
		self.assertEqual((stage / 'mm/café.c').read_text(), 'x\n')
		self.assertEqual(self.touched, {'scripts/tool', 'mm/empty.c', 'mm/café.c'})

	def test_a_message_that_quotes_a_diff(self) -> None:
		quoted = ''.join(f'    {l}\n' for l in patch_text(5, 'quoted').splitlines())
		stage = self.apply(f'copy from the template by hand\n\n{quoted}\n{patch_text(15, "real")}')
		text = (stage / 'mm/mm_init.c').read_text()
		self.assertEqual(text, MM_INIT.replace('line 15\n', 'real\n'))
		self.assertEqual(self.touched, {'mm/mm_init.c'})

	def test_a_hunk_that_looks_like_a_header(self) -> None:
		stage = self.apply(patch_text(5, '-- a/other.c\n+++ b/other.c').replace('@@ -2,7 +2,7 @@', '@@ -2,7 +2,8 @@'))
		self.assertIn('-- a/other.c\n++ b/other.c\n', (stage / 'mm/mm_init.c').read_text())
		self.assertEqual(self.touched, {'mm/mm_init.c'})

	def test_in_somebodys_repository(self) -> None:
		(self.dir / 'file').write_text('x\n')
		self.commit(self.dir)
		stage = self.apply(patch_text(5, 'five'))
		self.assertIn('five', (stage / 'mm/mm_init.c').read_text())

	def test_outside_the_tree(self) -> None:
		with self.assertRaisesRegex(Error, 'outside the tree'):
			self.apply(patch_text(5, 'a', name='../etc/passwd'))

	def test_damaged(self) -> None:
		with self.assertRaisesRegex(Error, r'1\.patch cannot be applied: .*corrupt'):
			self.apply(patch_text(5, 'a').replace('@@ -2,7', '@@ -2,9'))


class Diff(unittest.TestCase):
	"""What a change is known by, wherever it came from."""

	def test_what_mail_and_git_add_does_not_count(self) -> None:
		body = '--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n'
		plain = Patch('p', f'diff --git a/f b/f\n{body}'.encode())
		for other in (f'Subject: x\n\n---\n f | 2 +-\n\ndiff --git a/f b/f\nindex 12ab..34cd 100644\n{body}-- \n2.39.5\n\n',
				f'diff --git a/f b/f\nindex 1234567890..abcdef1234\n{body}\n'):
			self.assertEqual(Patch('q', other.encode()).diff(), plain.diff(), other)

	def test_all_of_a_change_counts(self) -> None:
		one, other = (Patch('p', f'--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n x\n-- \n+{last}\n'.encode()) for last in ('foo', 'bar'))
		self.assertNotEqual(one.diff(), other.diff())


if __name__ == '__main__':
	unittest.main()
