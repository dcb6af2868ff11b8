#!/bin/bash
# The samples in the style of Windows, compiled and linked for Linux: the provider serves from its own process what a client has published
# that ended before a later one asks (NSP-241). With NSP_SOCKET of a running host it uses that one, else it starts a host of its own.
#   check-windows-style.sh      needs clang, build/libnspwindows.a, and nsphost and libnsp.so of the debug build (NSP_BUILD: their folder)
set -eu
cd "$(dirname "$0")"
. ../needs.sh
needs clang
root=$PWD/../..
build=${NSP_BUILD:-$root/.build/debug}
samples=$root/sample-providers/windows-style
work=$(mktemp -d)
host= provider= failed=0
finish() {
  exec 9>&- || true
  [ -z "$provider" ] || kill "$provider" 2>/dev/null || true
  [ -z "$host" ] || kill "$host" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
for file in "$build/nsphost" "$build/libNSPLibrary.so" "$root/build/libnspwindows.a"; do
  [ -f "$file" ] || { echo "check-windows-style.sh: $file: there is none: run make check-clients" >&2; exit 1; }
done
cp "$build/libNSPLibrary.so" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
export LD_LIBRARY_PATH=$work
for name in email-provider email-client; do
  clang -fshort-wchar -DUNICODE -D_UNICODE -Wall -Wextra -Werror -I"$root/Sources/ABI/CWindows/include" -I"$root/Sources/ABI/CWinsock/include" \
    "$samples/$name.c" -o "$work/$name" -L"$root/build" -lnspwindows -L"$work" -lnsp -pthread
done

check() { # name, command...
  local name=$1
  shift
  if "$@" >"$work/log" 2>&1; then echo "ok      $name"; else
    failed=$((failed + 1)) && echo "FAILED  $name: $*" && sed 's/^/        /' "$work/log" | head -20
  fi
}
# Waits for a file to say something; fails when that takes long.
awaits() { # text, file
  for _ in $(seq 300); do grep -q -- "$1" "$2" 2>/dev/null && return; sleep 0.02; done
  cat "$2"
  return 1
}
said() { grep -q -- "$1" <<<"$2" || { echo "$2"; return 1; }; } # text, output
says() { local expected=$1 out; shift; out=$("$@" 2>&1) || { echo "$out"; return 1; }; said "$expected" "$out"; }
fails_with() { local code=$1 out; shift; out=$("$@" 2>&1) && return 1; said "error $code\$" "$out"; }
client() { timeout 20 "$work/email-client" "$@"; }

if [ -z "${NSP_SOCKET:-}" ]; then
  export NSP_SOCKET=$work/run/socket STATE_DIRECTORY=$work/state
  mkdir "$work/plugins"
  NSP_PLUGIN_PATH=$work/plugins "$build/nsphost" serve >"$work/serve.log" 2>&1 &
  host=$!
  for _ in $(seq 200); do [ ! -S "$NSP_SOCKET" ] || break; sleep 0.02; done
fi

serve() {
  mkfifo "$work/input"
  "$work/email-provider" serve <"$work/input" >"$work/served" 2>&1 &
  provider=$!
  exec 9>"$work/input"
  awaits "serving example.net" "$work/served"
}
ends() {
  exec 9>&-
  local status=0
  wait "$provider" || status=$?
  provider=
  [ $status = 0 ] || { cat "$work/served"; return 1; }
}

check "the provider is installed" "$work/email-provider" install
check "and not installed twice" fails_with 11003 "$work/email-provider" install
check "nobody serves the domain yet" fails_with 10108 client publish ann@example.net calls 5060
check "it is advertised, and serves" serve
check "a name is published by a process that ends" client publish ann@example.net calls 5060
check "NSP-241 a later process finds it" says "^calls .*:5060\$" client lookup ann@example.net
check "whatever the case of the name" says "^calls .*:5060\$" client lookup Ann@Example.NET
check "and resolves it, told by an event" says "^ann@example.net .*:5060\$" client resolve ann@example.net calls
check "a second service of the same name" client publish ann@example.net $'\xC3\xA4mter' 5061
check "has its own record" says $'^\xC3\xA4mter .*:5061$' client lookup ann@example.net
check "a name that nobody has published" fails_with 11004 client lookup bob@example.net
check "it is taken back" client withdraw ann@example.net calls
check "and is gone" fails_with 10108 client withdraw ann@example.net calls
check "the provider ends with its input" ends
check "and nobody serves the domain any more" fails_with 10108 client publish ann@example.net calls 5060
check "the provider is removed" "$work/email-provider" remove
[ $failed = 0 ]
