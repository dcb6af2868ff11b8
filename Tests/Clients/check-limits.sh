#!/bin/bash
# A host of which others take all that they can, and whose log nobody reads: who is refused is told by which limit, root gets in whatever the
# others do, and everybody is served.
#   check-limits.sh            needs the package's own build, the samples and the fixtures
set -uo pipefail
cd "$(dirname "$0")" || exit 1
. ../needs.sh
needs python3 setpriv timeout
root=../..
samples=${NSPHOST_SAMPLES:-$PWD/$root/build/providers}
fixtures=${NSPHOST_FIXTURES:-$PWD/$root/build/fixtures}
work=$(mktemp -d) && chmod 755 "$work"
host= held=()
trap '[ -z "$host" ] || kill -9 $host 2>/dev/null; for one in "${held[@]}"; do kill -9 $one 2>/dev/null; done; rm -rf "$work"' EXIT
export NSP_SOCKET=$work/socket STATE_DIRECTORY=$work/state
built=$(cd $root && swift build --show-bin-path)/nsphost
# Where other users can run it.
program=$work/nsphost && cp "$built" "$program"
mkdir -m 755 "$work/plugins" && cp "$samples/hello.so" "$fixtures/scripted-a.so" "$fixtures/faults/faults.so" "$work/plugins/"
scripted=f1f70001-1111-4222-8333-010203040506 faulty=fa017000-0005-4000-8000-000000000001

# What nobody writes to, and what is never at its end.
mkfifo "$work/never" && exec 7<>"$work/never"

. ./check.sh
nsphost() { timeout 20 "$program" "$@"; }
as() { local user=$1; shift; setpriv --reuid=$user --regid=$user --clear-groups "$@"; }
until_true() { for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done; "$@"; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
says() { local text=$1 out; shift; out=$("$@" 2>&1) && [[ $out == *"$text"* ]] || { echo "$out"; return 1; }; }
fails() { local text=$1 out; shift; out=$("$@" 2>&1) && { echo "it is done: $out"; return 1; }; [[ $out == *"$text"* ]] || { echo "$out"; return 1; }; }
serve() { # lines of the configuration, words...
  local text=$1
  shift
  printf "$text" >"$work/nsphost.toml"
  "$program" serve --config "$work/nsphost.toml" --plugins "$work/plugins" "$@" >"$work/serve.log" 2>"$work/serve.err" & host=$!
  until_true nsphost stats || { cat "$work/serve.err"; exit 1; }
}
stop() { kill -TERM $host 2>/dev/null; wait $host; host=; }
# Takes things, and goes on to have them until `release`.
hold() { # user, words...
  local user=$1 out=$work/held.${#held[@]}
  shift
  python3 limits.py $user "$@" <"$work/never" >"$out" 2>&1 & held+=($!)
  until_true grep -Eq '^(held|asked)|Error' "$out" && cat "$out"
}
release() { for one in "${held[@]}"; do kill -9 $one 2>/dev/null; wait $one 2>/dev/null; done; held=(); }
stats() { nsphost stats --json | python3 -c "import json, sys; stats = json.load(sys.stdin); print($1)"; }
refused() { stats "sum(r['count'] for r in stats['refusals'] if r['limit'] == '$1' and r.get('uid') in ($2,))"; }
ends_soon() { local begin=$(milliseconds); kill -TERM $host; wait $host; local status=$?; host=; [ $status = 0 ] && [ $(($(milliseconds) - begin)) -lt 15000 ]; }
a=60001 b=60002 c=60003

# A hello has a limited time.
serve 'isolation = "in-process"\n[limits]\nhello-ms = 700\n[providers.faults]\nenabled = false\n'
late() {
  local out took
  out=$(python3 limits.py $1 silent) || return 1
  took=${out#*after } && took=${took% ms}
  echo "$out"
  [[ $out == "limit 11 of $1: 700 closed after "* ]] && [ $took -ge 650 ] && [ $took -lt 5000 ]
}
if is_root "what other users may take"; then
  hold $b hold 1 hello >/dev/null
  check "a connection that says no hello is told so, and closed after limits.hello-ms" late $a
  check "so is one of root's" late 0
  check "one that has said hello stays" says "python3" nsphost sessions
  logged() { [ "$(grep -c "^warning: user $a is refused: limits.hello-ms = 700 of each connection is met$" "$work/serve.err")" = 1 ] || { cat "$work/serve.err"; return 1; }; }
  check "the log says so once" logged
  counted() { [ "$(refused limits.hello-ms $a)" = 1 ] && [ "$(stats "stats['is_well']")" = False ]; }
  check "and stats counts it" counted
  stop

  # Two users take all connections.
  serve 'isolation = "in-process"\n[limits]\nconnections = 40\nconnections-per-user = 30\n[providers.faults]\nenabled = false\n'
  armed() { cat /proc/$host/fdinfo/* 2>/dev/null | grep -c '^it_value: ([^0]\|^it_value: (0, [^0]'; }
  timed() {
    local before=$(armed)
    hold $a hold 1 silent >/dev/null
    [ "$(armed)" = $((before + 1)) ] || { echo "$before timers before, $(armed) while one waits"; return 1; }
    release
    until_true eval '[ "$(armed)" = '$before' ]'
  }
  check "a timer runs only while somebody owes a hello" timed
  # In this shell, which has to release it.
  says_of() { hold "${@:2}" >"$work/said" && [[ $(<"$work/said") == "$1"* ]] || { cat "$work/said"; return 1; }; }
  check "a user has as many connections as a user may have, and is told whose limit is met" says_of "held 30 refused 5 limit 2 of $a: 30" $a hold 35 hello
  check "two users have as many as there are" says_of "held 10 refused 5 limit 1 of all: 40" $b hold 15 hello
  check "a third one is told which limit is met, and whose it is" \
    fails "limits.connections = 40 of all users together is met (WSAENOBUFS)" as $c "$program" lookup hello
  check "root sees who has them" says "python3" nsphost sessions
  nearly() { says "limits.connections " nsphost stats && says "limits.connections-per-user" nsphost stats && says "wrong: 11 refusals, 2 quotas nearly taken" nsphost stats; }
  check "stats shows what is taken and what was refused, by limit and user" nearly
  as_numbers() {
    [ "$(refused limits.connections $b)" = 5 ] && [ "$(refused limits.connections $c)" = 1 ] && [ "$(refused limits.connections-per-user $a)" = 5 ] &&
      [ "$(stats "[(q['taken'], q['maximum']) for q in stats['nearly_taken'] if q.get('uid') == $a]")" = "[(30, 30)]" ] || { nsphost stats --json; return 1; }
  }
  check "in JSON, too" as_numbers
  once() { [ "$(grep -c "user $b is refused" "$work/serve.err")" = 1 ] && [ "$(grep -c "user $a is refused" "$work/serve.err")" = 1 ] || { cat "$work/serve.err"; return 1; }; }
  check "five refusals of a user in a minute are one line of the log" once
  kicked() { says "kicked ${held[0]} python3" nsphost sessions kick ${held[0]} && says 192.0.2.1:7 as $c "$program" lookup hello; }
  check "root ends the session of one of them, and the third is served" kicked
  release
  until_true eval '[ "$(nsphost sessions --json | grep -c python3)" = 0 ]'
  check "connections without a hello take nothing" says_of "held 40" $a hold 40 silent
  check "they are closed first: others are served" says 192.0.2.1:7 as $c "$program" lookup hello
  release
  stop

  # All descriptors, by connections, and by processes, each of which takes two.
  printf 'isolation = "in-process"\n[providers.faults]\nenabled = false\n' >"$work/nsphost.toml"
  for kind in silent processes; do
    (ulimit -n 200 && exec "$program" serve --config "$work/nsphost.toml" --plugins "$work/plugins" >"$work/serve.log" 2>"$work/serve.err") & host=$!
    until_true nsphost stats || cat "$work/serve.err"
    hold $a hold 150 $kind >"$work/first"; hold $b hold 150 $kind >"$work/second"
    if [ $kind = silent ]; then
      check "descriptors, silent: others are served" says 192.0.2.1:7 as $c "$program" lookup hello
    else
      check "descriptors, $kind: whoever is refused is told why" grep -q "limit 12 of all: 200" "$work/second"
      check "descriptors, $kind: a third user is told, too" fails "RLIMIT_NOFILE = 200 of the host's process is met" as $c "$program" lookup hello
    fi
    five() { local i status=0 children=; for i in 1 2 3 4 5; do nsphost sessions --json >/dev/null & children="$children $!"; done; for i in $children; do wait $i || status=1; done; return $status; }
    check "descriptors, $kind: root gets in" five
    frees() {
      local victim=${held[0]}
      [ $kind != processes ] || victim=$(nsphost sessions | awk '/python3/ { print $1; exit }')
      [ $kind = silent ] || says "kicked $victim python3" nsphost sessions kick $victim
    }
    check "descriptors, $kind: root ends a session" frees
    check "descriptors, $kind: at start the host says that its limits want more" grep -q "^warning: limits.connections = 65536 takes up to 132224 descriptors, and this process has 200 (RLIMIT_NOFILE)" "$work/serve.err"
    release
    check "descriptors, $kind: when they are free again everybody is served" until_true as $c "$program" lookup hello
    hold $a hold 150 $kind >/dev/null; hold $b hold 150 $kind >/dev/null
    check "descriptors, $kind: without any a host ends in order" ends_soon
    release
  done
  # What a lookup keeps grows with its records.
  serve 'isolation = "in-process"\n[limits]\nbytes-per-user = 8000000\n[providers.faults]\nenabled = false\n'
  check "the blocks of open lookups are the user's, who is told which limit is met" says "records 8 limit 8 of $a: 8000000" python3 limits.py $a blocks 20 big-500000 $scripted
  check "they are given back with the lookups, and others have theirs" eval "says 'records 8' python3 limits.py $a blocks 8 big-500000 $scripted && says 'records 8' python3 limits.py $b blocks 8 big-500000 $scripted"
  check "root has no such limit" says "records 20" python3 limits.py 0 blocks 20 big-500000 $scripted
  stop

  # Every thread waits for a provider.
  serve 'isolation = "in-process"\n[limits]\nrequests-per-connection = 64\n[providers.scripted-a]\ndeadline-ms = 60000\n[providers.faults]\nenabled = false\n'
  hold $a ask 256 never $scripted >/dev/null
  # Before the user asks for more: another request would take the place of one of these.
  has_all() { [ "$(stats "[q['taken'] for q in stats['nearly_taken'] if q['limit'] == 'limits.requests-per-user']")" = "[256]" ]; }
  check "a user has as many requests as a user may have" until_true has_all
  check "a user who has too many of them is told so" fails "limits.requests-per-user = 256 of user $a is met" as $a "$program" lookup hello
  hold $b ask 256 never $scripted >/dev/null
  # The first has half of them, the second half of the rest.
  busy() { [ "$(ls /proc/$host/task | wc -l)" -gt 380 ]; }
  check "requests of two users that nobody answers hold most threads" until_true busy
  check "a third user is served all the same" says 192.0.2.1:7 as $c "$program" lookup hello
  hold $c ask 256 never $scripted >/dev/null
  more() { [ "$(ls /proc/$host/task | wc -l)" -gt 440 ]; }
  check "so is a fourth, when the third has its share" eval "until_true more && says 192.0.2.1:7 as 60004 '$program' lookup hello"
  check "root is answered" says "python3" nsphost sessions
  check "root ends the session of one of them" says "kicked" nsphost sessions kick ${held[0]}
  check "and others are served again" until_true says 192.0.2.1:7 as $c "$program" lookup hello
  release
  kill -9 $host; wait $host 2>/dev/null; host=
fi
fits() {
  local wanted=$((2 * (65536 + 64) + 1024))
  [ "$(sed -n 's/^LimitNOFILE=//p' $root/packaging/nsphost.service)" -ge $wanted ]
}
check "LimitNOFILE of the unit is enough for the limits" fits

# Nobody reads the log.
lookups() { says "answered $1" timeout 60 python3 limits.py 0 lookups "$1" records-1 $scripted; }
lost() { stats "stats['log']['lost_lines']"; }
shared() { local flags; flags=$(awk '/^flags/ { print $2 }' /proc/$host/fdinfo/2); [ $((flags & 04000)) = 0 ]; }
for isolation in worker in-process; do
  mkfifo "$work/log.$isolation"
  cat "$work/log.$isolation" >"$work/read.$isolation" & reader=$!
  held+=($reader)
  printf 'isolation = "%s"\n[providers.faults]\nisolation = "worker"\n' $isolation >"$work/nsphost.toml"
  "$program" serve --config "$work/nsphost.toml" --plugins "$work/plugins" --log debug >"$work/serve.log" 2>"$work/log.$isolation" & host=$!
  until_true nsphost stats
  kill -STOP $reader
  check "$isolation: a log that nobody reads: every lookup is answered" lookups 3000
  check "$isolation: a provider that writes a megabyte to standard error goes on" says chatter-next timeout 20 "$program" lookup chatter-next --provider $faulty
  is_lost() { [ "$(lost)" -gt 1000 ] && says "lines of the log lost" nsphost stats || { nsphost stats; return 1; }; }
  check "$isolation: stats counts what is lost" is_lost
  check "$isolation: whom the host shares standard error with is not disturbed" shared
  kill -CONT $reader
  reads_on() { grep -aq "^warning: [0-9]* lines lost here: nobody has read what was written$" "$work/read.$isolation"; }
  check "$isolation: when it is read again the log says how many" until_true reads_on
  "$program" lookup after-all --provider $scripted >/dev/null 2>&1
  check "$isolation: and goes on" until_true grep -aq "lookup of after-all" "$work/read.$isolation"
  kill -STOP $reader
  lookups 3000 >/dev/null
  check "$isolation: a host whose log nobody reads ends in order" ends_soon
  kill -KILL $reader; wait $reader 2>/dev/null
done
on_a_socket() {
  coproc python3 limits.py 0 serve SOCK_STREAM "$program" serve --plugins "$work/plugins" --log debug 2>/dev/null
  local pid starter=$COPROC_PID
  exec 8<&${COPROC[0]} 9>&${COPROC[1]}
  read -r pid <&8
  until_true nsphost stats && lookups 3000 && [ "$(lost)" -gt 1000 ] || { nsphost stats; kill -9 $pid; return 1; }
  echo >&9
  cat <&8 >"$work/read.socket" & local copier=$!
  until_true grep -aq "lines lost here" "$work/read.socket" || return 1
  kill -TERM $pid && wait $starter && wait $copier
}
check "the same on a socket, as systemd gives one" on_a_socket
# The last words of a host whose log nobody reads.
dies() {
  local begin status reader
  mkfifo "$work/log.dying"
  cat "$work/log.dying" >/dev/null & reader=$!
  held+=($reader)
  mkdir -m 755 "$work/crash" && cp "$fixtures/crash/crash.so" "$fixtures/scripted-a.so" "$work/crash/"
  echo 'isolation = "in-process"' >"$work/nsphost.toml"
  "$program" serve --config "$work/nsphost.toml" --plugins "$work/crash" --log debug >/dev/null 2>"$work/log.dying" & host=$!
  until_true nsphost stats
  kill -STOP $reader
  lookups 3000 || return 1
  begin=$(milliseconds)
  nsphost lookup crash-begin >/dev/null 2>&1
  wait $host; status=$?
  host=
  kill -KILL $reader; wait $reader 2>/dev/null
  [ $status -gt 128 ] && [ $(($(milliseconds) - begin)) -lt 10000 ]
}
check "a host that dies while nobody reads its log is gone at once" dies
[ $failed = 0 ]
