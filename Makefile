# ringlb: a layer-4 load balancer on AF_PACKET rings.   make help
#
# CC=clang picks the compiler, SANITIZE=address,undefined a checked build in a directory of its own,
# V=1 shows the commands.

VERSION  := 0.1
PREFIX   ?= /usr/local
SANITIZE ?=
BUILD    ?= build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
comma    := ,

WARN     := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
CFLAGS   ?= -O2 -g
override CFLAGS += -std=c17 -D_GNU_SOURCE -I. $(WARN) -MMD -MP -DLB_VERSION='"$(VERSION)"'
ifneq ($(SANITIZE),)
override CFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
LDFLAGS  ?=
LBD_LIBS := -lpcap -lcap -lsqlite3 -lmnl -ljansson -lsystemd -lpthread
LB_LIBS  := -lreadline
Q        := $(if $(V),,@)

PATH_SRC  := $(wildcard appliance/path/*.c)
RING_SRC  := $(wildcard ring/*.c)
STORE_SRC := $(wildcard store/*.c)
CONF_SRC  := $(wildcard appliance/config/*.c)
LB_SRC    := $(wildcard cli/lb/*.c)
CLI_SRC   := $(wildcard cli/*.c)
MAIN_SRC  := $(wildcard appliance/*.c)
UNIT_SRC  := $(wildcard tests/unit/test_*.c)

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))

PATH_LIB := $(BUILD)/libpath.a
LBD_LIB  := $(BUILD)/liblbd.a
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(UNIT_SRC))

.PHONY: all clean
all: $(BUILD)/lbd $(BUILD)/lb

# The packet path is a library of its own, so that a check can see what it depends on.
$(PATH_LIB): $(call objects,$(PATH_SRC))
$(LBD_LIB): $(call objects,$(RING_SRC) $(STORE_SRC) $(CONF_SRC) $(CLI_SRC) $(filter-out appliance/main.c,$(MAIN_SRC)))
$(PATH_LIB) $(LBD_LIB):
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/lbd: $(call objects,appliance/main.c) $(LBD_LIB) $(PATH_LIB)
	@echo "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LBD_LIBS)

$(BUILD)/lb: $(call objects,$(LB_SRC) cli/protocol.c)
	@echo "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LB_LIBS)

$(BUILD)/tests/test_%: tests/unit/test_%.c $(LBD_LIB) $(PATH_LIB)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter-out %.h,$^) $(LBD_LIBS) -lcmocka

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

.PHONY: units
units: $(UNITS)

clean:
	rm -rf build build-*

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
