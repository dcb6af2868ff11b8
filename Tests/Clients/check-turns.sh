#!/bin/bash
# How many routines of a provider run at a time: those of version 1, and of version 2 that ask for it, in the host's process and in workers.
#   check-turns.sh            needs the package's own build, the fixtures, and a C compiler
set -uo pipefail
cd "$(dirname "$0")" || exit 1
. ../needs.sh
needs clang
root=../..
fixtures=${NSPHOST_FIXTURES:-$PWD/$root/build/fixtures}
work=$(mktemp -d) && chmod 755 "$work"
host=
trap '[ -z "$host" ] || kill -9 $host 2>/dev/null; rm -rf "$work"' EXIT
export NSP_SOCKET=$work/socket STATE_DIRECTORY=$work/state
program=$(cd $root && swift build --show-bin-path)/nsphost
cp "$(dirname "$program")/libNSPLibrary.so" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
clang -std=gnu11 -Wall -Wextra -Werror -I$root/Sources/CWinsock/include -DPROGRAM -DVERSION2 -DFIXTURE_NAME='"serial-program"' -DFIXTURE_NUMBER=3 \
  ../Fixtures/serial.c -o "$work/program" -L"$work" -lnsp -pthread || exit 1
. ./check.sh

declare -A ids=([serial]=5e71a101-0001-4000-8000-000000000001 [serial-second]=5e71a102-0001-4000-8000-000000000002
  [serial-program]=5e71a103-0001-4000-8000-000000000003)
serve() { # isolation, the file, lines of its manifest
  rm -rf "$work/plugins" && mkdir -m 755 "$work/plugins" && cp "$fixtures/$2.so" "$work/plugins/"
  # However busy the machine is, nobody is given up.
  printf 'deadline-ms = 60000\n%b\n' "${3-}" >"$work/plugins/$2.toml" && chmod 644 "$work/plugins/$2.toml"
  echo "isolation = \"$1\"" >"$work/nsphost.toml"
  NSP_PLUGIN_PATH=$work/plugins "$program" serve --config "$work/nsphost.toml" >"$work/serve.log" 2>>"$work/serve.err" &
  host=$!
  for _ in $(seq 1000); do [ -S "$NSP_SOCKET" ] && "$program" lookup report --provider ${ids[$2]} >/dev/null 2>&1 && return; sleep 0.02; done
  cat "$work/serve.err"
  stop
  return 1
}
stop() { kill $host && wait $host; host=; }
report() { "$program" lookup report --provider ${ids[$1]} | grep -o 'overlaps-.*'; }

# Eight programs at a time, each with its own lookup.
eight() {
  local i children= status=0
  for i in $(seq 8); do "$program" lookup linger-120 --provider ${ids[$1]} >/dev/null & children="$children $!"; done
  for i in $children; do wait $i || status=1; done
  return $status
}
lingering() { grep -c lingers "$work/serve.err"; }
# One that is killed while its Next runs, so that the host ends its lookup.
killed() {
  local before=$(lingering)
  "$program" lookup linger-1500 --provider ${ids[$1]} >/dev/null 2>&1 & local child=$!
  for _ in $(seq 500); do [ "$(lingering)" -gt "$before" ] && break; sleep 0.02; done
  kill -9 $child && wait $child 2>/dev/null
  eight "$1"
}
behaves() { # isolation, file, manifest, what the report must match
  local said
  serve "$1" "$2" "${3-}" || return 1
  killed "$2" && eight "$2" && said=$(report "$2") || { cat "$work/serve.err"; stop; return 1; }
  stop
  [[ $said =~ $4 ]] || { echo "$said"; return 1; }
}

one="^overlaps-0 beside-[1-9][0-9]* most-1 "
for isolation in in-process worker; do
  check "NSP-238 version 1, $isolation: one routine at a time, but for an End beside its own Next" behaves $isolation serial "" "$one"
  check "NSP-238 version 1, $isolation: with cancel = \"wait\" not even that" behaves $isolation serial 'cancel = "wait"' "^overlaps-0 beside-0 most-1 "
  check "NSP-238 version 1, $isolation: the class is never NULL" behaves $isolation serial "" "nulls-0 class-2a803$"
  check "NSP-238 version 1, $isolation: as many as its manifest says" behaves $isolation serial "concurrency = 3" "^overlaps-[1-9][0-9]* beside-[1-9][0-9]* most-3 "
  check "NSP-238 version 1, $isolation: three, and no End beside its own Next" behaves $isolation serial 'concurrency = 3\ncancel = "wait"' "^overlaps-[1-9][0-9]* beside-0 most-3 "
  check "NSP-238 serialise = true, $isolation: means one" behaves $isolation serial "serialise = true" "$one"
  check "NSP-238 version 2 that asks for it, $isolation: one routine at a time" behaves $isolation serial-second "" "$one"
  check "NSP-238 version 2, $isolation: its manifest takes it back" behaves $isolation serial-second "serialise = false\nblocking = true" "^overlaps-[1-9][0-9]* .*most-[4-9] "
done

# A program's own process does not see to it: the host waits for each routine, Ends too.
advertised() {
  local said status=1
  rm -rf "$work/plugins" && mkdir -m 755 "$work/plugins"
  printf '[providers.serial-program]\nconcurrency = 1\ndeadline-ms = 60000\n' >"$work/nsphost.toml"
  NSP_PLUGIN_PATH=$work/plugins "$program" serve --config "$work/nsphost.toml" >"$work/serve.log" 2>>"$work/serve.err" & host=$!
  for _ in $(seq 1000); do [ -S "$NSP_SOCKET" ] && "$program" stats >/dev/null 2>&1 && break; sleep 0.02; done
  mkfifo "$work/input"
  LD_LIBRARY_PATH=$work "$work/program" <"$work/input" >>"$work/serve.err" & local advertiser=$!
  exec 9>"$work/input"
  for _ in $(seq 1000); do report serial-program >/dev/null && break; sleep 0.02; done
  killed serial-program && eight serial-program && said=$(report serial-program) && status=0
  exec 9>&-
  wait $advertiser || status=1
  stop
  [[ $said =~ $one ]] && [ $status = 0 ] || { echo "$said"; cat "$work/serve.err"; return 1; }
}
check "NSP-238 a program that advertises: one routine at a time, where the configuration says so" advertised

contradicts() {
  local out
  mkdir -m 755 "$work/both" && cp "$fixtures/serial.so" "$work/both/" && printf 'serialise = true\nconcurrency = 4\n' >"$work/both/serial.toml"
  out=$("$program" providers --plugins "$work/both" --refused 2>&1)
  [[ $out == *"concurrency: 4 is not what serialise = true means"* ]] || { echo "$out"; return 1; }
}
check "serialise = true and concurrency = 4 are refused together" contradicts
[ $failed = 0 ]
