# SPDX-License-Identifier: GPL-2.0
"""The front door's other side. Variables come through the environment, as make
hands them down."""

import os
import signal
import sys
from typing import Any, List, NoReturn


def _leave(_signal: int, _frame: Any) -> NoReturn:
	"""As long as there is nothing to clean up."""
	os.write(2, b'zone_device: interrupted; the next run takes up from here\n')
	os._exit(130)


signal.signal(signal.SIGINT, _leave)

import io

# Nothing is left in the clone, unless there is another place for it.
sys.dont_write_bytecode = not sys.pycache_prefix

import options
from commands import COMMANDS, GATES, UNCACHED
from host import cache, files, process
from host.messages import Error, say


def _interrupt(_signal: int, _frame: Any) -> NoReturn:
	raise KeyboardInterrupt()


def main(arguments: List[str]) -> int:
	if arguments == ['help']:
		print(options.usage())
		return 0
	if len(arguments) != 1 or arguments[0] not in COMMANDS:
		print(f'usage: zone_device {"|".join(COMMANDS)}', file=sys.stderr)
		return 2
	# Of these 1 is a verdict, and git bisect run takes it for one.
	unjudged = 2 if arguments[0] in GATES else 1
	# The end of a session or a CI job ends children as Ctrl-C does. What was
	# started in the background ignores SIGINT until it is told not to.
	for sig in process.ENDING:
		# nohup, on the other hand, means what it says.
		if sig != signal.SIGHUP or signal.getsignal(sig) != signal.SIG_IGN:
			signal.signal(sig, _interrupt)
	# Names in a user's tree need not be UTF-8.
	for stream in (sys.stdout, sys.stderr):
		if isinstance(stream, io.TextIOWrapper):
			stream.reconfigure(errors='backslashreplace')
	try:
		given = options.parse(arguments[0])
		cache.set_directory(given.cache)
		if arguments[0] not in UNCACHED:
			cache.use(given.kdir)
			files.forget_outputs(given.outputs.values())
		return COMMANDS[arguments[0]](given)
	except Error as err:
		say(f'error: {err}')
		return unjudged
	except OSError as err:
		# A copy that fails names what it reads first, and what it writes second.
		filename = err.filename2 or err.filename
		name = f' ({filename})' if filename else ''
		say(f'error: {(err.strerror or str(err)).lower()}{name}')
		return unjudged
	except KeyboardInterrupt:
		say('interrupted; the next run takes up from here')
		return 130


if __name__ == '__main__':
	sys.exit(main(sys.argv[1:]))
