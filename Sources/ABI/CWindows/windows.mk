# libnspwindows.a: what sources for Windows need behind the headers of Sources/ABI/CWindows/include. Included by the Makefile.
WINDOWS := Sources/ABI/CWindows
WINDOWS_LIBRARY := $(BUILD)/libnspwindows.a
WINDOWS_OBJECTS := $(patsubst $(WINDOWS)/%.c,$(BUILD)/windows/%.o,$(wildcard $(WINDOWS)/*.c))
WINDOWS_HEADERS := $(wildcard $(WINDOWS)/*.h $(WINDOWS)/include/*.h $(WINDOWS)/include/nsp/*.h Sources/ABI/CWinsock/include/*.h)
WINDOWS_INCLUDES := -I$(WINDOWS)/include -ISources/ABI/CWinsock/include
WINDOWS_SAMPLES := $(patsubst sample-providers/windows-style/%.c,$(BUILD)/windows-style/%,$(wildcard sample-providers/windows-style/*.c))
MINGW := x86_64-w64-mingw32-gcc

.PHONY: windows check-windows check-windows-style install-windows

windows: $(WINDOWS_LIBRARY)

# Position-independent and hidden, for providers that are shared objects: none of it shows in them.
$(BUILD)/windows/%.o: $(WINDOWS)/%.c $(WINDOWS_HEADERS) $(WINDOWS)/windows.mk
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -fPIC -fvisibility=hidden -fshort-wchar -Wall -Wextra -Werror $(WINDOWS_INCLUDES) -c $< -o $@

$(WINDOWS_LIBRARY): $(WINDOWS_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

# Each item of the headers, used; and the samples in the style of Windows, on a host.
check-windows: test-packages samples windows
	$(SWIFT) build --product nsphost
	$(SWIFT) build --product NSPLibrary
	Tests/Windows/check-windows.sh
	Tests/Windows/check-windows-style.sh

# The samples in the style of Windows, compiled for Linux against these headers, and for Windows against mingw-w64's. Those have two
# routines of a provider return int, and WSAAdvertiseProvider take one pointer too many: pointer types are not compared there.
check-windows-style: test-packages $(WINDOWS_SAMPLES:%=%.o) $(WINDOWS_SAMPLES:%=%.obj)
	@echo "compiled for Linux and for Windows: $(notdir $(WINDOWS_SAMPLES))"

$(BUILD)/windows-style/%.o: sample-providers/windows-style/%.c $(WINDOWS_HEADERS)
	@mkdir -p $(@D)
	clang -fshort-wchar -DUNICODE -D_UNICODE -Wall -Wextra -Werror $(WINDOWS_INCLUDES) -c $< -o $@

$(BUILD)/windows-style/%.obj: sample-providers/windows-style/%.c | test-packages
	@mkdir -p $(@D)
	$(MINGW) -DUNICODE -D_UNICODE -D_WIN32_WINNT=0x0602 -Wall -Wextra -Werror -Wno-incompatible-pointer-types -c $< -o $@

install-windows: windows
	install -d "$(DESTDIR)$(PREFIX)/lib/pkgconfig" "$(DESTDIR)$(PREFIX)/include/nsphost/windows/nsp"
	install -m 644 $(WINDOWS_LIBRARY) "$(DESTDIR)$(PREFIX)/lib/"
	install -m 644 $(WINDOWS)/include/*.h "$(DESTDIR)$(PREFIX)/include/nsphost/windows/"
	install -m 644 $(WINDOWS)/include/nsp/*.h "$(DESTDIR)$(PREFIX)/include/nsphost/windows/nsp/"
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' packaging/nsp-windows.pc.in \
	  >"$(DESTDIR)$(PREFIX)/lib/pkgconfig/nsp-windows.pc"
	chmod 644 "$(DESTDIR)$(PREFIX)/lib/pkgconfig/nsp-windows.pc"
