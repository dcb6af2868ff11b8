#!/bin/bash
# The files and folders that a host makes, opens and saves, in both isolation modes: links and folders of others, what an orderly stop leaves,
# backup and restore, the plugins of a prefix, and the sockets of a service manager.
#   check-state.sh         needs root, the package's own build and its plugins (make plugins)
set -uo pipefail
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
. ./host.sh
needs python3 setpriv unshare mount tar ln
[ "$(id -u)" = 0 ] || { echo "root is needed: what other users put into the way is a part of this"; exit 1; }
trap 'kill -9 $(jobs -p) 2>/dev/null; cleanup' EXIT
nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
register() { nsphost register "$@" >/dev/null; }
eventually() { for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done; "$@"; }
# Ends at once, because it refuses; one that starts is ended after 10 s, with another status.
refused() { # text, variables and arguments of serve...
  local text=$1
  shift
  fails 1 "$text" timeout 10 env "$@"
}
serving() { # socket, state, more arguments...
  local socket=$1 state=$2
  shift 2
  echo "NSP_SOCKET=$socket" "STATE_DIRECTORY=$state" "$program" serve --plugins "$work/plugins" "$@"
}
# Nothing was written to it.
untouched() { [ "$(cat "$work/precious")" = precious ] || { echo "written to: $(head -c 100 "$work/precious")"; return 1; }; }
printf precious >"$work/precious"
# A folder of somebody else, and one like /tmp.
mkdir -m 755 "$work/theirs" && chown 65534:65534 "$work/theirs" && mkdir "$work/shared" && chmod 1777 "$work/shared"

echo "the folder of the socket"
linked() { nobody ln -s "$work/precious" "$1/socket.lock" && refused "$2" $(serving "$1/socket" "$work/none") && untouched; }
check "a lock that is a link, in a folder of another user" linked "$work/theirs" "$work/theirs belongs to user 65534"
check "a lock that is a link, in a folder like /tmp" linked "$work/shared" "$work/shared/socket.lock is a link"
rm "$work/shared/socket.lock"
hard() { ln "$work/precious" "$work/shared/socket.lock" && refused "second name" $(serving "$work/shared/socket" "$work/none"); local result=$?; rm -f "$work/shared/socket.lock"; untouched && return $result; }
check "a lock that is another file's second name" hard
theirs() { nobody touch "$work/shared/socket.lock" && refused "socket.lock belongs to user 65534" $(serving "$work/shared/socket" "$work/none"); local result=$?; rm -f "$work/shared/socket.lock"; return $result; }
check "a lock of another user" theirs
pipe() { mkfifo "$work/shared/socket.lock" && refused "is not a regular file" $(serving "$work/shared/socket" "$work/none"); local result=$?; rm -f "$work/shared/socket.lock"; return $result; }
check "a lock that is a pipe" pipe
led() { nobody ln -s "$work/run" "$work/shared/run" && refused "is a link of user 65534, in a folder that others can write" $(serving "$work/shared/run/socket" "$work/none") && [ ! -e "$work/run/socket" ]; }
check "a link of another user that leads there" led
made() { mkdir -m 777 "$work/open" && chmod 777 "$work/open" && refused "every user can write it" $(serving "$work/open/new/socket" "$work/none") && [ ! -e "$work/open/new" ]; }
check "nothing is made in a folder that everybody can write" made
running() { # socket
  env NSP_SOCKET="$1" STATE_DIRECTORY="$work/none" "$program" serve --plugins "$work/plugins" >"$work/other.log" 2>&1 & local other=$!
  NSP_SOCKET=$1 eventually "$program" stats
  local result=$?
  kill $other && wait $other && return $result
}
ln -s "$work/run" "$work/alias"
check "a folder like /tmp will do" running "$work/shared/mine"
check "so will one that a link of the user's leads to, and one that is not there yet" running "$work/alias/new/socket"

echo "the state folder"
mkdir -p "$work/open/state"
check "in a folder that everybody can write" refused "$work/open has mode 0777: every user can write it" $(serving "$work/run/s" "$work/open/state")
check "in a folder of another user" refused "$work/theirs belongs to user 65534" $(serving "$work/run/s" "$work/theirs")
check "a folder like /tmp will not do" refused "$work/shared has mode 1777" $(serving "$work/run/s" "$work/shared")
for name in catalog.toml.lock catalog.toml.new nsphost.lock schema.db schema.changes directory.db directory.runs; do
  through() {
    rm -rf "$work/state" && mkdir "$work/state" && ln -s "$work/precious" "$work/state/$1" || return 1
    # What refuses is the host, the provider, or the change that needs the file.
    timeout 10 env $(serving "$work/run/socket" "$work/state") >"$work/other.log" 2>&1 & local other=$!
    decided() { [ -S "$work/run/socket" ] || ! kill -0 $other 2>/dev/null; }
    eventually decided
    if kill -0 $other 2>/dev/null; then nsphost register a --address 10.0.0.1:1; nsphost disable hosts; nsphost enable hosts; fi
    kill $other 2>/dev/null
    wait $other
    untouched
  }
  cp "$plugins/directory".* "$plugins/hosts".* "$work/plugins/"
  check "no file is written through a link: $name" through $name
done
rm -rf "$work/state"

echo "directories of plugins"
warns() { local out; out=$("$@" 2>&1) && [[ $out == *"plugin directory $work/nosuch: No such file"*"help: make it"* ]] || { echo "$out"; return 1; }; }
named() { warns nsphost providers --plugins "$work/nosuch"; }
check "one that was named and is not there is a warning: --plugins" named
variable() { NSP_PLUGIN_PATH=$work/nosuch warns nsphost providers --local; }
check "NSP_PLUGIN_PATH" variable
configured() {
  printf 'plugins = ["%s", "%s"]\n' "$work/nosuch" "$work/precious" >"$work/other.toml"
  timeout 20 env NSP_SOCKET="$work/run/other" STATE_DIRECTORY="$work/none" "$program" serve --config "$work/other.toml" >"$work/other.log" 2>&1 & local other=$!
  eventually grep -q "serves" "$work/other.log" && kill $other && wait $other && grep -q "warning: plugin directory $work/nosuch: No such file" "$work/other.log" && grep -q "precious: is not a directory" "$work/other.log"
}
check "the configuration" configured
prefix() {
  mkdir -p "$work/prefix/bin" "$work/prefix/lib/nsp" "$work/home/.local/lib/nsp" && cp "$program" "$work/prefix/bin/" && cp "$plugins/hosts".* "$work/prefix/lib/nsp/" &&
    cp "$plugins/email".* "$work/home/.local/lib/nsp/" || return 1
  timeout 20 env -u NSP_PLUGIN_PATH HOME="$work/home" NSP_SOCKET="$work/run/other" STATE_DIRECTORY="$work/none" "$work/prefix/bin/nsphost" serve >"$work/other.log" 2>&1 & local other=$!
  eventually grep -q "serves" "$work/other.log" || { cat "$work/other.log"; return 1; }
  [[ $(NSP_SOCKET=$work/run/other "$work/prefix/bin/nsphost" inspect hosts) == *"$work/prefix/lib/nsp/hosts.so"* ]] && NSP_SOCKET=$work/run/other fails 2 '' nsphost providers --exists email
  local result=$?
  kill $other && wait $other && return $result
}
check "serve finds the plugins of its own prefix, and none in the home of root" prefix

echo "a socket of the service manager"
activated() { # socket, command in front...
  local socket=$1
  shift
  (unset NSP_SOCKET && STATE_DIRECTORY=$work/none exec timeout 20 python3 ../Clients/activate.py "$socket" "$@" "$program" serve --plugins "$work/plugins") >"$work/other.log" 2>&1 & other=$!
}
moved() {
  mkdir "$work/elsewhere" && activated "$work/elsewhere/socket" env "NSP_SOCKET=/nowhere/socket"
  eventually grep -q "on $work/elsewhere/socket" "$work/other.log" && NSP_SOCKET=$work/elsewhere/socket nsphost providers --exists hosts &&
    NSP_SOCKET=$work/elsewhere/socket nsphost lookup localhost >/dev/null && ! grep -q "has died" "$work/other.log"
  local result=$?
  kill $other && wait $other && return $result
}
check "at another path than NSP_SOCKET says: workers are told of that one, and serve" moved
hidden() {
  mkdir "$work/hidden" && activated "$work/hidden/socket" unshare --mount sh -c 'mount -t tmpfs none "$0" && exec "$@"' "$work/hidden"
  ! wait $other && grep -q "$work/hidden/socket, is not there for this process" "$work/other.log"
}
check "one that the host can't see is refused: no worker could connect" hidden
several() {
  fails 1 "has given 2 sockets" env LISTEN_FDS=2 python3 -c 'import os, sys; os.environ["LISTEN_PID"] = str(os.getpid()); os.execvp(sys.argv[1], sys.argv[1:])' "$program" serve --plugins "$work/plugins"
}
check "several are refused" several
handed() {
  fails 64 "leave out --supervise" python3 ../Clients/activate.py "$work/run/handed" "$program" serve --supervise --plugins "$work/plugins"
}
check "one with --supervise is refused" handed

# One row of a copy of a database alone.
copied() { rm -rf "$work/copy" && mkdir "$work/copy" && cp "$work/state/$1" "$work/copy/" && python3 -c 'import sqlite3, sys; print(*[row[0] for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2])])' "$work/copy/$1" "$2"; }
printf '[[class]]\nid = "5e0f4d0a-3a53-4c3c-8f3b-0a4b8c1d2e3f"\nname = "Kept"\n' >"$work/class.toml"

run() {
  local mode=$1
  echo "state: $mode"
  rm -rf "$work/state" "$work"/state.*
  serve "$mode" directory hosts
  stopped() {
    register kept --address 10.0.0.5:5 && register also --address 10.0.0.6:6 && nsphost classes install "$work/class.toml" >/dev/null && stop || return 1
    prints 'also kept' copied directory.db 'SELECT name FROM instance ORDER BY name' && prints Kept copied schema.db 'SELECT name FROM class'
  }
  check "$mode: an orderly stop leaves everything in the databases themselves" stopped
}
run in-process
run worker
finish
