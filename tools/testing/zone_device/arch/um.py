# SPDX-License-Identifier: GPL-2.0
"""User-mode Linux: no device memory, and up in no time."""


from arch import Arch

ARCH = Arch('um')
