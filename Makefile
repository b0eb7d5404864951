# SPDX-License-Identifier: AGPL-3.0-or-later
# Targets: all check check-crash check-load fuzz fuzz-smoke check-node check-model model-deps check-package packages-check packages-deps check-releases releases-deps node-deps demo bench bench-deps install clean; V=1 shows the commands.

# With another one `snippet install` and `guest` do not find what was installed: HOOK_PROGRAM, GUEST_TEMPLATE.
PREFIX     ?= /usr
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
DATADIR    ?= $(PREFIX)/share/pve-vgpu
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/vendor-completions
PKGLIBDIR  ?= $(PREFIX)/lib/pve-vgpu
UNITDIR    ?= $(PREFIX)/lib/systemd/system
UDEVRULESDIR ?= $(PREFIX)/lib/udev/rules.d
DESTDIR    ?=
PKG_CONFIG ?= pkg-config
INSTALL    ?= install
CFLAGS     ?= -O2 -g
BUILD      ?= build

VERSION := 0.1.0

PKGS     := json-c uuid inih
SIM_PKGS := fuse3 json-c uuid

WARNINGS := -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla

# The packager's flags come last and win. Files have any size, and inodes any number, also where long has 32 bits.
BASE_CFLAGS = -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -MMD -MP $(WARNINGS)
ALL_CFLAGS  = $(BASE_CFLAGS) -Ilib -Iqemu-wrapper -DPVE_VGPU_VERSION='"$(VERSION)"' \
	$(shell $(PKG_CONFIG) --cflags $(PKGS)) $(CPPFLAGS) $(CFLAGS)
SIM_CFLAGS  = $(BASE_CFLAGS) $(shell $(PKG_CONFIG) --cflags $(SIM_PKGS)) $(CPPFLAGS) $(CFLAGS)
# libmd has no file for pkg-config before Debian 12.
LIBS        = $(shell $(PKG_CONFIG) --libs $(PKGS)) -lmd
SIM_LIBS    = $(shell $(PKG_CONFIG) --libs $(SIM_PKGS)) -pthread

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' $(1) $(2);)

LIB_OBJ    := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/*.c))
HELPER_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard pve-helper/*.c))
WRAPPER_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(filter-out qemu-wrapper/main.c,$(wildcard qemu-wrapper/*.c)))
SIM_OBJ    := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/sim/*.c))
INJECT_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/crash/*.c))
PMXCFS_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/pmxcfs/*.c))
UNIT_SRC   := $(wildcard tests/unit/test_*.c)
UNIT_BIN   := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRC))
# The wrapper with a root and a QEMU of the tests' choice, and its pure part alone.
WRAPPER_TEST := $(BUILD)/tests/wrapper/wrapper-at $(BUILD)/tests/wrapper/rewrite-file

# Parsers under libFuzzer, in a build of their own.
FUZZ_BUILD := $(BUILD)/fuzz
FUZZ_CC    ?= clang
FUZZ_SAN   := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_BIN   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))

UNITS := $(wildcard systemd/*.service systemd/*.timer)

# Where `make all` leaves the programs; the sanitizer build puts its own elsewhere.
HELPER  := pve-helper/pve-vgpu
WRAPPER := qemu-wrapper/qemu-wrapper
SIM     := tests/sim/vgpu-sim
PMXCFS  := tests/pmxcfs/pmxcfs-sim
INJECT  := $(BUILD)/tests/crash/inject
COST    := $(BUILD)/tests/bench/cost
LOCKS   := $(BUILD)/tests/load/locks.so

all: programs $(SIM) $(PMXCFS)

# What is installed.
programs: $(HELPER) $(WRAPPER)

$(HELPER): $(HELPER_OBJ) $(BUILD)/lib/libpvevgpu.a
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# It stands in front of every start: no library that it does not use.
$(WRAPPER): $(BUILD)/qemu-wrapper/main.o $(BUILD)/qemu-wrapper/libwrapper.a $(BUILD)/lib/libpvevgpu.a
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS)

$(SIM): $(SIM_OBJ)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(SIM_LIBS)

$(BUILD)/lib/libpvevgpu.a: $(LIB_OBJ)
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $^

$(PMXCFS): $(PMXCFS_OBJ)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(SIM_LIBS)

$(BUILD)/tests/pmxcfs/%.o: tests/pmxcfs/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(SIM_CFLAGS) -c -o $@ $<

$(BUILD)/qemu-wrapper/libwrapper.a: $(WRAPPER_OBJ)
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/sim/%.o: tests/sim/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(SIM_CFLAGS) -c -o $@ $<

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(UNIT_BIN) $(WRAPPER_TEST): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/qemu-wrapper/libwrapper.a $(BUILD)/lib/libpvevgpu.a
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS)

# What ends a program at a point of its choice (tests/crash); x86-64 alone.
inject: $(INJECT)

$(INJECT): $(INJECT_OBJ)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

# How long hooks wait for locks, by LD_PRELOAD.
locks: $(LOCKS)

$(LOCKS): tests/load/locks.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS) -fPIC -shared $(LDFLAGS) -o $@ $<

unit: $(UNIT_BIN) $(WRAPPER_TEST)

# All tests; TESTS="tests/bats/hook.bats …" runs some of them.
check: all unit inject
	$(Q)tests/check.sh $(TESTS)

# A crash and a failing system call at every point; CRASH_ARGS="pre-start-mdev" or "--what kill" for a part of it.
check-crash: all inject
	$(Q)INJECT="$(abspath $(INJECT))" tests/crash/run $(CRASH_ARGS)

# A thousand hooks of two hundred VMs, fifty at a time; LOAD_ARGS="--seed 7 mdev" (docs/load.md).
check-load: all locks
	$(Q)tests/load/run --selftest
	$(Q)LOCKS="$(abspath $(LOCKS))" tests/load/run $(LOAD_ARGS)

# A program for each tests/fuzz/fuzz_*.c, below build/fuzz; docs/fuzzing.md.
fuzz:
	$(Q)$(MAKE) --no-print-directory BUILD=$(FUZZ_BUILD) CC=$(FUZZ_CC) \
		CFLAGS='-O1 -g -fno-omit-frame-pointer $(FUZZ_SAN) -fsanitize=fuzzer-no-link $(FUZZ_CFLAGS)' fuzz-programs

fuzz-programs: $(FUZZ_BIN)

$(FUZZ_BIN): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/qemu-wrapper/libwrapper.a $(BUILD)/lib/libpvevgpu.a
	$(call say,LD,$@)$(CC) $(FUZZ_SAN) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LIBS)

# Each over its corpus and a fixed number of texts more.
fuzz-smoke: fuzz
	$(Q)tests/fuzz/smoke $(FUZZ_BUILD)

# The models of the protocol (docs/protocol.md), checked exhaustively, and with each rule broken on purpose.
check-model:
	$(Q)tests/model/check

# What check-model takes.
model-deps:
	apt-get install -y --no-install-recommends gcc libc6-dev spin

# The same behaviour on real kernels: boots Debian's in QEMU. tests/node/run has the tests' names, docs/test-beds.md the variables.
check-node:
	$(Q)tests/node/run

# What check-node takes besides the build dependencies.
node-deps:
	apt-get install -y --no-install-recommends \
		busybox-static cpio e2fsprogs kmod mmdebstrap qemu-system-x86 xz-utils zstd

# The packages, built on Debian 11, 12 and 13 and installed, upgraded, removed and purged there: all, or those of RELEASES.
packages-check: all
	$(Q)tests/package/run $(RELEASES)

# All tests on Debian 11, 12 and 13 with gcc and clang of each: RELEASES, COMPILERS, LOCALE and TESTS choose (docs/test-beds.md).
check-releases:
	$(Q)RELEASES='$(RELEASES)' COMPILERS='$(COMPILERS)' LOCALE='$(LOCALE)' tests/releases/run $(TESTS)

# What check-releases takes besides the build dependencies.
releases-deps:
	apt-get install -y --no-install-recommends git mmdebstrap util-linux

# What packages-check and check-package take besides the build dependencies.
packages-deps:
	apt-get install -y --no-install-recommends binutils debhelper dpkg-dev fuse3 git mmdebstrap util-linux

# The package of the wrapper, installed and removed in a Debian of its own.
check-package:
	$(Q)tests/wrapper/package

# The main job on the simulated node, told in twenty lines.
demo: all
	$(Q)tests/demo.sh

# Figures beside mdevctl, a shell loop and a Perl loop, into docs/benchmarks.md with its plots; BENCH_ARGS=--quick only prints a few.
bench: all $(WRAPPER_TEST) $(COST)
	$(Q)tests/bench/run $(BENCH_ARGS)

# What bench takes besides the build dependencies; the test node's part takes node-deps as well.
bench-deps: node-deps
	apt-get install -y --no-install-recommends gnuplot-nox

$(COST): tests/bench/cost.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $<

install: $(HELPER) $(WRAPPER)
	$(INSTALL) -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(PKGLIBDIR)" "$(DESTDIR)$(MANDIR)/man5" "$(DESTDIR)$(MANDIR)/man8" "$(DESTDIR)$(BASHCOMPDIR)" \
		"$(DESTDIR)$(ZSHCOMPDIR)" "$(DESTDIR)$(DATADIR)" "$(DESTDIR)$(UNITDIR)" "$(DESTDIR)$(UDEVRULESDIR)"
	$(INSTALL) -m 0755 $(HELPER) "$(DESTDIR)$(BINDIR)/pve-vgpu"
	$(INSTALL) -m 0755 $(WRAPPER) "$(DESTDIR)$(PKGLIBDIR)/qemu-wrapper"
	$(INSTALL) -m 0644 man/pve-vgpu.conf.5 man/pve-vgpu-node.conf.5 "$(DESTDIR)$(MANDIR)/man5"
	$(INSTALL) -m 0644 man/pve-vgpu.8 man/pve-vgpu-hook.8 man/pve-vgpu-qemu-wrapper.8 "$(DESTDIR)$(MANDIR)/man8"
	$(INSTALL) -m 0644 completions/pve-vgpu.bash "$(DESTDIR)$(BASHCOMPDIR)/pve-vgpu"
	$(INSTALL) -m 0644 completions/_pve-vgpu "$(DESTDIR)$(ZSHCOMPDIR)/_pve-vgpu"
	$(Q)sed -i 's|/usr/share/pve-vgpu/|$(DATADIR)/|' "$(DESTDIR)$(BASHCOMPDIR)/pve-vgpu" "$(DESTDIR)$(ZSHCOMPDIR)/_pve-vgpu"
	$(INSTALL) -m 0755 completions/complete "$(DESTDIR)$(DATADIR)/complete"
	$(INSTALL) -m 0644 snippets/vgpu-guest.yaml.in "$(DESTDIR)$(DATADIR)/vgpu-guest.yaml.in"
	$(INSTALL) -m 0644 $(UNITS) "$(DESTDIR)$(UNITDIR)"
	$(Q)cd "$(DESTDIR)$(UNITDIR)" && sed -i 's|^ExecStart=/usr/bin/|ExecStart=$(BINDIR)/|' $(filter %.service,$(notdir $(UNITS)))
	$(INSTALL) -m 0644 udev/90-pve-vgpu.rules "$(DESTDIR)$(UDEVRULESDIR)"

clean:
	$(Q)rm -rf $(BUILD) $(HELPER) $(WRAPPER) $(SIM) $(PMXCFS)

.PHONY: all programs unit inject locks check check-crash check-load fuzz fuzz-programs fuzz-smoke check-node check-model model-deps check-package packages-check packages-deps check-releases releases-deps node-deps demo bench bench-deps install clean
.SECONDARY:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
