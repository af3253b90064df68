/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ZONE_DEVICE_NATIVE_CHECK_H
#define ZONE_DEVICE_NATIVE_CHECK_H

int native_check(void);

#endif
