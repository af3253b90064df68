/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sizes that take, or just miss, code of their own where the compiler knows
 * them. Included with SIZE() defined to what is to be made of each.
 */
SIZE(4)
SIZE(8)
SIZE(12)
SIZE(16)
SIZE(24)
SIZE(32)
SIZE(40)
SIZE(48)
SIZE(56)
SIZE(64)
SIZE(72)
SIZE(80)
SIZE(88)
SIZE(96)
SIZE(128)
