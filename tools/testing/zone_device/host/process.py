# SPDX-License-Identifier: GPL-2.0
"""What the tools need of the machine they run on: commands, and a way to run
long steps that shows progress and leaves nothing behind."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Dict, IO, List, Mapping, Optional, Sequence, Union

from host import locks
from host.messages import Error, say

# A line this often where nobody watches a terminal: enough for a CI log to
# look alive, too few to bury the rest.
QUIET_INTERVAL = 20.0
# What ends a run: Ctrl-C and Ctrl-\, a lost terminal, the end of a CI job.
ENDING = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM)


def environment(without: str = '(?!)', **more: str) -> Dict[str, str]:
	"""What a child is to have of our environment: not the variables whose names
	start with what matches @without, and @more."""
	return {**{n: v for n, v in os.environ.items() if not re.match(without, n)}, **more}


def git_environment(**more: str) -> Dict[str, str]:
	"""The same for a git that is to do what it is told, whatever its user has
	configured."""
	return environment(without='GIT_', GIT_CONFIG_NOSYSTEM='1', HOME=os.devnull, XDG_CONFIG_HOME=os.devnull,
		LC_ALL='C', **more)


class Progress:
	"""One line that is rewritten on a terminal, one now and then elsewhere."""

	def __init__(self, label: str) -> None:
		self.label = label
		self.start = time.monotonic()
		self._last = self.start
		self._tty = sys.stderr.isatty()
		self._shown = False

	def tick(self, status: str) -> None:
		now = time.monotonic()
		text = f'{self.label}: {status}{now - self.start:.0f} s'
		if self._tty:
			print(f'\r\033[K{text}', end='', file=sys.stderr, flush=True)
			self._shown = True
		elif now - self._last >= QUIET_INTERVAL:
			self._last = now
			say(text)

	def done(self) -> float:
		if self._shown:
			print('\r\033[K', end='', file=sys.stderr, flush=True)
			self._shown = False
		return time.monotonic() - self.start


def stop(proc: 'subprocess.Popen[bytes]') -> None:
	"""Ends a child and all it started: they share one session of their own."""
	# An impatient second Ctrl-C must not leave half of them behind.
	old = [(s, signal.signal(s, signal.SIG_IGN)) for s in ENDING]
	try:
		for sig in (signal.SIGTERM, signal.SIGKILL):
			with contextlib.suppress(ProcessLookupError):
				os.killpg(proc.pid, sig)
			with contextlib.suppress(subprocess.TimeoutExpired):
				proc.wait(timeout=5)
		# The leader may be gone and a guest of its group still be there; it
		# has to be gone before anybody else uses what it used.
		deadline = time.monotonic() + 2
		with contextlib.suppress(ProcessLookupError):
			while time.monotonic() < deadline:
				os.killpg(proc.pid, signal.SIGKILL)
				time.sleep(0.02)
	finally:
		for sig, handler in old:
			signal.signal(sig, handler)


def hold() -> Callable[[], None]:
	"""Has what would end us wait, for a child that is being started and is not known
	yet would be left behind. Returns what lets it come."""
	came: List[int] = []
	# The others end nothing, or all of it at once.
	held = [(s, signal.getsignal(s)) for s in ENDING if callable(signal.getsignal(s))]
	for sig, _ in held:
		signal.signal(sig, lambda number, _frame: came.append(number))

	def let() -> None:
		while held:
			signal.signal(*held.pop())
		if came:
			signal.raise_signal(came.pop())
	return let


class TimedOut(Exception):
	pass


def run(command: Sequence[Union[str, Path]], *, label: str = '',
	cwd: Optional[Path] = None, env: Optional[Mapping[str, str]] = None,
	log: Optional[Path] = None, stdout: Optional[IO[bytes]] = None,
	status: Callable[[int], str] = lambda _pid: '', timeout: Optional[float] = None,
	keeps_locks: bool = True) -> int:
	"""Runs a command to its end and returns its exit status; its output is
	appended to @log, unless there is another @stdout. @status is asked, with
	the command's process id, for a word on how far it is.

	Whatever ends the wait early, Ctrl-C above all, ends the command's whole
	family. If this process is killed before it can do so, the family still
	has the locks, unless it is not to have them.
	"""
	progress = Progress(label) if label else None
	deadline = time.monotonic() + timeout if timeout else None
	# Short steps must not pay for the polling of long ones.
	pause = 0.01
	with contextlib.ExitStack() as stack:
		sink = stack.enter_context(open(log or os.devnull, 'ab'))
		let = hold()
		stack.callback(let)
		try:
			proc = subprocess.Popen([str(c) for c in command], cwd=cwd, env=env,
				stdin=subprocess.DEVNULL, stdout=stdout or sink, stderr=sink,
				start_new_session=True, pass_fds=locks.descriptors() if keeps_locks else ())
		except FileNotFoundError:
			raise Error(f'{command[0]}: no such command') from None
		try:
			let()
			while proc.poll() is None:
				with contextlib.suppress(subprocess.TimeoutExpired):
					proc.wait(timeout=pause)
				pause = min(pause * 2, 0.5)
				if progress:
					progress.tick(status(proc.pid))
				if deadline and time.monotonic() > deadline:
					raise TimedOut()
		finally:
			if proc.returncode is None:
				stop(proc)
			if progress:
				progress.done()
	return int(proc.returncode)


def output(command: Sequence[Union[str, Path]]) -> str:
	"""The standard output of a short command that must succeed."""
	try:
		done = subprocess.run([str(c) for c in command], check=False, text=True,
			stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
			stderr=subprocess.PIPE, errors='replace')
	except FileNotFoundError:
		raise Error(f'{command[0]}: no such command') from None
	if done.returncode:
		tail = (done.stderr.strip() or done.stdout.strip()).splitlines()
		raise Error(f'{command[0]} failed: {tail[-1] if tail else done.returncode}')
	return done.stdout
