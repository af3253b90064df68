# SPDX-License-Identifier: GPL-2.0
# A front door; tools/testing/zone_device does the work, and options.py there
# lists commands and variables. Those on the command line reach it through the
# environment, and so does the place of this file, whose path may have blanks.

export MAKEFILE_LIST
ZD = python3 "$$(dirname "$${MAKEFILE_LIST\# }")/tools/testing/zone_device"

# make takes what follows compare for targets.
ifeq ($(firstword $(MAKECMDGOALS)),compare)
export FILES := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
$(FILES):
	@:
.PHONY: $(FILES)
endif

COMMANDS := help kunit check matrix gate gate-b4 sparse checkpatch mutants order order-mutants cost cost-budget \
	bench bench-native compare post install uninstall clean distclean

$(COMMANDS):
	@command -v python3 >/dev/null || { echo 'zone_device: error: missing:' \
		'python3; install with: apt-get install python3' >&2; exit 1; }
	@$(ZD) $@

.PHONY: $(COMMANDS)
