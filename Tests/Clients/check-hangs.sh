#!/bin/bash
# Nothing waits without end: clients of a host that is stopped, providers whose children read standard input or hold descriptors, a host that ends,
# transports that do not complete what they begin, a host that has nothing to do.
#   check-hangs.sh     needs the package's own build, the samples and the plugins (make samples plugins), and clang
set -uo pipefail
cd "$(dirname "$0")" || exit 1
. ../needs.sh
needs clang timeout pgrep
root=$(cd ../.. && pwd)
work=$(mktemp -d)
# In no folder where others make files all the time: the providers follow every folder on the way to their files.
resting=$(mktemp -d "$root/build/resting.XXXXXX")
host= idle= beating= endless=
trap 'for one in $host $idle $beating $endless; do pkill -KILL -P $one; kill -KILL $one; done 2>/dev/null; rm -rf "$work" "$resting"' EXIT
bin=$(cd "$root" && swift build --show-bin-path)
program=$bin/nsphost
mkdir -m 755 "$work/plugins" "$work/lib"
cp "$bin/libNSPLibrary.so" "$work/lib/libnsp.so.0" && ln -s libnsp.so.0 "$work/lib/libnsp.so"
clang -std=gnu11 -Wall -Wextra -Werror -shared -fPIC -I"$root/Sources/ABI/CWinsock/include" stuck.c -o "$work/stuck.so" || exit 1
clang -std=gnu11 -Wall -Wextra -Werror -shared -fPIC -I"$root/Sources/ABI/CWinsock/include" endless.c -o "$work/endless.so" -pthread || exit 1
clang -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/ABI/CWinsock/include" silence.c -o "$work/silence" -L"$work/lib" -lnsp -pthread -Wl,-rpath,"$work/lib" || exit 1
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

# Two hosts that have nothing to do while all else goes on, with the providers that ship, and a plugin directory that does not exist.
chmod 755 "$resting"
mkdir -m 755 "$resting/shipped" "$work/transports"
cp "$root"/build/plugins/*.so "$root"/build/plugins/*.toml "$resting/shipped/"
printf '[providers.nss]\nenabled = true\n[providers.nss.settings]\nmodules = ["files"]\n' >"$resting/nsphost.toml"
rest() { # name, command...
  local name=$1
  shift
  STATE_DIRECTORY=$resting/$name-state "$@" "$program" serve --config "$resting/nsphost.toml" --socket "$work/$name/socket" --plugins "$resting/shipped" \
    --plugins "$resting/nowhere/at/all" --log info >"$work/$name.log" 2>"$work/$name.err" &
}
rest idle env; idle=$!
rest beating env WATCHDOG_USEC=1000000; beating=$!
# A transport that never completes a close, in a host of its own.
printf 'offer caller 0 %d\n' $$ >"$work/script"
cp "$work/endless.so" "$work/transports/"
LOOPBACK_MCM_SCRIPT=$work/script STATE_DIRECTORY=$work/endless-state "$program" serve --socket "$work/endless/socket" --plugins "$work/transports" \
  --log info >"$work/endless.log" 2>"$work/endless.err" & endless=$!

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

# A worker and what its provider starts.
worker=$(pgrep -P $host -f /stuck.so)
same() { [ "$1" = "$2" ] || { echo "got: $1"; echo "expected: $2"; return 1; }; }
check "a worker's standard input is /dev/null" same "$(readlink /proc/$worker/fd/0)" /dev/null
exposed() { # Descriptors that children would get, or that programs may stumble on
  local file number
  for file in /proc/$1/fdinfo/*; do
    number=${file##*/}
    [ "$number" -le 2 ] || awk -v number="$number" '/^flags:/ && int($2 / 2000000) % 2 == 0 { print number, "stays open in children" }' "$file" 2>/dev/null
    [ "$number" -ge 100 ] || case $(readlink /proc/$1/fd/$number) in socket:*) echo "$number is a socket";; esac
  done
}
check "a worker's channels have high numbers, and are closed on exec" same "$(exposed $worker)" ""
check "a child that reads standard input finds its end" takes 0 5000 0 192.0.2.8 nsphost lookup cat
check "its worker is the one that was there" same "$(pgrep -P $host -f /stuck.so)" $worker

# A host that ends while a child of a provider holds copies of all of its descriptors.
stop
ends() { # signal, most milliseconds
  local begin children
  children=$(pgrep -P $host)
  begin=$(now)
  kill -"$1" $host && { wait $host; host=; } 2>/dev/null
  for _ in $(seq 100); do
    for child in $children; do case $(readlink /proc/$child/exe) in */nsphost) [ "$child" = "$kept" ] || { sleep 0.1; continue 2; };; esac; done
    break
  done
  [ $(($(now) - begin)) -le "$2" ] || { echo "it took $(($(now) - begin)) ms"; return 1; }
}
for signal in TERM KILL; do
  serve '[providers.stuck]\nisolation = "in-process"\n[providers.hello]\nisolation = "worker"\n'
  before=$(pgrep -P $host)
  check "in-process: a provider leaves a child behind" takes 0 20000 0 192.0.2.8 nsphost lookup child
  kept=$(pgrep -P $host | grep -vxF "$before")
  check "SIG$signal: host and workers end at once beside a child that holds their descriptors" ends $signal 2500
  kill -KILL $kept
done

# A transport that does not complete a close.
calls() { nsphost "$@" --socket "$work/endless/socket"; }
vc=$(calls calls | awk '$2 == "mcm" && /endless|caller/ { print $1; exit }')
check "the close of a call on a stuck transport is given up, and names it" takes 4000 20000 1 "transport loopback-mcm has not completed the close of connection $vc" calls calls close "$vc"
check "the call is shown with what it waits for" takes 0 10000 0 "loopback-mcm has not completed the close" calls calls
check "providers answers beside it" takes 0 10000 0 "" calls providers
closed_again() { takes 0 10000 1 "closing already" calls calls close "$vc"; }
check "a second close is refused" closed_again
for _ in $(seq 50); do grep -q 'not completed after' "$work/endless.err" && break; sleep 0.1; done
check "the log names transport, connection and state" grep -q "transport loopback-mcm, connection $vc, closing: its close is not completed after 5 s" "$work/endless.err"
ended() { local begin=$(now); kill $endless && wait $endless; [ $(($(now) - begin)) -le 25000 ] && endless=; }
check "a host with a stuck transport ends" ended
check "it says whom it has waited for" grep -q "stopping: waits for transport loopback-mcm, connection $vc, closing" "$work/endless.err"

# What sleeps does not wake: how often each thread of a host and its workers has gone to sleep.
switches() { # process
  local one file
  for one in $1 $(pgrep -P "$1"); do
    for file in /proc/$one/task/*/status; do awk -v file="$file" '/^Name:/ { name = $2 } /^voluntary_ctxt_switches:/ { print file, name, $2 }' "$file" 2>/dev/null; done
  done
}
switches $idle >"$work/before" && switches $beating >"$work/beats" && sleep 5
switches $idle >"$work/after" && switches $beating >"$work/more"
check "an idle host runs its workers" [ "$(pgrep -P $idle | wc -l)" -ge 3 ]
check "an idle host sleeps, and so do its workers" diff "$work/before" "$work/after"
beats() { awk 'NR == FNR { before[$1] = $3; next } { count += $3 - before[$1] } END { print count " in 5 s"; exit !(count >= 5 && count <= 14) }' "$work/beats" "$work/more"; }
check "with a watchdog it wakes once a heartbeat" beats
found() {
  mkdir -p "$resting/nowhere/at/all" && chmod 755 "$resting/nowhere" "$resting/nowhere/at" "$resting/nowhere/at/all"
  cp "$work/stuck.so" "$resting/nowhere/at/all/"
  for _ in $(seq 100); do nsphost providers --exists stuck --socket "$work/idle/socket" >/dev/null 2>&1 && return; sleep 0.1; done
  cat "$work/idle.err"
  return 1
}
check "a plugin directory that comes to be is found" found

[ $failed = 0 ] && echo "check-hangs: all checks passed" || { echo "check-hangs: $failed failed"; exit 1; }
