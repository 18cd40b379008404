# ringlb: a layer-4 load balancer on AF_PACKET rings.   make help
#
# CC=clang picks the compiler, SANITIZE=address,undefined a checked build in a directory of its own,
# BUILD=DIR another directory, V=1 shows the commands.

VERSION  := 0.1
PREFIX   ?= /usr/local
SANITIZE ?=
BUILD    ?= build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
comma    := ,

WARN     := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
CFLAGS   ?= -O2 -g
override CFLAGS += -std=c17 -D_GNU_SOURCE -I. $(WARN) -MMD -MP -DLB_VERSION='"$(VERSION)"'
ifneq ($(SANITIZE),)
override CFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer -DLB_SANITIZED
endif
LDFLAGS  ?=
LBD_LIBS := -lpcap -lcap -lsqlite3 -lmnl -ljansson -lsystemd -lmicrohttpd -lseccomp -lnettle -lpthread
LB_LIBS  := -lreadline -ljansson
Q        := $(if $(V),,@)

PATH_SRC  := $(wildcard appliance/path/*.c)
RING_SRC  := $(wildcard ring/*.c)
STORE_SRC := $(wildcard store/*.c)
CONF_SRC  := $(wildcard appliance/config/*.c)
LB_SRC    := $(wildcard cli/lb/*.c)
CLI_SRC   := $(wildcard cli/*.c)
MAIN_SRC  := $(wildcard appliance/*.c)
UNIT_SRC  := $(wildcard tests/unit/test_*.c)
BENCH_SRC := $(filter-out %.bpf.c %.preload.c,$(wildcard tests/bench/*.c))

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))

PATH_LIB := $(BUILD)/libpath.a
LBD_LIB  := $(BUILD)/liblbd.a
LB_LIB   := $(BUILD)/liblb.a
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(UNIT_SRC))
BENCHES  := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(BENCH_SRC)) \
	$(patsubst tests/bench/%.c,$(BUILD)/bench/%.o,$(wildcard tests/bench/*.bpf.c)) \
	$(patsubst tests/bench/%.preload.c,$(BUILD)/bench/%.so,$(wildcard tests/bench/*.preload.c))

.PHONY: all
all: $(BUILD)/lbd $(BUILD)/lb   ## build lbd and lb (default)

# The packet path is a library of its own, so that a check can see what it depends on.
$(PATH_LIB): $(call objects,$(PATH_SRC))
$(LBD_LIB): $(call objects,$(RING_SRC) $(STORE_SRC) $(CONF_SRC) $(CLI_SRC) $(filter-out appliance/main.c,$(MAIN_SRC)))
$(LB_LIB): $(call objects,$(filter-out cli/lb/main.c,$(LB_SRC)) cli/protocol.c cli/units.c)
$(PATH_LIB) $(LBD_LIB) $(LB_LIB):
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/lbd: $(call objects,appliance/main.c) $(LBD_LIB) $(PATH_LIB)
	@echo "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LBD_LIBS)

$(BUILD)/lb: $(call objects,cli/lb/main.c) $(LB_LIB)
	@echo "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LB_LIBS)

$(BUILD)/tests/test_%: tests/unit/test_%.c $(LBD_LIB) $(PATH_LIB) $(LB_LIB)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter-out %.h,$^) $(LBD_LIBS) -lcmocka

BENCH_LIBS := $(LBD_LIBS)
$(BUILD)/bench/traffic: BENCH_LIBS := -lbpf -lpthread
$(BUILD)/bench/prober $(BUILD)/bench/v2forward: BENCH_LIBS :=
$(BUILD)/bench/%: tests/bench/%.c $(LBD_LIB) $(PATH_LIB)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter-out %.h,$^) $(BENCH_LIBS)

$(BUILD)/bench/%.so: tests/bench/%.preload.c
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(filter-out -fsanitize=%,$(CFLAGS)) -shared -fPIC $(LDFLAGS) -o $@ $<

# For the kernel, whatever CC is.
$(BUILD)/bench/%.bpf.o: tests/bench/%.bpf.c
	@mkdir -p $(@D)
	@echo "  BPF   $@"
	$(Q)clang -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -MMD -MP -I. \
		-I/usr/include/$(shell uname -m)-linux-gnu -c -o $@ $<

# It breaks what is behind this name.
$(BUILD)/tests/test_maglev_refused: LDFLAGS += -Wl,--wrap=maglev_build

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

.PHONY: units benches test demo soak bench verify lint install clean help
units: $(UNITS)   ## build the unit test programs
benches: $(BENCHES)   ## build the programs of the bench

# Packages first: nothing below compiles without them. As many jobs as processors, unless -j says.
with_deps = scripts/install-deps build $(1) && \
	$(MAKE) $(if $(V),,-s) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

test:   ## install what is missing, build, run all tests (SUITE="unit net": only these)
	$(Q)$(call with_deps,test) all units
	$(Q)LB_BUILD=$(BUILD) scripts/run-tests $(SUITE)

demo:   ## the whole appliance in a lab of namespaces, from nothing, with real traffic
	$(Q)$(call with_deps,demo) all
	$(Q)LB_BUILD=$(BUILD) scripts/demo

# The same churn for as long as asked, over and over with what one seed decides.
SECONDS := 600
SEED    := 1
soak:   ## everything changes under live connections, for SECONDS=600 with SEED=1
	$(Q)$(call with_deps,test) all
	$(Q)LB_BUILD=$(BUILD) LB_SOAK=$(SECONDS) LB_SEED=$(SEED) \
		/usr/bin/python3 -B -m pytest tests/net/test_soak.py -q -s --no-header

# What it measures and how: tests/bench/README.md. A peer that cannot be had is skipped, and said so.
PART   :=
QUICK  :=
UPDATE :=
DIR    := $(BUILD)/bench
bench:   ## measure ringlb and its peers (QUICK=1: some minutes; PART="path rings": only these)
	$(Q)$(call with_deps,bench) all benches
	$(Q)scripts/install-deps peers || echo 'bench: going on without those peers'
	$(Q)scripts/bench --build $(BUILD) --output $(DIR) $(if $(QUICK),--quick) \
		$(if $(UPDATE),--update) $(PART)

# What the steps compile themselves against: an ordinary build, and one that checks itself.
VERIFY ?=
verify:   ## prove, model and fuzz the packet path (STEP="spec flow": only these; VERIFY=long: a night)
	$(Q)$(call with_deps,verify) all
	$(Q)$(MAKE) $(if $(V),,-s) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc)) \
		SANITIZE=address,undefined all
	$(Q)LB_BUILD=$(BUILD) LB_CHECKED=build-address-undefined VERIFY=$(VERIFY) scripts/verify $(STEP)

lint:   ## static checks: warnings, analyzers, purity of the packet path, scripts, manuals
	$(Q)$(call with_deps,lint) $(PATH_LIB)
	$(Q)LB_BUILD=$(BUILD) scripts/lint

UNIT_DIR := lib/systemd/system
install: all   ## install programs, manuals, completion and systemd unit (PREFIX, DESTDIR)
	install -D -m 755 $(BUILD)/lbd $(DESTDIR)$(PREFIX)/sbin/lbd
	install -D -m 755 $(BUILD)/lb $(DESTDIR)$(PREFIX)/bin/lb
	install -D -m 755 scripts/lb-heartbeat $(DESTDIR)$(PREFIX)/bin/lb-heartbeat
	install -D -m 644 appliance/lbd.8 $(DESTDIR)$(PREFIX)/share/man/man8/lbd.8
	install -D -m 644 cli/lb.8 $(DESTDIR)$(PREFIX)/share/man/man8/lb.8
	install -D -m 644 cli/lb/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/lb
	mkdir -p $(DESTDIR)$(PREFIX)/$(UNIT_DIR)
	for unit in lbd lb-heartbeat; do sed 's|@PREFIX@|$(PREFIX)|g' scripts/$$unit.service.in \
		>$(DESTDIR)$(PREFIX)/$(UNIT_DIR)/$$unit.service || exit 1; done

clean:   ## remove everything built
	rm -rf build build-*

help:   ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo '  CC=clang  SANITIZE=address,undefined  BUILD=DIR  PREFIX=/usr/local  DESTDIR=  V=1'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
