# SPDX-License-Identifier: GPL-2.0
"""How the tools speak to the user."""

import sys
import textwrap
from typing import Iterable

# No line of a result is longer, but for a word that is.
WIDTH = 100

class Error(Exception):
	"""A failure whose message is the one sentence the user needs."""


class Full(Error):
	"""A full disk: it says nothing of what was asked, and is never kept."""


class Unbuilt(Error):
	"""The tree is at fault, not this machine: it does not build."""

	def __init__(self, what: str, lines: Iterable[str] = ()) -> None:
		super().__init__(what)
		# What the compiler said, or Kconfig.
		self.lines = list(lines)


def say(message: str) -> None:
	"""A line on stderr; what is no UTF-8 in it is shown, not choked on."""
	text = f'zone_device: {message}'.encode('utf-8', 'backslashreplace').decode()
	print(text, file=sys.stderr, flush=True)


def fold(line: str, width: int = WIDTH) -> str:
	"""A line of a result; what does not fit goes on below, further in."""
	if len(line) <= width:
		return line
	indent = len(line) - len(line.lstrip()) + 4
	return textwrap.fill(line, width, subsequent_indent=' ' * indent, expand_tabs=False,
		replace_whitespace=False, break_long_words=False, break_on_hyphens=False)


def tell(lines: Iterable[str]) -> None:
	"""Lines of a result, on stdout."""
	for line in lines:
		print(fold(line))
	sys.stdout.flush()
