#!/bin/bash
# Nothing waits without end: clients of a host that is stopped, providers whose children read standard input or hold descriptors, a host that ends,
# transports that do not complete what they begin, a host that has nothing to do.
#   check-hangs.sh     needs the package's own build, the samples, the plugins, glibc's module (make samples plugins nss-module), and clang
set -uo pipefail
cd "$(dirname "$0")" || exit 1
. ../needs.sh
needs clang timeout python3
root=$(cd ../.. && pwd)
work=$(mktemp -d)
host=
trap '[ -z "$host" ] || kill -KILL $host 2>/dev/null; rm -rf "$work"' EXIT
bin=$(cd "$root" && swift build --show-bin-path)
program=$bin/nsphost
mkdir -m 755 "$work/plugins" "$work/lib"
cp "$bin/libNSPLibrary.so" "$work/lib/libnsp.so.0" && ln -s libnsp.so.0 "$work/lib/libnsp.so"
clang -std=gnu11 -Wall -Wextra -Werror -shared -fPIC -I"$root/Sources/CWinsock/include" stuck.c -o "$work/stuck.so" || exit 1
clang -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/CWinsock/include" silence.c -o "$work/silence" -L"$work/lib" -lnsp -pthread -Wl,-rpath,"$work/lib" || exit 1
export NSP_SOCKET=$work/run/socket STATE_DIRECTORY=$work/state

. ./check.sh
nsphost() { timeout 60 "$program" "$@"; }
now() { date +%s%N | cut -c1-13; }
# Starts a host with what is in the folder of plugins.
serve() { # settings of the configuration
  printf '%b' "$1" >"$work/nsphost.toml"
  "$program" serve --config "$work/nsphost.toml" --plugins "$work/plugins" --log info >"$work/serve.log" 2>"$work/serve.err" & host=$!
  for _ in $(seq 400); do nsphost providers --exists hello >/dev/null 2>&1 && return; sleep 0.05; done
  echo "the host does not start" && cat "$work/serve.err" && exit 1
}
stop() { [ -z "$host" ] || { kill $host && wait $host; host=; }; }
# The command's status, what it says, and between which numbers of milliseconds it takes.
takes() { # least, most, status, text, command...
  local least=$1 most=$2 status=$3 text=$4 begin out got=0 took
  shift 4
  begin=$(now)
  out=$("$@" 2>&1) || got=$?
  took=$(($(now) - begin))
  [ $got = "$status" ] && [[ $out == *$text* ]] && [ $took -ge "$least" ] && [ $took -le "$most" ] ||
    { echo "status $got after $took ms, expected $status after $least to $most ms, and $text: $out"; return 1; }
}
said() { # what, code, least, most
  awk -v what="$1" -v code="$2" -v least="$3" -v most="$4" '$1 == what && $2 == code && $3 >= least && $3 <= most { found = 1 } END { exit !found }' \
    "$work/silence.out" || { echo "expected $1 $2 after $3 to $4 ms:"; cat "$work/silence.out"; return 1; }
}

cp "$work/stuck.so" "${NSPHOST_SAMPLES:-$root/build/providers}/hello.so" "$work/plugins/"
serve '[providers.stuck]\nisolation = "worker"\ndeadline-ms = 6000\n'

# A host that is stopped. Everybody at once, since each waits some seconds.
"$work/silence" $host >"$work/silence.out" 2>&1 & client=$!
for _ in $(seq 100); do grep -q '^State:.*T' /proc/$host/status && break; sleep 0.02; done
takes 4000 20000 69 "no sign of life for 5 s (WSAETIMEDOUT)" nsphost providers >"$work/first" 2>&1 & first=$!
check "--timeout: the command waits so long for a stopped host" takes 900 4000 69 "no sign of life for 1 s" nsphost lookup fine --timeout 1
check "--timeout: less than a second" takes 200 3000 69 "no sign of life for 0.25 s" nsphost sessions --timeout=0.25
check "NSPClient, by which watch asks, gives up, too" takes 400 4000 69 "no sign of life for 0.5 s" nsphost watch fine --timeout 0.5
check "--timeout takes a number of seconds" takes 0 5000 64 "--timeout" nsphost lookup fine --timeout never
check "JSON says so, too" takes 400 4000 69 '"name":"WSAETIMEDOUT"' nsphost sessions --json --timeout 0.5
check "the command gives a stopped host up after 5 s" wait $first || cat "$work/first"
check "libnsp: the client comes to its end" wait $client
check "libnsp: a Next on an open lookup" said next 11002 4500 20000
check "libnsp: a Begin" said begin 11002 4500 20000
check "libnsp: GetAddrInfoEx without a time-out" said address 11002 4500 20000
check "libnsp: a time-out of its own, short" said address-1s 10060 950 4000
check "libnsp: a time-out of its own, long" said address-8s 10060 7900 20000
check "libnsp: the host that goes on is found" said after 0 0 20000
check "the host that goes on answers" takes 0 20000 0 192.0.2.8 nsphost lookup fine

# A host that works says so.
check "a provider that takes longer than --timeout is waited for" takes 2900 15000 0 192.0.2.8 nsphost lookup slow --timeout 1

stop
[ $failed = 0 ] && echo "check-hangs: all checks passed" || { echo "check-hangs: $failed failed"; exit 1; }
