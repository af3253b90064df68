# SPDX-License-Identifier: GPL-2.0
"""How the tools speak to the user."""

import sys


class Error(Exception):
	"""A failure whose message is the one sentence the user needs."""


def say(message: str) -> None:
	"""A line on stderr; what is no UTF-8 in it is shown, not choked on."""
	text = f'zone_device: {message}'.encode('utf-8', 'backslashreplace').decode()
	print(text, file=sys.stderr, flush=True)
