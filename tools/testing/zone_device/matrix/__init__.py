# SPDX-License-Identifier: GPL-2.0
"""matrix = the suites on each target, of each kernel, and what is known not to be tested there."""
