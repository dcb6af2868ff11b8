#!/bin/bash
# Sources for Windows against the headers of Sources/ABI/CWindows and libnspwindows.a: compiled every way that is documented, and run.
#   check-windows.sh            needs clang, gcc, build/libnspwindows.a and libnsp.so (NSP_LIBRARY, else that of the debug build)
set -eu
cd "$(dirname "$0")"
. ../needs.sh
needs clang clang++ gcc g++ nm
root=../..
library=${NSP_LIBRARY:-$root/.build/debug/libNSPLibrary.so}
archive=$PWD/$root/build/libnspwindows.a
includes="-I$root/Sources/ABI/CWindows/include -I$root/Sources/ABI/CWinsock/include"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for file in "$library" "$archive"; do
  [ -f "$file" ] || { echo "check-windows.sh: $file: there is none: run swift build --product NSPLibrary, then make windows" >&2; exit 1; }
done
cp "$library" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
export LD_LIBRARY_PATH=$work NSP_SOCKET=$work/nobody
failed=0 passed=0

check() { # name, command...
  local name=$1
  shift
  if "$@" >"$work/log" 2>&1; then passed=$((passed + 1)) && echo "ok      $name"; else
    failed=$((failed + 1)) && echo "FAILED  $name: $*" && sed 's/^/        /' "$work/log" | head -20
  fi
}
refuses() { ! "$@"; }
says() { local expected=$1; shift; "$@" 2>&1 | grep -q -- "$expected"; }

# Each program, in C and C++, ANSI and UNICODE, by include folders alone and with -include.
strict="-Wall -Wextra -Werror"
with() { # compiler, standard, language, flags, then sources
  local compiler=$1 standard=$2 language=$3 flags=$4
  shift 4
  $compiler -std=$standard -x $language -fshort-wchar $strict $flags $includes "$@" -o "$work/program" \
    -L"$work" -lnspwindows -lnsp -pthread
}
ln -s "$archive" "$work/libnspwindows.a"
each() { # compiler, standard, language, flags
  local program
  for program in types runtime win32 sockets console names; do
    check "$program: $*" with "$@" -D_GNU_SOURCE $program.c
    check "$program: $*: runs" "$work/program"
  done
  check "wide-main: $*" with "$@" wide-main.c
  check "wide-main: $*: gets its arguments" "$work/program" $'\xC3\xA4' $'\xF0\x9F\x98\x80'
}
for unicode in "" "-DUNICODE -D_UNICODE"; do
  for way in "" "-include nsp/windows-compat.h"; do
    each clang c11 c "$unicode $way"
    each clang++ c++17 c++ "$unicode $way -Wno-missing-field-initializers"
  done
done
each clang c11 c "-O2 -D_FORTIFY_SOURCE=2"
each gcc c11 c "-DUNICODE -Wno-missing-braces"
each g++ c++17 c++ "-DUNICODE -Wno-missing-field-initializers"

check "a main that returns nothing" with clang++ c++17 c++ -Dmain=nsp_void_main void-main.cpp
check "a main that returns nothing: runs" "$work/program" one
check "console: compiled again" with clang c11 c "" -D_GNU_SOURCE console.c
dies() { local status=0; "$work/program" dies || status=$?; [ $status = 143 ]; }
check "a signal that no handler takes has its usual effect" dies

# A provider that is a shared object shows its own routines alone.
cat >"$work/plugin.cpp" <<'END'
#include <winsock2.h>
#include "ws2spi.h"
static CRITICAL_SECTION lock;
extern "C" INT WSAAPI NSPv2LookupServiceEnd(HANDLE hLookup) {
  InitializeCriticalSection(&lock);
  return wprintf(L"%s\n", L"end") + (int)wcslen(L"x") + (hLookup != NULL);
}
END
plugin() {
  clang++ -shared -fPIC -fshort-wchar $strict $includes "$work/plugin.cpp" -o "$work/plugin.so" -L"$work" -lnspwindows -pthread
  # Some linkers also export the bounds of the segments.
  [ "$(nm -D --defined-only "$work/plugin.so" | awk '$3 !~ /^(_end|_edata|__bss_start)$/ {print $3}')" = NSPv2LookupServiceEnd ] || { nm -D "$work/plugin.so"; return 1; }
}
check "a provider that is a shared object" plugin

# A source may ask for the C library's own functions; then it needs nothing of ours.
printf '#include <stdio.h>\n#include <wchar.h>\nint main(void) { return wprintf(L"") + printf("%%s\\n", "native") != 7; }\n' >"$work/native.c"
native() { clang -fshort-wchar -DNSP_NATIVE_RUNTIME $includes "$work/native.c" -o "$work/native" && nm "$work/native" | grep -q ' printf\|printf@'; }
check "the C library's own functions, where a source asks for them" native

# What must not compile or link, and says why.
echo '#include <windows.h>' >"$work/wide.c"
check "without -fshort-wchar the headers say what is missing" \
  says "compile them with -fshort-wchar" clang $includes -fsyntax-only "$work/wide.c"
printf '#include <wchar.h>\nint main(void) { wchar_t room[4]; return swscanf(room, L"%%d", (int *)0); }\n' >"$work/none.c"
check "a wide function that there is none of does not link" says nsp_has_no_swscanf with clang c11 c "" "$work/none.c"
printf '#include <stdio.h>\nint other(void) { return 0; }\n' >"$work/empty.c"
check "a program that has neither main nor wmain" with clang c11 c "" "$work/empty.c"
neither() { local status=0; "$work/program" || status=$?; [ $status = 127 ]; }
check "a program that has neither main nor wmain says so" neither

# Every header alone, and in C++20 behind and before the C++ library.
alone() { # language, standard
  local header
  for header in $(cd $root/Sources/ABI/CWindows/include && ls *.h nsp/windows-compat.h); do
    printf '#include <%s>\nextern int nothing;\n' "$header" >"$work/alone.c"
    clang -x $1 -std=$2 -fshort-wchar $strict -Wpedantic $includes -fsyntax-only "$work/alone.c" || return 1
  done
}
check "each header alone, C11" alone c c11
check "each header alone, C++17" alone c++ c++17
ours="windows.h ws2tcpip.h" theirs="algorithm functional iostream map memory random regex string thread tuple vector"
for standard in c++11 c++17 c++20; do
  printf '#include <%s>\n' $ours $theirs >"$work/before.cpp"
  printf '#include <%s>\n' $theirs $ours >"$work/behind.cpp"
  for order in before behind; do
    check "windows.h $order the C++ library's, $standard" \
      clang++ -std=$standard -fshort-wchar $strict $includes -fsyntax-only "$work/$order.cpp"
  done
done

# The inventory.
complete() {
  local name missing=
  for name in $(grep -v '^[#[]' inventory.txt); do grep -qw -- "$name" *.c *.cpp || missing="$missing $name"; done
  [ -z "$missing" ] || { echo "in no test program:$missing"; return 1; }
}
check "every name of inventory.txt is in a test program" complete

echo "$passed passed, $failed failed"
[ $failed = 0 ]
