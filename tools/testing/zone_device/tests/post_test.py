# SPDX-License-Identifier: GPL-2.0
"""make post: patches that git am takes, that add what the overlay adds, and that
know one series."""

import os
import re
import subprocess
import unittest
from pathlib import Path
from typing import List

from helper import Case

from checks.kunit import must_be_same
from host.messages import Error
from kernel import overlay, post, series
from outcome import Outcome

MAINTAINERS = '''List of maintainers

	M: *Mail* patches to

X86 VDSO
M:	A <a@b>
F:	arch/x86/

ZR36067 DRIVER
M:	A <a@b>
F:	drivers/z/

THE REST
M:	A <a@b>
F:	*
'''
COPY = '''Subject: a copy

---
--- a/include/linux/string.h
+++ b/include/linux/string.h
@@ -1 +1,3 @@
 void *memcpy(void);
+void {0}(void *dst, const void *src, size_t len);
+static inline void {0}_drain(void)
--\x20
2.39
'''


class Post(Case):
	def setUp(self) -> None:
		super().setUp()
		self.kdir = self.kernel()
		(self.kdir / 'MAINTAINERS').write_text(MAINTAINERS)

	def posted_with(self, copy: str) -> List[Path]:
		patches = series.load(self.series(COPY.format(copy), name=copy))
		return post.write(self.kdir, patches, self.dir / f'post-{copy}')

	def git_am(self, *patches: Path) -> None:
		subprocess.run(['sh', '-c', 'git init -q && git add -A && git commit -qm base && git am -q "$@"', 'sh',
			*patches], cwd=self.kdir, check=True, env={**os.environ, 'GIT_CONFIG_GLOBAL': '/dev/null',
			**{f'GIT_{who}_{what}': 'a@b' for who in ('AUTHOR', 'COMMITTER') for what in ('NAME', 'EMAIL')}})

	def test_git_am_makes_of_a_tree_what_the_overlay_does(self) -> None:
		self.git_am(*self.posted_with('memcpy_streaming'))
		for name, path in overlay.files().items():
			if name.startswith('tools/'):
				self.assertFalse((self.kdir / name).exists(), name)
			elif name != post.MAKEFILE:
				self.assertEqual((self.kdir / name).read_bytes(), path.read_bytes(), name)
		for name, line in overlay.HOOKS.items():
			self.assertIn(f'{line}\n', (self.kdir / name).read_text())
		self.assertTrue((self.kdir / 'mm/Kconfig').read_text().endswith('endmenu\n'))

	def test_the_names_are_those_of_the_series(self) -> None:
		for copy, contract in (('memcpy_streaming', 'streaming'), ('memcpy_nt', 'streaming')):
			first = self.posted_with(copy)[0].read_text()
			self.assertIn(f'Subject: [PATCH 1/2] lib: add KUnit tests for {copy}()\n', first)
			for flag in (f'-DZD_COPY={copy}', f'-DZD_DRAIN={copy}_drain', f'-DZD_CONTRACT={contract}'):
				self.assertIn(flag, first)
			self.assertNotIn('features.sh', first)

	def test_a_tree_is_asked_whether_it_has_the_copy(self) -> None:
		self.git_am(*self.posted_with('memcpy_streaming'))
		show = self.kdir / 'show.mk'
		show.write_text(f'cc-option =\ninclude {post.MAKEFILE}\nall:\n\t@echo "flags:$(subdir-ccflags-y)"\n')

		def flags() -> str:
			return subprocess.run(['make', '-s', '-f', 'show.mk', 'srctree=.', 'SRCARCH=x86'],
				cwd=self.kdir, check=True, stdout=subprocess.PIPE).stdout.decode().strip()
		self.assertEqual(flags(), 'flags:')
		with open(self.kdir / 'include/linux/string.h', 'a') as header:
			header.write('void memcpy_streaming(void);\n')
		self.assertEqual(flags(), 'flags:-DZD_COPY=memcpy_streaming -DZD_DRAIN=memcpy_streaming_drain '
			'-DZD_CONTRACT=streaming')
		asm = self.kdir / 'arch/x86/include/asm'
		asm.mkdir(parents=True, exist_ok=True)
		(asm / 'string_64.h').write_text('void memcpy_streaming_more(void);\n\tmemcpy_streaming(d);\n')
		self.assertNotIn('ZD_STREAMS', flags())
		(asm / 'string_64.h').write_text('void memcpy_streaming(void);\n')
		self.assertIn('-DZD_CONTRACT=streaming -DZD_STREAMS', flags())

	def test_maintainers(self) -> None:
		self.git_am(*self.posted_with('memcpy_streaming'))
		text = (self.kdir / 'MAINTAINERS').read_text()
		self.assertEqual(re.findall(r'^[A-Z][A-Z0-9_ ]+$', text, re.M),
			['X86 VDSO', post.ENTRY, 'ZR36067 DRIVER', 'THE REST'])
		entry = text.split(f'{post.ENTRY}\n')[1].split('\n\n')[0]
		areas = re.findall(r'^F:\t(.*)$', entry, re.M)
		self.assertEqual(areas, sorted(areas))
		for name in overlay.files():
			if not name.startswith('tools/'):
				self.assertEqual(len([a for a in areas if name.startswith(a)]), 1, name)

	def test_what_is_there_and_differs_stays(self) -> None:
		written = self.posted_with('memcpy_streaming')
		self.assertEqual(self.again(), written)
		written[0].write_text('edited')
		with self.assertRaisesRegex(Error, 'is there already and differs'):
			self.again()
		self.assertEqual(written[0].read_text(), 'edited')

	def test_nothing_is_written_behind_a_link(self) -> None:
		first = self.posted_with('memcpy_streaming')[0]
		elsewhere = self.dir / 'elsewhere'
		for there in (True, False):
			first.unlink()
			first.symlink_to(elsewhere)
			if there:
				elsewhere.write_text('mine')
			with self.assertRaisesRegex(Error, 'is a link'):
				self.again()
			self.assertEqual(elsewhere.exists(), there)
			elsewhere.unlink(missing_ok=True)

	def again(self) -> List[Path]:
		return post.write(self.kdir, series.load(self.dir / 'memcpy_streaming'), self.dir / 'post-memcpy_streaming')

	def test_without_a_copy_there_is_nothing_to_post(self) -> None:
		with self.assertRaisesRegex(Error, 'no streaming copy'):
			post.write(self.kdir, [], self.dir / 'post')
		self.assertFalse((self.dir / 'post').exists())

	def test_what_is_posted_must_have_the_same_results(self) -> None:
		suites = Outcome('kunit', 'x86_64', passed=2, cases=[('a', 'PASS'), ('b', 'PASS')])
		same = Outcome('posted', 'x86_64', passed=2, cases=[('b', 'PASS'), ('a', 'PASS')])
		skips = Outcome('posted', 'x86_64', passed=1, skipped=1, cases=[('a', 'PASS'), ('b', 'SKIP')])
		must_be_same([suites, same, skips])
		self.assertTrue(same.ok)
		self.assertIn('b SKIP', skips.problem)


if __name__ == '__main__':
	unittest.main()
