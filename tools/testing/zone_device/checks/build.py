# SPDX-License-Identifier: GPL-2.0
"""Does it build, and of what does the compiler warn?"""

import hashlib

from checks import Check
from guest import build
from guest.target import Target
from kernel.tree import Tree
from outcome import Outcome


class Build(Check):
	name = 'build'

	def run(self, tree: Tree, target: Target) -> Outcome:
		image = build.build(tree, target)
		return Outcome(self.name, target.name, passed=1, warnings=build.all_warnings(tree, target),
			image=hashlib.sha256(image.read_bytes()).hexdigest())
