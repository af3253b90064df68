#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: features.sh SRCTREE [SRCARCH]
#
# Says, as compiler flags on one line, what a kernel tree has of the series:
# its streaming copy, its drain, and the contract of the revision that is known
# by them; see lib/tests/memcpy_streaming/promise.c. ZD_STREAMS is among them if
# the architecture, as the kernel's Makefile has it, has that copy of its own, in
# whatever file: else it is the generic one, memcpy(). Nothing for a tree without a
# copy. The only place that knows the names which the copy has had from one
# revision to the next: add a new one here.

tree=${1:-.}
string_h=$tree/include/linux/string.h
flags=
# What is no file may wait for somebody to write to it.
[ -f "$string_h" ] || exit 0

defines()
{
	name=$1
	shift
	# A function, inline or not, whose type may be on the line before; or a macro,
	# with arguments or without.
	grep -Eqs "^([[:alpha:]_][^;]*[[:space:]*])?$name\(|^#[[:space:]]*define[[:space:]]+$name([[:space:](]|\$)" "$@"
}

for copy in memcpy_streaming memcpy_nt memcpy_nontemporal; do
	defines $copy "$string_h" || continue
	contract=unknown
	flags="-DZD_COPY=$copy"
	if defines ${copy}_drain "$string_h" "$tree"/arch/*/include/asm/string*.h; then
		flags="$flags -DZD_DRAIN=${copy}_drain"
		[ $copy != memcpy_nontemporal ] && contract=streaming
	else
		[ $copy = memcpy_nontemporal ] && contract=nontemporal
	fi
	flags="$flags -DZD_CONTRACT=$contract"
	# Where a line begins with it: neither a call nor a comment does.
	[ -n "$2" ] && grep -rqsE --include='*.[chS]' "^([^[:space:]*/].*)?\<$copy\>" "$tree/arch/$2" &&
		flags="$flags -DZD_STREAMS"
	break
done

echo "$flags"
