# SPDX-License-Identifier: GPL-2.0
"""Several things done at a time, each in a process of its own: for what keeps one
core busy and is to be done more than once."""

import multiprocessing
import os
from multiprocessing.connection import Connection, wait
from typing import Callable, Dict, List, Mapping, Sequence, TypeVar

from host.messages import Error

Found = TypeVar('Found')

# What is to be done need not be sent then: it is there.
_FORK = multiprocessing.get_context('fork')


def _lane(pipe: Connection, others: Sequence[Connection], asked: Mapping[str, Callable[[], Found]]) -> None:
	# Of one that is killed nobody else holds the other end, so this ends as well.
	for other in others:
		other.close()
	try:
		while True:
			ask = asked[pipe.recv()]
			try:
				pipe.send((ask(), None))
			except (Error, OSError) as err:
				pipe.send((None, err))
	except (KeyboardInterrupt, EOFError, BrokenPipeError):
		# What ends a run, Ctrl-C above all, may come twice, and is said by the parent.
		os._exit(0)


def each(asked: Mapping[str, Callable[[], Found]], lanes: int,
	 seen: Callable[[Found], None] = lambda _found: None) -> Dict[str, Found]:
	"""What each of @asked returns, in their order. They are begun in that order, @lanes
	at a time, and each is @seen as soon as it is there. What is returned is pickled.

	Raises what they raise, of Error and OSError, and Error if a process is killed."""
	left = list(asked)
	found: Dict[str, Found] = {}
	busy: Dict[Connection, str] = {}
	started = []
	try:
		for _ in range(min(lanes, len(left))):
			ours, theirs = _FORK.Pipe()
			started.append(_FORK.Process(target=_lane, args=(theirs, [ours, *busy], asked)))
			started[-1].start()
			theirs.close()
			busy[ours] = ''
		for pipe in busy:
			busy[pipe] = left.pop(0)
			pipe.send(busy[pipe])
		while busy:
			for ready in wait(list(busy)):
				assert isinstance(ready, Connection)
				name = busy.pop(ready)
				try:
					found[name], err = ready.recv()
				except EOFError:
					raise Error(f'{name}: the process that did it was killed') from None
				if err:
					raise err
				seen(found[name])
				if left:
					busy[ready] = left.pop(0)
					ready.send(busy[ready])
				else:
					ready.close()
	except BaseException:
		for process in started:
			process.terminate()
		raise
	finally:
		for process in started:
			process.join()
	return {name: found[name] for name in asked}
