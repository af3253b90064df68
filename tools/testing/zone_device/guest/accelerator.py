# SPDX-License-Identifier: GPL-2.0
"""Whether QEMU may use KVM: only after a real guest has booted in it.

/dev/kvm may be there, and open, where a guest then hangs: a nested hypervisor
that cannot run an ordinary kernel. kunit.py asks for KVM whenever QEMU will
open it, so where it is not to be used a QEMU that ignores the wish comes first
in PATH.
"""

import contextlib
import json
import os
import resource
import shlex
import shutil
from pathlib import Path
from typing import Set, Tuple

from guest.target import Target
from host import cache, files, locks, process
from host.messages import Error, say

# A kernel this small is up in well under a second with KVM.
PROBE_SECONDS = 8.0
# A guest that hangs uses at least this share of them.
SPINNING = 0.5

_SHIM = '''#!/bin/sh
# Runs {qemu} without the hardware accelerators that do not work here.
n=$#
while [ $n -gt 0 ]; do
	arg=$1; shift; n=$((n - 1))
	if [ "$arg" = -accel ] && [ $n -gt 0 ]; then
		case $1 in
		kvm*|hvf*)
			shift; n=$((n - 1)); continue;;
		esac
	fi
	set -- "$@" "$arg"
done
exec {qemu} "$@"
'''

_said: Set[str] = set()


class Busy(Exception):
	"""The machine had no time for the guest, so that nothing is known."""


def _boots(qemu: str, image: Path) -> bool:
	log = cache.directory() / 'kvm-probe.log'
	cache.remove(log)
	# No suite has this name: the kernel boots, runs nothing and stops.
	command = [qemu, '-nodefaults', '-no-reboot', '-nographic', '-accel', 'kvm',
		'-m', '1G', '-bios', 'qboot.rom', '-serial', 'stdio', '-kernel', str(image),
		'-append', 'console=ttyS0 panic=-1 kunit.enable=1 kunit.filter_glob=none.none '
		'kunit_shutdown=reboot']
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


def kvm(qemu: str, image: Path) -> Tuple[bool, str]:
	"""Whether to use KVM, and why."""
	if not os.path.exists('/dev/kvm'):
		return False, 'there is no /dev/kvm'
	if not os.access('/dev/kvm', os.R_OK | os.W_OK):
		return False, '/dev/kvm may not be opened'
	version = process.output([qemu, '--version']).splitlines()[0]
	boot = Path('/proc/sys/kernel/random/boot_id').read_text().strip()
	try:
		with locks.locked(cache.directory() / '.kvm.lock'):
			boots = _known(f'{boot} {version}', qemu, image)
	except Busy:
		return False, f'a guest had too little of a busy machine to boot in {PROBE_SECONDS:.0f} s; tried again next time'
	if boots:
		return True, 'a guest booted in it'
	return False, f'/dev/kvm opens, but a guest did not boot in {PROBE_SECONDS:.0f} s'


def _known(key: str, qemu: str, image: Path) -> bool:
	"""What was found out on this machine since it was started, or is now."""
	path = cache.directory() / 'kvm.json'
	with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
		found = json.loads(path.read_text())
		if found['key'] == key:
			return bool(found['boots'])
	boots = _boots(qemu, image)
	files.write_atomically(path, json.dumps({'key': key, 'boots': boots}))
	return boots


def search_path(target: Target, image: Path, emulate: bool = False) -> str:
	"""The PATH to run kunit.py with; @emulate says that it must be TCG."""
	path = process.environment().get('PATH', os.defpath)
	if not target.arch.qemu:
		return path
	qemu = shutil.which(target.arch.qemu)
	if not qemu:
		raise Error(f'{target.arch.qemu}: no such command')
	if emulate:
		use, why = False, 'a plugin can look into no other'
	elif target.arch.machine == os.uname().machine:
		use, why = kvm(qemu, image)
	else:
		use, why = False, f'{target.arch.name} is not what this machine is'
	accelerator = f'{"KVM" if use else "TCG (no KVM)"}: {why}'
	if accelerator not in _said:
		_said.add(accelerator)
		say(f'guests run in {accelerator}')
	if not use:
		shims = cache.directory() / 'shim'
		shims.mkdir(parents=True, exist_ok=True)
		shim = shims / target.arch.qemu
		text = _SHIM.format(qemu=shlex.quote(qemu))
		if not shim.is_file() or shim.read_text() != text or not os.access(shim, os.X_OK):
			temp = shims / f'.{target.arch.qemu}.{os.getpid()}'
			temp.write_text(text)
			temp.chmod(0o755)
			os.replace(temp, shim)
		path = f'{shims}{os.pathsep}{path}'
	return path
