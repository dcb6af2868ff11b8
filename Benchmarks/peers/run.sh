#!/bin/bash
# The same host names through glibc's `files`, nscd, dnsmasq and this host, in one run. Prints one JSON line a figure, and writes the
# tables of docs/benchmarks.md. Nothing of the machine is changed: all of it happens in namespaces of its own.
#
#   run.sh NSPHOST PLUGINS MODULE    the program, the folder with hosts.so and hosts.toml, the path of libnss_nsp.so.2
set -euo pipefail
umask 022
export NAMES=${NAMES:-10 1000 100000}      # names in the hosts file
export CLIENTS=${CLIENTS:-1 8 64}          # processes that ask at once
export ROUNDS=${ROUNDS:-5}                 # of all peers, turn by turn; each figure is the median of the rounds
export MILLISECONDS=${MILLISECONDS:-400}   # each client asks so long in each round
export STARTS=${STARTS:-100}               # processes that are started to resolve one name, in each round
export PEERS=${PEERS:-files nscd nscd-mapped dnsmasq nsp nsp-worker}
# Of another host, or for other libraries.
unset NSP_SOCKET NSP_CONFIG NSP_PLUGIN_PATH LD_LIBRARY_PATH LD_PRELOAD
PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
tables=${TABLES:-$here/../../docs/benchmarks.md}

fail() {
  echo "peers: $1" >&2
  exit 1
}
[ $# = 3 ] || fail "usage: run.sh NSPHOST PLUGINS MODULE"
for tool in unshare nsenter mount ip ldconfig nscd dnsmasq awk; do
  command -v $tool >/dev/null || fail "$tool is missing: make bench-peers installs what it needs"
done
for file in "$1" "$2/hosts.so" "$2/hosts.toml" "$3"; do
  [ -f "$file" ] || fail "$file is missing: make bench-peers builds it"
done

for marker in '<!-- tables:' '<!-- end of the tables'; do
  grep -q "^$marker" "$tables" || fail "$tables has no line that begins with $marker"
done

# Port 53 is free in a network of its own; and when the first process of a process namespace ends, every server in it is killed.
namespaces=(--mount --net --pid --fork --kill-child --mount-proc --propagation private)
[ "$(id -u)" = 0 ] || namespaces+=(--user --map-root-user)
why=$(unshare "${namespaces[@]}" true 2>&1) ||
  fail "no namespaces ($why): run it as root, or allow users to have them (kernel.unprivileged_userns_clone, user.max_user_namespaces)"

work=$(mktemp -d)
inside=
finish() {
  [ -z "$inside" ] || { kill -KILL "$inside" 2>/dev/null && wait "$inside" 2>/dev/null; } || true
  # What was killed may be about to write a last file.
  rm -rf "$work" 2>/dev/null || { sleep 1 && rm -rf "$work"; }
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
chmod 755 "$work"
cc=$(command -v clang || command -v cc)
for name in once resolve; do
  "$cc" -O2 -std=gnu11 -Wall -Wextra -Werror "$here/$name.c" -o "$work/$name"
done
mkdir "$work/module"
cp "$3" "$work/module/libnss_nsp.so.2"
unshare "${namespaces[@]}" "$here/measure.sh" "$work" "$(realpath "$1")" "$(realpath "$2")" >&2 &
inside=$!
wait $inside || fail "not finished"
inside=

awk -v tables="$work/tables" -v names="$NAMES" -v clients="$CLIENTS" -v peers="$PEERS" -v rounds="$ROUNDS" -v date="$(date +%F)" \
  -v cores="$(nproc)" -v kernel="$(uname -sr)" -v machine="$(uname -m)" -v glibc="$(getconf GNU_LIBC_VERSION)" \
  -v processor="$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)" \
  -v dnsmasq="$(dnsmasq --version | awk 'NR == 1 {print $3}')" -f "$here/report.awk" "$work/records"
awk -v tables="$work/tables" '
  /^<!-- end of the tables -->/ {inside = 0}
  !inside {print}
  /^<!-- tables:/ {inside = 1; while ((getline line <tables) > 0) print line}' "$tables" >"$work/page"
cat "$work/page" >"$tables"
