#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: features.sh SRCTREE
#
# Says, as compiler flags on one line, what a kernel tree has of the series:
# nothing for a tree without it. The only place that knows the names which the
# copy primitive has had from one revision to the next; add a new one here.

tree=${1:-.}
string_h=$tree/include/linux/string.h
mm_init=$tree/mm/mm_init.c
flags=
# What is no file may wait for somebody to write to it.
[ -f "$string_h" ] && [ -f "$mm_init" ] || exit 0

# A function's body: kernel style puts its closing brace alone in column 0.
body()
{
	awk -v name="$1" '
		!in_body && $0 ~ "^[a-z].*[ *]" name "\\(" { in_body = 1 }
		in_body { print }
		in_body && /^}|;[ \t]*$/ && !/^[ \t]/ { in_body = 0 }
	' "$mm_init" 2>/dev/null
}

defines()
{
	name=$1
	shift
	grep -Eqs "^(static|extern|void|#[[:space:]]*define)[^;]*[[:space:]]$name\(" "$@"
}

for copy in memcpy_streaming memcpy_nt memcpy_nontemporal; do
	defines $copy "$string_h" || continue
	flags="$flags -DZD_COPY=$copy"
	defines ${copy}_drain "$string_h" "$tree"/arch/*/include/asm/string*.h &&
		flags="$flags -DZD_DRAIN=${copy}_drain"
	grep -vs '^[[:space:]]*/\?\*' "$mm_init" | grep -q "\<$copy(" && flags="$flags -DZD_STREAMS"
	break
done

# memcpy_flushcache() has inline code for sizes like that of struct page.
grep -qs 'case 64:' "$tree/arch/x86/include/asm/string_64.h" &&
	flags="$flags -DZD_FLUSHCACHE_FIXED"
body memmap_init_zone_device | grep -q template &&
	flags="$flags -DZD_HEAD_TEMPLATE"
body memmap_init_compound | grep -q template &&
	flags="$flags -DZD_TAIL_TEMPLATE"

echo "${flags# }"
