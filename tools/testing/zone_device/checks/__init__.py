# SPDX-License-Identifier: GPL-2.0
"""check = a question about a tree on a target, whose answer is an outcome."""

from typing import List

from guest.target import Target
from kernel.tree import Tree
from outcome import Outcome


class Check:
	"""A new one is a module here with a class like this one, and a line in
	commands.py. run() may raise Error where it cannot be carried out."""

	name = ''
	# Whether its tree is to have what instruments need.
	probes = False
	# Whether tree.base is looked at too.
	compares = False
	# Whether other runs are kept out of the tree meanwhile. One that prepares
	# trees of its own must not hold this one.
	holds = True

	def depends_on(self) -> List[object]:
		"""What its outcome hangs on beyond tree, target and this project."""
		return []

	def run(self, tree: Tree, target: Target) -> Outcome:
		raise NotImplementedError
