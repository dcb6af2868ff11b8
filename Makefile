# make help lists what can be made.
SECONDS ?= 60
BUILD := build
PROVIDERS := $(BUILD)/providers
PLUGINS := hosts dns directory email nss
RELEASE = $(SWIFT) build -c release
FIXTURES := $(BUILD)/fixtures
PACKAGES := libffi-dev uuid-dev libsqlite3-dev libc-ares-dev libidn2-dev libldns-dev pkg-config
TEST_PACKAGES := mingw-w64-x86-64-dev gcc-mingw-w64-x86-64 libc6-dev-arm64-cross gcc g++ rustc spin knot knot-dnsutils curl openssh-client iputils-ping \
  python3 perl procps iproute2 netbase util-linux mount
PEER_PACKAGES := nscd dnsmasq-base iproute2
SWIFT := swift
export NSPHOST_FIXTURES := $(CURDIR)/$(FIXTURES)
export NSPHOST_SAMPLES := $(CURDIR)/$(PROVIDERS)

PREFIX ?= /usr/local
COMPLETIONS := bash-completion/completions zsh/site-functions fish/vendor_completions.d
DESTDIR ?=
VERSION := $(shell sed -n 's/.*static let version = "\(.*\)"/\1/p' Sources/nsphost/NSPHost.swift)

.PHONY: help lint fmt run test man install uninstall packages test-packages samples plugins nss-module fixtures check-abi check-embedding check-model last-release check-system check-confinement check-format check-rooms check-documents sanitize bench bench-daemon bench-peers peers-packages fuzz clean

help:
	@echo "make run              builds everything and does the main job before your eyes"
	@echo "make test             builds and passes every test, in about 50 minutes on two processors"
	@echo "make check-system     the tests with real hosts and real clients alone"
	@echo "make sanitize         all other tests under ThreadSanitizer"
	@echo "make lint, make fmt   say what the form of the sources should be; give them that form"
	@echo "make install          into PREFIX (/usr/local), under DESTDIR where that is given; uninstall takes it away"
	@echo "make man              the manual pages, into $(BUILD)/man"
	@echo "make plugins          the providers that ship, into $(BUILD)/plugins"
	@echo "make samples          the sample providers, into $(PROVIDERS)"
	@echo "make packages         the packages of Debian that building takes; test-packages: that the tests take"
	@echo "make bench            the library; bench-daemon: the service; bench-peers: beside other name services"
	@echo "make fuzz SECONDS=60  readers of untrusted bytes, each for so long"
	@echo "make clean            takes away what was built"

run: samples $(BUILD)/tour
	$(SWIFT) build --product nsphost
	@rm -rf $(BUILD)/state
	@STATE_DIRECTORY=$(CURDIR)/$(BUILD)/state LOOPBACK_MCM_SCRIPT=sample-providers/loopback-mcm/calls.script \
	  $$($(SWIFT) build --show-bin-path)/nsphost run sample-providers/tour.nsp --plugins $(PROVIDERS) --plugins $(BUILD)/tour

# The one of the providers that ship that needs nothing of the machine and its network.
$(BUILD)/tour: plugins
	@install -d -m 755 $@ && install -m 755 $(BUILD)/plugins/directory.so $@/ && install -m 644 $(BUILD)/plugins/directory.toml $@/

# How many seconds the tests of endurance run; those of a plain `swift test` take one.
test: export NSPHOST_ENDURANCE ?= 20
# Tests that wait keep threads of Swift's pool, which has two on two processors: side by side they would make each other late.
test: check-format check-rooms check-documents check-abi check-embedding check-model check-confinement check-windows-style samples $(BUILD)/tour fixtures
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build --no-parallel --skip SystemTests
	$(MAKE) check-system
	$(MAKE) check-windows
	$(MAKE) sanitize

# The suite once more, under ThreadSanitizer, in a build of its own. The command's tests and those of the system
# run the program itself, which the first run has covered. Everything takes some ten times as long: tests of endurance run for a shorter time.
sanitize: samples fixtures
	NSPHOST_ENDURANCE=5 NSPHOST_SANITIZER=thread TSAN_OPTIONS="halt_on_error=1" \
	  $(SWIFT) test --no-parallel --sanitize thread --scratch-path .build/tsan --skip CommandTests --skip SystemTests

check-abi: test-packages
	Tests/ABI/check-abi.sh

check-embedding: test-packages
	Tests/Embedding/check-embedding.sh

# Real hosts and real clients, four tests at a time: each has a host of its own, and more would only wait for processors.
check-system: test-packages samples fixtures plugins windows nss-module last-release
	$(SWIFT) build --build-tests
	$(SWIFT) build --product NSPLibrary
	$(SWIFT) build --product NSPHostLibrary
	$(SWIFT) build --product reach
	$(SWIFT) test --skip-build --experimental-maximum-parallelization-width 4 --filter SystemTests

# Both libraries of the last release, from the commit that Tests/last-release names, once: for programs that were linked with them.
LAST_RELEASE := $(shell cat Tests/last-release)
FORMER := $(BUILD)/last-release/$(LAST_RELEASE)

last-release: $(FORMER)/libnsp.so.0

$(FORMER)/libnsp.so.0: | packages
	@if ! git cat-file -e "$(LAST_RELEASE)^{commit}" 2>/dev/null; then \
	  echo "this copy of the sources has no history, and so no last release to try"; exit 0; fi; \
	set -e; rm -rf $(FORMER); mkdir -p $(FORMER)/source; \
	git archive -o $(FORMER)/source.tar $(LAST_RELEASE); cd $(FORMER)/source; tar -xf ../source.tar; rm ../source.tar; \
	for product in NSPLibrary NSSModule; do $(SWIFT) build --product $$product >../log 2>&1 || { tail -5 ../log; exit 1; }; done; \
	built=$$($(SWIFT) build --show-bin-path); \
	strip -R .swift_ast -o ../libnss_nsp.so.2 "$$built/libNSSModule.so"; \
	mv "$$built/libNSPLibrary.so" ../libnsp.so.0; \
	rm -rf .build

# What a provider's process may do, tried against this kernel.
check-confinement: test-packages
	Tests/Confinement/check-confinement.sh

check-model: test-packages
	Tests/Model/check-model.sh

# The picture of the rooms is the package's, and its arrows run down.
check-rooms: test-packages
	Tests/rooms.py

# Links, tables and what they describe.
check-documents: test-packages
	Tests/Documents/check-documents.py

lint: check-format check-rooms check-documents

fmt:
	@# A link stays one.
	find Package.swift Sources Plugins Tests Benchmarks sample-providers -name '*.swift' -type f -exec $(SWIFT) format --in-place {} +

check-format:
	$(SWIFT) format lint --strict --recursive Package.swift Sources Plugins Tests Benchmarks sample-providers
	@# ThreadSanitizer does not see the lock that is behind Locked in other builds.
	! grep -rnw --include='*.swift' Mutex Sources Plugins Tests Benchmarks | grep -v '^Sources/Core/Rundown/Locked.swift:'
	@# What is compiled twice is a link.
	! find Sources Plugins Tests Benchmarks -name '*.swift' -type f -exec sha1sum {} + | sort | uniq -w 40 --all-repeated | grep .

samples: packages
	$(MAKE) -s -C sample-providers OUT=$(CURDIR)/$(PROVIDERS)

# The providers that ship, each with its manifest. Put into place by renaming, so that a host never sees half a file.
plugins: packages
	@install -d -m 755 $(BUILD)/plugins
	@for name in $(PLUGINS); do \
	  $(SWIFT) build --product $$name && \
	  install -m 755 "$$($(SWIFT) build --show-bin-path)/lib$$name.so" $(BUILD)/plugins/.$$name && \
	  mv $(BUILD)/plugins/.$$name $(BUILD)/plugins/$$name.so && \
	  install -m 644 Plugins/$$name/$$name.toml $(BUILD)/plugins/ || exit 1; done

# What glibc loads, as it is installed: without what a debugger needs.
nss-module: packages
	$(SWIFT) build --product NSSModule
	strip -R .swift_ast -o $(BUILD)/libnss_nsp.so.2 "$$($(SWIFT) build --show-bin-path)/libNSSModule.so"

fixtures: packages
	$(MAKE) -s -C Tests/Fixtures OUT=$(CURDIR)/$(FIXTURES)

bench: samples
	$(SWIFT) build -c release --product bench
	@$$($(SWIFT) build -c release --show-bin-path)/bench $(CURDIR)/$(PROVIDERS)

# The daemon against a bare echo server in C, in one run.
bench-daemon: samples
	$(RELEASE) --product nsphost
	$(RELEASE) --product NSPLibrary
	@Benchmarks/floor/run.sh $(CURDIR)/$(PROVIDERS)

# The same names through glibc's files, nscd, dnsmasq and this host; writes the tables of docs/benchmarks.md. It needs no root where users
# may have namespaces.
bench-peers: peers-packages
	$(RELEASE) --product nsphost
	$(RELEASE) --product hosts
	$(RELEASE) --product NSSModule
	rm -rf $(BUILD)/peers
	install -d $(BUILD)/peers/plugins
	install -m 755 "$$($(RELEASE) --show-bin-path)/libhosts.so" $(BUILD)/peers/plugins/hosts.so
	install -m 644 Plugins/hosts/hosts.toml $(BUILD)/peers/plugins/
	install -m 755 "$$($(RELEASE) --show-bin-path)/libNSSModule.so" $(BUILD)/peers/libnss_nsp.so.2
	@Benchmarks/peers/run.sh "$$($(RELEASE) --show-bin-path)/nsphost" $(BUILD)/peers/plugins $(BUILD)/peers/libnss_nsp.so.2

fuzz: packages
	Tests/Fuzz/fuzz.sh $(SECONDS)

# The command, the providers that ship, the client library with nsp.pc, glibc's module, the library for programs that embed the host with
# nsphost.pc, the headers with nsp-provider.pc for providers, and the units for systemd. For sources written for Windows: their headers, libnspwindows.a and nsp-windows.pc.
install: packages install-windows
	$(RELEASE) --product nsphost
	$(RELEASE) --product NSPHostLibrary -Xlinker -soname=libnsphost.so.0
	$(RELEASE) --product NSPLibrary
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/lib/pkgconfig" "$(DESTDIR)$(PREFIX)/include/nsphost"
	install -m 755 "$$($(RELEASE) --show-bin-path)/nsphost" "$(DESTDIR)$(PREFIX)/bin/"
	install -m 755 "$$($(RELEASE) --show-bin-path)/libNSPHostLibrary.so" "$(DESTDIR)$(PREFIX)/lib/libnsphost.so.$(VERSION)"
	ln -sf libnsphost.so.$(VERSION) "$(DESTDIR)$(PREFIX)/lib/libnsphost.so.0"
	ln -sf libnsphost.so.0 "$(DESTDIR)$(PREFIX)/lib/libnsphost.so"
	install -m 755 "$$($(RELEASE) --show-bin-path)/libNSPLibrary.so" "$(DESTDIR)$(PREFIX)/lib/libnsp.so.$(VERSION)"
	strip "$(DESTDIR)$(PREFIX)/lib/libnsp.so.$(VERSION)"
	ln -sf libnsp.so.$(VERSION) "$(DESTDIR)$(PREFIX)/lib/libnsp.so.0"
	ln -sf libnsp.so.0 "$(DESTDIR)$(PREFIX)/lib/libnsp.so"
	$(RELEASE) --product NSSModule
	strip -R .swift_ast -o "$(DESTDIR)$(PREFIX)/lib/libnss_nsp.so.2" "$$($(RELEASE) --show-bin-path)/libNSSModule.so"
	install -d "$(DESTDIR)$(PREFIX)/lib/nsp"
	for name in $(PLUGINS); do \
	  $(RELEASE) --product $$name && \
	  install -m 755 "$$($(RELEASE) --show-bin-path)/lib$$name.so" "$(DESTDIR)$(PREFIX)/lib/nsp/$$name.so" && \
	  install -m 644 Plugins/$$name/$$name.toml "$(DESTDIR)$(PREFIX)/lib/nsp/" || exit 1; done
	install -m 644 Sources/ABI/CWinsock/include/*.h "$(DESTDIR)$(PREFIX)/include/nsphost/"
	for name in nsphost nsp nsp-provider; do \
	  sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' packaging/$$name.pc.in >"$(DESTDIR)$(PREFIX)/lib/pkgconfig/$$name.pc" && \
	  chmod 644 "$(DESTDIR)$(PREFIX)/lib/pkgconfig/$$name.pc" || exit 1; done
	install -d "$(DESTDIR)$(PREFIX)/lib/systemd/system"
	$(MAKE) man MANUAL_OF="$(RELEASE)"
	for section in 1 5 7 8; do \
	  install -d "$(DESTDIR)$(PREFIX)/share/man/man$$section" && \
	  install -m 644 $(BUILD)/man/*.$$section "$(DESTDIR)$(PREFIX)/share/man/man$$section/" || exit 1; done
	install -d $(COMPLETIONS:%="$(DESTDIR)$(PREFIX)/share/%") "$(DESTDIR)$(PREFIX)/share/doc/nsphost"
	nsphost="$$($(RELEASE) --show-bin-path)/nsphost" share="$(DESTDIR)$(PREFIX)/share" && \
	  "$$nsphost" completions bash >"$$share/bash-completion/completions/nsphost" && \
	  "$$nsphost" completions zsh >"$$share/zsh/site-functions/_nsphost" && \
	  "$$nsphost" completions fish >"$$share/fish/vendor_completions.d/nsphost.fish" && \
	  chmod 644 "$$share/bash-completion/completions/nsphost" "$$share/zsh/site-functions/_nsphost" "$$share/fish/vendor_completions.d/nsphost.fish"
	install -m 644 examples/nsphost.toml "$(DESTDIR)$(PREFIX)/share/doc/nsphost/"
	for unit in nsphost.service nsphost.socket; do \
	  sed -e 's|@PREFIX@|$(PREFIX)|' packaging/$$unit >"$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit" && \
	  chmod 644 "$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit" || exit 1; done

# Takes away what install puts there, and folders of its own. What the host has kept stays: its state folder and its configuration.
uninstall:
	cd "$(DESTDIR)$(PREFIX)" && \
	  rm -f bin/nsphost lib/libnsphost.so lib/libnsphost.so.* lib/libnsp.so lib/libnsp.so.* lib/libnss_nsp.so.2 lib/libnspwindows.a \
	    $(foreach name,$(PLUGINS),lib/nsp/$(name).so lib/nsp/$(name).toml) \
	    $(foreach name,nsphost nsp nsp-provider nsp-windows,lib/pkgconfig/$(name).pc) \
	    lib/systemd/system/nsphost.service lib/systemd/system/nsphost.socket \
	    share/man/man1/nsphost.1 share/man/man1/nsphost-*.1 share/man/man5/nsphost.toml.5 share/man/man7/nsp-provider.7 share/man/man8/libnss_nsp.8 \
	    share/bash-completion/completions/nsphost share/zsh/site-functions/_nsphost share/fish/vendor_completions.d/nsphost.fish && \
	  rm -rf include/nsphost share/doc/nsphost && \
	  { [ ! -d lib/nsp ] || rmdir --ignore-fail-on-non-empty lib/nsp; }

include Sources/ABI/CWindows/windows.mk

# The manual pages, into build/man, from the program of that build.
MANUAL_OF = $(SWIFT) build
man: packages
	$(MANUAL_OF) --product nsphost
	$(SWIFT) build --product generate-manual
	packaging/make-manual.sh "$$($(SWIFT) build --show-bin-path)/generate-manual" "$$($(MANUAL_OF) --show-bin-path)/nsphost" $(BUILD)/man

# Installs what is missing of the Debian packages; asks for root only then. The servers among them are not started.
packages:
	@packaging/install-packages.sh $(PACKAGES) $(if $(shell command -v clang),,clang) $(if $(shell command -v c++),,g++)

test-packages: packages
	@packaging/install-packages.sh $(TEST_PACKAGES)

peers-packages: packages
	@packaging/install-packages.sh $(PEER_PACKAGES)

clean:
	rm -rf .build $(BUILD)
