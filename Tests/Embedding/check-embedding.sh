#!/bin/bash
# Installs into an empty folder, then builds and runs programs in C and C++ that know nothing but pkg-config's answer.
#   check-embedding.sh            needs pkg-config, clang and the package's own build
set -euo pipefail
cd "$(dirname "$0")"
. ../needs.sh
needs clang clang++ nm pkg-config
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
make -s -C ../.. install DESTDIR="$work" PREFIX=/usr/local >/dev/null
export PKG_CONFIG_PATH="$work/usr/local/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$work" LD_LIBRARY_PATH="$work/usr/local/lib"
flags=$(pkg-config --cflags --libs nsphost)
strict="-Wall -Wextra -Wpedantic -Werror -Wno-missing-field-initializers"
build() { # name, compiler and flags...
  local name=$1
  shift
  "$@" $strict -o "$work/$name" $flags -pthread
  "$work/$name"
  echo "ok      $name: $*"
}
cc=clang cxx=clang++
build pair-c $cc -std=c11 pair.c
build pair-c++ $cxx -std=c++17 -x c++ pair.c
build calls-c $cc -std=c11 calls.c
build calls-c++ $cxx -std=c++17 -x c++ calls.c
build "ported-waiting" $cxx -std=c++20 ported.cpp
build "ported-synchronous" $cxx -std=c++20 -DNMR_COMPAT_SYNC_DEREGISTER ported.cpp
[ -z "$(pkg-config --libs nsp-provider)" ]
clang -std=c11 $strict -shared -fPIC $(pkg-config --cflags nsp-provider) ../../sample-providers/hello/hello.c -o "$work/hello.so"
echo "ok      a provider builds with the flags of nsp-provider, which name no library"
"$work/usr/local/bin/nsphost" --version >/dev/null
echo "ok      the installed program runs"
expected=$(sed -n 's/^ *\([A-Za-z0-9]*\);$/\1/p' ../../Exports/nsphost.map | sort)
found=$(nm -D --defined-only "$work/usr/local/lib/libnsphost.so" | awk '{print $3}' | sort)
[ "$expected" = "$found" ]
echo "ok      libnsphost.so exports its C ABI and nothing else"
NSP_SOCKET=$work/none STATE_DIRECTORY=$work/state "$work/usr/local/bin/nsphost" providers --plugins "$work/usr/local/lib/nsp" >"$work/providers"
grep -q "^6 providers" "$work/providers"
echo "ok      the installed providers load"
[ "$(stat -c %s "$work/usr/local/lib/libnss_nsp.so.2")" -le 98304 ]
echo "ok      libnss_nsp.so.2 has 96 KB at most"
share=$work/usr/local/share
[ -s "$share/man/man1/nsphost-lookup.1" ] && [ -s "$share/man/man5/nsphost.toml.5" ] && [ -s "$share/man/man7/nsp-provider.7" ] && [ -s "$share/man/man8/libnss_nsp.8" ]
echo "ok      there are manual pages of commands, configuration, providers and glibc's module"
bash -n "$share/bash-completion/completions/nsphost" && [ -s "$share/zsh/site-functions/_nsphost" ] && [ -s "$share/fish/vendor_completions.d/nsphost.fish" ]
echo "ok      there are completions"
touch "$work/usr/local/lib/nsp/of-somebody.so"
make -s -C ../.. uninstall DESTDIR="$work" PREFIX=/usr/local
left=$(cd "$work/usr/local" && find . ! -type d)
[ "$left" = ./lib/nsp/of-somebody.so ] || { echo "$left"; exit 1; }
echo "ok      make uninstall leaves what others have put there and nothing else"
