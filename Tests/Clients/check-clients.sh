#!/bin/bash
# Real client processes of a real host: C programs against libnsp, ended in every way that a process ends.
#   check-clients.sh            needs the package's own build, the samples, and a C compiler
set -uo pipefail
cd "$(dirname "$0")" || exit 1
. ../needs.sh
needs clang getent perl setpriv timeout
root=../..
samples=${NSPHOST_SAMPLES:-$PWD/$root/build/providers}
work=$(mktemp -d)
host=
trap '[ -z "$host" ] || kill -9 $host 2>/dev/null; rm -rf "$work"' EXIT
export NSP_SOCKET=$work/run/socket STATE_DIRECTORY=$work/state
program=$(cd $root && swift build --show-bin-path)/nsphost
library=$(cd $root && swift build --show-bin-path)/libNSPLibrary.so
cp "$library" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
cc=clang
for name in client catalog statements classes buffers; do
  $cc -std=gnu11 -Wall -Wextra -Werror -I$root/Sources/ABI/CWinsock/include $name.c -o "$work/$name" -L"$work" -lnsp -pthread || exit 1
done
$cc -shared -fPIC -Wall -Wextra -Werror kill-at-write.c -o "$work/kill-at-write.so" -ldl || exit 1
export LD_LIBRARY_PATH=$work
client() { "$work/client" "$@"; }

. ./check.sh
says() { local expected=$1; shift; local out; out=$("$@" 2>&1) && [[ $out == *"$expected"* ]] || { echo "$out"; return 1; }; }
serve() {
  NSP_PLUGIN_PATH=$samples "$program" serve --log debug >"$work/serve.log" 2>"$work/serve.err" &
  host=$!
  for _ in $(seq 200); do [ -S "$NSP_SOCKET" ] && "$program" stats >/dev/null 2>&1 && return; sleep 0.02; done
  echo "the host does not start" && cat "$work/serve.err" && exit 1
}
ledger() { "$program" sessions --json | sed 's/.*"ledger":{\([^}]*\)}.*/\1/'; }
figure() { ledger | sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }
# Waits until everything that ended was answered; fails when that takes long.
settled() { for _ in $(seq 100); do [ "$(figure live)" = 0 ] && return; sleep 0.02; done; ledger; return 1; }

check "without a host: WSAENETDOWN" client start fails=10050:hello cleanup
unreachable() { "$program" lookup --socket "$work/nobody" hello; [ $? = 69 ]; }
check "a socket that nobody listens on is said, with status 69" unreachable
serve
check "NSP-133 to NSP-141, NSP-168 to NSP-178 the library checks what it is given" client arguments
check "NSP-045 NSP-056 NSP-057 NSP-136 to NSP-139 NSP-146 NSP-170 to NSP-178 what the client API promises" "$work/statements"
check "every buffer, at every offset and of every size" "$work/buffers"
check "events are set, reset and waited for" "$work/catalog" events
check "names are resolved" says "hello 192.0.2.1 7" client start resolve=hello cleanup
check "a name that nobody has" client start fails=10108:nobody cleanup
one_id() {
  local id=$("$program" lookup wait-20 --explain | sed -n 's/^query \([0-9a-f]*\)  wait-20 .*client pid [0-9]* (nsphost, uid.*/\1/p')
  [ -n "$id" ] && for line in "debug: query $id: lookup of wait-20" "debug: query $id: slow: begins to wait" "debug: query $id: slow: has waited" \
    "debug: query $id: slow: asked, 1 records"; do grep -q "^$line" "$work/serve.err" || { echo "no $line"; return 1; }; done
}
check "a query has one id in its explanation, in the host's log and in the provider's" one_id
check "the catalog is listed" says "addressbook 37 1" client start providers cleanup
check "a registration is found, and taken back" says "a@example.org 10.0.0.7 5060" client start publish=a@example.org resolve=a@example.org withdraw=a@example.org cleanup
check "100 threads in one process" client start many cleanup
check "End from another thread answers a Next that waits" client start cancel cleanup
check "NSP-203 to NSP-218 NSP-221 NSP-222 addresses by name, in three styles" client start addresses cleanup
check "NSP-223 addresses are registered and taken back" client start registers cleanup
check "NSP-219 the final cleanup completes what is pending" client start cleanup-completes cleanup
check "NSP-115 to NSP-127 NSP-183 to NSP-188 service classes, and changes that are waited for" "$work/classes" changes
check "fork in the middle" client start fork cleanup
check "200 forks while 8 threads start, look up and end" client many-forks
check "the books balance" settled
check "NSP-189 to NSP-200 NSP-226 the catalog is changed" "$work/catalog" changes
check "NSP-197 the log says how a file in a plugin directory goes" grep -q "^warning: not uninstalled: hello was not installed: it is $samples/hello.so, in a plugin directory: remove that file, or disable the provider: nsphost disable hello$" "$work/serve.err"

# How processes end. Each uses two providers with a session argument: one cleanup or rundown at each. How long that takes is shown, less what
# it takes to ask.
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
longest=1
ends() { # name, cleanups or rundowns, words...
  local name=$1 kind=$2 before after ended asked took
  shift 2
  before=$(figure $kind)
  client start publish=b@example.org resolve=hello "$@" >/dev/null 2>&1
  ended=$(milliseconds)
  settled || return 1
  asked=$(milliseconds)
  after=$(figure $kind)
  took=$((2 * asked - ended - $(milliseconds)))
  [ $took -le $longest ] || longest=$took
  [ "$after" -gt "$before" ] || { echo "$kind: $before before, $after after"; return 1; }
}
check "NSP-046 end: WSACleanup" ends cleanup cleanups cleanup
check "NSP-048 end: exit without WSACleanup" ends exit rundowns
check "end: _exit" ends _exit rundowns quit
check "NSP-047 end: kill -9" ends kill rundowns abort
inherited() {
  local before=$(figure rundowns)
  client start publish=c@example.org linger >/dev/null 2>&1 # a child holds the socket on
  settled && [ "$(figure rundowns)" -gt "$before" ]
}
check "end: the socket is inherited by a child that lives on" inherited
stopped() {
  "$work/client" start publish=d@example.org ready pause >"$work/stopped" &
  local child=$!
  until grep -q ready "$work/stopped" 2>/dev/null; do sleep 0.02; done
  kill -STOP $child && kill -KILL $child && wait $child 2>/dev/null
  settled
}
check "end: SIGSTOP, then SIGKILL" stopped
# Those that live on after the end of their session, as something else.
outlives() { # words
  local before=$(figure rundowns) child status
  "$work/client" start publish=f@example.org resolve=hello "$@" >/dev/null 2>&1 & child=$!
  for _ in $(seq 100); do [ "$(figure rundowns)" -gt "$before" ] && break; sleep 0.02; done
  settled; status=$?
  kill -0 $child 2>/dev/null && kill $child
  wait $child 2>/dev/null
  [ $status = 0 ] && [ "$(figure rundowns)" -gt "$before" ]
}
check "end: exec" outlives exec
check "end: close of the socket only" outlives close pause
check "end: a daemon of two forks that holds the socket" outlives daemon
check "end: a process number that is used again at once" outlives reuse

kicked() {
  "$work/client" start publish=e@example.org ready pause >"$work/kicked" &
  local child=$!
  until grep -q ready "$work/kicked" 2>/dev/null; do sleep 0.02; done
  says "kicked $child client" "$program" sessions kick $child || return 1
  [ "$(figure live)" = 0 ] || return 1
  kill $child && wait $child 2>/dev/null
  true
}
echo "        every provider was told within $longest ms of the end of a process"
check "an operator kicks a client" kicked
watches() { timeout 2 "$program" sessions --watch >"$work/watched" & local watch=$!; sleep 0.8; client start resolve=hello sleep=700 cleanup >/dev/null; wait $watch; [ "$(grep -c 'startups' "$work/watched")" -ge 2 ] && grep -q ' client ' "$work/watched"; }
check "sessions --watch shows clients as they come" watches
strangers() { setpriv --reuid=65534 --regid=65534 --clear-groups "$work/nsphost" "$@"; }
if is_root "what other users may do"; then
  chmod 755 "$work" && cp "$program" "$work/nsphost"
  check "another user may look up" says "192.0.2.1:7  hello" strangers lookup hello
  stranger_calls() { strangers calls; [ $? = 77 ]; }
  check "and may not see the calls of others" stranger_calls
  stranger_changes() { LD_LIBRARY_PATH=$work setpriv --reuid=65534 --regid=65534 --clear-groups "$work/catalog" refused; }
  check "NSP-201 nor change the catalog" stranger_changes
  stranger_classes() { LD_LIBRARY_PATH=$work setpriv --reuid=65534 --regid=65534 --clear-groups "$work/classes" refused; }
  check "nor install or remove classes" stranger_classes
  configured() {
    printf 'plugins = ["%s"]\nsocket = "%s"\n[access]\ngroups = ["%s"]\n' "$samples" "$work/other" "$1" >"$work/nsphost.toml"
    says "the configuration is good" "$program" config check --config "$work/nsphost.toml" || return 1
    env -u NSP_SOCKET -u NSP_PLUGIN_PATH "$program" serve --config "$work/nsphost.toml" 2>"$work/other.log" & local other=$!
    for _ in $(seq 100); do [ -S "$work/other" ] && break; sleep 0.05; done
    strangers lookup --socket "$work/other" hello >"$work/answer" 2>&1; local status=$?
    says "192.0.2.1:7  hello" "$program" lookup --socket "$work/other" hello || return 1
    kill $other && wait $other
    return $status
  }
  turned_away() { ! configured root && says WSAEACCES cat "$work/answer"; }
  check "a configuration admits the members of a group" configured "$(getent group 65534 | cut -d: -f1)"
  check "and turns away the others" turned_away
fi

deaf_log() {
  NSP_PLUGIN_PATH=$samples NSP_SOCKET=$work/deaf "$program" serve --log debug 2> >(head -1 >/dev/null) & local other=$!
  for _ in $(seq 100); do [ -S "$work/deaf" ] && break; sleep 0.05; done
  for _ in 1 2 3; do NSP_SOCKET=$work/deaf "$program" lookup hello || return 1; done
  kill $other && wait $other
}
check "the host goes on when nobody reads its log any more" deaf_log

garbage() {
  local i
  for i in $(seq 200); do head -c $((RANDOM % 300)) /dev/urandom | timeout 1 perl -e '
    use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ENV{NSP_SOCKET}) or exit 1; local $/; my $d = <STDIN>; print $s $d; shutdown($s, 1); my $x = <$s>' >/dev/null 2>&1; done
  says "hello 192.0.2.1" client start resolve=hello cleanup && settled
}
check "garbage on the socket harms nobody" garbage

second() { local out; out=$(NSP_PLUGIN_PATH=$samples "$program" serve 2>&1); [ $? = 1 ] && [[ $out == *"another host listens"*"process $host"* ]]; }
check "a second host on the socket is refused, and told who has it" second

# A host that is killed is an error, and then there is another: programs go on without being started again.
comes_back() {
  "$work/client" start resolve=hello ready sleep=1500 resolve=hello cleanup >"$work/back" &
  local child=$!
  until grep -q ready "$work/back" 2>/dev/null; do sleep 0.02; done
  kill -9 $host && wait $host 2>/dev/null
  client start fails=10050:hello cleanup || return 1
  serve # takes the stale socket over
  wait $child
}
check "the host is killed and comes back" comes_back
check "NSP-115 an installed class is still there, and is removed" "$work/classes" kept
check "NSP-200 what was installed and ordered is still there" "$work/catalog" kept
fifty() {
  local i children=
  for i in $(seq 50); do "$work/client" start persist=3000 cleanup & children="$children $!"; done
  sleep 0.5
  kill -9 $host && wait $host 2>/dev/null
  sleep 0.2
  serve
  for i in $children; do wait $i || return 1; done
}
check "the host is killed and restarted while 50 clients work: each gets an error, then works again" fifty

# A host that is killed in the middle of an installation or a removal, at every write: the next one finds the class as a whole or not at all,
# and can have it either way.
class_file() {
  printf '[[class]]\nname = "torn"\nid = "77d3fe10-4a6c-4f0e-9d0c-3a5be0c2b7ff"\n'
  for i in $(seq 40); do printf '[[class.values]]\nname = "Value%s"\nnamespace = "nds"\ntype = "string"\nvalue = "%0200d"\n' $i $i; done
}
class_file >"$work/torn.toml"
# Without files that live in their host: for those it would be another process that writes.
mkdir -m 755 "$work/none"
classes() { STATE_DIRECTORY=$work/torn "$program" classes "$@" --local --plugins "$work/none"; }
is_there() { # 0: as a whole, 1: in part, 2: not at all
  local out; out=$(classes show torn --json 2>/dev/null) || return $?
  [ "$(grep -o '"name":"Value' <<<"$out" | wc -l)" = 40 ] || return 1
}
killed_at() { # "half" for torn writes, whether it is there before, words...
  local at=0 status torn=$1 before=$2
  shift 2
  for at in $(seq 1000); do
    rm -rf "$work/torn"
    [ $before = 2 ] || classes install "$work/torn.toml" >/dev/null || return 1
    NSP_KILL_AT=$at NSP_KILL_TORN=$torn LD_PRELOAD=$work/kill-at-write.so classes "$@" >/dev/null 2>&1
    status=$?
    [ $status = 0 ] && break
    [ $status = 137 ] || { echo "write $at: status $status"; return 1; }
    is_there; status=$?
    [ $status != 1 ] || { echo "write $at: it is there in part"; return 1; }
    if [ $status = 0 ]; then classes remove torn; else classes install "$work/torn.toml"; fi >/dev/null || { echo "write $at: stuck"; return 1; }
    is_there; [ $? = $((2 - status)) ] || { echo "write $at: it can't be changed"; return 1; }
  done
  figures="$((at - 1)) writes"
  [ $at -gt 5 ]
}
check "kill -9 at each write of an installation" killed_at "" 2 install "$work/torn.toml"
echo "        $figures"
check "and in the middle of each" killed_at half 2 install "$work/torn.toml"
check "kill -9 at each write of a removal" killed_at "" 0 remove torn
echo "        $figures"
descriptors() { ls /proc/$host/fd | wc -l; }
resident() { awk '/VmRSS/ {print $2}' /proc/$host/status; }
figures=
many_lives() {
  local before=$(figure startups) some many
  client lives=1000 && settled || return 1
  some="$(descriptors) descriptors, $(resident) KiB"
  local after_some=$(descriptors) memory=$(resident)
  client lives=9000 && settled || return 1
  figures="after 1,000: $some; after 10,000: $(descriptors) descriptors, $(resident) KiB"
  [ "$(figure startups)" -ge $((before + 10000)) ] && [ "$(descriptors)" -le $((after_some + 2)) ] && [ "$(resident)" -le $((memory * 11 / 10)) ]
}
check "10,000 processes that connect, use and die: the books balance, descriptors and memory stay as they are" many_lives
echo "        $figures; $(ledger)"
idle_clients() {
  "$work/client" start idle=10000 ready pause >"$work/idle" & local child=$!
  for _ in $(seq 500); do grep -q ready "$work/idle" && break; kill -0 $child || return 1; sleep 0.02; done
  figures="beside 10,000: $(descriptors) descriptors, $(resident) KiB"
  says "hello 192.0.2.1" client start resolve=hello cleanup || return 1
  kill -9 $child && wait $child 2>/dev/null
  settled && for _ in $(seq 100); do [ "$(descriptors)" -lt 100 ] && return; sleep 0.05; done
}
check "10,000 connected idle clients, one that is served beside them, and all of them killed at once" idle_clients
echo "        $figures"
check "SIGHUP looks at the directories again" kill -HUP $host
sleep 0.3
check "and the host goes on" says "hello" client start resolve=hello cleanup
kill -TERM $host && wait $host
check "SIGTERM ends the host in order" [ $? = 0 ]
host=
check "the socket is gone with it" [ ! -e "$NSP_SOCKET" ]

# A provider that crashes takes a host with it that runs it in its own process: its last line says who it was, and under --supervise there is
# another host soon.
fixtures=${NSPHOST_FIXTURES:-$PWD/$root/build/fixtures}
echo 'isolation = "in-process"' >"$work/in-process.toml"
dies() { # name that is looked up, what the last line says, file
  rm -rf "$work/crash" "$work/dying" && mkdir -m 755 "$work/crash" && cp "$fixtures/crash/$3.so" "$work/crash/"
  NSP_SOCKET=$work/dying NSP_PLUGIN_PATH=$work/crash "$program" serve --config "$work/in-process.toml" 2>"$work/dying.err" >/dev/null & local dying=$!
  for _ in $(seq 100); do [ -S "$work/dying" ] && break; sleep 0.05; done
  NSP_SOCKET=$work/dying timeout 10 "$program" lookup "$1" >/dev/null 2>&1
  wait $dying 2>/dev/null
  [ $? -gt 128 ] && grep -qx "nsphost: $2" "$work/dying.err" || { cat "$work/dying.err" | head -5; return 1; }
}
check "a crash in Begin names provider, routine and signal" dies crash-begin "crash: died in NSPv2LookupServiceBegin: SIGSEGV" crash
for file in crash crash-blocking; do
  check "one in NextEx ($file)" dies crash-next "crash: died in NSPv2LookupServiceNextEx: SIGSEGV" $file
  check "an abort ($file)" dies abort-next "crash: died in NSPv2LookupServiceNextEx: SIGABRT" $file
  check "a stack that overflows ($file)" dies overflow-next "crash: died in NSPv2LookupServiceNextEx: SIGSEGV" $file
  check "a division by zero ($file)" dies divide-next "crash: died in NSPv2LookupServiceNextEx: SIGFPE" $file
  check "a crash on a thread of the provider's own ($file)" dies crash-thread "$file.so: died on a thread of its own: SIGSEGV" $file
done
check "an abort there" dies abort-thread "crash.so: died on a thread of its own: SIGABRT" crash
revives() {
  rm -f "$work/dying" && cp "$samples/hello.so" "$work/crash/"
  NSP_SOCKET=$work/dying NSP_PLUGIN_PATH=$work/crash "$program" serve --config "$work/in-process.toml" --supervise 2>"$work/dying.err" >/dev/null & local watching=$! i
  for i in 1 2 3; do
    for _ in $(seq 100); do NSP_SOCKET=$work/dying "$program" lookup hello --namespace dns 2>/dev/null | grep -q 192.0.2.1 && break; sleep 0.05; done
    NSP_SOCKET=$work/dying timeout 10 "$program" lookup crash-next --provider 51e57000-0001-4000-8000-000000000000 >/dev/null 2>&1
    NSP_SOCKET=$work/dying timeout 10 "$program" lookup crash-next >/dev/null 2>&1
  done
  for _ in $(seq 200); do NSP_SOCKET=$work/dying "$program" lookup hello --socket "$work/dying" 2>/dev/null | grep -q 192.0.2.1 && break; sleep 0.05; done
  NSP_SOCKET=$work/dying "$program" lookup hello --socket "$work/dying" | grep -q 192.0.2.1 || return 1
  [ "$(grep -c 'the host has died' "$work/dying.err")" -ge 3 ] || { cat "$work/dying.err"; return 1; }
  kill $watching && wait $watching
  [ $? = 0 ] && [ ! -e "$work/dying" ]
}
check "serve --supervise starts the host again, and ends with it" revives
orphaned() {
  NSP_SOCKET=$work/dying NSP_PLUGIN_PATH=$samples "$program" serve --supervise 2>/dev/null >/dev/null & local watching=$!
  for _ in $(seq 100); do [ -S "$work/dying" ] && break; sleep 0.05; done
  kill -9 $watching && wait $watching 2>/dev/null
  for _ in $(seq 100); do [ -e "$work/dying" ] || return 0; sleep 0.05; done
  return 1
}
check "and goes with whoever watches over it" orphaned
[ $failed = 0 ]
