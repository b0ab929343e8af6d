# SPDX-License-Identifier: MIT
# Needs make and a POSIX shell; whatever else a target needs, it asks .ci/need for.
BUILD      ?= build
$(if $(word 2,$(BUILD)),$(error BUILD is '$(BUILD)': make takes no targets with spaces; name a directory relative to this one))
$(if $(findstring :,$(CURDIR)$(BUILD)),$(error $(CURDIR) and BUILD=$(BUILD) must have no colon: compilers and the dynamic linker separate directories by it. Move the tree))
# HERE is BUILD as an absolute path; it is for the shell, within double quotes, because make splits at spaces.
HERE       := $(if $(filter /%,$(BUILD)),$(BUILD),$$PWD/$(BUILD))
LIB        := $(BUILD)/lib
RELEASE    := $(BUILD)/release/libhotreload.so
CC         ?= cc
CFLAGS     ?= -O1 -g
GO         ?= go
PYTHON     ?= python3
RELOADS    ?= 3
FUZZTIME   ?= 5m
ATTACKTIME ?= 5m
CALLS      ?= 10000000
# 400 sequences of 250 operations are 100,000.
SOAKRUNS   ?= 400
SOAKSTEPS  ?= 250
# How many sequences in each environment and for each user.
ENVRUNS    ?= 20
CTESTS     := api folders paths changes stories settle delivery manual hanging mounts process descriptors identity manners safe safeguards statements sizes destroys pins plugin hosts hosting unloading field scenarios reloads panics
EXAMPLES   := $(BUILD)/examples
SOURCES    := $(wildcard core/*.go core/reload/*.go core/internal/*/*.go capi/*.go capi/*.c capi/*.h capi/mklib/*.go capi/mklib/_runtime/*.go include/*.h) go.mod go.sum
comma      := ,

# Where .ci/need go puts a Go if the PATH has none that serves; everything finds it there.
export HOTRELOAD_GO := $(if $(filter /%,$(BUILD)),,$(CURDIR)/)$(BUILD)/toolchain
export PATH := $(HOTRELOAD_GO)/go/bin:$(PATH)
unexport GOROOT # another Go's; each knows its own
unexport CDPATH # with it, cd prints and goes elsewhere
# A workspace in a folder above, and a user's habits, are not those of this module.
export GOWORK      := off
export GO111MODULE := on
# Without a folder of the user's own (a container's numeric user) Go's caches lie in BUILD.
ifeq ($(shell [ -d "$$HOME" ] && [ -w "$$HOME" ] && echo yes),)
export GOCACHE ?= $(HOTRELOAD_GO).cache/build
export GOPATH  ?= $(HOTRELOAD_GO).cache/go
export GOFLAGS := $(GOFLAGS) -modcacherw
endif

C_FLAGS    := -std=c99 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -Iinclude $(CFLAGS)
C_LIBS     := -L$(LIB) -Wl,-rpath,"$(HERE)/lib" -lhotreload -lpthread -ldl

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help lib lib-release lib-static install demo examples test test-core test-capi test-abi abi-record test-packaging test-qt test-python test-examples lint race soak \
        fuzz bench clean ci

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lib: ## the shared library with debug information, in build/lib
	@.ci/need cc go
	$(GO) run ./capi/mklib -out $(LIB)

lib-release: $(RELEASE) ## the shared library, stripped, in build/release

$(RELEASE): $(SOURCES)
	@.ci/need cc go
	$(GO) run ./capi/mklib -out $(dir $@) -release
	@touch $@

lib-static: ## the static library, in build/static
	@.ci/need cc go nm
	$(GO) run ./capi/mklib -out $(BUILD)/static -static -release

CANARY     := $(BUILD)/libexec/hotreload-canary

$(CANARY): capi/canary/main.c capi/canary_child.h
	@.ci/need cc
	@mkdir -p $(dir $@)
	$(CC) -std=c99 -O2 -Wall -Wextra $< -o $@ -ldl

install: $(RELEASE) man $(CANARY) ## library, headers, manual pages, pkg-config and CMake files below PREFIX=/usr/local (also LIBDIR, INCLUDEDIR, LIBEXECDIR, MANDIR, DOCDIR, DESTDIR)
	capi/packaging/install $(dir $(RELEASE)) $(BUILD)/man $(CANARY)

.PHONY: dist
dist: ## the source archive with Go's modules in it, which builds without a network, in build/source
	@.ci/need go
	capi/packaging/dist $(BUILD)

demo: lib ## a host, a plugin, a compiler: see a reload happen
	@mkdir -p $(BUILD)/demo
	$(CC) $(C_FLAGS) examples/demo/*.c -o $(BUILD)/demo/demo $(C_LIBS)
	$(BUILD)/demo/demo $(BUILD)/demo/scratch

.PHONY: demo-gui
demo-gui: lib ## the same in a window, whose picture the plugins paint
	@.ci/need cmake g++ qt6
	.ci/cmake -DHOTRELOAD_QT=6 -DHOTRELOAD_LIBRARY="$(HERE)/lib/libhotreload.so" -S . -B $(BUILD)/gui
	cmake --build $(BUILD)/gui --target demo_gui
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then exec $(BUILD)/gui/examples/qt/demo/demo_gui --tour; fi; \
	echo "no display: the tour goes on unseen, and leaves $(BUILD)/demo-gui.png"; \
	QT_QPA_PLATFORM=offscreen $(BUILD)/gui/examples/qt/demo/demo_gui --tour --quit --screenshot $(BUILD)/demo-gui.png

examples: lib ## the C examples, in build/examples
	@mkdir -p $(EXAMPLES)
	$(CC) $(C_FLAGS) examples/c/host.c -o $(EXAMPLES)/host $(C_LIBS)
	$(CC) $(C_FLAGS) -fPIC -shared examples/c/plugin.c -o $(EXAMPLES)/plugin.so
	$(CC) $(C_FLAGS) examples/production/host.c -o $(EXAMPLES)/production $(C_LIBS)
	$(CC) $(C_FLAGS) examples/server/host.c -o $(EXAMPLES)/server $(C_LIBS)
	$(CC) $(C_FLAGS) examples/server/ask.c -o $(EXAMPLES)/ask

test: test-build test-python lint-python test-core test-capi test-abi test-packaging test-examples test-cpp test-qt ## all tests

.PHONY: test-build
test-build: ## the two commands: what a machine lacks, and the demo in a folder with a space and an umlaut, for a private user
	@.ci/need cc go python-venv
	.ci/tests/need
	.ci/tests/folder

# The oracle in each environment that this machine can have. It names those that it cannot; for that go test must be
# in the folder, or it shows nothing of a test that passes.
ENVIRONMENTS = $(GO) -C core/internal/engine test -count=1 -timeout 0 -parallel 16 -run '^TestEnvironments$$'

test-core: ## the Go tests, with the race detector
	@.ci/need cc go
	$(GO) test -race -shuffle=on ./core/... ./capi/...
	$(ENVIRONMENTS) -args -environments.runs=1 -oracle.steps=40

test-capi: lib lib-static ## the C tests, plain and under AddressSanitizer
	@.ci/need cc g++ nm strace sanitizers
	$(GO) run ./capi/mklib -q -out $(BUILD)/panics -tags panics
	capi/tests/run $(BUILD) plain $(CTESTS)
	capi/tests/run $(BUILD) asan $(CTESTS)
	capi/tests/links $(BUILD)
	capi/tests/fuzz $(BUILD) 20000
	$(MAKE) --no-print-directory $(BUILD)/oracle_host
	$(GO) test -count=1 -run TestOracle ./core/internal/engine -args -oracle.host="$(HERE)/oracle_host"

$(BUILD)/oracle_host: capi/tests/oracle_host.c include/hot_reload_manager.h | lib
	$(CC) $(C_FLAGS) $< -o $@ $(C_LIBS)

test-abi: lib $(RELEASE) ## exports, struct layouts, older and newer callers, hardening, size, the header under every standard
	@.ci/need cc g++ clang nm abigail
	capi/tests/abi $(BUILD)

abi-record: lib $(RELEASE) ## writes capi/abi anew, after functions or fields were appended
	@.ci/need cc nm abigail
	capi/tests/abi $(BUILD) --record

test-packaging: lib $(RELEASE) ## installs it in every way that is offered and uses each from outside the tree
	@.ci/need cc sanitizers go nm cmake g++ qt6 pkg-config deb python-venv
	@! command -v apt-get >/dev/null 2>&1 || .ci/need lintian
	capi/tests/packaging $(BUILD)

test-examples: examples demo ## the C examples and the demo, to the end
	examples/c/check $(EXAMPLES) $(RELOADS)
	$(GO) run ./examples/production/check -host $(EXAMPLES)/production
	examples/server/check $(EXAMPLES)
	docs/check/run $(BUILD)

.PHONY: test-cpp test-qt6 test-qt5
test-cpp: lib ## the C++ face without Qt under AddressSanitizer; recipes for epoll, GLib, libuv and Boost.Asio
	@.ci/need cc g++ pkg-config glib-dev libuv boost
	capi/cpp/run $(BUILD)
	examples/loops/check $(BUILD)

test-qt: test-qt6 test-qt5 ## the Qt class, its tests and examples: Qt 6 under AddressSanitizer, Qt 5

.PHONY: lint-qt
lint-qt: lib ## clazy and clang-tidy over what is made with Qt
	@.ci/need cmake g++ qt6 clazy clang-tidy
	capi/qt/lint $(BUILD)

QT_TEST = .ci/cmake -DHOTRELOAD_QT=$(1) -DHOTRELOAD_LIBRARY="$(HERE)/lib/libhotreload.so" \
	    -DHOTRELOAD_SANITIZE=$(2) -S . -B $(BUILD)/qt$(1) && \
	cmake --build $(BUILD)/qt$(1) && \
	LSAN_OPTIONS="suppressions=\"$$PWD/capi/qt/autotests/lsan.supp\"" QT_QPA_PLATFORM=offscreen \
	    ctest --test-dir $(BUILD)/qt$(1) --output-on-failure -j2

test-qt6: lib
	@.ci/need cmake g++ qt6
	$(call QT_TEST,6,address$(comma)undefined)

test-qt5: lib
	@.ci/need cmake g++ qt5
	$(call QT_TEST,5,)

.PHONY: man reference
man: ## manual pages of the C interface, in build/man
	@.ci/need go
	@rm -rf $(BUILD)/man
	@$(GO) run ./capi/mkman -out $(BUILD)/man include/*.h

reference: ## the reference of the C and C++ interfaces, in build/reference/html; an undocumented symbol is an error
	@.ci/need doxygen go python-venv
	@mkdir -p $(BUILD)/reference
	@$(GO) run ./capi/mkman -check include/*.h
	@HOTRELOAD_REFERENCE=$(BUILD)/reference HOTRELOAD_VERSION="$$(sed -n 's/^#define HRM_VERSION_STRING "\(.*\)"/\1/p' include/hot_reload_manager.h)" \
	    doxygen docs/Doxyfile
	@$(PYTHON) docs/check/reference.py $(BUILD)/reference/xml

.PHONY: wheel test-python-all test-python-frozen lint-python
# The Python package: what its wheel is made of.
WHEEL      := $(BUILD)/dist/.made
WHEEL_OF   := $(SOURCES) $(shell find python/src -name '*.py' -o -name '*.pth') $(wildcard python/*.py python/*.toml python/*.md python/tools/wheel)

wheel: $(WHEEL) ## the Python package's sdist and manylinux wheel, in build/dist

$(WHEEL): $(WHEEL_OF)
	@.ci/need cc go python-venv
	python/tools/wheel $(BUILD)
	@touch $@

test-python: $(WHEEL) ## the tests of the installed Python wheel: in full on python3, in part on others
	@.ci/need cc g++ go python-venv qt-gui tmux
	python/tools/test $(BUILD)

test-python-all: $(WHEEL) ## the Python tests in full on every Python from 3.10 on that is found
	@.ci/need cc g++ go python-venv qt-gui tmux
	python/tools/test $(BUILD) all

test-python-frozen: $(WHEEL) ## the Python package in programs made by PyInstaller and pex
	@.ci/need cc go python-venv
	python/tools/frozen $(BUILD)

lint-python: $(WHEEL) ## ruff, mypy --strict and pyright
	python/tools/lint $(BUILD)

.PHONY: test-toolchains
test-toolchains: ## the library built with the oldest Go that go.mod allows and with the newest, and the tests of what is changed in Go's runtime
	@.ci/need cc go nm strace
	capi/tests/toolchains $(BUILD)

.PHONY: test-links
test-links: lib-static ## programs linked to the archive by gcc and clang, with four linkers, static and not, and with musl
	@.ci/need cc go nm clang linkers musl
	capi/tests/links $(BUILD) linkers
	capi/tests/links $(BUILD) musl

# Not the C tests that start themselves once more: the system cannot run a program of another machine's kind. Nor "panics",
# which has a library of its own, "field" and "unloading", whose plugins and handlers of signals qemu does not survive.
.PHONY: test-arm64
test-arm64: ## the library for Linux on arm64: the C tests and those of the core, under qemu-aarch64
	@.ci/need go arm64
	capi/tests/arm64 $(BUILD) $(filter-out field hanging hosting identity manners mounts panics paths process reloads unloading,$(CTESTS))

.PHONY: test-windows
test-windows: ## the C library for Windows, built by MinGW and run under Wine
	@.ci/need go windows cmake
	capi/tests/windows/run $(BUILD)

lint: reference ## formatting, vet for every system, the header under every standard, forbidden calls, documentation, licence lines
	@.ci/need cc go g++
	.ci/lint

race: ## the Go tests, ten times over, with the race detector
	@.ci/need cc go
	$(GO) test -race -shuffle=on -count=10 ./core/... ./capi/...

soak: $(BUILD)/oracle_host ## random operations for minutes: on the core, on the C library in a stopped and starved process, on both in each environment
	$(GO) test -count=1 ./core/internal/settle -args -settle.pairs
	$(GO) test -count=5 -parallel 16 -run Stories ./core/internal/engine -args -stories.disturbed
	$(GO) test -count=1 -timeout 0 -parallel 16 -run 'TestModel' ./core/internal/engine -args -model.runs=20000
	$(GO) test -count=1 -timeout 0 -run 'TestWhatever|TestRandom' ./core/reload -args -effort=100
	$(GO) test -count=1 -timeout 0 -parallel 16 -run TestOracle ./core/internal/engine -args -oracle.runs=$(SOAKRUNS) -oracle.steps=$(SOAKSTEPS)
	$(GO) test -count=1 -timeout 0 -parallel 16 -run TestOracle ./core/internal/engine -args -oracle.runs=$(SOAKRUNS) -oracle.steps=$(SOAKSTEPS) \
	    -oracle.host="$(HERE)/oracle_host"
	$(ENVIRONMENTS) -args -environments.runs=$(ENVRUNS) -oracle.steps=$(SOAKSTEPS)
	$(ENVIRONMENTS) -args -environments.runs=$(ENVRUNS) -oracle.steps=$(SOAKSTEPS) -oracle.host="$(HERE)/oracle_host"

.PHONY: attack
attack: ## somebody else's process against hosts with every safeguard, for ATTACKTIME; as root, the process is nobody's
	@.ci/need cc go
	$(GO) test -race -count=1 -timeout 0 -run TestWhateverAStranger ./core -args -attack.time=$(ATTACKTIME)

fuzz: lib ## the path walk, signatures, allow-lists, manifests and malformed images, these also by the standard library's readers, for FUZZTIME each, within limits of memory and time, then CALLS random calls under every sanitizer
	$(GO) test -run '^$$' -fuzz FuzzPathWalk -fuzztime $(FUZZTIME) ./core/internal/watch
	$(GO) test -run '^$$' -fuzz FuzzImage -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./core/internal/image
	$(GO) test -run '^$$' -fuzz FuzzSignature -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./core/internal/verify
	$(GO) test -run '^$$' -fuzz FuzzAllowList -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./core/internal/verify
	$(GO) test -run '^$$' -fuzz FuzzManifest -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./core/internal/verify
	$(GO) test -run '^$$' -fuzz FuzzStatement -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./core/internal/verify
	capi/tests/fuzz $(BUILD) $(CALLS)

bench: ## us and the other watchers, measured on the same work: writes docs/benchmarks.md (BENCH='-part storm': one part)
	@.ci/need cc go g++ cmake qt6 peers python-venv
	bench/peers/build $(BUILD)
	$(GO) run ./bench -build $(BUILD) $(BENCH)

clean: ## removes what was built
	rm -rf $(BUILD)

ci: lint test ## what the pipeline runs
