#!/bin/bash
# "There is no such name" is said only where everybody has said so: providers that are killed, quarantined, late, that fail their startup, whose
# database or server is of no use, each beside one that says no, at every way in: libnsp, the command, the Swift client, glibc.
#   check-outages.sh     needs the package's own build, the plugins and glibc's module (make plugins nss-module), a C compiler and python3
set -uo pipefail
cd "$(dirname "$0")" || exit 1
root=$(cd ../.. && pwd)
. ../needs.sh
needs python3 getent unshare clang
if [ "${1:-}" != inside ]; then
  # glibc finds module, host and configuration where they are in a namespace of this script's own.
  [ "$(id -u)" = 0 ] && exec unshare --mount --propagation private "$PWD/${0##*/}" inside
  exec unshare --user --map-root-user --mount --propagation private "$PWD/${0##*/}" inside
fi
work=$(mktemp -d)
host= server=
cleanup() { for one in $host $server; do kill -9 $one 2>/dev/null; done; rm -rf "$work"; }
trap cleanup EXIT
bin=$(cd "$root" && swift build --show-bin-path)
program=$bin/nsphost
mkdir -p "$work/run/nsphost" "$work/plugins" "$work/lib" && chmod -R 755 "$work"
install -m 755 "$root/build/libnss_nsp.so.2" "$work/lib/libnss_nsp.so.2" && cp "$bin/libNSPLibrary.so" "$work/lib/libnsp.so.0" && ln -s libnsp.so.0 "$work/lib/libnsp.so" || exit 1
mount --bind "$work/run" /run && printf 'hosts: nsp\n' >"$work/nsswitch.conf" && mount --bind "$work/nsswitch.conf" /etc/nsswitch.conf || exit 1
export STATE_DIRECTORY=$work/state LD_LIBRARY_PATH=$work/lib
unset NSP_SOCKET XDG_RUNTIME_DIR NSP_NSS_BYPASS
clang -std=gnu11 -Wall -Wextra -Werror -shared -fPIC -I"$root/Sources/ABI/CWinsock/include" frail.c -o "$work/frail.so" || exit 1
clang -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/ABI/CWinsock/include" outages.c -o "$work/outages" -L"$work/lib" -lnsp || exit 1
printf '192.0.2.9 there\n' >"$work/hosts"

. ./check.sh
nsphost() { LD_LIBRARY_PATH='' timeout 30 "$program" "$@"; }
# Starts the host with these providers, beside `hosts`, which knows "there" and says no to all else.
serve() { # isolation, settings of the configuration, providers...
  local isolation=$1 settings=$2 name
  shift 2
  stop
  rm -f "$work/plugins/"* "$work/broken"
  for name in hosts "$@"; do
    if [ "$name" = frail ]; then
      cp "$work/frail.so" "$work/plugins/"
    else
      cp "$root/build/plugins/$name.so" "$root/build/plugins/$name.toml" "$work/plugins/" && sed -i '/^isolation/d; /^enabled/d' "$work/plugins/$name.toml"
    fi
  done
  {
    printf '[providers.hosts.settings]\nfiles = ["%s"]\n' "$work/hosts"
    printf '[providers.frail.settings]\nbroken = "%s"\n' "$work/broken"
    for name in hosts "$@"; do printf '[providers.%s]\nisolation = "%s"\ndeadline-ms = 700\n' "$name" "$isolation"; done
    printf '%b' "$settings"
  } >"$work/nsphost.toml"
  LD_LIBRARY_PATH='' "$program" serve --config "$work/nsphost.toml" --plugins "$work/plugins" --log debug >"$work/serve.log" 2>"$work/serve.err" & host=$!
  for _ in $(seq 400); do nsphost providers --exists hosts >/dev/null 2>&1 && return; sleep 0.05; done
  echo "the host does not start" && cat "$work/serve.err" && exit 1
}
stop() { [ -z "$host" ] || { kill $host && wait $host; host=; }; }
fails() { # status, text, command...
  local status=$1 text=$2 out got=0
  shift 2
  out=$("$@" 2>&1) || got=$?
  [ $got = "$status" ] && [[ $out == *$text* ]] || { echo "status $got, expected $status and $text: $out"; return 1; }
}
same() { [ "$1" = "$2" ] || { echo "got: $1"; echo "expected: $2"; return 1; }; }
# What glibc's getaddrinfo says: an address, or the code of the error.
glibc() { timeout 20 python3 -c '
import socket, sys
try: print(socket.getaddrinfo(sys.argv[1], None, socket.AF_INET)[0][4][0])
except socket.gaierror as error: print({socket.EAI_AGAIN: "EAI_AGAIN", socket.EAI_NONAME: "EAI_NONAME", socket.EAI_NODATA: "EAI_NODATA"}.get(error.errno, error.errno))' "$1"; }
# A name that nobody has, while somebody is down: the same at every way in. What the command gives as the reason is in it.
down() { # name, text of the reason
  same "$("$work/outages" "$1")" "$1: 11002, 10110; 11002" && fails 1 "$2" nsphost lookup "$1" && fails 1 WSATRY_AGAIN nsphost lookup "$1" &&
    fails 1 "$2" nsphost lookup "$1" --explain && fails 1 '"unanswered":[{' nsphost lookup "$1" --json && same "$(glibc "$1")" EAI_AGAIN
}
# The same of a name that all have been asked for.
missing() {
  same "$("$work/outages" "$1" | sed 's/; .*//')" "$1: 10108, 10110" && fails 2 WSASERVICE_NOT_FOUND nsphost lookup "$1" && same "$(glibc "$1")" EAI_NONAME &&
    fails 2 'nobody has it now' nsphost watch "$1" --once
}
there() { same "$("$work/outages" there)" "there: 0, 10110; 0" && nsphost lookup there >/dev/null && same "$(glibc there)" 192.0.2.9; }
failing() { # provider, text of the reason
  ! nsphost providers --exists "$1" && [[ $(nsphost providers) == *" failing"*"$1 is failing: "*"$2"* ]] && [[ $(nsphost inspect "$1") == *"state: failing"*"$2"* ]] &&
    [[ $(nsphost providers --json) == *'"state":"failing"'* ]] && [[ $(nsphost providers --json) == *"$2"* ]] && [[ $(nsphost inspect "$1" --json) == *"$2"* ]] ||
    { nsphost providers; nsphost inspect "$1"; return 1; }
}
ready() { nsphost providers --exists "$1" && ! nsphost providers | grep -q failing || { nsphost providers; return 1; }; }

all() { # isolation
  serve "$1" '' frail
  check "$1: everybody is there: a name that nobody has, and one that is known" eval "missing nobody && there && same \"\$(glibc known)\" 192.0.2.7"
  check "$1: a name that somebody knows without data: WSANO_DATA, status 2" eval \
    "same \"\$($work/outages data | sed 's/; .*//')\" 'data: 11004, 10110' && fails 2 WSANO_DATA nsphost lookup data && same \"\$(glibc data)\" EAI_NODATA"
  check "$1: a provider that has no answer for now, which is no matter of time" down again 'frail could not answer: it cannot tell for now (WSATRY_AGAIN)'
  check "$1: a provider that runs out of time" down hang 'frail could not answer: no answer in time'
  check "$1: an answer that somebody has is one all the same" there
  # Of a host that glibc has not asked before: its session there begins with the startup.
  refuses_to_start() { serve "$1" '' frail && touch "$work/broken" && down nobody 'its startup failed' && failing frail 'its startup failed' && there && rm "$work/broken" && missing nobody && ready frail; }
  check "$1: a provider whose startup fails, and later does not" refuses_to_start "$1"
  register() {
    nsphost register frail-one --address 192.0.2.1:1 >"$work/said" && [ "$(wc -l <"$work/said")" = 2 ] && grep -q '^    frail  done$' "$work/said" || { cat "$work/said"; return 1; }
    fails 1 WSAEOPNOTSUPP nsphost register other --address 192.0.2.1:1
  }
  check "$1: success of a registration names those that serve such names" register

  # The database
  serve "$1" '' directory
  check "$1: the store is ready" ready directory
  stop && sleep 0.1 && rm -f "$STATE_DIRECTORY/directory.db"*  && printf 'this is no database, and of a certain length' >"$STATE_DIRECTORY/directory.db"
  damaged() { serve "$1" '' directory && failing directory 'is not a database' && down nobody 'it is failing: ' && there && fails 1 WSAEPROVIDERFAILEDINIT nsphost register one --address 192.0.2.1:1; }
  check "$1: a damaged database: failing before anybody has asked, and WSATRY_AGAIN" damaged "$1"
  mended() { rm -f "$STATE_DIRECTORY/directory.db"* && sleep 1.1 && missing nobody && ready directory; }
  check "$1: with another one in its place it is ready again" mended
  readonly_database() {
    local got=0
    stop && mount --bind "$STATE_DIRECTORY" "$STATE_DIRECTORY" && mount -o remount,bind,ro "$STATE_DIRECTORY" || return 1
    serve "$1" '' directory && failing directory "$STATE_DIRECTORY/directory.db" && down nobody 'it is failing: ' || got=1
    stop && umount "$STATE_DIRECTORY" && return $got
  }
  check "$1: a database that can't be written" readonly_database "$1"

  # A server that answers SERVFAIL, and one that never answers.
  python3 servfail.py "$work/port" & server=$!
  for _ in $(seq 100); do [ -s "$work/port" ] && break; sleep 0.05; done
  serve "$1" "[providers.dns.settings]\nservers = [\"127.0.0.1:$(cat "$work/port")\"]\nsearch = []\n" dns
  check "$1: a server that answers SERVFAIL, which is no matter of time" down nobody.example 'dns could not answer: it cannot tell for now (WSATRY_AGAIN)'
  kill $server && wait $server 2>/dev/null
  rm -f "$work/port"
  python3 servfail.py "$work/port" silent & server=$!
  for _ in $(seq 100); do [ -s "$work/port" ] && break; sleep 0.05; done
  serve "$1" "[providers.dns.settings]\nservers = [\"127.0.0.1:$(cat "$work/port")\"]\nsearch = []\ntimeout-ms = 100\ntries = 1\n" dns
  check "$1: a server that never answers, which is" down nobody.example 'dns could not answer: no answer in time'
  kill $server && wait $server 2>/dev/null
  server=
  rm -f "$work/port"
  serve "$1" '[providers.dns.settings]\nservers = ["nobody"]\n' dns
  check "$1: servers that are none" eval "failing dns 'of servers, is no address' && down nobody 'it is failing: ' && there"
}

all in-process
all worker

# A process that dies
serve worker '' frail
id=6b1f0c52-7a3e-4d19-8c05-2ef1946db738
worker() { nsphost inspect frail --json | grep -o '"pid":[0-9]*' | cut -d: -f2 | head -n 1; }
# From its death until it serves again nobody is told that there is no such name, by any way in.
restarting() {
  local pid n said
  pid=$(worker) && [ -n "$pid" ] && kill -9 "$pid" || return 1
  for n in $(seq 200); do
    said="$("$work/outages" known | sed 's/begin //') / $(glibc known)"
    case $said in
    "known: 0, 10110; 0 / 192.0.2.7") return 0 ;;
    *10108* | *11001* | *11004* | *EAI_N*) echo "$said"; return 1 ;;
    esac
  done
  echo "it does not come back: $said"
  return 1
}
check "worker: killed: whoever asks meanwhile is told to try again" restarting
check "worker: again" restarting
quarantined() {
  local n pid
  for n in $(seq 100); do
    nsphost providers | grep -q quarantined && return
    pid=$(worker) && [ -n "$pid" ] && kill -9 "$pid"
    sleep 0.1
  done
  nsphost providers
  return 1
}
check "worker: killed again and again it is quarantined" quarantined
check "worker: quarantined: nobody says that a name is missing" down nobody 'frail could not answer: its process has died too often and is quarantined'
check "worker: nor of one that it would know" eval "same \"\$($work/outages known)\" 'known: 11002, 10110; 11002' && same \"\$(glibc known)\" EAI_AGAIN"
named() {
  same "$("$work/outages" -i $id known)" 'known: begin 11002' && fails 1 WSATRY_AGAIN nsphost lookup known --provider $id &&
    fails 1 'WSATRY_AGAIN' nsphost watch known --once && fails 1 'its process has died too often' nsphost register frail-two --address 192.0.2.1:1
}
check "worker: named, watched, registered with: WSATRY_AGAIN" named
check "worker: what others know is found" there
revived() { nsphost enable frail >/dev/null && missing nobody && same "$(glibc known)" 192.0.2.7; }
check "worker: enabled it answers again" revived
disabled() { nsphost disable frail >/dev/null && missing known && nsphost enable frail >/dev/null && same "$(glibc known)" 192.0.2.7; }
check "worker: disabled it does not count" disabled
stop
[ $failed = 0 ] || { echo "$failed checks failed"; exit 1; }
