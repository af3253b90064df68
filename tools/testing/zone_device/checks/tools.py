# SPDX-License-Identifier: GPL-2.0
"""This project's own tests, and the types of its Python."""

import shutil
import sys
import unittest
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, List, Tuple

from checks import Check
from guest.target import BENCH, Target, TRIED
from host import cache, files, lanes, process
from kernel.tree import Tree
from outcome import Outcome

HERE = Path(__file__).resolve().parents[1]


class _Result(unittest.TestResult):
	"""Remembers what passed, too, and says of each test what became of it: of two files
	that are run at a time the lines mix."""

	def __init__(self) -> None:
		super().__init__()
		self.good: List[str] = []

	@staticmethod
	def _say(test: unittest.TestCase, what: str) -> None:
		print(f'{test.id()}: {what}', file=sys.stderr, flush=True)

	def addSuccess(self, test: unittest.TestCase) -> None:
		super().addSuccess(test)
		self.good.append(test.id())
		self._say(test, 'ok')

	def addFailure(self, test: unittest.TestCase, err: Any) -> None:
		super().addFailure(test, err)
		self._say(test, 'FAILED')

	def addError(self, test: unittest.TestCase, err: Any) -> None:
		super().addError(test, err)
		self._say(test, 'FAILED')

	def addSkip(self, test: unittest.TestCase, reason: str) -> None:
		super().addSkip(test, reason)
		self._say(test, f'skipped: {reason}')


@dataclass
class _Said:
	"""What the tests of one file said."""
	good: List[str]
	failures: List[Tuple[str, List[str]]]
	skips: List[Tuple[str, str]]


def _file(path: Path) -> _Said:
	result = _Result()
	unittest.TestLoader().discover(str(path.parent), path.name).run(result)
	failures = [(test.id(), text.splitlines()) for test, text in (*result.failures, *result.errors)]
	failures += [(test.id(), ['it passed, and is marked as one that fails'])
		for test in result.unexpectedSuccesses]
	return _Said(result.good, failures, [(test.id(), reason) for test, reason in result.skipped])


def _run(check: str, pattern: str, at_once: int = 1) -> Outcome:
	# The largest first, which is not far from the longest.
	paths = sorted((HERE / 'tests').glob(pattern), key=lambda p: -p.stat().st_size)
	said = lanes.each({p.name: partial(_file, p) for p in paths}, at_once).values()
	good = [n for one in said for n in one.good]
	failures = [f for one in said for f in one.failures]
	skips = [s for one in said for s in one.skips]
	return Outcome(check, '', len(good), len(failures), len(skips), skips=skips, failures=failures,
		cases=[*((n, 'PASS') for n in good), *((n, 'FAIL') for n, _ in failures),
			*((n, 'SKIP') for n, _ in skips)])


class Tools(Check):
	name = 'tools'
	holds = False

	def depends_on(self) -> List[object]:
		"""What these tests read and no other outcome depends on."""
		read = [*sorted((HERE / 'ledgers').iterdir()), *sorted((HERE / 'docs').iterdir()),
			*(files.REPO / n for n in ('README.md', 'Makefile', '.kunitconfig', '.ci/run'))]
		return [[p.name, p.read_text()] for p in read if p.is_file()]

	def run(self, tree: Tree, target: Target) -> Outcome:
		return _run(self.name, '*_test.py', target.toolchain.jobs)


class Guests(Check):
	"""Guests that go wrong for real, and those of make bench."""

	name = 'guests'
	holds = False

	def depends_on(self) -> List[object]:
		return [t.config_options() for t in (BENCH, TRIED)]

	def run(self, tree: Tree, target: Target) -> Outcome:
		return _run(self.name, '*_guest.py')


class Types(Check):
	"""mypy --strict, on the tools and on their tests."""

	name = 'mypy'
	holds = False

	def run(self, tree: Tree, target: Target) -> Outcome:
		mypy = shutil.which('mypy')
		if not mypy:
			return Outcome(self.name, '', unknown='there is no mypy')
		log = cache.directory() / 'tmp/mypy.log'
		log.parent.mkdir(parents=True, exist_ok=True)
		cache.remove(log)
		status = process.run([mypy, '--strict', '--no-error-summary', f'--cache-dir={log.parent}/mypy', '__main__.py',
			*sorted(HERE.glob('tests/*.py'))], cwd=HERE, log=log, label='mypy')
		lines = [l for l in files.tail(log, 1000) if l.strip()]
		return Outcome(self.name, '', passed=int(not status), failed=int(bool(status)),
			failures=[('mypy --strict', lines)] if status else [], cases=[('mypy', 'FAIL' if status else 'PASS')])
