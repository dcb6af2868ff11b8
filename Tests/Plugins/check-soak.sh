#!/bin/bash
# Everything at once, for long: clients that come, ask and are killed, providers that are replaced and that crash meanwhile, in both isolation
# modes; and hosts that are killed during registrations. Nothing that was answered is lost, no lookup fails, and memory and descriptors
# are at the end as they were after the first quarter.
#   check-soak.sh      needs the package's own build, its plugins (make plugins), the fixtures, and clang
# NSPHOST_ENDURANCE=1000 is the whole: 800,000 lookups of 20,000 clients, 10,000 of them killed, 1,000 reloads, 200 crashes, and 100 hosts killed.
# A smaller number is so many thousandths of it.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
. ./host.sh
needs clang
fixtures=${NSPHOST_FIXTURES:-$root/build/fixtures}
thousandths=${NSPHOST_ENDURANCE:-20}
[ "$thousandths" -le 1000 ] || thousandths=1000
# That many of the whole, one at least.
share() { echo $((($1 * thousandths + 999) / 1000)); }
beside=
trap '[ -z "$beside" ] || kill $beside 2>/dev/null; cleanup' EXIT
cp "$(dirname "$program")/libNSPLibrary.so" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
for name in soak directory; do clang -O1 -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/ABI/CWinsock/include" $name.c -o "$work/$name" -L"$work" -lnsp -pthread || exit 1; done
export LD_LIBRARY_PATH=$work

# One provider in a process of its own, one in the host's, and one that crashes.
scripted_a=f1f70001-1111-4222-8333-010203040506
scripted_b=f1f70002-1111-4222-8333-010203040506
faulty=fa017000-0005-4000-8000-000000000001
seed=${NSPHOST_SEED:-$RANDOM}
echo "        $thousandths thousandths, NSPHOST_SEED=$seed"
# However busy the machine is, nobody is given up.
cat >"$work/nsphost.toml" <<END
[providers.scripted-a]
isolation = "in-process"
deadline-ms = 60000
[providers.scripted-b]
isolation = "worker"
deadline-ms = 60000
[providers.directory]
deadline-ms = 60000
END
ready() { for _ in $(seq 600); do nsphost providers 2>/dev/null | grep -Eq "^ *[0-9]+ +$1 .* ready$" && return; sleep 0.05; done; echo "$1 is not ready"; return 1; }
begin() { # files...
  local file
  for file in "$@"; do cp "$file" "$work/plugins/" || exit 1; done
  "$program" serve --config "$work/nsphost.toml" --plugins "$work/plugins" --log warning >"$work/serve.log" 2>>"$work/serve.err" & host=$!
  for file in "$@"; do file=${file##*/} && ready "${file%.so}" || { cat "$work/serve.err"; exit 1; }; done
}

replaces() { # count
  local i names=(scripted-a scripted-b)
  for i in $(seq "$1"); do nsphost reload "${names[i % 2]}" || { echo "reload $i"; return 1; }; done
}
crashes() { # count
  local i
  for i in $(seq "$1"); do
    ! nsphost lookup segfault-next --provider $faulty && nsphost enable faults && ready faults || { echo "crash $i"; return 1; }
  done
}
descriptors() { ls /proc/$host/fd | wc -l; }
# What the host and its workers have allocated, in KiB: not what is mapped from files, which depends on what has run.
memory() { local process; for process in $host $(pgrep -P $host); do awk '/RssAnon/ { print $2 }' "/proc/$process/status"; done | awk '{ sum += $1 } END { print sum }'; }
quarter() { # which
  local status=0 replaces crashes
  replaces $((($(share 1000) + 3) / 4)) >"$work/replaces" 2>&1 & replaces=$!
  crashes $((($(share 200) + 3) / 4)) >"$work/crashes" 2>&1 & crashes=$!
  beside="$replaces $crashes"
  "$work/soak" $((($(share 20000) + 3) / 4)) 54 $((($(share 10000) + 3) / 4)) $((seed + $1)) records-1 record-00 $scripted_a $scripted_b || status=1
  wait $replaces || { status=1 && tail -3 "$work/replaces"; }
  wait $crashes || { status=1 && tail -3 "$work/crashes"; }
  beside=
  settles || status=1
  return $status
}
begin "$fixtures/scripted-a.so" "$fixtures/scripted-b.so" "$fixtures/faults/faults.so"
for turn in 1 2 3 4; do
  check "clients that come and die, reloads and crashes, quarter $turn: no lookup is lost, every session ends" quarter $turn
  [ "$failed" = 0 ] || tail -5 "$work/serve.err"
  sed 's/^/        /' "$work/out"
  [ $turn != 1 ] || { kept=$(memory) && open=$(descriptors) && workers=$(pgrep -c -P $host); }
done
# A channel to a worker comes where two of its calls meet, and stays: a few, whatever the number of clients.
flat() {
  local memory=$(($(memory) - kept)) descriptors
  descriptors=$(descriptors)
  echo "$memory KiB more; descriptors: $open, then $descriptors; workers: $workers, then $(pgrep -c -P $host)"
  [ $memory -lt 8192 ] && [ "$descriptors" -le $((open + 8)) ] && [ "$(pgrep -c -P $host)" = "$workers" ]
}
check "memory, descriptors and processes are as they were" flat
sed 's/^/        /' "$work/out"
balanced() { nsphost sessions --json | grep -o '"ledger":{[^}]*}' | grep '"live":0'; }
check "startups, cleanups and rundowns balance" balanced
stop
rm "$work/plugins/"*

# Hosts that are killed during registrations.
acknowledged=0
round() { # which
  local prefix=round-$1- client kept last others pause
  begin "$plugins/directory.so"
  : >"$work/said"
  "$work/directory" stream "$prefix" >"$work/said" & client=$!
  while ! [ -s "$work/said" ]; do kill -0 $client || return 1; sleep 0.01; done
  printf -v pause '0.%03d' $((RANDOM % 200)) && sleep "$pause"
  others=$(pgrep -P $host)
  kill -9 $host $others
  wait $host $client 2>/dev/null
  for kept in $others; do while kill -0 "$kept" 2>/dev/null; do sleep 0.01; done; done
  host=
  last=$(tail -n 1 "$work/said")
  acknowledged=$((acknowledged + last))
  begin "$plugins/directory.so"
  kept=$("$work/directory" count "$prefix*")
  stop
  # One more may have been written and not been answered.
  [ "$kept" = "$last" ] || [ "$kept" = $((last + 1)) ] || { echo "$last were answered, $kept are there"; return 1; }
}
rounds() {
  local turn
  for turn in $(seq "$(share 100)"); do round "$turn" || { echo "round $turn"; return 1; }; done
  echo "$acknowledged registrations were answered"
}
cp "$plugins/directory.toml" "$work/plugins/"
check "$(share 100) hosts killed during registrations: every one that was answered is there" rounds
sed 's/^/        /' "$work/out"
finish
