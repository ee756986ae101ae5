# BarKV's tasks: `make` lists them. Each does its own set-up: a fresh Debian machine with a Swift toolchain is enough.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

SWIFT ?= swift
# What swift-format reads: the sources of all packages, not what they build or fetch.
SOURCES := Package.swift Sources Tests Benchmarks/Package.swift Benchmarks/Sources Fuzz/Package.swift \
  Fuzz/Sources/ImageFuzzer/ImageFuzzer.swift

# A sanitizer's report ends the process with a code that kvcli never uses, so that no test takes it for an answer. SIGBUS is
# the store's own to handle. A forked child inherits threads that it can never join.
# A quarter of the rounds of tests that have many: each takes ten times as long, and what races does so in every round.
TSAN_ENVIRONMENT := BARKV_TEST_SHARE=4 TSAN_OPTIONS=exitcode=99:atexit_sleep_ms=0:handle_sigbus=0:report_thread_leaks=0
# The leak checker mistakes what XCTest keeps for leaks.
ASAN_ENVIRONMENT := ASAN_OPTIONS=detect_leaks=0:exitcode=99:handle_sigbus=0
# What runs on one thread a store has nothing for the thread sanitizer, at ten times the time.
TSAN_TESTS := --skip CrashTests --skip ImageTests --skip FormatTests --skip CLITests --skip PeerDevicesTests --skip RunAsideTests
# Tests reach internals through `@testable`, which an optimised build offers only when asked.
RELEASE_TESTS := -c release -Xswiftc -enable-testing

fuzz: SECONDS ?= 60

# The crash rig, optimised: it needs `@testable`, and a build folder of its own.
CRASH_BUILD := BARKV_CRASH_RIG=1 $(SWIFT) build -c release -Xswiftc -enable-testing --scratch-path .build-crash \
  --product crashrig
CRASH_RIG := .build-crash/release/crashrig --directory .build-crash
# Different states that `make test` judges: a minute or so on two processors.
CRASH_STATES ?= 1000000
# Interleavings of owners and devices.
PEER_RUNS ?= 10000
crash: SECONDS ?= 600

# Where `make install` puts what it builds; DESTDIR stands before it.
PREFIX ?= /usr/local
export DESTDIR

# How often the emulated machine is killed, and what decides the moments; `make test-device CYCLES=100 SEED=…`.
test-device: CYCLES ?= 24
test-device-quick: CYCLES ?= 6
test-device: PEER_CYCLES ?= 12
test-device-quick: PEER_CYCLES ?= 3

# Work of the benchmarks; `make bench RECORDS=1000000` changes it.
bench: RECORDS ?= 10000000
bench: ROUNDS ?= 5
bench: THREADS ?= 2
bench-quick: RECORDS ?= 1000000
bench-quick: ROUNDS ?= 3
bench-quick: THREADS ?= 1
# Whether BarKV is measured beside other stores as well, which are installed for that; how many seconds each work of each
# store gets, and in how many of the rounds sizes of values and threads are measured too.
RIVALS ?= yes
bench bench-rivals: RIVAL_OPTIONS ?= --records $(or $(RECORDS),10000000) --rounds $(or $(ROUNDS),5) --seconds 1 \
  --small-rounds 3 --small-records 1000000
bench-quick bench-rivals-quick: RIVAL_OPTIONS ?= --records $(or $(RECORDS),1000000) --rounds $(or $(ROUNDS),3) \
  --seconds 0.3

.DEFAULT_GOAL := help
.PHONY: help setup run test test-tsan test-tsan-debug test-tsan-release test-asan test-device test-device-quick test-gpu fuzz \
  crash mutate build release install uninstall format lint bench-quick bench bench-rivals bench-rivals-quick bench-devices guard \
  guard-update clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: Debian packages; says what to do about the rest
	@Scripts/setup

run: setup ## a tour in two minutes: real data, a kill in the middle, nothing lost
	@Scripts/tour

test: setup lint ## check the formatting, build everything, run all tests
	$(SWIFT) build --product kvcli
	$(SWIFT) test
	$(CRASH_BUILD)
	$(CRASH_RIG) --states $(CRASH_STATES) --deep-share 64
	$(CRASH_RIG) --peers $(PEER_RUNS)

crash: setup ## judge what power cuts leave, for SECONDS=600 or as long as you say
	$(CRASH_BUILD)
	$(CRASH_RIG) --seconds $(SECONDS) --keep-going

mutate: setup ## the tests tested: breaks the store in 200 places, and sees which tests notice
	@Scripts/mutate

test-tsan: test-tsan-debug test-tsan-release ## the tests under ThreadSanitizer, debug and release: each sees other races

test-tsan-debug: setup
	$(TSAN_ENVIRONMENT) $(SWIFT) test --sanitize=thread --scratch-path .build-tsan $(TSAN_TESTS)

test-tsan-release: setup
	$(TSAN_ENVIRONMENT) $(SWIFT) test $(RELEASE_TESTS) --sanitize=thread --scratch-path .build-tsan $(TSAN_TESTS)

test-asan: setup ## the tests under AddressSanitizer; a debug build would miss raw loads out of bounds
	$(ASAN_ENVIRONMENT) $(SWIFT) test $(RELEASE_TESTS) --sanitize=address --scratch-path .build-asan

test-device: setup ## stores on PCIe BARs and persistent memory in an emulated machine that is killed CYCLES=24 times
	@Scripts/device/test --cycles $(CYCLES) --peer-cycles $(PEER_CYCLES) $(if $(SEED),--seed $(SEED))

test-device-quick: setup ## the same, with fewer kills
	@Scripts/device/test --cycles $(CYCLES) --peer-cycles $(PEER_CYCLES) $(if $(SEED),--seed $(SEED))

test-gpu: setup ## an NVIDIA GPU as a peer; `make test-gpu GPU=pretended` where there is none
	@GPU=$(GPU) Scripts/gpu $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED))

fuzz: setup ## damaged and malicious images, by libFuzzer; `make fuzz SECONDS=600` for longer
	@Scripts/fuzz $(SECONDS)

build: setup ## build the library and kvcli for debugging
	$(SWIFT) build

release: setup ## build the library and kvcli optimised; prints where kvcli is
	$(SWIFT) build -c release
	@echo "kvcli: $$($(SWIFT) build -c release --show-bin-path)/kvcli"

install: setup ## kvcli and barkv-ingest, which then need no Swift, with completions, below PREFIX (/usr/local) and DESTDIR
	@Scripts/install install $(PREFIX)

uninstall: ## remove what `make install` put below PREFIX
	@Scripts/install uninstall $(PREFIX)

format: setup ## format the sources in place
	$(SWIFT) format format --in-place --recursive --parallel $(SOURCES)

lint: setup ## check the formatting
	$(SWIFT) format lint --strict --recursive --parallel $(SOURCES)

bench-quick: setup ## 1 M records: BarKV against raw loops in C and other stores; a few minutes; prints only
	@Scripts/bench --records $(RECORDS) --rounds $(ROUNDS) --threads $(THREADS)
ifeq ($(RIVALS),yes)
	@Scripts/bench-rivals measure $(RIVAL_OPTIONS)
endif

bench: setup ## 10 M records: the same for an hour, 13 GiB of memory; the other stores' part goes into Docs/Benchmarks.md
	@Scripts/bench --records $(RECORDS) --rounds $(ROUNDS) --threads $(THREADS)
ifeq ($(RIVALS),yes)
	@Scripts/bench-rivals document $(RIVAL_OPTIONS)
endif

bench-rivals: setup ## the other stores' part of `make bench` alone
	@Scripts/bench-rivals document $(RIVAL_OPTIONS)

bench-rivals-quick: setup ## the other stores' part of `make bench-quick` alone
	@Scripts/bench-rivals measure $(RIVAL_OPTIONS)

guard: setup ## instructions and allocations of puts and gets, counted, against Benchmarks/Limits.json
	@Scripts/bench guard

guard-update: setup ## write what is counted now into Benchmarks/Limits.json
	@Scripts/bench guard --update

bench-devices: setup ## puts by threads and barrier, gets from a copy of slow memory, on pretended devices
	@Scripts/bench-devices

clean: ## remove everything that was built
	rm -rf .build .build-crash .build-mutants .build-tsan .build-asan .build-fuzz .build-device Benchmarks/.build \
	  Benchmarks/.build-rivals
