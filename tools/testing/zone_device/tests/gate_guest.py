# SPDX-License-Identifier: GPL-2.0
"""make gate, refused for our own series on a real kernel. Run by make check, which
has one by then."""

import tempfile
import unittest
from pathlib import Path

from helper import asked

from gate import gate
from guest.target import MAIN
from host.messages import Error
from kernel import source
from options import Options


class OurSeries(unittest.TestCase):
	def test_with_two_of_its_patches_swapped(self) -> None:
		names = [l for l in (source.OUR_SERIES / 'series').read_text().splitlines() if l]
		names[3], names[4] = names[4], names[3]
		with tempfile.TemporaryDirectory() as temp, asked(MAIN) as (tree, _):
			if not source.applies(tree.source.path):
				self.skipTest('our series does not apply to this kernel, as it is')
			for name in names:
				(Path(temp) / name).write_bytes((source.OUR_SERIES / name).read_bytes())
			(Path(temp) / 'series').write_text('\n'.join(names))
			with self.assertRaisesRegex(Error, f'patch {names[3]} does not apply to mm/mm_init.c'):
				gate._plans(Options(kdir=str(tree.source.path), series=temp))


if __name__ == '__main__':
	unittest.main()
