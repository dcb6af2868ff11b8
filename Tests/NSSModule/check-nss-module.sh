#!/bin/bash
# glibc's door to the host: real programs, in a mount namespace of their own whose nsswitch.conf names nsp, ask a real host for what only a
# provider knows; with the host stopped, killed in the middle and slow; and glibc's contract, function by function.
#   check-nss-module.sh         needs the package's own build, its plugins, the module (make plugins nss-module) and a C compiler
set -uo pipefail
cd "$(dirname "$0")" || exit 1
. ../needs.sh
needs clang curl getent mount nm ping pkill python3 readelf setpriv ssh timeout unshare
root=$(cd ../.. && pwd)
if [ "${1:-}" != inside ]; then
  # Nothing of the machine's own /etc and /run is touched.
  [ "$(id -u)" = 0 ] && exec unshare --mount --propagation private "$PWD/${0##*/}" inside
  exec unshare --user --map-root-user --mount --propagation private "$PWD/${0##*/}" inside
fi
work=$(mktemp -d)
host=
trap '[ -z "$host" ] || kill -9 $host 2>/dev/null; rm -rf "$work"' EXIT
program=${NSPHOST_PROGRAM:-$(cd "$root" && swift build --show-bin-path)/nsphost}
module=${NSPHOST_NSS_MODULE:-$root/build/libnss_nsp.so.2}
mkdir -p "$work/run/nsphost" "$work/plugins" "$work/lib" && chmod -R 755 "$work"
install -m 755 "$module" "$work/lib/libnss_nsp.so.2" || exit 1
mount --bind "$work/run" /run || exit 1
printf 'hosts: nsp files\nservices: nsp files\npasswd: files\ngroup: files\n' >"$work/nsswitch.conf" && mount --bind "$work/nsswitch.conf" /etc/nsswitch.conf
printf '127.0.0.1 localhost\n192.0.2.200 fallback\n' >"$work/hosts" && mount --bind "$work/hosts" /etc/hosts
export LD_LIBRARY_PATH=$work/lib STATE_DIRECTORY=$work/state
unset NSP_SOCKET XDG_RUNTIME_DIR NSP_NSS_BYPASS
cc=clang
$cc -O1 -g -std=gnu11 -Wall -Wextra -Werror contract.c -o "$work/contract" -pthread || exit 1
$cc -std=gnu11 -Wall -Wextra -Werror -shared -fPIC -pthread -I$root/Sources/ABI/CWinsock/include door.c -o "$work/plugins/door.so" || exit 1
chmod 755 "$work/plugins/door.so"

. ../Clients/check.sh
serve() { # isolation, budget
  stop
  printf '[nss]\nbudget-ms = %s\n[providers.door]\nisolation = "%s"\n' "$2" "$1" >"$work/nsphost.toml"
  LD_LIBRARY_PATH='' "$program" serve --config "$work/nsphost.toml" --plugins "$work/plugins" --log debug >"$work/serve.log" 2>"$work/serve.err" & host=$!
  for _ in $(seq 200); do "$program" providers --exists door >/dev/null 2>&1 && return; sleep 0.05; done
  echo "the host does not start" && cat "$work/serve.err" && exit 1
}
stop() { [ -z "$host" ] || { kill $host && wait $host; host=; }; }
contract() { timeout 60 "$work/contract" "$work/lib/libnss_nsp.so.2" "$@"; }
prints() { # expected, command...
  local expected=$1 out
  shift
  out=$(timeout 20 "$@" 2>&1)
  [ "$out" = "$(printf '%b' "$expected")" ] || { printf 'expected:\n%b\ngot:\n%s\n' "$expected" "$out"; return 1; }
}
ends() { # status, command...
  local expected=$1 got=0
  shift
  timeout 20 "$@" || got=$?
  [ $got = "$expected" ] || { echo "status $got"; return 1; }
}
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
within() { # milliseconds, command...
  local most=$1 start=$(milliseconds) got=0 took
  shift
  "$@" || got=$?
  took=$(($(milliseconds) - start))
  [ $took -le "$most" ] || { echo "took $took ms"; return 1; }
  return $got
}

# What programs see.
programs() {
  check "$1: getent hosts" prints '2001:db8::7     known.door.example known known-alias' sh -c 'getent hosts known | sed "s/ known-alias/ known known-alias/"'
  check "$1: getent ahosts" prints '192.0.2.7       STREAM known.door.example\n192.0.2.7       DGRAM  \n192.0.2.7       RAW    \n2001:db8::7     STREAM \n2001:db8::7     DGRAM  \n2001:db8::7     RAW    ' getent ahosts known
  check "$1: getent hosts, from an address" prints '192.0.2.7       known.door.example known-alias' getent hosts 192.0.2.7
  check "$1: getent hosts, from an address of IPv4 that is written as one of IPv6" prints '::ffff:192.0.2.7 known.door.example known-alias\n::192.0.2.7     known.door.example known-alias' sh -c 'getent hosts ::ffff:192.0.2.7; getent hosts ::192.0.2.7'
  check "$1: the zone of an address" prints "('fe80::7', 80, 0, $(cat /sys/class/net/lo/ifindex))" python3 -c 'import socket
print(socket.getaddrinfo("zoned", 80, type=socket.SOCK_STREAM)[0][4])'
  check "$1: getent services" prints 'door                  7777/tcp gate' getent services door
  check "$1: getent services, from a port" prints 'door                  7777/tcp gate' getent services 7777/tcp
  check "$1: a name that is nowhere" ends 2 getent hosts nobody
  check "$1: the next service has what nsp has not" prints '192.0.2.200     fallback' getent hosts fallback
  check "$1: python3" prints "['192.0.2.7', '2001:db8::7']\n('known.door.example', ['known-alias'], ['192.0.2.7'])\n7777" python3 -c 'import socket
print([one[4][0] for one in socket.getaddrinfo("known", 80, type=socket.SOCK_STREAM)])
print(socket.gethostbyname_ex("known"))
print(socket.getservbyname("door", "tcp"))'
  check "$1: curl" curl_reaches
  check "$1: ssh -G, which asks for the name in a domain" prints 'hostname four.door.example' sh -c 'ssh -F none -G -o CanonicalizeHostname=yes -o CanonicalDomains=door.example four </dev/null 2>/dev/null | grep "^hostname "'
  # It sends nothing that anybody would answer; whether it knows the name is what it says first.
  if ping -c1 -W1 127.0.0.1 >/dev/null 2>&1; then
    check "$1: ping" prints 'PING four.door.example (192.0.2.4)' sh -c 'ping -c1 -W1 four | head -1 | cut -d" " -f1-3'
  else
    echo "skipped $1: ping: it may not send anything here"
  fi
}
# A server that only a provider knows the address of.
curl_reaches() {
  local server got=1
  python3 -m http.server --bind 127.0.0.1 8459 --directory "$work/plugins" >/dev/null 2>&1 & server=$!
  for _ in $(seq 100); do curl -s -m 2 http://localhost:8459/ >/dev/null && break; sleep 0.05; done
  curl -sS -m 5 http://here.door.example:8459/ | grep -q door.so && got=0
  kill $server
  return $got
}

serve in-process 5000
programs in-process
for one in statuses buffers growth services threads threads-that-fork forks execs reuse streams exhausted cancelled; do
  check "in-process: $one" contract $one
done
if is_root "sessions of users"; then check "in-process: users" contract users; fi
bypassed() { [ "$(NSP_NSS_BYPASS=1 contract ask known | cut -d' ' -f1)" = -1 ] && ends 2 env NSP_NSS_BYPASS=1 getent hosts known; }
check "NSP_NSS_BYPASS turns it off for a process" bypassed
size() { [ "$(stat -c %s "$work/lib/libnss_nsp.so.2")" -le 98304 ] || { ls -l "$work/lib"; return 1; }; }
check "96 KB at most" size
needs() { [ "$(readelf -d "$work/lib/libnss_nsp.so.2" | grep -c NEEDED)" = 1 ] && readelf -d "$work/lib/libnss_nsp.so.2" | grep NEEDED | grep -q 'libc\.so\.6'; }
check "libc alone" needs
exports() { [ -z "$(nm -D --defined-only "$work/lib/libnss_nsp.so.2" | awk '{print $3}' | grep -v '^_nss_nsp_')" ]; }
check "and nothing exported but what glibc asks for" exports

# What anybody can register is not for everybody.
nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
if is_root "what another user registered"; then
  cp "$program" "$work/nsphost"
  cp "$root/build/plugins/directory.so" "$root/build/plugins/directory.toml" "$work/plugins/"
  serve in-process 5000
  shadowed() {
    nobody "$work/nsphost" register shadow --address 192.0.2.66 >/dev/null && "$program" register ours --address 192.0.2.67 >/dev/null || return 1
    prints '192.0.2.66' sh -c "setpriv --reuid 65534 --regid 65534 --clear-groups getent ahostsv4 shadow | head -1 | cut -d' ' -f1" &&
      prints '192.0.2.67' sh -c "setpriv --reuid 65534 --regid 65534 --clear-groups getent ahostsv4 ours | head -1 | cut -d' ' -f1" &&
      ends 2 getent ahostsv4 shadow && prints '192.0.2.67' sh -c "getent ahostsv4 ours | head -1 | cut -d' ' -f1"
  }
  check "what another user registered is nothing to root, what root registered is everybody's" shadowed
  "$program" unregister ours >/dev/null
  rm "$work/plugins/directory."*
  serve in-process 5000
fi

# Loops: what a provider asks glibc for does not come back through the module.
asked() { grep -c "door: query .*: $1\|door.*: $1\$" "$work/serve.err"; }
loops() {
  local mode=$1 name=$2
  : >"$work/serve.err"
  within 4000 ends 2 getent ahostsv4 "$name-known" || return 1
  # By files, which is behind nsp for that process, too.
  prints '192.0.2.200' sh -c "getent ahostsv4 $name-fallback | head -1 | cut -d' ' -f1" || return 1
  ! grep -q ': known$' "$work/serve.err" || { cat "$work/serve.err"; return 1; }
}
check "in-process: a provider's own lookups do not come back" loops in-process look
serve in-process 5000
check "in-process: nor where it has cleared the environment" loops in-process free
serve worker 5000
programs worker
for one in statuses growth services threads; do check "worker: $one" contract $one; done
quarantined() {
  local n
  for n in $(seq 60); do
    "$program" providers | grep -q quarantined && break
    pkill -KILL -P $host
    sleep 0.3
  done
  "$program" providers | grep -q quarantined || { "$program" providers; return 1; }
  # Whether there is such a name nobody can say.
  [ "$(contract ask nobody | cut -d' ' -f1-3)" = "-2 11 2" ] || { contract ask nobody; return 1; }
  prints '192.0.2.200' sh -c "getent ahostsv4 fallback | head -1 | cut -d' ' -f1" && "$program" enable door >/dev/null
}
check "worker: while its process is down nobody says that there is no such name" quarantined
serve worker 5000
check "worker: a provider's own lookups do not come back" loops worker look
serve worker 5000
check "worker: nor where it has cleared the environment" loops worker free

# A host that is slow: one budget for a whole call.
serve in-process 300
slow() {
  local said
  said=$(within 2800 contract ask wait-3000) || { echo "$said"; return 1; }
  [ "${said% *}" = "-2 11 2" ] && [ "${said##* }" -ge 290 ] || { echo "$said"; return 1; }
  [ "$(contract ask wait-100 | cut -d' ' -f1)" = 1 ]
}
check "a slow provider: TRYAGAIN when the host's budget is over" slow
check "a slow provider: the next service answers" within 4500 prints '192.0.2.200' sh -c "echo 192.0.2.200 wait-5000 >>$work/hosts; getent hosts wait-5000 | cut -d' ' -f1"

# Returns when every thread of it stands still.
halt() {
  kill -STOP $host
  for _ in $(seq 100); do [ -z "$(cut -d' ' -f3 /proc/$host/task/*/stat | grep -v T)" ] && return; sleep 0.01; done
}

# A host that is stopped: nobody waits longer than 50 ms for it, neither on a new connection nor on one that was kept.
serve in-process 5000
stopped() {
  local said
  halt
  said=$(contract ask known)
  kill -CONT $host
  [ "${said% *}" = "-1 110 3" ] && [ "${said##* }" -ge 45 ] && [ "${said##* }" -le 2500 ] || { echo "$said"; return 1; }
}
check "stopped: UNAVAIL after 50 ms on a new connection" stopped
asks() { # names...: through a pipe, a line for each
  rm -f "$work/lines" && mkfifo "$work/lines"
  contract ask "$@" <"$work/lines" >"$work/said" 2>&1 & asker=$!
  exec {lines}>"$work/lines"
}
said() { for _ in $(seq 400); do [ "$(wc -l <"$work/said")" -ge "$1" ] && { sed -n "$1p" "$work/said"; return; }; sleep 0.02; done; echo "nothing"; }
stopped_later() {
  local one two three
  asks known known known
  one=$(said 1)
  halt && echo >&$lines
  two=$(said 2)
  kill -CONT $host && sleep 1.2 && echo >&$lines
  three=$(said 3)
  exec {lines}>&- && wait $asker
  [ "${one% *}" = "1 0 0" ] && [ "${two% *}" = "-1 110 3" ] && [ "${two##* }" -le 2500 ] && [ "${three% *}" = "1 0 0" ] || { echo "$one / $two / $three"; return 1; }
}
check "stopped: the same on a kept one, which works again later" stopped_later
stopped_files() {
  local got=0
  halt
  within 2500 prints '192.0.2.200' sh -c "getent hosts fallback | cut -d' ' -f1" || got=1
  kill -CONT $host
  return $got
}
check "stopped: the next service answers" stopped_files
full() {
  local got=0 holders
  halt
  # More than the host's queue of connections has room for.
  python3 - <<'END' & holders=$!
import socket, time
held = []
try:
    while len(held) < 6000:
        one = socket.socket(socket.AF_UNIX); one.setblocking(False); one.connect("/run/nsphost/socket"); held.append(one)
except OSError: pass
time.sleep(3)
END
  sleep 0.7
  within 2500 prints '192.0.2.200' sh -c "getent hosts fallback | cut -d' ' -f1" || got=1
  kill $holders 2>/dev/null; wait $holders 2>/dev/null
  kill -CONT $host
  return $got
}
check "stopped, and with its queue full" full

# A host that is killed: whoever waits is told at once, and the next call finds the next host.
killed() {
  local one two three
  asks wait-4000 known known
  sleep 0.3 && kill -9 $host && wait $host 2>/dev/null
  host=
  one=$(said 1)
  echo >&$lines
  two=$(said 2)
  serve in-process 5000
  echo >&$lines
  three=$(said 3)
  exec {lines}>&- && wait $asker
  [ "${one:0:2}" = "-1" ] && [ "${one##* }" -lt 3500 ] && [[ "${two% *}" =~ ^-1\ 11[01]\ 3$ ]] && [ "${two##* }" -le 2500 ] && [ "${three% *}" = "1 0 0" ] ||
    { echo "$one / $two / $three"; return 1; }
}
check "killed in mid-call: UNAVAIL at once, then refused at once, then the next host" killed
kept_dies() {
  local one two
  asks known known
  one=$(said 1)
  kill -9 $host && wait $host 2>/dev/null
  serve in-process 5000
  echo >&$lines
  two=$(said 2)
  exec {lines}>&- && wait $asker
  [ "${one% *}" = "1 0 0" ] && [ "${two% *}" = "1 0 0" ] || { echo "$one / $two"; return 1; }
}
check "a kept connection whose host has died: the next one answers the same call, without SIGPIPE" kept_dies
stop
check "no host: the next service answers at once" within 2500 prints '192.0.2.200' sh -c "getent hosts fallback | cut -d' ' -f1"

# Whoever sits at the socket instead may say what it likes.
for mode in silent closes garbage endless huge half lies refuses drips; do
  rm -f /run/nsphost/socket
  python3 impostor.py $mode & host=$!
  for _ in $(seq 100); do [ -S /run/nsphost/socket ] && break; sleep 0.02; done
  impostor() {
    local said
    said=$(within 30000 contract ask known known) || { echo "$said"; return 1; }
    [[ $said == "-1 "* || $said == "-2 "* ]] || { echo "$said"; return 1; }
  }
  check "an impostor that is $mode" impostor
  kill -9 $host 2>/dev/null; wait $host 2>/dev/null
  host=
done
[ $failed = 0 ] || { echo "$failed checks failed"; exit 1; }
