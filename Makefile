# kubesim: every task of the project. `make help` lists them.
LUA      ?= lua5.4
ifeq ($(origin CC),default)
CC       := $(if $(shell command -v gcc 2>/dev/null),gcc,cc)
endif
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
ALL_CFLAGS   = -std=c11 -fPIC -fvisibility=hidden $(WARN) $(LTO) $(CFLAGS) $(PGO)
# The module is optimised as one where the compiler can do that (gcc). With `LTO=` each file is by itself, which builds sooner.
LTO_FLAGS    = -flto=auto
LTO         ?= $(eval LTO := $$(shell tools/takes.sh "$(CC)" $(LTO_FLAGS)))$(LTO)
# Before that it is built to count which ways through the code bench/training.lua takes, and then laid out for these (gcc 10 or later;
# `PGO=` does without). The counts stay with the objects: what is edited later is built by the counts that there are.
PGO_FLAGS    = -fprofile-use -fprofile-correction -fprofile-partial-training -Wno-missing-profile -Wno-coverage-mismatch
PGO         ?= $(eval PGO := $$(if $$(LTO),$$(shell tools/takes.sh "$(CC)" $(PGO_FLAGS))))$(PGO)
SRC := $(sort $(wildcard csrc/*/*.c csrc/*/*/*.c))
OBJ := $(SRC:%.c=$(BUILD)/obj/%.o)
MODULE := $(BUILD)/kubesim/core.so
# The Lua modules, compiled: csrc/lua/chunks.c says what for.
CHUNKS := $(BUILD)/obj/chunks

SPECS    ?=
SECONDS  ?= 60
JOBS     ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
PARALLEL  = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))
SETUP    := LUA=$(LUA) CC=$(CC) tools/setup.sh
# busted under this Lua, whatever `lua` is; the closing line carries its counts
BUSTED    = $(LUA) $$(command -v busted) --cpath='./$(BUILD)/?.so' --output=spec/support/output.lua $(ARGS) $(SPECS)
TREE_ENV  = LUA_PATH_5_4="$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;" LUA_CPATH_5_4="$(CURDIR)/$(BUILD)/?.so;;"

.DEFAULT_GOAL := help
.PHONY: help setup setup-all build test lab bench lint format readme schema sanitize valgrind fuzz install rock-check env clean FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## compile the C core in place, on all cores
	@$(MAKE) --no-print-directory $(PARALLEL) $(MODULE)

$(MODULE): $(OBJ) $(CHUNKS).o
	@mkdir -p $(@D)
	@echo "  LD $@$(if $(LTO), (optimised as one: takes a while; \`make LTO=\` does without))"
	@$(CC) $(LIBFLAG) $(LTO) $(if $(LTO),$(CFLAGS)) $(LDFLAGS) -o $@ $^ $(YAML_LIBS) -lm

$(CHUNKS).c: tools/chunks.lua tools/without_locals.lua $(shell find lua -name '*.lua')
	@mkdir -p $(@D)
	@$(LUA) tools/chunks.lua $@

$(CHUNKS).o: $(CHUNKS).c csrc/lua/chunks.h $(BUILD)/flags
	@$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# Objects depend on the flags that made them. Two makes may come here at once.
$(BUILD)/flags: FORCE
	@$(if $(PGO),[ $(BUILD)/counted -nt bench/training.lua ] || $(MAKE) --no-print-directory $(BUILD)/counted)
	@mkdir -p $(@D); new=$@.$$$$; echo '$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(LIBFLAG) $(LDFLAGS)' > $$new; \
	  cmp -s $$new $@ && rm $$new || mv $$new $@
FORCE:

# A build that cannot count (for another machine, say) goes on without.
COUNTING = -fprofile-generate
$(BUILD)/counted: bench/training.lua
	@echo "  building it to count first, then once more (\`make PGO=\` does without)"
	@$(MAKE) --no-print-directory build PGO= LTO= WARN=-w CFLAGS="$(CFLAGS) -g0 $(COUNTING)" LDFLAGS="$(LDFLAGS) $(COUNTING)"
	@find $(BUILD)/obj -name '*.gcda' -delete
	@$(TREE_ENV) $(LUA) bench/training.lua || echo "  bench/training.lua did not run: built without counts" >&2
	@touch $@

setup: ## install what is missing to build and test (nothing when all is there)
	@$(SETUP)

setup-all: ## the same for lint, sanitizers, valgrind, fuzzing and luarocks too
	@$(SETUP) lint
	@$(SETUP) rock

test: setup ## install what is missing, build, run all suites; ARGS=... goes to busted
	@$(MAKE) --no-print-directory $(PARALLEL) build fuzz-programs
	@$(BUSTED)

lab: setup ## install what is missing, build, run the lab from its first line to its last
	@$(MAKE) --no-print-directory build
	@$(TREE_ENV) $(LUA) examples/lab/lab.lua

bench: build ## measure, against floors taken in the same run
	@$(TREE_ENV) $(LUA) bench/run.lua $(ARGS)

lint: ## clang-format, clang-tidy, luacheck, and gcc's and clang's warnings
	@$(SETUP) lint
	@tools/lint.sh

# clang-tidy, file by file; a stamp says that a file was clean. Headers count through the object's dependencies.
TIDY := $(patsubst %.c,build/lint/%.tidy,$(filter-out csrc/base/symbols.c csrc/api/schema_table.c,$(SRC)))
# The analyser gives up on a function behind so many states: a fifth of the time for a few paths less.
TIDY_DEPTH := -Xclang -analyzer-config -Xclang max-nodes=50000
.PHONY: tidy
tidy: $(TIDY)
build/lint/%.tidy: $(BUILD)/obj/%.o .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $*.c -- -std=c11 $(ALL_CPPFLAGS) $(TIDY_DEPTH) 2>/dev/null && touch $@

format: ## let clang-format lay the C sources out
	clang-format -i $$(find csrc fuzz bench -name '*.[ch]' | grep -v -e base/symbols -e api/schema_table)

readme: build ## write below the examples of the README and the guide what they print
	@$(TREE_ENV) $(LUA) tools/readme.lua

schema: ## generate the field-name symbols and the type tables from csrc/api/schema/
	$(LUA) tools/schema.lua

# Suites that build or start other programs have nothing to look at here. The core's own heap counts its blocks: whatever is left at its
# end aborts the run (KS_HEAP_STRICT), so the leak detector, which every child process would inherit, is not needed. gcc's guesses about printf lengths are wrong under sanitizers.
LOOKING := --exclude-tags=builds
SAN = -fsanitize=address,undefined
sanitized = LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" KS_HEAP_STRICT=1 \
	  ASAN_OPTIONS=detect_leaks=0 $(LUA) $$(command -v busted) --cpath='./build/asan/?.so' --output=spec/support/output.lua \
	  $(LOOKING) $(ARGS) $(1)
# All suites, in two runs side by side: the random lives of the controllers take long.
SUITES := examples $(filter-out spec/golden spec/support spec/run.lua,$(wildcard spec/*))
LONG_SPECS := spec/controllers
sanitize: setup ## all suites under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory build BUILD=build/asan LTO= LIBFLAG="-shared $(SAN)" \
	  CFLAGS="-O1 -g -fno-omit-frame-pointer -Wno-format-overflow -Wno-format-truncation $(SAN) -fno-sanitize-recover=undefined"
	@$(if $(SPECS),$(call sanitized,$(SPECS)),$(call sanitized,$(LONG_SPECS)) >build/asan/long.log 2>&1 & long=$$!; \
	  $(call sanitized,$(filter-out $(LONG_SPECS),$(SUITES))); other=$$?; \
	  wait $$long; long=$$?; cat build/asan/long.log; exit $$((long + other != 0)))

# Each block a system block of its own, so that tools see every mistake, and what is left at the end is told.
PLAIN = BUILD=build/plain LTO= CFLAGS="-O1 -g -DKS_HEAP_PLAIN"
valgrind: ## all suites under valgrind
	@$(SETUP) lint
	@$(MAKE) --no-print-directory build $(PLAIN)
	@KS_HEAP_STRICT=1 valgrind -q --leak-check=full --error-exitcode=9 $(LUA) $$(command -v busted) --cpath='./build/plain/?.so' \
	  --output=spec/support/output.lua $(LOOKING) $(ARGS) $(SPECS)

.PHONY: busted
busted:
	@$(BUSTED)

fuzz: ## every fuzz target for SECONDS each (default 60), with clang's libFuzzer, ASan and UBSan
	@$(SETUP) lint
	@tools/fuzz.sh $(SECONDS) $(ARGS)

# the same targets with random inputs and any compiler: the suites run them this way
RUNS ?= 300
SEED ?= 1
FUZZ_DRIVER  ?= fuzz/standalone.c
FUZZ_TARGETS := $(patsubst fuzz/fuzz_%.c,%,$(wildcard fuzz/fuzz_*.c))
.PHONY: fuzz-programs fuzz-links fuzz-smoke
fuzz-programs:
	@$(MAKE) --no-print-directory $(PARALLEL) fuzz-links $(PLAIN)
fuzz-links: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)

fuzz-smoke: fuzz-programs
	@for target in $(FUZZ_TARGETS); do \
	  out=$$(KS_HEAP_STRICT=1 build/plain/fuzz/$$target -runs=$(RUNS) -seed=$(SEED) $$(find fuzz/corpus/$$target -type f 2>/dev/null)) || exit 1; \
	  echo "$$target: $$out"; done

# Command lines and saved clusters need the binding and a Lua that is linked in.
LUA_LIBS := $(shell pkg-config --libs lua5.4 2>/dev/null || pkg-config --libs lua-5.4 2>/dev/null || pkg-config --libs lua54 2>/dev/null || echo -llua5.4)
LUA_FUZZ := $(BUILD)/fuzz/kubectl $(BUILD)/fuzz/load
$(LUA_FUZZ): $(filter $(BUILD)/obj/csrc/lua/%,$(OBJ)) $(CHUNKS).o fuzz/fuzz_lua.h
$(LUA_FUZZ): FUZZ_LIBS = $(LUA_LIBS)

$(BUILD)/fuzz/%: fuzz/fuzz_%.c fuzz/fuzz.h $(FUZZ_DRIVER) $(filter-out $(BUILD)/obj/csrc/lua/%,$(OBJ))
	@mkdir -p $(@D)
	@$(CC) $(filter-out -MMD -MP,$(ALL_CPPFLAGS)) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter-out %.h %.lua,$^) $(YAML_LIBS) $(FUZZ_LIBS) -lm

install: build ## install through luarocks (TREE=DIR: into that tree)
	@$(SETUP) rock
	luarocks --lua-version 5.4 $(if $(TREE),--tree $(TREE)) make

# what luarocks runs, with its folders for Lua and C modules: every module under lua/, so none has to be listed
.PHONY: files
files:
	cd lua && find kubesim -name '*.lua' | while read -r file; do mkdir -p "$(LUADIR)/$$(dirname $$file)" && cp $$file "$(LUADIR)/$$file"; done
	mkdir -p "$(LIBDIR)/kubesim" && cp $(MODULE) "$(LIBDIR)/kubesim/"

rock-check: ## install the rock into a throw-away tree and use it from outside the source tree
	@$(SETUP) rock
	@tools/rock-check.sh

clean: ## remove what was built
	rm -rf build

env: ## print exports that let lua5.4 use this tree: eval "$$(make -s env)"
	@echo "export LUA_PATH_5_4='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;$$($(LUA) -e 'io.write(package.path)')'"
	@echo "export LUA_CPATH_5_4='$(CURDIR)/$(BUILD)/?.so;$$($(LUA) -e 'io.write(package.cpath)')'"

-include $(OBJ:.o=.d)
