# SPDX-License-Identifier: GPL-2.0
"""Whether QEMU may use KVM: only after a real guest has booted in it.

/dev/kvm may be there, and open, where a guest then hangs: a nested hypervisor
that cannot run an ordinary kernel.
"""

import contextlib
import json
import os
import resource
from pathlib import Path
from typing import Set, Tuple

from guest.qemu import Machine
from host import cache, files, locks, process
from host.messages import say

# A kernel this small is up in well under a second with KVM.
PROBE_SECONDS = 8.0
# A guest that hangs uses at least this share of them.
SPINNING = 0.5

_said: Set[str] = set()


class Busy(Exception):
	"""The machine had no time for the guest, so that nothing is known."""


def _boots(machine: Machine, build: Path) -> bool:
	log = cache.directory() / 'kvm-probe.log'
	cache.remove(log)
	# No suite has this name: the kernel boots, runs nothing and stops.
	command = machine.command(build, 'kvm', ['kunit.filter_glob=none.none'])
	before = resource.getrusage(resource.RUSAGE_CHILDREN)
	try:
		if process.run(command, log=log, timeout=PROBE_SECONDS,
				label='trying KVM') != 0:
			return False
	except process.TimedOut:
		after = resource.getrusage(resource.RUSAGE_CHILDREN)
		used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
		# One that KVM gave up on waits for a debugger; one that hangs spins.
		if not any('KVM internal error' in l or 'mulation failure' in l for l in files.tail(log, 200)) \
				and used < PROBE_SECONDS * SPINNING:
			raise Busy() from None
		return False
	# One that panics exits with 0 as well.
	return any('KTAP version' in line for line in files.tail(log, 200))


def kvm(machine: Machine, build: Path) -> Tuple[bool, str]:
	"""Whether to use KVM for what is in @build, and why."""
	if machine.qemu_arch != os.uname().machine:
		return False, f'{machine.linux_arch} is not what this machine is'
	if not os.path.exists('/dev/kvm'):
		return False, 'there is no /dev/kvm'
	if not os.access('/dev/kvm', os.R_OK | os.W_OK):
		return False, '/dev/kvm may not be opened'
	version = process.output([f'qemu-system-{machine.qemu_arch}', '--version']).splitlines()[0]
	boot = Path('/proc/sys/kernel/random/boot_id').read_text().strip()
	try:
		with locks.locked(cache.directory() / '.kvm.lock'):
			boots = _known(f'{boot} {version}', machine, build)
	except Busy:
		return False, f'a guest had too little of a busy machine to boot in {PROBE_SECONDS:.0f} s; tried again next time'
	if boots:
		return True, 'a guest booted in it'
	return False, f'/dev/kvm opens, but a guest did not boot in {PROBE_SECONDS:.0f} s'


def _known(key: str, machine: Machine, build: Path) -> bool:
	"""What was found out on this machine since it was started, or is now."""
	path = cache.directory() / 'kvm.json'
	with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
		found = json.loads(path.read_text())
		if found['key'] == key:
			return bool(found['boots'])
	boots = _boots(machine, build)
	files.write_atomically(path, json.dumps({'key': key, 'boots': boots}))
	return boots


def choose(machine: Machine, build: Path, emulate: bool = False) -> str:
	"""What QEMU calls the one to use; @emulate says that it must be TCG."""
	if not machine.qemu_arch:
		return ''
	use, why = (False, 'a plugin can look into no other') if emulate else kvm(machine, build)
	accelerator = f'{"KVM" if use else "TCG (no KVM)"}: {why}'
	if accelerator not in _said:
		_said.add(accelerator)
		say(f'guests run in {accelerator}')
	return 'kvm' if use else 'tcg'
