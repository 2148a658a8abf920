# SPDX-License-Identifier: GPL-2.0
# The door of the project; `make help` says what is behind it.

# The first build of vm takes a while and says so, the others are silent.
VM = cargo run $(if $(wildcard build/target/debug/vm),--quiet) --package vm --

help:
	@echo 'make demo       sets up the environment, boots a stock kernel with an emulated engine, shows the driver at work'
	@echo 'make check      runs all tests; the last line counts them'
	@echo 'make check-debug'
	@echo '                runs kselftests and KUnit suites on a kernel with KASAN, lockdep and the like (built once),'
	@echo '                and says which lines of the driver have run'
	@echo 'make check-faults'
	@echo '                runs the fault matrix row by row: on the driver and that kernel, and on Intel'"'"'s C driver'
	@echo 'make bench      measures the driver beside Intel'"'"'s C driver and mei_me: a table, and build/bench.json'
	@echo 'make modules    builds the module for the stock kernel: build/issei_rust.ko'
	@echo '                KERNEL=DIR: for the kernel of that tree instead (prepared with make modules_prepare)'
	@echo 'make shell      boots a guest with the emulated engine and the module, with a shell to play in'
	@echo 'make fuzz       looks for inputs that break what reads messages of the engine (needs a C++ compiler),'
	@echo '                and makes any system calls, and has any firmware, in guests'
	@echo '                FUZZ_SECONDS=60: so long for each target and guest'
	@echo 'make soak       uses the driver for hours, and watches what is left behind: a table, and build/soak.json'
	@echo '                SOAK="--only reset,suspend": options of it'
	@echo 'make trust      puts together what the long tests have found: build/trust.json'
	@echo 'make deny       looks at licences, sources and duplicates of the crates, with cargo-deny'
	@echo 'make overlay    KERNEL=DIR: lays the driver over a Linux source tree'
	@echo '                DRY_RUN=1: only shows the changes; UNDO=1: takes them back'

demo:
	@$(VM) demo

check:
	@$(VM) check

check-debug:
	@$(VM) check --debug

check-faults:
	@$(VM) check --debug faults
	@$(VM) check faults-c

# The device model shall not be slower than it must.
bench:
	@cargo run --release --package vm -- bench

modules:
	@$(VM) modules $(if $(KERNEL),--kernel '$(KERNEL)')

shell:
	@$(VM) modules
	@$(VM) shell --module build/issei_rust.ko

fuzz:
	@rust/fuzz/fuzz.sh
	@$(VM) fuzz --seconds $(or $(FUZZ_SECONDS),60)

# The device model shall not be slower than it must.
soak:
	@cargo run --release --package vm -- soak $(SOAK)

trust:
	@$(VM) trust

deny:
	@scripts/deny.sh

overlay:
	@$(if $(KERNEL),,$(error KERNEL=DIR is missing: the Linux source tree to lay the driver over))
	@scripts/overlay.sh $(if $(DRY_RUN),--dry-run,$(if $(UNDO),--undo)) '$(KERNEL)'

.PHONY: help demo check check-debug check-faults bench modules shell fuzz soak trust deny overlay
