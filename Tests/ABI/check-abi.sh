#!/bin/bash
# Checks the C headers: layouts, constants, routine types, and that they compile alone and together. One line a check.
#   check-abi.sh            needs clang, gcc, the headers of mingw-w64 and an AArch64 libc
cd "$(dirname "$0")" || exit 1
. ../needs.sh
needs clang clang++ gcc g++ nm readelf
headers=../../Sources/ABI/CWinsock/include
mingw=${MINGW_INCLUDE:-/usr/x86_64-w64-mingw32/include}
aarch64=${AARCH64_INCLUDE:-/usr/aarch64-linux-gnu/include}
strict="-Wall -Wextra -Wpedantic -Werror"
for folder in "$mingw" "$aarch64"; do
  [ -d "$folder" ] || { echo "check-abi.sh: $folder: there is none: run make test-packages" >&2; exit 1; }
done
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # name, command...
  local name
  name=$(echo $1)
  shift
  if "$@" >"$work/log" 2>&1; then
    passed=$((passed + 1)) && echo "ok      $name"
  else
    failed=$((failed + 1)) && echo "FAILED  $name: $*" && sed 's/^/        /' "$work/log" | head -20
  fi
}
refuses() { ! "$@"; }

compilers="clang gcc"
cxx() { case $1 in clang) echo clang++ ;; gcc) echo g++ ;; esac; }

# Layout and constants, by facts.def.
for wide in "" -fshort-wchar; do
  for unicode in "" -DUNICODE; do
    for compiler in $compilers; do
      check "NSP-001 NSP-002 NSP-003 NSP-004 NSP-009 NSP-010 Linux x86-64 $compiler $wide $unicode" \
        $compiler -std=c11 $strict $wide $unicode -fsyntax-only -I$headers abi.c
    done
    check "NSP-001 Linux AArch64 clang $wide $unicode" \
      clang --target=aarch64-linux-gnu -std=c11 $strict $wide $unicode -fsyntax-only -isystem "$aarch64" -I$headers abi.c
    check "NSP-001 Linux AArch64 clang, the headers' own assertions in C++ $wide $unicode" \
      clang++ --target=aarch64-linux-gnu -nostdinc++ -std=c++17 $strict $wide $unicode -fsyntax-only -x c++ -isystem "$aarch64" -I$headers hosted.c
  done
done
for unicode in "" "-DUNICODE -D_UNICODE"; do
  check "NSP-001 NSP-009 NSP-010 the same facts in the headers for Windows $unicode" \
    clang --target=x86_64-w64-windows-gnu -std=c11 -D_WIN32_WINNT=0x0A00 $unicode -Wall -Werror -fsyntax-only -isystem "$mingw" abi.c
done

# Service classes.
for compiler in $compilers; do
  check "NSP-007 $compiler" $(cxx $compiler) -std=c++17 $strict -fsyntax-only -I$headers classes.cpp
  check "NSP-008 C $compiler builds" $compiler -std=c11 $strict -I$headers class-macros.c -o "$work/macros"
  check "NSP-008 C $compiler runs" "$work/macros"
  check "NSP-008 C++ $compiler builds" $(cxx $compiler) -std=c++17 $strict -x c++ -I$headers class-macros.c -o "$work/macros++"
  check "NSP-008 C++ $compiler runs" "$work/macros++"
done
check "NSP-007 the same classes in the headers for Windows" \
  clang++ --target=x86_64-w64-windows-gnu -std=c++17 -nostdinc++ -D_WIN32_WINNT=0x0A00 -Werror -fsyntax-only -isystem "$mingw" classes.cpp

# Routine types.
types="-Werror=incompatible-function-pointer-types"
check "NSP-005 C clang" clang -std=c11 $strict $types -fsyntax-only -I$headers provider-types.c
check "NSP-005 C++ clang" clang++ -std=c++17 $strict -fsyntax-only -x c++ -I$headers provider-types.c
check "NSP-005 int results are refused, C" refuses clang -std=c11 $types -DINT_RESULTS -fsyntax-only -I$headers provider-types.c
check "NSP-005 int results are refused, C++" refuses clang++ -std=c++17 -DINT_RESULTS -fsyntax-only -x c++ -I$headers provider-types.c

# Rundown, as the documents have it; and where the prototypes are asked for, as they are, whichever header comes first.
is_exported() { nm -D --defined-only "$1" | awk '{print $3}' | grep -qx NSPv2ClientSessionRundown; }
for compiler in $compilers; do
  for language in c c++; do
    cc=$compiler standard=c11
    [ $language = c ] || { cc=$(cxx $compiler) standard=c++17; }
    pedantic=$(echo $strict | sed s/-Wpedantic//) # the table's type is another: the cast goes by way of a data pointer
    for result in "int WSAAPI" "INT WSAAPI" "VOID WSAAPI" void; do
      has=
      case $result in i* | I*) has=-DHAS_RESULT ;; esac
      check "NSP-031 $result, $language $compiler builds" $cc -std=$standard $pedantic -x $language -fPIC -shared "-DRESULT=$result" $has -I$headers rundown.c -o "$work/rundown.so"
      check "NSP-031 $result, $language $compiler is exported" is_exported "$work/rundown.so"
    done
    check "NSP-031 with its prototype a result is refused, $language $compiler" refuses \
      $cc -std=$standard -DNSP_ROUTINE_PROTOTYPES -x $language -DRESULT=int -DHAS_RESULT -fsyntax-only -I$headers rundown.c
    check "NSP-031 with its prototype the void form is good, $language $compiler" \
      $cc -std=$standard $strict -DNSP_ROUTINE_PROTOTYPES -x $language -DRESULT=void -fsyntax-only -I$headers rundown.c
    check "prototypes that are asked for late, $language $compiler" \
      $cc -std=$standard $strict -x $language -include ws2spi.h -include nsproutines.h -DRESULT=VOID -fsyntax-only -I$headers rundown.c
  done
done

# Network modules and calls.
for compiler in $compilers; do
  for standard in c11 c++17 c++20; do
    cc=$compiler language=c
    case $standard in c++*) cc=$(cxx $compiler) language=c++ ;; esac
    check "NMR-001 NMR-002 NMR-003 NMR-004 NMR-005 NMR-006 NMR-007 NMR-008 NMR-009 NMR-010 $standard $compiler builds" $cc -std=$standard $strict -Wno-missing-field-initializers -x $language -I$headers modules.c -o "$work/modules"
    check "NMR-011 $standard $compiler runs" "$work/modules"
    check "CON-001 CON-002 CON-003 CON-004 CON-005 CON-006 CON-007 CON-008 CON-009 CON-010 CON-011 $standard $compiler builds" $cc -std=$standard $strict -x $language -I$headers calls.c -o "$work/calls"
    check "CON-012 $standard $compiler runs" "$work/calls"
  done
done

# The manifest and the exported names.
exported() {
  local names
  names=$(nm -D --defined-only "$1" | awk '{print $3}' | grep -c -E '^NSPv2(Startup|Cleanup|LookupServiceBegin|LookupServiceNextEx|LookupServiceEnd|SetServiceEx|ClientSessionRundown)$')
  [ "$names" = 7 ]
}
manifest() {
  readelf -n "$1" 2>/dev/null | tr -d '\n' | grep -qE 'NSP +0x0000003d.*01 00 00 00 52 0c 1f 8a 7e 3b 19 4d 9c 04 5e 61 d2 7f a8 33 25 00 00 00 01 00 00 00 06 00 00 00 68 6f 73 74 65 64 00 65 78' &&
    readelf -SW "$1" | grep -q '\.note\.nsp *NOTE' && readelf -lW "$1" | grep -q '^ *NOTE'
}
build="-fPIC -shared -fvisibility=hidden -ffunction-sections -fdata-sections -Wl,--gc-sections -O2 -s -I$headers hosted.c"
for compiler in $compilers; do
  check "manifest C $compiler builds" $compiler -std=c11 $strict $build -o "$work/c.so"
  check "manifest C $compiler is a note" manifest "$work/c.so"
  check "manifest C $compiler exports seven routines" exported "$work/c.so"
  check "manifest C++ $compiler builds" $(cxx $compiler) -std=c++17 $strict -x c++ $build -o "$work/cxx.so"
  check "manifest C++ $compiler is a note" manifest "$work/cxx.so"
  check "manifest C++ $compiler exports seven routines" exported "$work/cxx.so"
done

. ./combinations.sh

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
