#!/bin/bash
# Providers in programs of their own: real programs that advertise, real clients, a real host, each of them killed in the middle.
#   check-advertising.sh         needs the package's own build, the samples, and a C compiler
set -uo pipefail
cd "$(dirname "$0")" || exit 1
. ../needs.sh
needs clang pkill setpriv timeout
root=../..
samples=${NSPHOST_SAMPLES:-$PWD/$root/build/providers}
work=$(mktemp -d)
host= input=9
trap 'pkill -KILL -P $$; rm -rf "$work"' EXIT
export NSP_SOCKET=$work/run/socket STATE_DIRECTORY=$work/state LD_LIBRARY_PATH=$work
binaries=$(cd $root && swift build --show-bin-path)
program=$binaries/nsphost
cp "$binaries/libNSPLibrary.so" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
cc=clang
for name in advertiser catalog; do
  $cc -std=gnu11 -Wall -Wextra -Werror -I$root/Sources/ABI/CWinsock/include $name.c -o "$work/$name" -L"$work" -lnsp -pthread || exit 1
done
chmod 755 "$work" && mkdir -m 755 "$work/plugins" && cp "$samples/hello.so" "$work/plugins/"
advertiser=$work/advertiser

. ./check.sh
serve() {
  "$program" serve --plugins "$work/plugins" --log debug "$@" >"$work/serve.log" 2>>"$work/serve.err" {input}>&- & host=$!
  for _ in $(seq 200); do "$program" providers --exists hello >/dev/null 2>&1 && return; sleep 0.05; done
  echo "the host does not start" && cat "$work/serve.err" && exit 1
}
# Serves a provider until its input ends: whoever runs it is known as $!.
offer() { # name, steps...
  local name=$1
  shift
  rm -f "$work/$name.fifo" && mkfifo "$work/$name.fifo"
  "$advertiser" start "advertise=$name" wait "$@" cleanup <"$work/$name.fifo" >"$work/$name.out" 2>&1 & offered=$!
  exec {input}>"$work/$name.fifo"
  for _ in $(seq 200); do grep -q ready "$work/$name.out" && return; kill -0 $offered 2>/dev/null || return 1; sleep 0.02; done
  return 1
}
withdraw() { exec {input}>&- && wait $offered; }
id() { "$advertiser" "id=$1"; }
find() { timeout 30 "$program" lookup "$2" --provider "$(id "$1")"; }
finds() { [ "$(find "$1" "$2")" = "192.0.2.9:99  $2" ]; }
misses() { local out; out=$(find "$1" "$2" 2>&1); [ $? != 0 ] && [[ $out == *$3* ]] || { echo "$out"; return 1; }; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
says() { for _ in $(seq 100); do grep -q "$2" "$work/$1.out" && return; sleep 0.05; done; cat "$work/$1.out"; return 1; }
count() { grep -c "$2" "$work/$1.out"; }
more() { for _ in $(seq 200); do [ "$(count "$1" "$2")" -gt "$3" ] && return; sleep 0.05; done; cat "$work/$1.out"; return 1; }
# A client's lookup has begun: its session has, and its next routine follows at once.
begun() { more "$1" startup "$2" && sleep 0.5; }
settled() { for _ in $(seq 200); do "$program" sessions --json | grep -q '"live":0' && return; sleep 0.05; done; "$program" sessions; return 1; }

serve
for name in checks one two; do "$advertiser" start "install=$name:1000" cleanup || exit 1; done
check "NSP-011 to NSP-017 NSP-073 NSP-092 to NSP-095 NSP-102 what the library is given is checked" "$advertiser" checks
check "NSP-097 nobody advertises it: WSASERVICE_NOT_FOUND" misses one x WSASERVICE_NOT_FOUND

serves() {
  offer one || { cat "$work/one.out"; return 1; }
  finds one x || return 1
  [ "$(count one startup)" = 1 ] && settled && says one cleanup
}
check "NSP-096 a program serves while its main thread waits in a read" serves
check "NSP-071 a record that comes after the routine has returned" finds one later
check "NSP-066 NSP-069 a record of 70,000 bytes, which leads to memory that is freed" finds one big
check "a Begin that fails" misses one fails-begin WSANO_DATA
check "a routine that takes its time" finds one wait-300
overlaps() {
  local start=$(milliseconds) lookups=()
  for _ in 1 2 3 4 5 6 7 8; do finds one wait-2000 & lookups+=($!); done
  wait "${lookups[@]}" && [ $(($(milliseconds) - start)) -lt 12000 ]
}
check "eight routines that take their time do so at once" overlaps
registers() {
  local refusal=$("$program" register refused --provider "$(id one)" --address 10.0.0.1:5 2>&1)
  [[ $refusal == *WSAHOST_NOT_FOUND* ]] &&
    "$program" register thing --provider "$(id one)" --address 10.0.0.1:5 --address 10.0.0.2:5 && says one "set 0 thing 2"
}
check "NSP-082 NSP-090 a registration, and one that is refused" registers
late() {
  local start=$(milliseconds)
  misses one late WSATRY_AGAIN || return 1
  [ $(($(milliseconds) - start)) -ge 4500 ] && says one "end late" && says one "late: 0"
}
check "NSP-076 NSP-077 NSP-079 no answer in time, End, and a completion that is accepted after all" late
killed_client() {
  local before=$(count one rundown) started=$(count one startup)
  "$program" lookup late --provider "$(id one)" >/dev/null 2>&1 {input}>&- & local child=$!
  begun one "$started" || return 1
  kill -9 $child
  wait $child 2>/dev/null
  settled && says one "end late" && more one rundown "$before" && tail -1 "$work/one.out" | grep -q rundown
}
check "NSP-050 NSP-051 a client that is killed in the middle: End, the completion, then Rundown" killed_client
already() { "$advertiser" start advertise=one:10037 cleanup; }
check "NSP-095 an id that another process advertises: WSAEALREADY" already
two_at_once() { "$advertiser" start advertise=two wait <"$work/plugins/hello.so" >/dev/null; }
check "NSP-095 another id meanwhile" two_at_once
back() { find one unadvertise >/dev/null && says one "unadvertised from inside: 0" && misses one x WSASERVICE_NOT_FOUND && withdraw; }
check "NSP-101 taken back from inside one of its own routines" back

pending() {
  offer one unadvertise=one || return 1
  "$program" register never --provider "$(id one)" --address 10.0.0.1:5 >"$work/pending" 2>&1 {input}>&- & local child=$!
  says one "set 0 never" || return 1
  exec {input}>&-
  wait $child
  grep -q WSA_E_CANCELLED "$work/pending" || { cat "$work/pending"; return 1; }
  wait $offered || return 1
  [ "$(count one startup)" = "$(($(count one cleanup) + $(count one rundown)))" ] && tail -1 "$work/one.out" | grep -q unadvertised
}
check "NSP-099 NSP-100 taken back with a call under way: it is cancelled, the session gets its end, nothing comes after" pending
implied() { offer one && finds one x && withdraw && misses one x WSASERVICE_NOT_FOUND && says one cleanup; }
check "NSP-103 WSACleanup takes everything back" implied

dies() { # how
  offer one || return 1
  finds one x || return 1
  local start end started=$(count one startup)
  (find one wait-9000 >"$work/dies" 2>&1; milliseconds >"$work/when") {input}>&- & local child=$!
  begun one "$started" || return 1
  start=$(milliseconds)
  kill -9 $offered && wait $offered 2>/dev/null
  wait $child
  end=$(cat "$work/when")
  exec {input}>&-
  grep -q WSATRY_AGAIN "$work/dies" && [ $((end - start)) -lt 4500 ] || { cat "$work/dies"; echo "after $((end - start)) ms"; return 1; }
  figures="after $((end - start)) ms"
  settled && offer one && finds one x && says one startup && withdraw
}
check "NSP-054 NSP-055 it is killed in the middle of a call: an error at once, and a new session when it is back" dies
echo "        ${figures:-}"
crashes() { offer one && misses one crash WSATRY_AGAIN && exec {input}>&- && settled && grep -q "one: its process is gone: .*NSPv2LookupServiceNextEx" "$work/serve.err"; }
check "it crashes in a routine: the log names provider and routine" crashes
exits() { offer one && misses one exit WSATRY_AGAIN && exec {input}>&- && settled; }
check "it calls exit in a routine" exits
hangs() { offer one && misses one hang WSATRY_AGAIN && finds one x && kill -9 $offered && exec {input}>&- && settled; }
check "it hangs in a routine: others are served" hangs
host_dies() {
  offer one && finds one x || return 1
  local started=$(count one startup)
  find one wait-2000 >/dev/null 2>&1 {input}>&- & local child=$!
  begun one "$started" || return 1
  kill -9 $host && wait $host 2>/dev/null
  wait $child
  serve
  for _ in $(seq 100); do finds one x && break; sleep 0.05; done
  finds one x && settled && [ "$(count one startup)" = "$(($(count one cleanup) + $(count one rundown)))" ] && withdraw
}
check "the host is killed: what it had open is run down, and the provider is advertised to the next host" host_dies
disabled() {
  offer one && finds one x || return 1
  "$program" disable one >/dev/null && misses one x WSASERVICE_NOT_FOUND && "$program" enable one >/dev/null && finds one x && withdraw
}
check "disabled it gets no calls; enabled again it is served as before" disabled

# Another user's programs: nobody's.
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
if is_root "providers of other users"; then
  scope() {
    offer one && finds one x || return 1
    local answer=$(as_nobody "$program" lookup x --provider "$(id one)" 2>&1)
    [[ $answer == *WSASERVICE_NOT_FOUND* ]] && withdraw
  }
  check "NSP-098 a client of another user does not reach it" scope
  forbidden() { as_nobody "$advertiser" start advertise=hello:10105 cleanup; }
  check "an id that is not its own" forbidden
  own() {
    rm -f "$work/own.fifo" && mkfifo -m 666 "$work/own.fifo"
    as_nobody "$advertiser" start advertise=two wait cleanup <"$work/own.fifo" >"$work/two.out" 2>&1 & local child=$!
    exec {input}>"$work/own.fifo"
    says two ready || return 1
    as_nobody "$program" lookup x --provider "$(id two)" | grep -q 192.0.2.9 || return 1
    misses two x WSASERVICE_NOT_FOUND || return 1
    exec {input}>&-
    wait $child
  }
  check "what another user advertises is for that user's clients, not for root's" own
fi
check "NSP-202 a change of the catalog is told" "$work/catalog" watched

many() {
  offer one || return 1
  local before=$(ls /proc/$host/fd | wc -l) start=$(ls /proc/$offered/fd | wc -l)
  for _ in $(seq 200); do finds one x || return 1; done
  settled || return 1
  local after=$(ls /proc/$host/fd | wc -l) end=$(ls /proc/$offered/fd | wc -l)
  echo "$before then $after; $start then $end"
  [ $((after - before)) -le 4 ] && [ $((end - start)) -le 4 ] && withdraw
}
check "200 clients leave nothing behind" many
kill $host && wait $host
check "the host ends in order" [ $? = 0 ]
host=
[ $failed = 0 ]
