# make run    builds everything and does the main job before your eyes
# make test   builds and passes every test
# See README.md for the rest.
SECONDS ?= 60
BUILD := build
PROVIDERS := $(BUILD)/providers
FIXTURES := $(BUILD)/fixtures
PACKAGES := libffi-dev uuid-dev pkg-config mingw-w64-x86-64-dev
SWIFT := swift
export NSPHOST_FIXTURES := $(CURDIR)/$(FIXTURES)
export NSPHOST_SAMPLES := $(CURDIR)/$(PROVIDERS)

.PHONY: run test build packages samples fixtures check-abi check-format sanitize bench fuzz clean

run: samples
	$(SWIFT) build --product nsphost
	@$$($(SWIFT) build --show-bin-path)/nsphost run sample-providers/tour.nsp --plugins $(PROVIDERS)

test: check-format check-abi samples fixtures
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build
	$(MAKE) sanitize

# The suite once more, under ThreadSanitizer, in a build of its own. The command's tests run the program itself, which the
# first run has covered.
sanitize: samples fixtures
	NSPHOST_SANITIZER=thread TSAN_OPTIONS="halt_on_error=1" \
	  $(SWIFT) test --sanitize thread --scratch-path .build/tsan --skip CommandTests

check-abi: packages
	Tests/ABI/check-abi.sh

check-format:
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests Benchmarks sample-providers

samples: packages
	$(MAKE) -s -C sample-providers OUT=$(CURDIR)/$(PROVIDERS)

fixtures: packages
	$(MAKE) -s -C Tests/Fixtures OUT=$(CURDIR)/$(FIXTURES)

bench: samples
	$(SWIFT) build -c release --product bench
	@$$($(SWIFT) build -c release --show-bin-path)/bench $(CURDIR)/$(PROVIDERS)

fuzz: packages
	Tests/Fuzz/fuzz.sh $(SECONDS)

# Installs what is missing of the Debian packages; asks for root only then.
packages:
	@missing=""; for package in $(PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	command -v clang >/dev/null || missing="$$missing clang"; \
	command -v c++ >/dev/null || missing="$$missing g++"; \
	if [ -n "$$missing" ]; then \
	  sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  echo "installing$$missing"; \
	  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq $$missing >/dev/null; fi

clean:
	rm -rf .build $(BUILD)
