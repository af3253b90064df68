# SPDX-License-Identifier: GPL-2.0
"""Several things done at a time, each in a process of its own: for what keeps one
core busy and is to be done more than once."""

import multiprocessing
import os
import signal
import traceback
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, Callable, Dict, Mapping, NoReturn, Tuple, TypeVar

from host import process
from host.messages import Error

Found = TypeVar('Found')

# What is to be done need not be sent then: it is there.
_FORK = multiprocessing.get_context('fork')
# Seconds for one that is told to end; process.stop() in it takes up to 12.
PATIENCE = 20.0


def _once(_signal: int, _frame: Any) -> NoReturn:
	"""Ctrl-C comes twice, from the terminal and from the parent: what is being cleaned
	up is not to be cut off."""
	for sig in process.ENDING:
		signal.signal(sig, signal.SIG_IGN)
	raise KeyboardInterrupt()


def _do(ask: Callable[[], object], pipe: Connection, let: Callable[[], None]) -> None:
	# Whatever ends it, what the parent is about to do is not done here.
	try:
		let()
		for sig in process.ENDING:
			if callable(signal.getsignal(sig)):
				signal.signal(sig, _once)
		try:
			pipe.send((ask(), None))
		except Exception as err:
			if not isinstance(err, (Error, OSError)):
				traceback.print_exc()
			pipe.send((None, err))
	finally:
		os._exit(0)


def each(asked: Mapping[str, Callable[[], Found]], lanes: int) -> Dict[str, Found]:
	"""What each of @asked returns, in their order. They are begun in that order, @lanes
	at a time. What they return is pickled.

	Raises what they raise, and Error if a process is killed."""
	left = list(asked)
	found: Dict[str, Found] = {}
	running: Dict[Connection, Tuple[str, ForkProcess]] = {}
	try:
		while left or running:
			while left and len(running) < lanes:
				ours, theirs = _FORK.Pipe(duplex=False)
				let = process.hold()
				try:
					child = _FORK.Process(target=_do, args=(asked[left[0]], theirs, let))
					child.start()
					running[ours] = left.pop(0), child
				finally:
					theirs.close()
					let()
			for pipe in wait(list(running)):
				assert isinstance(pipe, Connection)
				name, child = running[pipe]
				try:
					found[name], err = pipe.recv()
				except EOFError:
					raise Error(f'{name}: the process that did it was killed') from None
				if err:
					raise err
				del running[pipe]
				pipe.close()
				child.join()
	except BaseException:
		for pipe, (_name, child) in running.items():
			# Nobody waits for what it has to say.
			pipe.close()
			child.terminate()
		for _name, child in running.values():
			child.join(PATIENCE)
			child.kill()
			child.join()
		raise
	return {name: found[name] for name in asked}
