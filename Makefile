# kubesim: every task of the project. `make help` lists them.
LUA      ?= lua5.4
CC       ?= gcc
BUILD    ?= build/release
CFLAGS   ?= -O2 -g
LIBFLAG  ?= -shared
WARN     ?= -Wall -Wextra -Wpedantic -Wshadow -Wmissing-prototypes -Werror
ARGS     ?=

# LuaRocks names the folders; a plain make asks pkg-config.
LUA_CPPFLAGS := $(if $(LUA_INCDIR),-I$(LUA_INCDIR),$(shell pkg-config --cflags lua5.4 2>/dev/null || pkg-config --cflags lua-5.4 2>/dev/null || pkg-config --cflags lua54 2>/dev/null))
YAML_CPPFLAGS := $(addprefix -I,$(YAML_INCDIR))
YAML_LIBS    := $(if $(YAML_LIBDIR),-L$(YAML_LIBDIR) -lyaml,$(or $(shell pkg-config --libs yaml-0.1 2>/dev/null),-lyaml))
ALL_CPPFLAGS = -Icsrc $(LUA_CPPFLAGS) $(YAML_CPPFLAGS) -MMD -MP $(CPPFLAGS)
ALL_CFLAGS   = -std=c11 -fPIC -fvisibility=hidden $(WARN) $(CFLAGS)
SRC := $(sort $(wildcard csrc/*/*.c csrc/*/*/*.c))
OBJ := $(SRC:%.c=$(BUILD)/obj/%.o)
MODULE := $(BUILD)/kubesim/core.so

.PHONY: help build setup test lab env FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: $(MODULE) ## compile the C core in place

$(MODULE): $(OBJ)
	@mkdir -p $(@D)
	$(CC) $(LIBFLAG) $(LDFLAGS) -o $@ $(OBJ) $(YAML_LIBS)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# Objects depend on the flags that made them.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D); echo '$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(LIBFLAG) $(LDFLAGS)' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
FORCE:

test: build
	$(LUA) $$(command -v busted) $(ARGS)

env: ## print exports that let lua5.4 use this tree: eval "$$(make -s env)"
	@echo "export LUA_PATH_5_4='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;$$($(LUA) -e 'io.write(package.path)')'"
	@echo "export LUA_CPATH_5_4='$(CURDIR)/$(BUILD)/?.so;$$($(LUA) -e 'io.write(package.cpath)')'"

-include $(OBJ:.o=.d)
