# SPDX-License-Identifier: GPL-2.0
"""The guests of make bench, for real and as small as can be: that there is
something to time, and that it is not silently nothing. They are tried in a kernel that
is built for the suites; the one that make bench times is only configured."""

import contextlib
import dataclasses
import io
import json
import unittest
from typing import List
from unittest import mock

from helper import asked

from bench import guests as guest, result as bench_result, watch
from bench.model import NAMESPACES, REVIEWED, Sample
from bench.watch import Watcher
from checks import cost
from guest import build
from guest.target import BENCH, Target, TRIED
from host.messages import Error
from kernel.tree import Tree

SIZE = guest.GIB
ROUNDS = 2


class Guest(unittest.TestCase):
	tree: Tree
	target: Target

	@classmethod
	def setUpClass(cls) -> None:
		stack = contextlib.ExitStack()
		cls.addClassCleanup(stack.close)
		cls.tree, cls.target = stack.enter_context(asked(TRIED))
		build.build(cls.tree, cls.target)

	def test_what_is_timed_can_be_configured(self) -> None:
		build.configure(self.tree, dataclasses.replace(BENCH, toolchain=self.target.toolchain))

	def samples(self, log: List[str]) -> List[Sample]:
		return bench_result.read(log, 'series', 0)

	def test_namespaces(self) -> None:
		watcher = Watcher()
		# On a fast machine a guest is gone before the second look.
		with mock.patch.object(watch, 'LOOK_SECONDS', 0.1):
			found = self.samples(guest.namespaces(self.tree, self.target, SIZE, ROUNDS, watcher))
		self.assertEqual([(s.experiment, s.round) for s in found],
			[(e, n) for e in NAMESPACES.values() for n in range(ROUNDS + 1)])
		for sample in found:
			assert sample.whole_ns
			self.assertGreater(sample.whole_ns, sample.loop_ns, sample)
		# Only a guest that is seen can be said to have huge pages.
		self.assertGreater(watcher.resident, 64 << 20)

	def test_namespaces_that_cannot_be_made(self) -> None:
		qemu = guest.namespace_qemu
		out = io.StringIO()
		with mock.patch.object(guest, 'namespace_qemu', lambda *a: qemu(*a)[:-4]), contextlib.redirect_stdout(out):
			with self.assertRaisesRegex(Error, 'a guest did not do what was to be timed'):
				guest.namespaces(self.tree, self.target, SIZE, 1, Watcher())
		self.assertIn('ndctl create-namespace --mode=devdax', out.getvalue())

	def test_kinds(self) -> None:
		found = self.samples(guest.kinds(self.tree, self.target, SIZE, 1, Watcher()))
		names = list(dict.fromkeys(s.experiment for s in found))
		self.assertEqual(names, list(json.loads((cost.BUDGETS / 'streaming.json').read_text())['costs'][cost.LOOP]))
		self.assertEqual(names[0], REVIEWED)
		for name in names:
			rounds = [s.round for s in found if s.experiment == name]
			self.assertEqual(rounds, [0, 1], name)
		# Where none can be mapped there is no time of a mapping either.
		self.assertEqual({s.experiment for s in found if not s.whole_ns},
			{n for n in names if n.endswith('full')})


if __name__ == '__main__':
	unittest.main()
