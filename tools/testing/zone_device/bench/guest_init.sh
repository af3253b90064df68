#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The first process of a guest with two NVDIMMs: makes a namespace on each with
# ndctl, and has its driver give it up and take it again, rounds= times.
#
# All is said through /dev/kmsg: what two sides write to one console gets mixed.
# How long each bind took is logged by the kernel, see bench_clock.c.

say() {
	echo "$*" > /dev/kmsg
}

give_up() {
	say "zone_device_bench: failed: $*"
	reboot -f
}

# bind NAMESPACE MODE DRIVER OPTION...
bind() {
	say "zone_device_bench: kind=$2"
	namespace=$1 mode=$2 driver=/sys/bus/nd/drivers/$3
	shift 3
	said=$(ndctl create-namespace --force --reconfig="$namespace" --mode="$mode" "$@" 2>&1) ||
		give_up "ndctl create-namespace --mode=$mode: $(echo "$said" | tail -n 1)"
	region=${namespace#namespace}
	device=$(cd "$driver" && ls -d -- *"${region%.*}".* 2> /dev/null | head -n 1)
	[ "$device" ] ||
		give_up "$driver has no device after ndctl create-namespace"
	round=0
	while [ $round -lt "$rounds" ]; do
		echo "$device" > "$driver/unbind" && echo "$device" > "$driver/bind" ||
			give_up "$device: cannot be unbound from $driver and bound again"
		round=$((round + 1))
	done
}

/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

rounds=1
for argument; do
	case $argument in
	rounds=*)
		rounds=${argument#rounds=};;
	esac
done

bind namespace0.0 fsdax nd_pmem --map=dev
bind namespace1.0 devdax dax_pmem --map=dev --align=2097152
reboot -f
