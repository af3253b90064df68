# SPDX-License-Identifier: GPL-2.0
"""The QEMU plugin, with a guest that is a script: each rule must speak when it
is broken, and keep silent when it is not."""

import ctypes
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Dict, List

from helper import DATA, TOOLS

PLUGIN = TOOLS / 'plugin'
FLAGS = {'nt': 1, 'fence': 2, 'drain': 4, 'call': 8, 'ret': 16, 'iret': 32, 'branch': 64,
	'string': 128, 'popf': 256, 'indirect': 512}

# Assembly -> what it must be taken for.
INSNS = {
	'movnti %eax, (%rdi)': 'nt', 'movnti %r9, 8(%r8,%r10,2)': 'nt', 'movntq %mm0, (%rax)': 'nt',
	'movntdq %xmm0, (%rax)': 'nt', 'movntdq %xmm9, (%r9)': 'nt', 'movntps %xmm0, (%rax)': 'nt',
	'movntpd %xmm0, (%rax)': 'nt', 'vmovntdq %ymm1, (%rax)': 'nt', 'vmovntdq %ymm9, (%r8)': 'nt',
	'vmovntps %xmm0, (%rax)': 'nt', 'vmovntpd %ymm0, (%rax)': 'nt', 'vmovntdq %zmm17, (%rax)': 'nt',
	'vmovntps %zmm0, 64(%r8)': 'nt', 'maskmovq %mm0, %mm1': 'nt', 'maskmovdqu %xmm0, %xmm1': 'nt',
	'vmaskmovdqu %xmm0, %xmm1': 'nt', 'movntss %xmm0, (%rax)': 'nt', 'movntsd %xmm0, (%rax)': 'nt',
	'movdiri %rax, (%rdi)': 'nt', 'movdir64b (%rax), %rdi': 'nt', 'gs movnti %eax, (%rdi)': 'nt',
	'movntdqa (%rax), %xmm0': '', 'vmovntdqa (%rax), %ymm0': '', 'mov %rax, (%rdi)': '',
	'movaps %xmm0, (%rax)': '', 'vmovdqa %ymm0, (%rax)': '', 'movbe %eax, (%rdi)': '',
	'psadbw %xmm0, %xmm1': '', 'pavgb %xmm0, %xmm1': '', 'crc32l %eax, %ecx': '',
	'sfence': 'fence drain', 'mfence': 'fence drain', 'lfence': '', 'clflush (%rax)': '',
	'clflushopt (%rax)': '', 'clwb (%rax)': '', 'xsaveopt (%rax)': '', 'rdfsbase %rax': '',
	'lock addl $0, -4(%rsp)': 'drain', 'lock cmpxchg16b (%rdi)': 'drain', 'xchg %rax, (%rdi)': 'drain',
	'xchg %al, (%rdi)': 'drain', 'xchg %rax, %rbx': '', 'lock btsq $0, (%rdi)': 'drain',
	'cpuid': 'drain', 'serialize': 'drain', 'wbinvd': 'drain', 'wbnoinvd': '', 'invd': 'drain',
	'invlpg (%rax)': 'drain', 'lgdt (%rax)': 'drain', 'lidt (%rax)': 'drain', 'sgdt (%rax)': '',
	'ltr %ax': 'drain', 'lldt %ax': 'drain', 'str %ax': '', 'mov %rax, %cr3': 'drain',
	'mov %rax, %cr8': '', 'mov %cr3, %rax': '', 'mov %rax, %db7': 'drain', 'wrmsr': '', 'rdmsr': '',
	'invept (%rax), %rcx': 'drain', 'invpcid (%rax), %rcx': '', 'swapgs': '', 'rdtscp': '',
	'call .': 'call branch', 'call *%rax': 'call branch', 'call *(%rax)': 'call branch indirect',
	'jmp *%rax': 'branch', 'jmp *8(%rax)': 'branch indirect', 'jmp .': 'branch', 'je .': 'branch',
	'je .+1000': 'branch', 'jmp .+1000': 'branch', 'jrcxz .': 'branch', 'ret': 'ret branch',
	'ret $8': 'ret branch', 'iretq': 'iret branch drain', 'push (%rax)': '', 'incl (%rax)': '',
	'popf': 'popf', 'rep stosq': 'string', 'rep movsb': 'string', 'movsb': '', 'pause': '', 'nop': '',
	'nopw (%rax)': '', 'endbr64': '', 'repz ret': 'ret branch', 'notrack jmp *%rax': 'branch',
}


def _compile(where: Path, name: str, *arguments: object) -> Path:
	output = where / name
	subprocess.run(['gcc', '-std=gnu11', '-O1', '-I', str(PLUGIN), '-o', str(output),
		*(str(a) for a in arguments), '-lpthread'], check=True)
	return output


@unittest.skipUnless(shutil.which('gcc') and shutil.which('objdump'), 'needs gcc and binutils')
class Decoder(unittest.TestCase):
	def test_what_instructions_are(self) -> None:
		with tempfile.TemporaryDirectory() as temp:
			where = Path(temp)
			library = ctypes.CDLL(str(_compile(where, 'insn.so', '-shared', '-fPIC', PLUGIN / 'insn.c')))
			source = where / 'code.s'
			source.write_text('\n'.join(INSNS) + '\n')
			subprocess.run(['as', '-o', str(where / 'code.o'), str(source)], check=True)
			dump = subprocess.run(['objdump', '-dw', str(where / 'code.o')], check=True, text=True,
				stdout=subprocess.PIPE).stdout
		found = [bytes.fromhex(m.group(1)) for m in
			re.finditer(r'^ *[0-9a-f]+:\t((?:[0-9a-f]{2} )+)', dump, re.M)]
		# A prefix on a line of its own belongs to the next line.
		self.assertEqual(len(found), len(INSNS), dump)
		for (text, want), code in zip(INSNS.items(), found):
			flags = library.insn_decode(code, ctypes.c_size_t(len(code)))
			with self.subTest(insn=text, bytes=code.hex()):
				self.assertEqual({n for n, bit in FLAGS.items() if flags & bit}, set(want.split()))


TEXT = 0xffffffff81000000
# What the script's guest consists of: each at a place of its own.
CODE = {'call': 'e800000000', 'watched': '90', 'nt': '480fc307', 'sfence': '0faef8', 'lock': 'f0ff07',
	'store': '488907', 'load': '488b07', 'ret': 'c3', 'stub': '90', 'iret': '48cf', 'schedule': '90',
	'prep': '488907', 'setup': '488b07', 'compound': '90', 'outer': '90', 'note': '8a07'}
ADDR = {name: TEXT + 0x10 * i for i, name in enumerate(CODE)}
WINDOW = 0xffffea0000000000
STACK = 0xffffc90000001000
SLOT = STACK + 0x800
MAILBOX = 0xffffffff82000000
PAGE = 64


@unittest.skipUnless(shutil.which('gcc'), 'needs gcc')
class Rules(unittest.TestCase):
	dir: Path
	qemu: Path

	@classmethod
	def setUpClass(cls) -> None:
		cls.dir = Path(tempfile.mkdtemp(prefix='zone_device-test-'))
		cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
		cls.qemu = _compile(cls.dir, 'qemu', DATA / 'fake_qemu.c', *sorted(PLUGIN.glob('*.c')))

	def setUp(self) -> None:
		self.script: List[str] = [f'insn {ADDR[n]:x} {code}' for n, code in CODE.items()]
		self.kind = '-'
		self.outer = 'outer'

	def do(self, name: str, *accesses: str, cpu: int = 0) -> None:
		self.script.append(f'exec {cpu} {ADDR[name]:x} {" ".join(accesses)}')

	def enter(self, cpu: int = 0, slot: int = SLOT) -> None:
		self.do('call', f'w {slot:x} 3', cpu=cpu)
		self.do('watched', cpu=cpu)

	def enter_outer(self, cpu: int = 0) -> None:
		self.do('call', f'w {SLOT + 128:x} 3', cpu=cpu)
		self.do('outer', cpu=cpu)

	def leave_outer(self, cpu: int = 0) -> None:
		self.do('ret', f'r {SLOT + 128:x} 3', cpu=cpu)

	def leave(self, cpu: int = 0, slot: int = SLOT) -> None:
		self.do('ret', f'r {slot:x} 3', cpu=cpu)

	def stream(self, page: int, start: int = 0, end: int = PAGE, cpu: int = 0) -> None:
		for offset in range(start, end, 8):
			self.do('nt', f'w {WINDOW + page * PAGE + offset:x} 3', cpu=cpu)

	def note(self, first: int, end: int) -> None:
		for word in (0, WINDOW + first * PAGE, WINDOW + end * PAGE, end - first):
			for byte in word.to_bytes(8, 'little'):
				self.do('note', f'r {MAILBOX + byte:x} 0')

	def run_script(self, mode: str = 'order') -> List[List[str]]:
		out, config = self.dir / 'out', self.dir / 'config'
		lines = [f'out {out}', f'mode {mode}', f'window {WINDOW:x} {WINDOW + (1 << 40):x} {PAGE:x}',
			f'watch {ADDR["watched"]:x} watched all {self.kind}',
			f'watch {ADDR["outer"]:x} outer undrained-at-remap {self.outer}', f'stub {ADDR["stub"]:x}',
			f'entry {ADDR["stub"]:x} {ADDR["schedule"]:x}', f'suspend {ADDR["schedule"]:x}',
			f'note {ADDR["note"]:x} {ADDR["note"] + 16:x} {MAILBOX:x}']
		for kind, rule, name in (('write', 'undrained-at-prep-head', 'prep'),
				('touch', 'undrained-at-pageblock', 'setup'),
				('start', 'undrained-at-compound', 'compound')):
			lines.append(f'point {kind} {rule} {ADDR[name]:x} {ADDR[name] + 16:x}')
		config.write_text('\n'.join(lines) + '\n')
		subprocess.run([str(self.qemu), f'config={config}'], input='\n'.join(self.script) + '\n',
			text=True, check=True)
		report = [l.split() for l in out.read_text().splitlines()]
		self.assertEqual(report[-1], ['end'])
		return report

	def judged(self) -> Dict[str, List[int]]:
		"""Rule -> how often it was kept, and could have been."""
		return {l[1]: [int(n) for n in l[2:]] for l in self.run_script() if l[0] == 'kept' and l[3] != '0'}

	def fates(self) -> List[List[str]]:
		names = {f'{a:x}': n for n, a in ADDR.items()}
		return [[*l[1:3], names.get(l[3], '-'), l[4]] for l in self.run_script() if l[0] == 'drained']

	def totals(self) -> Dict[str, int]:
		return {l[1]: int(l[2]) for l in self.run_script() if l[0] == 'total' and int(l[2])}

	def test_two_pages_drained_break_nothing(self) -> None:
		self.enter()
		self.stream(1)
		self.stream(2)
		self.do('sfence')
		self.do('compound')
		self.do('prep', f'w {WINDOW + PAGE:x} 3')
		self.do('setup', f'r {WINDOW + PAGE:x} 3')
		self.leave()
		report = self.run_script()
		self.assertEqual([l for l in report if l[0] == 'found'], [])
		self.assertIn(['stores', '16'], report)
		self.assertIn(['drains', '1'], report)

	def test_nothing_drained(self) -> None:
		self.enter()
		self.stream(1)
		self.leave()
		self.assertEqual(self.totals(), {'undrained-at-return': 1})

	def test_a_locked_instruction_drains(self) -> None:
		self.enter()
		self.stream(1)
		self.do('lock', f'w {STACK:x} 2')
		self.leave()
		self.assertEqual(self.totals(), {})

	def test_an_interrupt_does_not_drain(self) -> None:
		self.enter()
		self.stream(1)
		self.do('stub')
		self.do('sfence')
		self.do('load', f'r {WINDOW + PAGE:x} 3')
		self.do('iret')
		self.leave()
		self.assertEqual(self.totals(), {'undrained-at-return': 1})

	def test_another_task_does_not_drain_and_the_rest_is_done_elsewhere(self) -> None:
		self.enter()
		self.stream(1)
		self.do('call', f'w {SLOT - 64:x} 3')
		self.do('schedule')
		self.do('sfence')
		self.do('ret', f'r {SLOT - 64:x} 3', cpu=1)
		self.do('sfence')
		self.leave(cpu=1)
		self.assertEqual(self.totals(), {'undrained-at-return': 1})

	def test_points(self) -> None:
		for name, access, rule in (('compound', '', 'undrained-at-compound'),
				('prep', f'w {WINDOW + 3 * PAGE:x} 3', 'undrained-at-prep-head'),
				('setup', f'r {MAILBOX:x} 3', 'undrained-at-pageblock')):
			with self.subTest(rule):
				self.setUp()
				self.enter()
				self.stream(1)
				self.do(name, *([access] if access else []))
				self.do('sfence')
				self.leave()
				self.assertEqual(self.totals(), {rule: 1})

	def test_what_points_leave_alone(self) -> None:
		self.enter()
		self.stream(1)
		self.do('prep', f'w {STACK:x} 3')
		self.do('setup', f'r {SLOT - 8:x} 3')
		self.do('sfence')
		self.leave()
		self.assertEqual(self.totals(), {})

	def test_own_accesses_to_a_pending_line(self) -> None:
		self.enter()
		self.stream(1)
		self.do('load', f'r {WINDOW + PAGE:x} 3')
		self.do('store', f'w {WINDOW + PAGE + 8:x} 3')
		self.do('store', f'w {WINDOW + 2 * PAGE:x} 3')
		self.do('sfence')
		self.do('store', f'w {WINDOW + PAGE + 8:x} 3')
		self.leave()
		self.assertEqual(self.totals(), {'load-from-pending': 1, 'plain-store-to-pending': 1})

	def test_another_cpu_touches(self) -> None:
		self.enter()
		self.stream(1)
		self.do('load', f'r {WINDOW + PAGE:x} 3', cpu=1)
		self.do('sfence')
		self.do('load', f'r {WINDOW + PAGE:x} 3', cpu=1)
		self.leave()
		report = self.run_script()
		self.assertEqual([l[1:] for l in report if l[0] == 'found'], [['foreign-cpu-touch', 'watched',
			f'{ADDR["nt"]:x}', f'{ADDR["load"]:x}', f'{WINDOW + PAGE:x}', '0', '1']])

	def test_twice_even_after_a_drain_and_through_an_alias(self) -> None:
		self.enter()
		self.stream(1)
		self.do('sfence')
		self.stream(1 + (1 << 32) // PAGE, 0, 8)
		self.do('sfence')
		self.leave()
		self.assertEqual(self.totals()['written-twice'], 1)

	def test_rewritten_after_a_drain_where_that_is_allowed(self) -> None:
		self.kind = 'rewrites'
		self.enter()
		for _ in range(2):
			self.stream(1)
			self.do('sfence')
		self.leave()
		self.assertEqual(self.totals(), {})

	def test_partial(self) -> None:
		self.enter()
		self.stream(1, 0, PAGE - 8)
		self.stream(2)
		self.do('sfence')
		self.leave()
		self.assertEqual(self.totals(), {'partial-page': 1, 'partial-line': 1})

	def test_outside_of_the_memmap_and_of_the_call(self) -> None:
		self.note(1, 3)
		self.enter()
		self.stream(1)
		self.stream(3)
		self.do('nt', f'w {STACK:x} 3')
		self.do('sfence')
		self.leave()
		self.assertEqual(self.totals(), {'outside-range': 9})

	def test_empty_drain(self) -> None:
		self.enter()
		self.do('sfence')
		self.leave()
		self.assertEqual(self.totals(), {'empty-drain': 1})

	def test_entered_and_left_by_jumps(self) -> None:
		# It is called by a function that then jumps to it.
		self.do('call', f'w {SLOT:x} 3')
		self.do('call', f'w {SLOT - 32:x} 3')
		self.do('ret', f'r {SLOT - 32:x} 3')
		self.do('watched')
		self.stream(1)
		self.do('call', f'w {SLOT - 32:x} 3')
		self.do('ret', f'r {SLOT - 32:x} 3')
		self.leave()
		self.assertEqual(self.totals(), {'undrained-at-return': 1})

	def test_interrupted_between_call_and_function(self) -> None:
		# The entry code calls, and returns by another place on the stack.
		self.do('call', f'w {SLOT:x} 3')
		self.do('stub')
		self.do('call', f'w {SLOT - 64:x} 3')
		self.do('ret', f'r {SLOT - 128:x} 3')
		self.do('iret', *(f'r {SLOT - 48 + i:x} 3' for i in range(0, 40, 8)))
		self.do('watched')
		self.leave()
		self.stream(1)
		self.assertEqual(self.totals(), {})

	def test_and_with_other_tasks_in_between(self) -> None:
		for misaligned in (0, 8):
			with self.subTest(misaligned):
				self.setUp()
				slot = SLOT + misaligned
				self.do('call', f'w {slot:x} 3')
				self.do('stub')
				self.do('call', f'w {SLOT + 0x100000:x} 3', cpu=1)
				self.do('iret', *(f'r {SLOT - 40 + i:x} 3' for i in range(0, 40, 8)),
					'r fffffe0000001018 2', cpu=1)
				self.do('watched', cpu=1)
				self.stream(1, cpu=1)
				self.do('call', f'w {SLOT - 64:x} 3', cpu=1)
				self.do('ret', f'r {SLOT - 64:x} 3', cpu=1)
				self.leave(cpu=1, slot=slot)
				self.stream(2, cpu=1)
				self.assertEqual(self.totals(), {'undrained-at-return': 1})

	def test_two_at_a_time(self) -> None:
		self.enter(cpu=0)
		self.enter(cpu=1, slot=SLOT + 0x10000)
		self.stream(1, cpu=0)
		self.stream(2, cpu=1)
		self.do('sfence', cpu=1)
		self.leave(cpu=1, slot=SLOT + 0x10000)
		self.leave(cpu=0)
		report = self.run_script()
		self.assertEqual([l[1] for l in report if l[0] == 'found'], ['undrained-at-return'])
		self.assertIn(['entered', '2'], report)

	def test_how_often_a_point_was_reached_and_found_nothing_pending(self) -> None:
		self.enter()
		# Nothing has been streamed: there is nothing to be kept.
		self.do('compound')
		self.do('setup', f'r {MAILBOX:x} 3')
		self.stream(1)
		self.do('compound')
		self.do('prep', f'w {WINDOW + 3 * PAGE:x} 3')
		self.do('sfence')
		self.do('compound')
		self.do('prep', f'w {WINDOW + 3 * PAGE:x} 3')
		# However often an inlined function uses memory, it is there once.
		self.do('setup', f'r {MAILBOX:x} 3')
		self.do('setup', f'r {MAILBOX:x} 3')
		self.stream(2)
		self.do('setup', f'r {MAILBOX:x} 3')
		self.do('setup', f'r {MAILBOX:x} 3')
		self.leave()
		self.enter()
		self.leave()
		self.assertEqual(self.judged(), {'undrained-at-compound': [1, 2], 'undrained-at-prep-head': [1, 2],
			'undrained-at-pageblock': [0, 1], 'undrained-at-return': [0, 1]})

	def test_what_drained_a_call(self) -> None:
		self.enter()
		self.stream(1)
		self.do('sfence')
		self.stream(2)
		self.do('lock', f'w {STACK:x} 2')
		self.do('sfence')
		self.leave()
		self.assertEqual(self.fates(), [['watched', 'within', 'lock', '1']])

	def test_what_drained_it_behind_its_return(self) -> None:
		self.enter()
		self.stream(1)
		self.leave()
		# Neither is the code's own that goes on there.
		self.do('stub')
		self.do('lock', f'w {STACK:x} 2')
		self.do('iret')
		self.do('call', f'w {SLOT - 64:x} 3')
		self.do('schedule')
		self.do('sfence')
		self.do('ret', f'r {SLOT - 64:x} 3', cpu=1)
		# What follows the return is not judged.
		self.do('load', f'r {WINDOW + PAGE:x} 3', cpu=1)
		self.do('store', f'w {WINDOW + PAGE:x} 3', cpu=1)
		self.do('sfence', cpu=1)
		self.do('lock', f'w {STACK:x} 2', cpu=1)
		self.assertEqual(self.totals(), {'undrained-at-return': 1})
		self.assertEqual(self.fates(), [['watched', 'after', 'sfence', '1']])

	def test_what_one_call_left_is_not_the_next_ones(self) -> None:
		self.enter()
		self.stream(1)
		self.leave()
		self.enter()
		self.do('compound')
		self.stream(2)
		self.do('compound')
		self.do('store', f'w {WINDOW + PAGE:x} 3')
		self.do('load', f'r {WINDOW + PAGE:x} 3')
		self.leave()
		self.do('sfence')
		self.enter()
		self.stream(3)
		self.do('sfence')
		self.leave()
		self.assertEqual(self.totals(), {'undrained-at-return': 2, 'undrained-at-compound': 1})
		self.assertEqual(self.judged(), {'undrained-at-return': [1, 3], 'undrained-at-compound': [0, 1]})
		self.assertEqual(self.fates(), [['watched', 'after', 'sfence', '2'], ['watched', 'within', 'sfence', '1']])

	def test_what_one_call_left_is_drained_in_the_next(self) -> None:
		self.enter()
		self.stream(1)
		self.leave()
		self.enter()
		self.do('sfence')
		self.stream(2)
		self.leave()
		self.assertEqual(self.totals(), {'undrained-at-return': 2})

	def test_each_time_that_a_line_becomes_pending(self) -> None:
		self.enter()
		for page in (1, 2, 3):
			self.stream(page)
			self.do('compound')
			self.do('compound')
			self.do('sfence')
		self.leave()
		self.assertEqual(self.totals(), {'undrained-at-compound': 3})

	def test_another_cpu_touches_behind_the_return(self) -> None:
		self.enter()
		self.stream(1)
		self.leave()
		self.do('load', f'r {WINDOW + PAGE:x} 3', cpu=1)
		self.do('sfence')
		self.do('load', f'r {WINDOW + PAGE:x} 3', cpu=1)
		self.assertEqual(self.totals(), {'undrained-at-return': 1, 'foreign-cpu-touch': 1})
		self.assertEqual(self.fates(), [['watched', 'touched', 'load', '1']])

	def test_nothing_ever_drained(self) -> None:
		self.enter()
		self.stream(1)
		self.leave()
		self.assertEqual(self.fates(), [['watched', 'never', '-', '1']])

	def test_a_call_around_it(self) -> None:
		for drained, rules, fate in ((False, {'undrained-at-return': 1, 'undrained-at-remap': 1}, 'never'),
				(True, {'undrained-at-return': 1}, 'after')):
			with self.subTest(drained=drained):
				self.setUp()
				self.enter_outer()
				self.enter()
				self.stream(1)
				self.leave()
				self.do('store', f'w {WINDOW + PAGE:x} 3')
				if drained:
					self.do('lock', f'w {STACK:x} 2')
				self.leave_outer()
				self.assertEqual(self.totals(), rules)
				self.assertEqual(self.judged()['undrained-at-remap'], [int(drained), 1])
				self.assertIn(['watched', fate, 'lock' if drained else '-', '1'], self.fates())
				self.assertIn(['outer', 'within' if drained else 'never', 'lock' if drained else '-', '1'],
					self.fates())

	def test_a_page_streamed_in_two_calls_of_one_around_them(self) -> None:
		self.enter_outer()
		for first in (0, 1):
			self.note(first, 2)
			self.enter()
			self.stream(1)
			self.do('sfence')
			self.leave()
		self.note(5, 6)
		self.enter()
		self.stream(5)
		self.do('sfence')
		self.leave()
		self.leave_outer()
		self.assertEqual(self.totals(), {})

	def test_handed_over(self) -> None:
		for drained in (False, True):
			with self.subTest(drained=drained):
				self.setUp()
				self.outer = 'hands-over'
				self.note(1, 4)
				self.enter_outer()
				self.enter()
				self.stream(1)
				self.stream(3)
				if drained:
					self.do('sfence')
				self.leave()
				# The range alone, and another CPU alone, are a look at it.
				self.do('load', f'r {WINDOW + 5 * PAGE:x} 3', cpu=1)
				self.do('load', f'r {WINDOW + PAGE:x} 3')
				self.do('load', f'r {WINDOW + 2 * PAGE:x} 3', cpu=1)
				self.do('load', f'r {WINDOW + 3 * PAGE:x} 3', cpu=1)
				self.leave_outer()
				self.assertEqual(self.judged()['handed-over-pending'], [int(drained), 1])
				self.assertNotIn('foreign-cpu-touch', self.totals())
				self.assertEqual(self.totals().get('handed-over-pending', 0), int(not drained))

	def test_drained_before_the_look_and_behind_the_return(self) -> None:
		self.outer = 'hands-over'
		self.note(1, 2)
		self.enter_outer()
		self.enter()
		self.stream(1)
		self.leave()
		# That the CPU itself looks at it hands nothing over.
		self.do('load', f'r {WINDOW + PAGE:x} 3')
		self.do('lock', f'w {STACK:x} 2')
		self.leave_outer()
		self.do('load', f'r {WINDOW + PAGE:x} 3', cpu=1)
		self.assertEqual(self.judged()['handed-over-pending'], [1, 1])

	def test_outside_of_calls_anything_goes(self) -> None:
		self.stream(1)
		self.do('store', f'w {WINDOW + PAGE:x} 3')
		self.enter()
		self.leave()
		self.stream(1)
		self.assertEqual(self.totals(), {})

	def test_cost(self) -> None:
		self.note(1, 2)
		self.enter()
		self.do('load', f'r {WINDOW:x} 3')
		self.do('stub')
		self.do('store', f'w {WINDOW:x} 3')
		self.do('iret')
		self.stream(1)
		self.do('sfence')
		self.do('call', f'w {SLOT - 64:x} 3')
		self.do('schedule')
		self.do('load', f'r {WINDOW:x} 3')
		self.do('ret', f'r {SLOT - 64:x} 3')
		self.leave()
		costs = [l for l in self.run_script('cost') if l[0] == 'cost']
		# The watched one, load, eight stores, fence, call, ret; 8 bytes of
		# each are loaded by the load and ret, and stored by the call.
		self.assertEqual(costs, [['cost', 'watched', '0', '1', '13', '16', '8', '64', '1', '2']])


if __name__ == '__main__':
	unittest.main()
