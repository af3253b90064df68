# SPDX-License-Identifier: GPL-2.0
# A front door; tools/testing/zone_device does the work. Variables on the
# command line reach it through the environment.

ZD := python3 $(dir $(abspath $(lastword $(MAKEFILE_LIST))))tools/testing/zone_device/zd.py

define HELP
make kunit        build and run the suites; prints one table
make check        everything: suites with and without the series, sparse, order,
                  cost, checkpatch, order-mutants, the tools' own tests
make sparse       sparse on what the series and the suites touch
make checkpatch   checkpatch.pl --strict on the series and the suites
make mutants      break the series on purpose: would the suites notice?
make order        are streaming stores drained before anything depends on them?
                  FUNCTIONS="a b": look into these functions instead
make order-mutants  would that be noticed, and would values alone show it?
make cost         what a struct page costs, with the series and without, counted
make cost-budget  make that the budget that make cost judges by
make bench        reproduce the published times in a VM, or say why not
                  SIZE=64G (of device memory) ROUNDS=n BOOTS=n JSON=file HTML=file
                  SERIES_A=path SERIES_B=path: these two; KERNEL_ARGS="..."
make bench-compare A.json B.json   what two runs of make bench say, side by side
make bench-native  what can this CPU gain at most? In user space, in seconds
                  SIZE=64G (of device memory) ROUNDS=n CPU=n
make install      put the suites into the tree KDIR= names, for kunit.py there
make uninstall    take them out again
make clean        remove prepared trees and builds; make distclean: the cache

KDIR=dir          your kernel tree, git or not; it is only read
KTARBALL=file     a kernel tarball or a linux-source .deb
SERIES=path       a directory, mbox or patch to apply, or none
SERIES_UPTO=n     apply the first n patches only
TARGETS="..."     default: uml x86_64; also x86_64-pointer x86_64-kasan
FILTER=glob       run the tests that match, as kunit.py has it: suite.test
JSON=file         the results; JUNIT=file: the same for a CI system
JOBS=n            compile n files at a time; CC=, LLVM=: the compiler
TIMEOUT=s         a guest that takes longer has hung
CACHE=dir         default: ~/.cache/zone-device-kunit
endef
export HELP

help:
	@echo "$$HELP"

# make takes what follows bench-compare for targets.
ifeq ($(firstword $(MAKECMDGOALS)),bench-compare)
export FILES := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
$(FILES):
	@:
.PHONY: $(FILES)
endif

COMMANDS := kunit check sparse checkpatch mutants order order-mutants cost cost-budget \
	bench bench-compare bench-native install uninstall clean distclean

$(COMMANDS):
	@command -v python3 >/dev/null || { echo 'zone_device: error: missing:' \
		'python3; install with: apt-get install python3' >&2; exit 1; }
	@$(ZD) $@

.PHONY: help $(COMMANDS)
