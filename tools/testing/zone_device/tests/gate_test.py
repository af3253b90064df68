# SPDX-License-Identifier: GPL-2.0
"""make gate: what a cell says, which commit is the first bad one, and the forms
that the table has."""

import base64
import io
import json
import os
import quopri
import unittest
from pathlib import Path
from typing import Any, Dict, List, Sequence
from unittest import mock
from xml.etree import ElementTree

from helper import Case, contents, Front, patch_text, Repository

import options
import report
from contract import Seen
from gate import cells, forms, gate
from gate.cells import Commit, FIXED, INHERITED, NEW, OK, SAME, SKIP, UNKNOWN
from host.messages import Error
from kernel import commits, series
from outcome import ERROR, Outcome

WARNING = 'mm/mm_init.c: unused variable [-Wunused-variable]'
PROMISES = [Seen('resched', 3, 3, 'sections'), Seen('template', 9, 9, 'pages')]


def commit(number: int, **changes: Any) -> Commit:
	"""One with nothing wrong, but for what is said to be."""
	made = Commit(number, f'mm: change {number}' if number else 'base', f'{number:x}' * 64)
	plain = {
		'build': Outcome('build', 'x86_64', passed=1),
		'sparse': Outcome('sparse', '', passed=1),
		'kunit': Outcome('kunit', 'x86_64', passed=1, seen=PROMISES, contract='streaming'),
		'order': Outcome('order', 'x86_64', passed=4),
		'counts': Outcome('counts', 'x86_64', passed=1, figures={'PRIVATE, order 0: instructions': 12.0,
			'PRIVATE, order 0: bytes stored': 0.0, 'PRIVATE, order 0: bytes stored non-temporally': 64.0,
			'PRIVATE, order 0: fences': 0.0, 'PRIVATE, order 0: branches': 5.0}),
	}
	if number:
		plain['checkpatch'] = Outcome('checkpatch', '', passed=1)
	for name, outcome in {**plain, **changes}.items():
		if outcome:
			made.outcomes[name, 'x86_64'] = outcome
	return made


def failing(*names: str) -> Outcome:
	return Outcome('kunit', 'x86_64', passed=1, failed=len(names), seen=PROMISES, contract='streaming',
		failures=[(n, ['# t: EXPECTATION FAILED at x.c:1', f'pfn 0x1: _mapcount: {n}']) for n in names])


def costing(**figures: float) -> Outcome:
	known = {'instructions': 12.0, 'bytes_stored': 0.0, 'bytes_stored_non-temporally': 64.0, 'fences': 0.0, **figures}
	return Outcome('counts', 'x86_64', passed=1,
		figures={f'PRIVATE, order 0: {n.replace("_", " ")}': v for n, v in known.items()})


def column(name: str, made: Sequence[Commit]) -> List[str]:
	return [row[name].says for row in cells.cells(list(made), 'streaming')]


class Cells(unittest.TestCase):
	def test_nothing_is_wrong(self) -> None:
		rows = cells.cells([commit(0), commit(1)], 'streaming')
		self.assertEqual([c.says for c in rows[1].values()], [OK] * 8)
		self.assertEqual(rows[0]['checkpatch'].says, SKIP)

	def test_broken_in_4_and_repaired_in_6(self) -> None:
		made = [commit(n, **({'kunit': failing('zone_device_init.zd_model_test')} if n in (4, 5) else {})) for n in range(8)]
		self.assertEqual(column('mm', made), [OK, OK, OK, OK, NEW, INHERITED, FIXED, OK])
		self.assertEqual(column('lib', made), [OK] * 8)
		found = forms.Gate(['j'], made, cells.cells(made, 'streaming'))
		self.assertEqual(found.conclusion(), '4/7 "mm: change 4" is the first bad one: mm: x86_64: zone_device_init.zd_model_test')
		self.assertIn('pfn 0x1: _mapcount', '\n'.join(forms.text(found)))

	def test_a_fault_that_is_mended_does_not_hide_a_new_one(self) -> None:
		made = [commit(0), commit(1, kunit=failing('memcpy_streaming.a')), commit(2, kunit=failing('memcpy_streaming.b'))]
		self.assertEqual(column('lib', made), [OK, NEW, NEW])
		self.assertEqual(column('mm', made), [OK, OK, OK])

	def test_a_warning_counts_as_often_as_it_is_there(self) -> None:
		def warns(n: int) -> Outcome:
			return Outcome('build', 'x86_64', passed=1, warnings=[WARNING] * n)
		made = [commit(0, build=warns(1)), commit(1, build=warns(1)), commit(2, build=warns(2)), commit(3, build=warns(1))]
		self.assertEqual(column('build', made), [INHERITED, INHERITED, NEW, INHERITED])

	def test_style_is_each_commit_s_own(self) -> None:
		said = Outcome('checkpatch', '', failed=1, failures=[('0001.patch', ['0001.patch:9: LONG_LINE: too long'])])
		self.assertEqual(column('checkpatch', [commit(0), commit(1, checkpatch=said), commit(2, checkpatch=said),
			commit(3)]), [SKIP, NEW, NEW, OK])

	def test_one_that_does_not_build_is_not_asked_the_rest(self) -> None:
		broken = Outcome('build', 'x86_64', problem='x86_64: the kernel does not build')
		made = [commit(0), commit(1, build=broken, sparse=None, kunit=None, order=None, counts=None),
			commit(2, kunit=failing('zone_device_init.zd_model_test'))]
		rows = cells.cells(made, 'streaming')
		self.assertEqual([rows[1][n].says for n in ('build', 'mm', 'order', 'cost')], [NEW, SKIP, SKIP, SKIP])
		# Compared with the last one that could be asked.
		self.assertEqual((rows[2]['build'].says, rows[2]['mm'].says), (FIXED, NEW))

	def test_order_has_invariants_alone(self) -> None:
		def breaks(rule: str) -> Outcome:
			return Outcome('order', 'x86_64', failed=1, figures={f'zone_device_init, {rule}': 3.0},
				failures=[('zone_device_init', ['order: zone_device_init: 3 violations'])])
		self.assertEqual(column('order', [commit(0), commit(1, order=breaks('outside-range'))]), [OK, NEW])
		self.assertEqual(column('order', [commit(0), commit(1, order=breaks('undrained-at-return'))]), [OK, OK])

	def test_a_promise_counts_from_the_first_commit_that_keeps_it(self) -> None:
		def seen(*kept: int) -> Outcome:
			return Outcome('kunit', 'x86_64', passed=1, contract='streaming', seen=[Seen('resched', 3, 3, 's'),
				*(Seen('template', k, 9, 'pages') for k in kept)])
		rows = cells.cells([commit(0, kunit=seen(0)), commit(1, kunit=seen(0)), commit(2, kunit=seen(9)),
			commit(3, kunit=seen(8)), commit(4, kunit=seen(8)), commit(5, kunit=seen(9))], 'streaming')
		self.assertEqual([r['promises'].says for r in rows], [OK, OK, OK, NEW, INHERITED, FIXED])
		self.assertEqual([r['promises'].note for r in rows], ['', '', '+template', '-template', '', '+template'])

	def test_a_promise_must_be_kept_at_the_end(self) -> None:
		never = Outcome('kunit', 'x86_64', passed=1, contract='streaming', seen=[Seen('template', 0, 9, 'pages')])
		rows = cells.cells([commit(0, kunit=never), commit(1, kunit=never)], 'streaming')
		self.assertEqual((rows[1]['promises'].says, rows[1]['promises'].words), (NEW, ['template is not kept at the end']))
		self.assertEqual(column('promises', [commit(0, kunit=never), commit(1, kunit=never)])[0], OK)
		# What SERIES_UPTO= leaves out may keep it.
		never.partial = True
		self.assertEqual(column('promises', [commit(0, kunit=never), commit(1, kunit=never)]), [OK, OK])

	def test_a_promise_of_which_nothing_is_seen_any_more(self) -> None:
		less = Outcome('kunit', 'x86_64', passed=1, contract='streaming', seen=PROMISES[:1])
		rows = cells.cells([commit(0), commit(1, kunit=less), commit(2, kunit=less)], 'streaming')
		self.assertEqual([r['promises'].says for r in rows], [OK, UNKNOWN, UNKNOWN])
		self.assertEqual(rows[1]['promises'].words, ['template was kept before, and nothing is seen of it now'])

	def test_by_no_contract_that_is_known(self) -> None:
		odd = Outcome('kunit', 'x86_64', passed=1, contract='unknown', seen=PROMISES, doubtful=True, unknown='of no revision')
		rows = cells.cells([commit(n, kunit=odd) for n in range(3)], 'unknown')
		self.assertEqual([r['promises'].says for r in rows], [SKIP, SKIP, UNKNOWN])
		self.assertEqual((rows[2]['promises'].words, rows[2]['mm'].says), (['of no revision'], OK))

	def test_what_could_not_be_carried_out_is_no_finding(self) -> None:
		for check in ('build', 'sparse', 'checkpatch', 'kunit', 'order', 'counts'):
			out = Outcome(check, 'x86_64', problem='no network', broken=True)
			rows = cells.cells([commit(0), commit(1, **{check: out}), commit(2)], 'streaming')
			says = [cell.says for row in rows for cell in row.values()]
			self.assertNotIn(NEW, says, check)
			self.assertNotIn(INHERITED, says, check)
			columns = {'kunit': ['lib', 'mm', 'promises'], 'counts': ['cost']}.get(check, [check])
			self.assertEqual({rows[1][c].says for c in columns}, {UNKNOWN}, check)

	def test_one_target_that_cannot_be_judged_hides_no_other(self) -> None:
		def on(target: str, **says: Any) -> Outcome:
			return Outcome('kunit', target, contract='streaming', seen=PROMISES, **says)
		bad = on('x86_64', failed=1, failures=[('zone_a.b', ['no'])])
		made = [commit(0), commit(1, kunit=bad), commit(2, kunit=on('x86_64', passed=1))]
		for one in made:
			one.outcomes['kunit', 'arm64'] = on('arm64', unknown='no QEMU')
		self.assertEqual(column('mm', made), [UNKNOWN, NEW, UNKNOWN])

	def test_what_nobody_could_look_at_is_as_it_was(self) -> None:
		def warns(**says: Any) -> Outcome:
			return Outcome('build', 'x86_64', **says)
		made = [commit(0, build=warns(passed=1, warnings=[WARNING])), commit(1, build=warns(problem='does not build')),
			commit(2, build=warns(passed=1, warnings=[WARNING]))]
		self.assertEqual(column('build', made), [INHERITED, NEW, INHERITED])
		panic = Outcome('kunit', 'x86_64', problem='the kernel panicked', contract='streaming', seen=PROMISES)
		made = [commit(0, kunit=failing('zone_a.b')), commit(1, kunit=panic), commit(2, kunit=failing('zone_a.b'))]
		self.assertEqual(column('mm', made), [INHERITED, NEW, INHERITED])

	def test_tests_that_were_all_skipped(self) -> None:
		def ran(**status: str) -> Outcome:
			return Outcome('kunit', 'x86_64', passed=1, seen=PROMISES, contract='streaming',
				cases=[(f'{suite}.{n}', s) for suite, s in status.items() for n in range(3)])
		rows = cells.cells([commit(0, kunit=ran(memcpy_x='PASS', zone_x='PASS')), commit(1, kunit=ran(memcpy_x='SKIP', zone_x='PASS')),
			commit(2, kunit=ran(memcpy_x='PASS', zone_x='PASS'))], 'streaming')
		self.assertEqual([r['lib'].says for r in rows], [OK, SKIP, OK])
		self.assertEqual(rows[1]['lib'].words, ['each of its tests was skipped'])

	def test_fewer_tests_that_pass(self) -> None:
		def ran(passed: int) -> Outcome:
			return Outcome('kunit', 'x86_64', passed=1, seen=PROMISES, contract='streaming',
				cases=[(f'zone_x.{n}', 'PASS' if n < passed else 'SKIP') for n in range(9)])
		rows = cells.cells([commit(0, kunit=ran(4)), commit(1, kunit=ran(7)), commit(2, kunit=ran(2))], 'streaming')
		self.assertEqual([(r['mm'].says, r['mm'].note) for r in rows], [(OK, ''), (OK, ''), (OK, '2 tests passed, 7 before')])

	def test_small_costs_are_seen(self) -> None:
		for change in ({'instructions': 13.0}, {'bytes_stored': 8.0}, {'bytes_stored_non-temporally': 72.0}, {'fences': 1.0}):
			made = [commit(0, counts=costing()), commit(1, counts=costing(**change)), commit(2, counts=costing(**change)),
				commit(3, counts=costing())]
			self.assertEqual(column('cost', made), [OK, NEW, INHERITED, FIXED], change)

	def test_a_little_more_each_time(self) -> None:
		made = [commit(n, counts=costing(instructions=12 + 0.4 * n)) for n in range(5)]
		rows = cells.cells(made, 'streaming')
		self.assertEqual([r['cost'].says for r in rows], [OK, OK, NEW, INHERITED, INHERITED])
		self.assertEqual((rows[2]['cost'].words, rows[4]['cost'].note),
			(['PRIVATE, order 0: 12.80 instructions, and 12.00 before'], '+1.6 since the base'))
		# That one thing is worse does not hide another.
		made[4] = commit(4, counts=costing(instructions=13.6, bytes_stored=4.0))
		made.append(commit(5, counts=costing(instructions=13.6, bytes_stored=8.0)))
		rows = cells.cells(made, 'streaming')
		self.assertEqual([r['cost'].says for r in rows], [OK, OK, NEW, INHERITED, INHERITED, NEW])
		self.assertEqual(rows[5]['cost'].words, ['PRIVATE, order 0: 72.00 bytes, and 64.00 before'])

	def test_wrong_struct_pages_are_no_measure(self) -> None:
		wrong = failing('zone_device_init.zd_model_test')
		made = [commit(0), commit(1, kunit=wrong, counts=costing(instructions=5.0)), commit(2), commit(3, counts=costing(instructions=13.0))]
		self.assertEqual(column('cost', made), [OK, OK, OK, NEW])

	def test_bytes_that_only_change_their_way_cost_nothing(self) -> None:
		plain = costing(**{'bytes_stored': 64.0, 'bytes_stored_non-temporally': 0.0})
		self.assertEqual(column('cost', [commit(0, counts=plain), commit(1, counts=costing())]), [OK, OK])

	def test_what_cannot_be_judged_is_said(self) -> None:
		made = [commit(0), commit(1, order=Outcome('order', 'x86_64', unknown='no debug info'))]
		rows = cells.cells(made, 'streaming')
		self.assertEqual((rows[1]['order'].says, rows[1]['order'].words), (UNKNOWN, ['x86_64: no debug info']))

	def test_the_same_image(self) -> None:
		made = [commit(0), commit(1)]
		made[1].same = True
		self.assertEqual([column(n, made)[1] for n in ('build', 'lib', 'mm', 'order', 'promises', 'cost')],
			[OK] + [SAME] * 5)


class Forms(unittest.TestCase):
	def setUp(self) -> None:
		made = [commit(n, **({'kunit': failing('zone_device_init.zd_model_test'), 'counts': costing(instructions=14.0)}
			if n in (2, 3) else {})) for n in range(5)]
		made[1].subject = 'mm: a subject that says very much about what it does, and then goes on for a while'
		self.gate = forms.Gate(['linux-7.3, 4 commits, contract streaming', 'gcc 12; QEMU 7.2'], made,
			cells.cells(made, 'streaming'))

	def test_text_fits_into_a_mail(self) -> None:
		lines = forms.text(self.gate)
		self.assertLessEqual(max(map(len, lines)), 72, max(lines, key=len))
		self.assertEqual(lines[0], 'linux-7.3, 4 commits, contract streaming')
		self.assertIn('2/4 "mm: change 2" is the first bad one', lines[-2])

	def test_the_last_line_names_the_field(self) -> None:
		of_page = failing('zone_device_init.zd_model_test')
		of_page.failures = [(n, ['pfn 0x1 (page 1 of 4, order 0): _mapcount at offset 48: expected 0x0']) for n, _ in of_page.failures]
		made = [commit(0), commit(1, kunit=of_page)]
		made[1].subject = 'mm: a subject that says very much'
		self.assertEqual(forms.Gate([], made, cells.cells(made, 'streaming')).conclusion(), '1/1 "mm: a subject that says very much" '
			'is the first bad one: mm: x86_64: zone_device_init.zd_model_test, _mapcount')
		self.assertTrue(forms.Gate([], made, cells.cells(made, 'streaming')).conclusion(72).startswith('1/1 "mm: a subject that ..." is'))

	def test_each_cell_that_is_not_ok_has_its_words(self) -> None:
		unbuilt = Outcome('build', 'x86_64', problem='the kernel does not build (log: /a/b)', facts={ERROR: 'x.c:5: error: no'})
		made = [commit(0), commit(1, build=unbuilt), commit(2), commit(3, kunit=failing('zone_a.b')), commit(4, kunit=failing('zone_a.b'))]
		rows = cells.cells(made, 'streaming')
		for row in rows:
			for cell in row.values():
				cell.command = 'make it'
		said = '\n'.join(forms.text(forms.Gate(['j'], made, rows)))
		for words in ('1/4 build: new\n  x86_64: the kernel does not build\n    x.c:5: error: no\n  again: make it\n',
				'2/4 build: fixed\n  x86_64: the kernel does not build\n', '4/4 mm: inherited\n  x86_64: zone_a.b\n  again: make it\n'):
			self.assertIn(words, said)

	def test_markdown(self) -> None:
		self.assertIn('| 2 | mm: change 2 | ok | ok | ok | ok | **new** | ok | ok | **new** |', forms.markdown(self.gate))

	def test_machines(self) -> None:
		known = json.loads(report.as_json(forms.outcomes(self.gate), **forms.details(self.gate)))
		self.assertEqual(known['commits'][2]['cells']['mm']['says'], NEW)
		suites = ElementTree.fromstring(report.junit(forms.outcomes(self.gate)))
		self.assertEqual([s.get('failures') for s in suites], ['0', '0', '2', '0', '0'])

	def test_b4(self) -> None:
		said = json.loads(forms.b4({'mm': {'says': NEW, 'words': ['a test']}, 'order': {'says': OK, 'words': []}}))
		self.assertEqual([(s['tool'], s['status'], s['summary']) for s in said],
			[('zone_device-mm', 'fail', 'new: a test'), ('zone_device-order', 'pass', 'ok')])
		for one in [*said, *json.loads(forms.b4(None))]:
			self.assertEqual(set(one), {'tool', 'status', 'summary', 'url', 'details'})


class Command(Case):
	"""The whole way, but for the kernels: what they would say is played."""

	def asked(self, says: Dict[int, Dict[str, Outcome]], **variables: str) -> 'tuple[int, str]':
		"""make gate, where the checks say of commit n what @says has of it."""
		os.environ.update(variables)
		order: List[str] = []

		def run(jobs: Sequence[Any], _fresh: bool, **_how: bool) -> List[Outcome]:
			found = []
			for job in jobs:
				number = len(job.plan.patches)
				order.append(f'{number} {job.check.name}')
				plain = commit(number).of(job.check.name)[0]
				found.append(says.get(number, {}).get(job.check.name, plain))
			return found
		out = io.StringIO()
		with mock.patch('judge.run', run), mock.patch('host.packages.ensure'), mock.patch('sys.stdout', out):
			status = gate.gate(options.parse())
		self.order = order
		return status, out.getvalue()

	def two(self) -> Path:
		return self.series(patch_text(5, 'five'), patch_text(15, 'fifteen'))

	def test_status_and_last_line(self) -> None:
		status, out = self.asked({}, KDIR=str(self.kernel()), SERIES=str(self.two()))
		self.assertEqual((status, out.splitlines()[-1]), (0, 'none of 2 commits is worse than the one before'))
		status, out = self.asked({2: {'kunit': failing('zone_device_init.zd_model_test')}})
		self.assertEqual(status, 1)
		self.assertIn('2/2 "change line 15" is the first bad one', out.splitlines()[-2] + out.splitlines()[-1])
		status, _ = self.asked({2: {'order': Outcome('order', 'x86_64', unknown='no debug info')}})
		self.assertEqual(status, 2)

	def test_one_that_does_not_build(self) -> None:
		broken = Outcome('build', 'x86_64', problem='does not build')
		status, _ = self.asked({1: {'build': broken}}, KDIR=str(self.kernel()), SERIES=str(self.two()))
		self.assertEqual(status, 1)
		self.assertNotIn('1 kunit', self.order)
		self.assertIn('2 kunit', self.order)
		status, _ = self.asked({2: {'build': broken}})
		self.assertEqual(status, 125)

	def test_the_same_image_is_not_asked_again(self) -> None:
		built = Outcome('build', 'x86_64', passed=1, image='abc')
		os.environ['FRESH'] = ''
		status, out = self.asked({n: {'build': built} for n in range(3)}, KDIR=str(self.kernel()), SERIES=str(self.two()))
		self.assertEqual(status, 0)
		self.assertIn('same', out)
		self.assertNotIn('1 kunit', self.order)
		# The tip is judged by all promises, the commits before it by those kept so far.
		self.assertIn('2 kunit', self.order)

	def test_one_that_could_not_be_built(self) -> None:
		full = Outcome('build', 'x86_64', problem='no space left on device', broken=True)
		status, _ = self.asked({2: {'build': full}}, KDIR=str(self.kernel()), SERIES=str(self.two()))
		self.assertEqual(status, 2)

	def test_a_promise_is_asked_for_by_who_saw_it_broken(self) -> None:
		lost = Outcome('order', 'x86_64', failed=1, seen=[Seen('drained_at_return', 0, 9, 'calls')], command='make order')
		kept = Outcome('order', 'x86_64', passed=1, seen=[Seen('drained_at_return', 9, 9, 'calls')])
		made = [commit(0, order=kept), commit(1, order=lost)]
		rows = cells.cells(made, 'streaming')
		gate._commands(made, rows)
		self.assertEqual((rows[1]['promises'].says, rows[1]['promises'].command), (NEW, 'make order'))

	def test_b4_knows_a_patch_by_its_diff(self) -> None:
		where = self.two()
		self.asked({}, KDIR=str(self.kernel()), SERIES=str(where))
		text = (where / '0001-change.patch').read_bytes().replace(b'Subject: ', b'Subject: [PATCH v2] amended: ')
		head, _, body = text.partition(b'\n\n')
		quoted = head + b'\nContent-Transfer-Encoding: quoted-printable\n\n' + quopri.encodestring(body)
		coded = head + b'\nContent-Transfer-Encoding: base64\n\n' + base64.encodebytes(body)
		for mail in (text, quoted, coded):
			out = io.StringIO()
			with mock.patch('sys.stdin', mock.Mock(buffer=io.BytesIO(mail))), mock.patch('sys.stdout', out):
				self.assertEqual(gate.b4(options.parse()), 0)
			self.assertIn(('zone_device-mm', 'pass'), [(s['tool'], s['status']) for s in json.loads(out.getvalue())])


class Interrupted(Front):
	def test_while_a_commit_is_configured_or_built(self) -> None:
		series = self.series(patch_text(5, 'five'))
		for phase in ('config', 'build'):
			self.interrupt('cache/trees/*/*/build/uml/reached', command='gate', SERIES=series, FAKE_SLOW=phase)
			for reached in self.cache.glob('trees/*/*/build/uml/reached'):
				reached.unlink()
		self.assertEqual(contents(self.kdir), contents(self.kernel('untouched')))


class Range(Repository):
	def setUp(self) -> None:
		super().setUp()
		for line in (5, 15):
			self.edit(line)

	def test_it_is_a_kernel_and_a_series(self) -> None:
		(self.kdir / 'mm/mm_init.c').write_text('not committed\n')
		before = self.git('status', '--porcelain')
		origin, mbox = commits.chosen(str(self.kdir), 'v7.3..HEAD')
		self.assertIn('line 5\n', (origin.path / 'mm/mm_init.c').read_text())
		self.assertEqual([p.name for p in series.load(mbox)], ['"[PATCH 1/2] change 5"', '"[PATCH 2/2] change 15"'])
		self.assertEqual(self.git('status', '--porcelain'), before)

	def test_what_is_refused(self) -> None:
		self.git('checkout', '-qb', 'side', 'v7.3')
		self.edit(25)
		self.git('merge', '-q', '--no-edit', '-')
		for asked, words in (('v7.3..side', 'has a merge in it'), ('HEAD..HEAD', 'is empty'), ('v7.3', 'is no range'),
				('v7.3..nope', 'nope is no commit'), ('--all..x', 'is no range'), ('a...b', 'is no range')):
			with self.assertRaisesRegex(Error, words, msg=asked):
				commits.chosen(str(self.kdir), asked)
		with self.assertRaisesRegex(Error, 'of which repository'):
			commits.chosen('', 'a..b')
		with self.assertRaisesRegex(Error, 'no git repository'):
			commits.chosen(str(self.kernel('plain')), 'a..b')


if __name__ == '__main__':
	unittest.main()
