# SPDX-License-Identifier: GPL-2.0
"""What the tools need of the machine they run on: commands, locks, a cache,
and a way to run long steps that shows progress and leaves nothing behind."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, IO, Iterator, List, Mapping, Optional, Sequence, Union

REPO = Path(__file__).resolve().parents[3]
# A line this often where nobody watches a terminal: enough for a CI log to
# look alive, too few to bury the rest.
QUIET_INTERVAL = 20.0


class Error(Exception):
	"""A failure whose message is the one sentence the user needs."""


def say(message: str) -> None:
	print(f'zone_device: {message}', file=sys.stderr, flush=True)


def cache() -> Path:
	path = os.environ.get('CACHE')
	if not path:
		home = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
		path = os.path.join(home, 'zone-device-kunit')
	return Path(os.path.abspath(path))


def number(variable: str, least: int = 1) -> Optional[int]:
	text = os.environ.get(variable, '')
	if text and (not text.isdigit() or int(text) < least):
		raise Error(f'{variable}={text} is not a number of {least} or more')
	return int(text) if text else None


def jobs() -> int:
	return number('JOBS') or len(os.sched_getaffinity(0))


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
	old = signal.signal(signal.SIGINT, signal.SIG_IGN)
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
		signal.signal(signal.SIGINT, old)


class TimedOut(Exception):
	pass


def run(command: Sequence[Union[str, Path]], *, label: str = '',
	cwd: Optional[Path] = None, env: Optional[Mapping[str, str]] = None,
	log: Optional[Path] = None, stdout: Optional[IO[bytes]] = None,
	status: Callable[[], str] = lambda: '', timeout: Optional[float] = None) -> int:
	"""Runs a command to its end and returns its exit status; its output is
	appended to @log, unless there is another @stdout.

	Whatever ends the wait early, Ctrl-C above all, ends the command's whole
	family.
	"""
	progress = Progress(label) if label else None
	deadline = time.monotonic() + timeout if timeout else None
	# Short steps must not pay for the polling of long ones.
	pause = 0.01
	with contextlib.ExitStack() as stack:
		sink = stack.enter_context(open(log or os.devnull, 'ab'))
		try:
			proc = subprocess.Popen([str(c) for c in command], cwd=cwd, env=env,
				stdin=subprocess.DEVNULL, stdout=stdout or sink, stderr=sink,
				start_new_session=True)
		except FileNotFoundError:
			raise Error(f'{command[0]}: no such command') from None
		try:
			while proc.poll() is None:
				with contextlib.suppress(subprocess.TimeoutExpired):
					proc.wait(timeout=pause)
				pause = min(pause * 2, 0.5)
				if progress:
					progress.tick(status())
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


_locks: Dict[Path, IO[str]] = {}


def lock(path: Path, shared: bool = False) -> None:
	"""Takes a lock until unlock() or the end of the process.

	Two runs may share one cache; what one of them changes, it locks.
	"""
	if path in _locks:
		return
	path.parent.mkdir(parents=True, exist_ok=True)
	handle = open(path, 'a')
	how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
	try:
		fcntl.flock(handle, how | fcntl.LOCK_NB)
	except BlockingIOError:
		say(f'waiting for another run that uses {path.parent}')
		fcntl.flock(handle, how)
	_locks[path] = handle


def unlock(path: Path) -> None:
	handle = _locks.pop(path, None)
	if handle:
		handle.close()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
	held = path in _locks
	lock(path)
	try:
		yield
	finally:
		if not held:
			unlock(path)


def remove(path: Path) -> None:
	"""Removes a file or a directory, read-only parts and all, if it is there."""
	def retry(_func: Any, name: str, _exc: Any) -> None:
		parent = os.path.dirname(name)
		os.chmod(parent, 0o700)
		if os.path.isdir(name) and not os.path.islink(name):
			os.chmod(name, 0o700)
			shutil.rmtree(name, ignore_errors=True)
		else:
			with contextlib.suppress(FileNotFoundError):
				os.unlink(name)
	if path.is_symlink() or path.is_file():
		path.unlink()
	elif path.exists():
		shutil.rmtree(path, onerror=retry)


def disk_full(path: Path) -> bool:
	"""Whether what has just failed there can only have failed for this: a log
	on the same disk has no room to say so."""
	return shutil.disk_usage(path).free < 1 << 20


def size(directory: Path) -> int:
	"""Bytes of the files below it, while somebody may be moving them about."""
	total = 0
	for where, _directories, names in os.walk(directory):
		for name in names:
			with contextlib.suppress(OSError):
				total += os.lstat(os.path.join(where, name)).st_size
	return total


def write_atomically(path: Path, text: str) -> None:
	temp = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
	try:
		temp.write_text(text)
		os.replace(temp, path)
	except OSError:
		with contextlib.suppress(OSError):
			temp.unlink()
		raise


def tail(path: Path, lines: int = 20) -> List[str]:
	try:
		text = path.read_text(errors='replace')
	except OSError:
		return []
	return text.splitlines()[-lines:]
