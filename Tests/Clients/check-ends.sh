#!/bin/bash
# How a host dies, what it says of that, and what a provider in its process can't take from it: ends by exit and its like, threads that outlive
# their file, the state that belongs to the whole process. In both isolation modes.
#   check-ends.sh     needs the package's own build, the samples, the fixtures, and clang
set -uo pipefail
cd "$(dirname "$0")" || exit 1
root=$(cd ../.. && pwd)
. ../needs.sh
needs clang timeout awk
fixtures=${NSPHOST_FIXTURES:-$root/build/fixtures}
samples=${NSPHOST_SAMPLES:-$root/build/providers}
program=$(cd "$root" && swift build --show-bin-path)/nsphost
work=$(mktemp -d)
host=
cleanup() { [ -z "$host" ] || kill -9 $host 2>/dev/null; rm -rf "$work"; }
trap cleanup EXIT
. ./check.sh
export NSP_SOCKET=$work/run/socket STATE_DIRECTORY=$work/state
mkdir -m 755 "$work/run" "$work/plugins"
nsphost() { timeout 20 "$program" "$@"; }
says() { grep -qE -- "$1" "$work/serve.err" || { cat "$work/serve.err"; return 1; }; }
within() { # seconds, command...
  local tries=$(($1 * 20))
  shift
  for _ in $(seq $tries); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done
  "$@"
}
listens() { nsphost sessions >/dev/null 2>&1; }
# Starts a host with these files; its process is $host, what it says is in serve.err.
serve() { # isolation, words of the command line, files...
  local isolation=$1 words=$2
  shift 2
  [ -z "$host" ] || { kill -9 $host && wait $host; } 2>/dev/null
  rm -rf "$work/plugins" "$work/run/socket" && mkdir -m 755 "$work/plugins" && cp "$@" "$work/plugins/"
  printf 'isolation = "%s"\n' "$isolation" >"$work/nsphost.toml"
  # shellcheck disable=SC2086
  (cd "$work/run" && umask 022 && exec "$program" serve --config "$work/nsphost.toml" --plugins "$work/plugins" $words >"$work/serve.log" 2>"$work/serve.err") & host=$!
}
served() { serve "$@" && within 15 listens; }
ended() { # with this status
  local got=0
  wait $host || got=$?
  host=
  [ $got = "$1" ] || { echo "it ended with $got"; cat "$work/serve.err"; return 1; }
}
stops() { kill $host && ended 0; }

echo "last words"
clang -O1 -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/System/CLastWords/include" lastwords.c "$root"/Sources/System/CLastWords/*.c -o "$work/lastwords" -pthread || exit 1
dying() { # how, the line
  local said got=0
  said=$("$work/lastwords" "$1" 2>&1) || got=$?
  [ "$said" = "nsphost: $2" ] && [ $got = 139 ] || { echo "status $got: $said"; return 1; }
}
for n in 1 2 3; do check "a crash right below memory that can't be read ($n)" dying guard "the host itself: died outside of every provider: SIGSEGV"; done
check "one with a stack pointer that leads nowhere" dying stack "the host itself: died outside of every provider: SIGSEGV"
check "one in the host's own reader of a record" dying reading "the host itself: died while reading a record of alpha: SIGSEGV"
check "one in a routine, after a record was read" dying routine "alpha: died in NSPv2LookupServiceNextEx: SIGSEGV"
published() { [ "$("$work/lastwords" record)" = "0 0 Begin of alpha" ] || { "$work/lastwords" record; return 1; }; }
check "what ran is read by the process that watches, when nobody is left to say it" published

echo "ends that are no signals"
ends() { # name that is looked up, the last line, status
  served in-process "" "$fixtures/ends/ends.so" || return 1
  nsphost lookup "$1" >/dev/null 2>&1
  ended "$3" && [ "$(grep '^nsphost: ' "$work/serve.err")" = "nsphost: $2" ] || { cat "$work/serve.err"; return 1; }
}
check "in-process: exit(0) in Begin" ends exit-begin "ends: died in NSPv2LookupServiceBegin: exit(0)" 70
check "in-process: exit(0) in NextEx" ends exit-next "ends: died in NSPv2LookupServiceNextEx: exit(0)" 70
check "in-process: _exit(0) in Begin" ends _exit-begin "ends: died in NSPv2LookupServiceBegin: _exit(0)" 70
check "in-process: quick_exit(0) in NextEx" ends quick-next "ends: died in NSPv2LookupServiceNextEx: quick_exit" 70
check "in-process: pthread_exit in Begin" ends thread-begin "ends: died in NSPv2LookupServiceBegin: pthread_exit on a thread of the host" 70
task="the system call exit on a thread of the host"
check "in-process: the system call exit in Begin" ends task-begin "ends: died in NSPv2LookupServiceBegin: $task" 70
check "in-process: the system call exit in NextEx" ends task-next "ends: died in NSPv2LookupServiceNextEx: $task" 70
check "in-process: exit(0) on a thread of the provider's own" ends exit-own "ends.so: died on a thread of its own: exit(0)" 70
check "in-process: _exit(0) on a thread of the provider's own" ends _exit-own "ends.so: died on a thread of its own: _exit(0)" 70
constructor() {
  serve in-process "" "$fixtures/ends/ends-constructor.so"
  ended 70 && says '^nsphost: ends: died in a constructor: exit\(0\)$'
}
check "in-process: exit(0) in a constructor" constructor
command_fails() { # command...
  local got=0
  nsphost "$@" --plugins "$work/plugins" >"$work/said" 2>&1 || got=$?
  [ $got != 0 ] && [ $got != 124 ] && grep -q 'ends.*NSPv2LookupServiceBegin' "$work/said" || { echo "status $got"; cat "$work/said"; return 1; }
}
cp "$fixtures/ends/ends.so" "$work/plugins/" && rm -f "$work/plugins/ends-constructor.so"
check "a command whose provider exits says so, and fails" command_fails lookup exit-begin --provider e2d50001-0005-4000-8000-000000000001

worker_ends() { # name, what the host says
  nsphost lookup "$1" >/dev/null 2>&1
  within 5 says "its process has died: $2" && kill -0 $host && nsphost enable ends >/dev/null && within 5 nsphost providers --exists ends && within 5 answers
}
answers() { nsphost lookup hello | grep -q 192.0.2.1; }
served worker "" "$fixtures/ends/ends.so" "$samples/hello.so"
for how in exit _exit raw quick thread task; do
  check "worker: $how in Begin is its process's end, and nobody else's" worker_ends $how-begin '.*NSPv2LookupServiceBegin'
  : >"$work/serve.err"
done
check "worker: the host ends in order" stops

echo "supervision"
started() { [ "$(grep -c '^nsphost serves' "$work/serve.log")" -ge "$1" ] && listens; }
supervises() {
  local n=1 how
  serve in-process --supervise "$fixtures/ends/ends.so" "$samples/hello.so"
  within 15 started 1 || return 1
  for how in raw _exit exit thread task; do
    nsphost lookup $how-begin >/dev/null 2>&1
    n=$((n + 1))
    within 20 started $n || { echo "after $how it is not started again"; cat "$work/serve.err"; return 1; }
  done
  says '^nsphost: ends: died in NSPv2LookupServiceBegin: _exit\(0\)$' && answers &&
    says 'the host has died \(exit with status 0, in NSPv2LookupServiceBegin of ends\): it is started again in 100 ms' &&
    says 'the host has died \(exit with status 70, in NSPv2LookupServiceBegin of ends\)' && stops
}
check "every end that nobody asked for, and one that leaves no time for a word" supervises
asked() { # signal
  serve in-process --supervise "$samples/hello.so" && within 15 started 1 || return 1
  kill "-$1" "$(pgrep -P $host)" && ended 0 && ! says 'has died'
}
check "one that was asked for is the end of both" asked TERM
refused() {
  printf 'nonsense = 1\n' >"$work/nsphost.toml"
  timeout 10 "$program" serve --config "$work/nsphost.toml" --supervise >"$work/serve.log" 2>"$work/serve.err"
  local got=$?
  [ $got = 1 ] && grep -q nonsense "$work/serve.err" && ! says 'started again'
}
check "a configuration that is refused is not tried again" refused

echo "what belongs to the whole process"
state() { echo "$(readlink /proc/$host/cwd) $(awk '/^Umask/ { print $2 }' /proc/$host/status) $(awk '/^Sig(Ign|Cgt)/ { print $2 }' /proc/$host/status)"; }
set_back() { # name, what is said
  nsphost lookup "$1" >/dev/null 2>&1
  # At most once a second on behalf of a routine: the startup of the next session looks again.
  nsphost lookup fine >/dev/null 2>&1
  says "^warning: ends: changed what belongs to the whole host, which is set back: $2" && [ "$(state)" = "$before" ] || { echo "was $before"; echo "is  $(state)"; return 1; }
}
served in-process "" "$fixtures/ends/ends.so"
before=$(state)
check "in-process: the working directory" set_back directory-begin 'the working directory \(/proc\)'
check "in-process: the umask" set_back mask-next 'the umask \(0777\)'
check "in-process: the locale" set_back locale-begin 'the locale \(C.UTF-8\)'
check "in-process: dispositions of signals" set_back handler-begin 'the disposition of SIGSEGV, the disposition of SIGTERM'
check "and the host ends in order" stops
export ENDS_STARTUP=mask
served in-process "" "$fixtures/ends/ends.so"
unset ENDS_STARTUP
before=$(state)
check "in-process: in a startup" set_back fine 'the umask \(0777\)'
check "the host ends in order" stops
served in-process "" "$fixtures/ends/ends-unload.so" "$fixtures/ends/ends-state-constructor.so"
check "in-process: in a constructor" eval "says 'ends: changed .*the working directory' && [[ \$(state) == \"$work/run 0022\"* ]]"
nsphost disable e2d50003 >/dev/null
check "in-process: when it is unloaded" eval "says 'ends: changed .*the umask' && [[ \$(state) == \"$work/run 0022\"* ]]"
stops
served worker "" "$fixtures/ends/ends.so"
before=$(state)
worker_changes() { nsphost lookup mask-begin >/dev/null 2>&1; nsphost lookup directory-begin >/dev/null 2>&1; [ "$(state)" = "$before" ] && ! says 'changed'; }
check "worker: it is the worker's own" worker_changes
stops

echo "what outlives its file"
stays() { # what it leaves, what is said
  served in-process "" "$fixtures/stays/stays-$1.so" "$samples/hello.so" || return 1
  nsphost disable "stays-$1" >"$work/said" && grep -qE "^    its file stays mapped: $2" "$work/said" || { cat "$work/said"; stops; return 1; }
  nsphost modules | grep -qE "^    stays-$1 +unbound +kept mapped: $2" && nsphost modules --json | grep -q '"mapped":true' && answers && nsphost enable "stays-$1" >/dev/null && answers || { nsphost modules; return 1; }
  stops
}
check "in-process: a thread" stays thread 'its thread [0-9]+ \(.*\) has not ended'
check "in-process: a thread that never rests" stays spinning 'thread [0-9]+ \(.*\) does not rest, and may be in it'
check "in-process: a timer" stays timer 'a timer calls it \(SIGEV_THREAD\)'
check "in-process: a destructor of thread-specific data" stays key 'a destructor of thread-specific data \(pthread_key_create\) is in it'
check "in-process: a handler of on_exit" stays exit 'it may have a handler for the end of the process \(on_exit\)'
gone() { ! grep -q "$1" /proc/$host/maps && ! nsphost modules | grep -q 'kept mapped'; }
leaves() { # what it leaves
  served in-process "" "$fixtures/stays/stays-$1.so" "$samples/hello.so" && nsphost disable "stays-$1" >"$work/said" && within 8 gone "stays-$1" && answers && stops
}
check "in-process: a thread that ends a little later: the file goes then" leaves late
check "in-process: the handler of a signal is set back, and goes with its file" leaves handler
check "in-process: a thread that the file's destructor waits for" leaves joined
over() {
  served in-process "" "$fixtures/stays/stays-over.so" "$samples/hello.so" && nsphost disable stays-over >"$work/said" && grep -q 'its thread' "$work/said" &&
    ! nsphost enable stays-over >"$work/said" 2>&1 && grep -q 'is still mapped' "$work/said" && cp "$fixtures/stays/stays-over.so" "$work/plugins/.new" &&
    mv "$work/plugins/.new" "$work/plugins/stays-over.so" && nsphost enable stays-over >/dev/null && answers && stops || { cat "$work/said"; nsphost providers; return 1; }
}
check "in-process: a file that is over and can't leave is not used again; a copy of it is" over
check "in-process: handlers of exit and of fork go with their file" leaves none
named() {
  leaves_unseen() { served in-process "" "$fixtures/stays/stays-unseen.so" && nsphost disable stays-unseen >/dev/null && within 8 gone stays-unseen; }
  leaves_unseen || return 1
  kill $host
  ended 139 && says '^nsphost: stays-unseen.so: died in its code, which was unmapped: SIGSEGV$'
}
check "in-process: a death in what was unmapped names the file" named
rehearsal() {
  rm -rf "$work/plugins" && mkdir -m 755 "$work/plugins" && cp "$fixtures/stays/stays-$1.so" "$work/plugins/" &&
    STATE_DIRECTORY=$work/other nsphost unload "stays-$1" --plugins "$work/plugins" >"$work/said" && grep -qE "$2" "$work/said" || { cat "$work/said"; return 1; }
}
check "unload says that a thread keeps it" rehearsal thread '^unloaded stays-thread: what was loaded before stays mapped: its thread [0-9]+'
check "unload says that nothing does" rehearsal none '^unloaded stays-none: nothing of before stays mapped$'
served worker "" "$fixtures/stays/stays-thread.so" "$samples/hello.so"
check "worker: it goes with its process" eval "nsphost disable stays-thread >$work/said && ! grep -q mapped $work/said && answers"
check "worker: the host ends in order" stops
[ $failed = 0 ] || { echo "$failed checks failed"; exit 1; }
