# SPDX-License-Identifier: GPL-2.0
"""This project's own tests, and the types of its Python."""

import shutil
import sys
import unittest
from pathlib import Path
from typing import List

from checks import Check
from guest.target import BENCH, Target
from host import cache, files, process
from kernel.tree import Tree
from outcome import Outcome

HERE = Path(__file__).resolve().parents[1]


class _Result(unittest.TextTestResult):
	"""Remembers what passed, too."""

	def __init__(self, *args: object, **kwargs: object) -> None:
		super().__init__(*args, **kwargs)  # type: ignore[arg-type]
		self.good: List[str] = []

	def addSuccess(self, test: unittest.TestCase) -> None:
		super().addSuccess(test)
		self.good.append(test.id())


def _run(check: str, pattern: str) -> Outcome:
	tests = unittest.TestLoader().discover(str(HERE / 'tests'), pattern)
	result = unittest.TextTestRunner(sys.stderr, verbosity=2, resultclass=_Result).run(tests)
	assert isinstance(result, _Result)
	bad = [*result.failures, *result.errors]
	failures = [(test.id(), text.splitlines()) for test, text in bad]
	failures += [(test.id(), ['it passed, and is marked as one that fails'])
		for test in result.unexpectedSuccesses]
	skips = [(test.id(), reason) for test, reason in result.skipped]
	return Outcome(check, '', len(result.good), len(failures), len(skips), skips=skips, failures=failures,
		cases=[*((n, 'PASS') for n in result.good), *((n, 'FAIL') for n, _ in failures),
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
		return _run(self.name, '*_test.py')


class Guests(Check):
	"""Guests that go wrong for real, and those of make bench."""

	name = 'guests'
	holds = False

	def depends_on(self) -> List[object]:
		return [BENCH.config_options()]

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
