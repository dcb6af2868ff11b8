#!/bin/bash
# Providers that misbehave in every way, each in a process of its own, beside one that goes on answering a steady load; and providers whose
# records lead nowhere, in both modes.
#   check-faults.sh [CYCLES]     needs the package's own build, the samples, the fixtures, and clang
set -uo pipefail
cd "$(dirname "$0")" || exit 1
. ../needs.sh
needs clang pgrep pkill timeout
root=../..
samples=${NSPHOST_SAMPLES:-$PWD/$root/build/providers}
faults=${NSPHOST_FIXTURES:-$PWD/$root/build/fixtures}/faults
cycles=${1:-200}
faulty=fa017000-0005-4000-8000-000000000001
work=$(mktemp -d)
host= load=
trap '[ -z "$load" ] || kill $load 2>/dev/null; [ -z "$host" ] || { pkill -KILL -P $host; kill -KILL $host; } 2>/dev/null; rm -rf "$work"' EXIT
export NSP_SOCKET=$work/run/socket STATE_DIRECTORY=$work/state
binaries=$(cd $root && swift build --show-bin-path)
program=$binaries/nsphost
cp "$binaries/libNSPLibrary.so" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
clang -O1 -std=gnu11 -Wall -Wextra -Werror -I$root/Sources/ABI/CWinsock/include load.c -o "$work/load" -L"$work" -lnsp -pthread || exit 1
export LD_LIBRARY_PATH=$work
mkdir -m 755 "$work/plugins"
cp "$samples/hello.so" "$faults/faults.so" "$work/plugins/"
# Every fault has a bound: what eats and what spins is stopped, what hangs is killed.
cat >"$work/nsphost.toml" <<END
[providers.hello]
isolation = "worker"
[providers.faults]
deadline-ms = 400
grace-ms = 800
memory-mb = 64
cpu-seconds = 2
descriptors = 64
processes = 8
[providers.constructor-spin]
grace-ms = 500
[providers.constructor-deadlock]
grace-ms = 500
END

failed=0
say() { echo "ok      $1"; }
complain() { failed=$((failed + 1)) && echo "FAILED  $1" && [ -z "${2:-}" ] || echo "        $2"; }
"$program" serve --plugins "$work/plugins" --config "$work/nsphost.toml" --log info >"$work/out" 2>>"$work/err" &
host=$!
for _ in $(seq 200); do "$program" providers --exists faults >/dev/null 2>&1 && break; sleep 0.05; done
state() { "$program" providers | awk -v name="$1" '$2 == name { print $NF }'; }
ready() { for _ in $(seq 200); do [ "$(state "$1")" = ready ] && return; sleep 0.05; done; return 1; }
seen() { for _ in $(seq 60); do grep -aEq "$1" "$work/err" && return; sleep 0.1; done; return 1; }
workers() { pgrep -P $host; }
children() { workers | wc -l; }

"$work/load" 3f0c5a1e-6b1d-4b52-9c57-1d0e442a9110 hello 1000 600 >"$work/load.out" 2>&1 &
load=$!

# name, the fault, and what is said of it: by the process itself as it dies, or by the host.
fault() {
  local fault=$1 where=$2 line=$3 name=$1-$2
  : >"$work/err"
  local begin=$(date +%s%N)
  timeout 20 "$program" lookup "$name" --provider $faulty >"$work/answer" 2>&1
  local took=$((($(date +%s%N) - begin) / 1000000))
  if [ -n "$line" ] && ! seen "$line"; then complain "$name: nothing says $line" "$(grep -av ' debug' "$work/err" | tail -3)"; return; fi
  [ $took -lt 10000 ] || { complain "$name: the client waited $took ms"; return; }
  # Five deaths in a minute are not what this is about.
  "$program" enable faults >/dev/null
  ready faults || { complain "$name: it does not come back" "$(state faults)"; return; }
  # One that has shut itself off may only now be noticed.
  for _ in $(seq 40); do "$program" lookup fine --provider $faulty >"$work/answer" 2>&1 && break; sleep 0.1; done
  grep -q 'fine$' "$work/answer" || { complain "$name: it is not itself again" "$(cat "$work/answer")"; return; }
  say "$name, ${took} ms"
}
for where in begin next thread; do
  case $where in
    begin) routine=NSPv2LookupServiceBegin ;;
    next) routine=NSPv2LookupServiceNextEx ;;
    thread) routine="its own thread|outside|faults.so|NSPv2LookupServiceNextEx" ;;
  esac
  fault segfault $where "faults.*(SIGSEGV|Segmentation).*($routine)|($routine).*(SIGSEGV|Segmentation)"
  fault abort $where "faults.*(SIGABRT|Aborted).*($routine)|($routine).*(SIGABRT|Aborted)"
  fault exit $where "faults.*exit with status.*($routine)"
  fault throw $where "faults.*SIGABRT.*($routine)"
  fault heap $where "faults.*SIG(ABRT|SEGV).*($routine)"
  fault kill $where "faults.*SIGKILL.*($routine)"
  fault memory $where "faults.*SIG(SEGV|ABRT).*($routine)"
  [ $where = thread ] && fault spin $where "faults.*SIGXCPU" || fault spin $where "faults.*killed, because it did not return.*($routine)"
  [ $where = thread ] && fault deadlock $where "" || fault deadlock $where "faults.*killed, because it did not return.*($routine)"
  fault closefds $where ""
  fault fork $where ""
done

# Left alone after five deaths; nobody waits for it then.
for _ in 1 2 3 4 5; do ready faults; timeout 20 "$program" lookup abort-begin --provider $faulty >/dev/null 2>&1; sleep 0.1; done
for _ in $(seq 50); do [ "$(state faults)" = quarantined ] && break; sleep 0.1; done
[ "$(state faults)" = quarantined ] && say "five deaths: quarantined" || complain "five deaths: $(state faults)"
"$program" inspect faults | grep -q "deaths: .*SIGABRT in NSPv2LookupServiceBegin" && say "inspect says of what" || complain "inspect" "$("$program" inspect faults)"
for line in "memory: 64 MiB more" "processor time: 2 s" "descriptors: 64 more" "no new privileges"; do
  "$program" inspect faults | grep -q "confined: .*$line" || complain "inspect does not say: $line"
done
"$program" enable faults >/dev/null
ready faults && say "enable lifts it" || complain "enable does not lift it"

# One that dies while it is loaded: it does not serve, it says why, and the others do not notice.
for file in "$faults"/constructor-*.so; do
  name=$(basename "$file" .so)
  : >"$work/err"
  cp "$file" "$work/plugins/.new" && mv "$work/plugins/.new" "$work/plugins/$name.so"
  for _ in $(seq 300); do st=$("$program" providers | awk -v file="$name.so" '$0 ~ file { print $NF }'); case $st in quarantined | failed | ready) break ;; esac; sleep 0.1; done
  case $name in
    constructor-fork | constructor-closefds) expected="ready failed quarantined" ;;
    *) expected="quarantined failed" ;;
  esac
  if [[ " $expected " == *" $st "* ]]; then say "$name: $st"; else complain "$name: ${st:-nothing}" "$(grep -a constructor "$work/err" | tail -3)"; fi
  rm "$work/plugins/$name.so"
done

# Again and again, under load: nothing is left behind.
balance() { "$program" sessions --json | sed 's/.*"ledger":{\([^}]*\)}.*/\1/'; }
descriptors() { ls /proc/$host/fd | wc -l; }
memory() { awk '/VmRSS/ { print $2 }' /proc/$host/status; }
before= kept_children= kept=
for cycle in $(seq "$cycles"); do
  timeout 20 "$program" lookup segfault-next --provider $faulty >/dev/null 2>&1
  "$program" enable faults >/dev/null
  ready faults || { complain "cycle $cycle: it does not come back"; break; }
  [ "$cycle" = $((cycles / 4)) ] && before=$(descriptors) && kept_children=$(children) && kept=$(memory)
done
sleep 0.5
after=$(descriptors)
# A channel to the other provider comes where two of its calls meet, and stays: a few, whatever the number of deaths.
if [ "$after" -le $((before + 4)) ] && [ "$(children)" = "$kept_children" ] && [ "$kept_children" = 2 ]; then
  say "$cycles deaths: descriptors and processes are as many as before ($before, $after; $kept_children)"
else
  complain "$cycles deaths: $before $kept_children, then $after $(children)"
fi
grown=$(($(memory) - kept))
[ $grown -lt 8192 ] && say "$cycles deaths: $grown KB more" || complain "$cycles deaths: $grown KB more"

kill -TERM $load
wait $load
[ $? = 0 ] && say "a steady load on another provider lost nothing: $(tail -1 "$work/load.out")" || complain "the load: $(tail -3 "$work/load.out")"
grep -q 'load=100%' "$work/load.out" || echo "        the load of 1000 lookups a second was not reached on this machine"
load=
sleep 0.3
"$program" sessions --json | grep -q '"live":0' && say "startups and rundowns balance: $(balance)" || complain "sessions: $(balance)"
last=$(workers)
kill $host
wait $host
ended=$? left=
for worker in $last; do ! kill -0 "$worker" 2>/dev/null || left="$left $worker"; done
[ $ended = 0 ] && [ -n "$last" ] && [ -z "$left" ] && say "the host ends in order, and its workers with it" ||
  complain "the host has ended with $ended; workers: ${last:-none}; left:${left:- none}"
host=

# Records that lead nowhere: refused with the reason, in the host's process as in a worker, and nobody dies of it.
scripted=f1f70001-1111-4222-8333-010203040506
first=51e5701f-0001-4000-8000-00000000001f
records() {
  local mode=$1 before id what answer line
  rm -rf "$work/plugins" "$work/state" && mkdir -m 755 "$work/plugins"
  cp "$samples/hello.so" "$faults/../scripted-a.so" "$faults/../version1.so" "$work/plugins/"
  printf '[providers.%s]\nisolation = "%s"\n' hello worker scripted-a "$mode" version1 "$mode" >"$work/nsphost.toml"
  : >"$work/err"
  "$program" serve --plugins "$work/plugins" --config "$work/nsphost.toml" --log info >"$work/out" 2>>"$work/err" &
  host=$!
  ready hello && ready scripted-a && ready version1 || { complain "records, $mode: the providers do not come up" "$(tail -3 "$work/err")"; return; }
  before=$(children)
  "$work/load" 3f0c5a1e-6b1d-4b52-9c57-1d0e442a9110 hello 200 60 >"$work/load.out" 2>&1 &
  load=$!
  # The provider, the name, what a client sees of it, and what the log says.
  while IFS='|' read -r id what answer line; do
    : >"$work/err"
    timeout 20 "$program" lookup "$what" --provider $id >"$work/answer" 2>&1
    if ! grep -q "$answer" "$work/answer"; then complain "$what, $mode: the answer is not $answer" "$(cat "$work/answer")"; continue; fi
    if [ -n "$line" ] && ! seen "$line"; then complain "$what, $mode: the log does not say $line" "$(tail -3 "$work/err")"; continue; fi
    kill -0 $host && [ "$(children)" = "$before" ] && say "$what, $mode" || complain "$what, $mode: a process has died" "$(tail -3 "$work/err")"
  done <<END
$scripted|broken-offset|WSASYSCALLFAILURE|scripted-a.*its record is refused: lpszServiceInstanceName: nothing can be read at 0x70
$scripted|broken-nowhere|WSASYSCALLFAILURE|scripted-a.*lpszComment: nothing can be read at 0x
$scripted|broken-far|WSASYSCALLFAILURE|scripted-a.*lpszComment: nothing can be read at 0xdead00000000beee
$scripted|broken-unterminated|WSASYSCALLFAILURE|scripted-a.*lpszQueryString: no terminating NUL
$scripted|broken-misaligned|WSASYSCALLFAILURE|scripted-a.*lpszContext: not aligned
$scripted|broken-version|WSASYSCALLFAILURE|scripted-a.*lpVersion: nothing can be read at 0x
$scripted|broken-addresses|WSASYSCALLFAILURE|scripted-a.*lpcsaBuffer: nothing can be read at 0x
$scripted|broken-count|WSASYSCALLFAILURE|scripted-a.*lpafpProtocols: NULL, or NULL with a count
$scripted|broken-sockaddr|WSASYSCALLFAILURE|scripted-a.*lpSockaddr: nothing can be read at 0x
$scripted|broken-blob|WSASYSCALLFAILURE|scripted-a.*pBlobData: nothing can be read at 0x
$scripted|overrun|WSASYSCALLFAILURE|scripted-a.*lpszServiceInstanceName: no terminating NUL
$scripted|nonsense-log|answer 0|scripted-a.*NSPHostLog: lpszText: nothing can be read at 0x78
$scripted|nonsense-change|answer 10022|scripted-a.*NSPHostChanged: lpszName: nothing can be read at 0x78
$scripted|nonsense-pack|answer 10022|scripted-a.*NSPHostPackQuerySet: lpszComment: nothing can be read at 0x78
$scripted|edge|edge|
$first|broken-offset|WSASYSCALLFAILURE|version1.*its record is refused: lpszComment: nothing can be read at 0x78
$first|broken-overrun|WSASYSCALLFAILURE|version1.*lpszComment: no terminating NUL
$first|records-1|record-0|
END
  kill -TERM $load
  wait $load
  [ $? = 0 ] && say "records, $mode: the neighbour lost nothing: $(tail -1 "$work/load.out")" || complain "records, $mode: the load" "$(tail -3 "$work/load.out")"
  load=
  kill $host
  wait $host && say "records, $mode: the host ends in order" || complain "records, $mode: the host has ended with $?"
  host=
}
records worker
records in-process
exit $((failed > 0))
