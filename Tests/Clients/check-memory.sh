#!/bin/bash
# What a user makes the host keep is the user's own: it is refused beyond the user's share, and given back when the user's processes are gone. Nor
# does the host keep what a worker served that another one has replaced.
#   check-memory.sh            needs the package's own build, the fixtures, clang, and root
set -uo pipefail
cd "$(dirname "$0")" || exit 1
root=$(cd ../.. && pwd)
fixtures=${NSPHOST_FIXTURES:-$root/build/fixtures}
. ../needs.sh
needs clang setpriv
is_root "what another user makes the host keep" || exit 0
work=$(mktemp -d)
host= flood=
trap '[ -z "$flood" ] || kill -9 $flood; [ -z "$host" ] || kill -9 $host; rm -rf "$work"' EXIT 2>/dev/null
export NSP_SOCKET=$work/run/socket STATE_DIRECTORY=$work/state
binaries=$(cd "$root" && swift build --show-bin-path)
program=$binaries/nsphost
cp "$binaries/libNSPLibrary.so" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
clang -O1 -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/ABI/CWinsock/include" flood.c -o "$work/flood" -L"$work" -lnsp || exit 1
mkdir -m 755 "$work/plugins" && chmod 755 "$work"
cp "$fixtures/scripted-a.so" "$work/plugins/"
scripted=f1f70001-1111-4222-8333-010203040506
. ./check.sh

serve() { # lines of [limits]
  printf '[limits]\n%s\n' "$1" >"$work/nsphost.toml"
  "$program" serve --plugins "$work/plugins" --config "$work/nsphost.toml" >"$work/serve.log" 2>&1 & host=$!
  for _ in $(seq 200); do "$program" providers --exists scripted-a >/dev/null 2>&1 && return; sleep 0.05; done
  cat "$work/serve.log"; exit 1
}
stop() { kill $host && wait $host; host=; }
memory() { awk '/VmRSS/ { print $2 }' /proc/$host/status; }
# Begins a flood, and waits until it stands.
begin() { # processes names letters
  : >"$work/flooded"
  LD_LIBRARY_PATH=$work setpriv --reuid=65534 --regid=65534 --clear-groups "$work/flood" $scripted "$@" >"$work/flooded" & flood=$!
  for _ in $(seq 400); do grep -q registered "$work/flooded" && return; sleep 0.05; done
  echo "the flood does not come to its end"; return 1
}
end() { kill -9 $flood; wait $flood 2>/dev/null; flood=; for _ in $(seq 200); do "$program" sessions --json | grep -q '"live":0' && return; sleep 0.05; done; return 1; }
stands() { begin "$1" "$2" "$3" && [[ $(cat "$work/flooded") == "$4"* ]] || { cat "$work/flooded"; return 1; }; }
# Less than so many kilobytes more than at first, soon.
is_back() {
  for _ in $(seq 60); do [ $(($(memory) - first)) -lt "$1" ] && return; sleep 0.1; done
  echo "$first KB at first, $(memory) KB now"; return 1
}

serve 'registrations-per-user = 100000'
# What the host takes for the first processes of anybody it keeps for the next.
check "a few registrations" stands 20 5 20 "registered=100 refused=0"
check "are over" end
first=$(memory)
check "many processes of a user with many long names" stands 40 60 8000 "registered=2400 refused=0"
echo "        $first KB at first, $(memory) KB with 2,400 registrations"
check "go, and what was kept for them goes with them" end
check "the host is about as small as before" is_back 12288
echo "        $first KB at first, $(memory) KB at the end"
stop

serve 'bytes-per-user = 1000000'
check "a user's share is over: WSAENOBUFS" stands 4 400 3000 "registered=243 refused=4"
check "with the code" grep -q 'refused=4 code=10055' "$work/flooded"
check "root has its own" eval '"$program" register of-root --address 192.0.2.1:1 --provider scripted-a >/dev/null'
check "the user's processes go" end
check "and the share is whole again" stands 4 50 3000 "registered=2"
end
stop

serve ''
none_is_kept() {
  for _ in 1 2 3 4 5; do "$program" reload scripted-a || return 1; done
  for _ in $(seq 100); do "$program" modules >"$work/modules" && ! grep -q kept "$work/modules" && return; sleep 0.05; done
  cat "$work/modules"; return 1
}
check "a worker that is reloaded leaves nothing behind" none_is_kept
stop
[ $failed = 0 ] || { echo "$failed checks failed"; exit 1; }
