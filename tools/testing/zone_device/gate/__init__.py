# SPDX-License-Identifier: GPL-2.0
"""make gate: each commit of a series, asked what all checks ask."""
