#!/bin/bash
# Which host a program reaches, at each of the ways to one: the command, libnsp, glibc's module and NSPClient. By the environment, the user
# and the rights that a program runs with; across network namespaces; across pid namespaces. In a mount namespace of its own, where /run is
# a folder of this script's.
#   check-reach.sh         needs root, the package's own build, its plugins and modules (make plugins nss-module; swift build --product reach)
set -uo pipefail
cd "$(dirname "$0")" || exit 1
root=$(cd ../.. && pwd)
. ../needs.sh
needs clang unshare nsenter setpriv ip getent python3 mount umount timeout
[ "$(id -u)" = 0 ] || { echo "root is needed: programs of other users, and of root for other users, are a part of this"; exit 1; }
[ "${1:-}" = inside ] || exec unshare --mount --propagation private "$PWD/${0##*/}" inside

work=$(mktemp -d)
hosts=()
cleanup() {
  local one
  for one in "${hosts[@]}"; do kill -9 "$one" 2>/dev/null; done
  ip netns delete nsp-reach 2>/dev/null
  umount /run/netns 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT
bin=$(cd "$root" && swift build --show-bin-path)
cc=clang
mkdir -p "$work/run/nsphost" "$work/lib" "$work/plugins" "$work/user" && chmod 755 "$work" "$work/run" "$work/run/nsphost" "$work/lib" "$work/plugins"
chown 65534:65534 "$work/user"
# Other users run these, and the build may be where they can't look.
install -m 755 "$bin/nsphost" "$bin/reach" "$work/" || exit 1
install -m 755 "$bin/libNSPLibrary.so" "$work/lib/libnsp.so.0" && ln -s libnsp.so.0 "$work/lib/libnsp.so" || exit 1
install -m 755 "$root/build/libnss_nsp.so.2" "$work/lib/" || exit 1
install -m 755 "$root/build/plugins/hosts.so" "$work/plugins/" && install -m 644 "$root/build/plugins/hosts.toml" "$work/plugins/" || exit 1
# By RPATH, which a set-user-ID program keeps, and which glibc goes by for its modules too.
$cc -std=gnu11 -Wall -Wextra -Werror "-I$root/Sources/ABI/CWinsock/include" reach.c -o "$work/reach-c" "-L$work/lib" -lnsp -Wl,-rpath,"$work/lib" -Wl,--disable-new-dtags || exit 1
install -m 4755 "$work/reach-c" "$work/reach-setuid" || exit 1
$cc -shared -fPIC -Wall -Wextra -Werror no-cookie.c -o "$work/no-cookie.so" -ldl || exit 1
mount --bind "$work/run" /run || exit 1
printf 'hosts: nsp files\npasswd: files\ngroup: files\n' >"$work/nsswitch.conf" && mount --bind "$work/nsswitch.conf" /etc/nsswitch.conf || exit 1
printf '127.0.0.1 localhost\n192.0.2.200 where\n' >"$work/hosts" && mount --bind "$work/hosts" /etc/hosts || exit 1
unset NSP_SOCKET XDG_RUNTIME_DIR NSP_NSS_BYPASS NSP_PLUGIN_PATH STATE_DIRECTORY LD_LIBRARY_PATH
nsphost=$work/nsphost
# What glibc's files say, where nobody else does.
files=192.0.2.200

. ./check.sh
# Programs, so that others can start them.
mkdir "$work/bin" && export PATH=$work/bin:$PATH
program() { printf '#!/bin/sh\nexec %s\n' "$2" >"$work/bin/$1" && chmod 755 "$work/bin/$1"; }
program nobody 'setpriv --reuid 65534 --regid 65534 --clear-groups "$@"'
program outside 'ip netns exec nsp-reach "$@"'
program by-nsp-alone "env LD_LIBRARY_PATH=$work/lib getent -s nsp hosts \"\$@\""
prints() { # expected, command...
  local expected=$1 out
  shift
  out=$("$@" 2>&1)
  [ "$out" = "$(printf '%b' "$expected")" ] || { printf 'expected:\n%b\ngot:\n%s\n' "$expected" "$out"; return 1; }
}
fails() { # status, text, command...
  local status=$1 text=$2 out got=0
  shift 2
  out=$(timeout 30 "$@" 2>&1) || got=$?
  [ $got = "$status" ] && [[ $out == *$text* ]] || { echo "status $got: $out"; return 1; }
}
has() { grep -qF -- "$2" "$1" || { echo "\"$2\" is not in:"; cat "$1"; return 1; }; }
lacks() { ! grep -qF -- "$2" "$1" || { echo "\"$2\" is in:"; cat "$1"; return 1; }; }

# A host of the given name, whose address for "where" tells it from the others; its output is in NAME.log and NAME.err. More lines of its
# configuration come from standard input.
prepare() { # name, address, isolation
  mkdir -p "$work/$1-state"
  printf '%s where\n' "$2" >"$work/$1.hosts"
  { cat; printf '[providers.hosts]\nisolation = "%s"\n[providers.hosts.settings]\nfiles = ["%s"]\n' "$3" "$work/$1.hosts"; } >"$work/$1.toml"
  : >"$work/$1.log" && chmod 666 "$work/$1.log" && : >"$work/$1.err" && chmod 666 "$work/$1.err"
}
# $last is the process, which the last host was started as.
start() { # name, command in front of nsphost...
  local name=$1
  shift
  STATE_DIRECTORY=$work/$name-state "$@" "$nsphost" serve --config "$work/$name.toml" --plugins "$work/plugins" --log debug \
    >"$work/$name.log" 2>"$work/$name.err" & last=$!
  hosts+=($last)
  for _ in $(seq 400); do
    grep -q "^nsphost serves" "$work/$name.log" && return
    kill -0 $last 2>/dev/null || break
    sleep 0.05
  done
  echo "the host $name does not start" && cat "$work/$name.err" && exit 1
}
stop() { kill "$1" && wait "$1"; }

# Each prints the address of "where", or why there is none.
command_says() { timeout 30 "$@" "$nsphost" lookup where --namespace dns 2>&1 | cut -d' ' -f1; }
library_says() { timeout 30 "$@" "$work/reach-c" libnsp where; }
module_says() { timeout 30 "$@" "$work/reach-c" names where; }
swift_says() { timeout 30 "$@" "$work/reach" where; }
everywhere() { # name, address, command in front...
  local name=$1 address=$2 way
  shift 2
  for way in command library module swift; do check "$name: $way" prints "$address" ${way}_says "$@"; done
}

echo "where the socket is"
prepare machine 192.0.2.1 in-process </dev/null
prepare user 192.0.2.2 in-process </dev/null
chown 65534:65534 "$work/user-state"
prepare named 192.0.2.3 worker <<<"socket = \"$work/named\""
start machine && machine=$last
start user nobody env "XDG_RUNTIME_DIR=$work/user" && user=$last
start named && named=$last
check "a host listens where clients look: it says no more" lacks "$work/machine.log" NSP_SOCKET
check "the same for a user's own" has "$work/user.log" "on $work/user/nsphost/socket"
check "and there it says no more, either" lacks "$work/user.log" NSP_SOCKET
check "a host that the configuration has moved says what clients must set" has "$work/named.log" "clients must set NSP_SOCKET=$work/named"
ln -s nsphost /run/other
prepare alias 192.0.2.4 in-process <<<'socket = "/run/other/alias"'
everywhere "the machine's, for root" 192.0.2.1 env
everywhere "the machine's, for others" 192.0.2.1 nobody
everywhere "root has no host of its own" 192.0.2.1 env "XDG_RUNTIME_DIR=$work/user"
everywhere "a user's own goes before the machine's" 192.0.2.2 nobody env "XDG_RUNTIME_DIR=$work/user"
everywhere "NSP_SOCKET goes before both" 192.0.2.3 nobody env "XDG_RUNTIME_DIR=$work/user" "NSP_SOCKET=$work/named"
everywhere "an empty one is none" 192.0.2.2 nobody env "XDG_RUNTIME_DIR=$work/user" NSP_SOCKET=
check "--socket goes before all" prints "192.0.2.3  where" nobody env "XDG_RUNTIME_DIR=$work/user" "NSP_SOCKET=/run/nsphost/socket" \
  "$nsphost" lookup where --namespace dns --socket "$work/named"
check "a configuration that names a socket moves no client" prints "192.0.2.1  where" "$nsphost" lookup where --namespace dns
configured() { "$nsphost" config show --config "$work/named.toml" | grep '^socket ' | tr -s ' ' | cut -d' ' -f2; }
check "config show tells where a host would listen" prints "$work/named" configured
named_configured() { NSP_SOCKET=/x configured; }
check "there, too, NSP_SOCKET goes before the configuration" prints /x named_configured

echo "a set-user-ID program"
hostile() { timeout 30 nobody env "XDG_RUNTIME_DIR=$work/user" "NSP_SOCKET=$work/named" "$@"; }
check "libnsp goes by nothing of its environment" prints 192.0.2.1 hostile "$work/reach-setuid" libnsp where
check "nor does glibc's module" prints 192.0.2.1 hostile "$work/reach-setuid" names where
check "the same program without those rights does" prints 192.0.2.3 hostile "$work/reach-c" libnsp where
install -m 4755 "$nsphost" "$work/nsphost-setuid"
check "nor does the command" prints "192.0.2.1  where" hostile "$work/nsphost-setuid" lookup where --namespace dns

echo "a host that has died"
kill -9 $user && wait $user 2>/dev/null
check "its socket is still there" [ -S "$work/user/nsphost/socket" ]
everywhere "the machine's is found behind it" 192.0.2.1 nobody env "XDG_RUNTIME_DIR=$work/user"
kill -9 $named && wait $named 2>/dev/null
check "one that was named leaves no other: libnsp" prints 10050 env "NSP_SOCKET=$work/named" "$work/reach-c" libnsp where
check "one that was named leaves no other: glibc goes on" prints $files env "NSP_SOCKET=$work/named" "$work/reach-c" names where
check "one that was named leaves no other: NSPClient" prints "WSAENETDOWN (10050)" env "NSP_SOCKET=$work/named" "$work/reach" where
check "one that was named leaves no other: the command" fails 69 "no host listens there" "$nsphost" lookup where --socket "$work/named"
start user nobody env "XDG_RUNTIME_DIR=$work/user" && user=$last
everywhere "one that came back is found again" 192.0.2.2 nobody env "XDG_RUNTIME_DIR=$work/user"
stop $user
stop $machine
start alias && alias=$last
check "another file in the folder of the machine's is not what clients find" has "$work/alias.log" "clients must set NSP_SOCKET=/run/other/alias"
stop $alias
sed -i 's:/run/other/alias:/run/other/socket:' "$work/alias.toml"
start alias && alias=$last
check "the machine's socket by another path needs nothing to be set" lacks "$work/alias.log" NSP_SOCKET
everywhere "and is found" 192.0.2.4 env
stop $alias

# The host is asked from two network namespaces: this one, and nsp-reach.
ip netns add nsp-reach || exit 1
networks() {
  local mode=$1 got
  echo "network namespaces: $mode"
  prepare machine 192.0.2.1 $mode </dev/null
  start machine && machine=$last
  everywhere "$mode: in the host's own" 192.0.2.1 env
  check "$mode: in another one glibc goes on" prints $files outside "$work/reach-c" names where
  check "$mode: the same in one that has no name" prints $files unshare --net "$work/reach-c" names where
  check "$mode: the same for other users" prints $files unshare --net nobody "$work/reach-c" names where
  check "$mode: without a service behind it the name is not found at once" fails 2 "" outside by-nsp-alone where
  check "$mode: who asks the host itself is answered: libnsp" prints 192.0.2.1 outside "$work/reach-c" libnsp where
  check "$mode: who asks the host itself is answered: command" prints "192.0.2.1  where" outside "$nsphost" lookup where --namespace dns
  check "$mode: who asks the host itself is answered: NSPClient" prints 192.0.2.1 outside "$work/reach" where
  check "$mode: a program that moves is answered by where it is" prints "192.0.2.1\n$files\n192.0.2.1" "$work/reach-c" moves where
  check "$mode: the log says it" has "$work/machine.err" 'info: names are not for the network namespace of process'
  told() { [ "$(grep -c '^info: names are not' "$work/machine.err")" -ge 2 ] && grep -q '^debug: names are not' "$work/machine.err"; }
  outside "$work/reach-c" names where >/dev/null
  check "$mode: once a namespace, and each time with debug" told
  stop $machine
  prepare machine 192.0.2.1 $mode <<<$'[access]\nnetwork-namespaces = "all"'
  start machine && machine=$last
  check "$mode: \"all\" answers in another one" prints 192.0.2.1 outside "$work/reach-c" names where
  check "$mode: and in its own" prints 192.0.2.1 "$work/reach-c" names where
  check "$mode: a program that moves is answered everywhere" prints "192.0.2.1\n192.0.2.1\n192.0.2.1" "$work/reach-c" moves where
  stop $machine
  # A host that is itself in another namespace than everybody else.
  prepare machine 192.0.2.1 $mode <<<$'[access]\nnetwork-namespaces = "own"'
  start machine ip netns exec nsp-reach && machine=$last
  check "$mode: the host's own is that of the host" prints 192.0.2.1 outside "$work/reach-c" names where
  check "$mode: and not that of others" prints $files "$work/reach-c" names where
  stop $machine
}
networks in-process
networks worker

echo "a socket that somebody else has made"
here=/proc/$$/ns/net
prepare activated 192.0.2.5 worker <<<'socket = "/nowhere/socket"'
start activated ip netns exec nsp-reach python3 activate.py /run/nsphost/socket nsenter "--net=$here" && activated=$last
check "the host says where that is, whatever its configuration says" has "$work/activated.log" "on /run/nsphost/socket"
check "and that nothing is to be set for it" lacks "$work/activated.log" NSP_SOCKET
everywhere "made in another network namespace: the host's own counts" 192.0.2.5 env
check "made in another network namespace: there glibc goes on" prints $files outside "$work/reach-c" names where
kill $activated && wait $activated
rm -f /run/nsphost/socket
start activated python3 activate.py /run/nsphost/socket ip netns exec nsp-reach && activated=$last
check "made outside of the host's: the host's own counts" prints 192.0.2.5 outside "$work/reach-c" names where
check "made outside of the host's: there glibc goes on" prints $files "$work/reach-c" names where
kill $activated && wait $activated
rm -f /run/nsphost/socket
start activated python3 activate.py "$work/moved" env && activated=$last
check "one at another path says what clients must set" has "$work/activated.log" "clients must set NSP_SOCKET=$work/moved"
everywhere "and is found there" 192.0.2.5 env "NSP_SOCKET=$work/moved"
kill $activated && wait $activated
check "one without a path is refused" fails 1 "write a path as ListenStream" python3 -c '
import os, socket, sys
one = socket.socket(socket.AF_UNIX); one.bind("\0nsp-reach-" + str(os.getpid())); one.listen(1)
spare = os.dup(one.fileno()); os.dup2(spare, 3); os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1"); os.execvp(sys.argv[1], sys.argv[1:])' \
  "$nsphost" serve --plugins "$work/plugins"

echo "a kernel that does not tell the namespace of a socket"
prepare machine 192.0.2.1 in-process </dev/null
start machine env "LD_PRELOAD=$work/no-cookie.so" && machine=$last
check "the host says so" has "$work/machine.err" "warning: glibc's module is answered in every network namespace: this kernel does not tell"
check "and answers" prints 192.0.2.1 "$work/reach-c" names where
check "also in another namespace" prints 192.0.2.1 outside "$work/reach-c" names where
stop $machine
prepare machine 192.0.2.1 in-process <<<$'[access]\nnetwork-namespaces = "own"'
check "a rule that it can't keep is refused" fails 1 'write access.network-namespaces = "all"' \
  env "LD_PRELOAD=$work/no-cookie.so" STATE_DIRECTORY="$work/machine-state" "$nsphost" serve --config "$work/machine.toml" --plugins "$work/plugins"
prepare machine 192.0.2.1 in-process <<<$'[access]\nnetwork-namespaces = "all"'
start machine env "LD_PRELOAD=$work/no-cookie.so" && machine=$last
check "one that needs nothing is kept without a word" lacks "$work/machine.err" "does not tell"
stop $machine
start machine && machine=$last
check "a program on such a kernel keeps its connections" prints "192.0.2.1\n192.0.2.1\n192.0.2.1" env "LD_PRELOAD=$work/no-cookie.so" "$work/reach-c" moves where
stop $machine

processes() {
  local mode=$1 inside
  echo "pid namespaces: $mode"
  prepare machine 192.0.2.1 $mode </dev/null
  start machine unshare --pid --fork --mount-proc --kill-child && machine=$last
  inside=$(cut -d' ' -f1 "/proc/$machine/task/$machine/children")
  there() { timeout 30 nsenter --target "$inside" --pid --mount "$@"; }
  check "$mode: in the host's own: command" prints "192.0.2.1  where" there "$nsphost" lookup where --namespace dns
  check "$mode: in the host's own: libnsp" prints 192.0.2.1 there "$work/reach-c" libnsp where
  check "$mode: in the host's own: glibc's module" prints 192.0.2.1 there "$work/reach-c" names where
  check "$mode: outside the command says why not" fails 77 "in a pid namespace of its own, where this process has no process id" "$nsphost" lookup where
  check "$mode: outside libnsp is refused, with WSAEACCES" prints 10013 "$work/reach-c" libnsp where
  check "$mode: outside NSPClient is refused" prints "WSAEACCES (10013)" "$work/reach" where
  check "$mode: the log says it" has "$work/machine.err" "warning: a process of user 0 is refused: it is outside of the pid namespace"
  check "$mode: glibc's module needs no process, and is answered" prints 192.0.2.1 "$work/reach-c" names where
  kill -9 $machine && wait $machine 2>/dev/null
  for _ in $(seq 100); do [ -e "/proc/$inside" ] || break; sleep 0.05; done
  # A client in a pid namespace of its own has a process id here, too.
  start machine && machine=$last
  check "$mode: a client in one of its own: command" prints "192.0.2.1  where" unshare --pid --fork --mount-proc "$nsphost" lookup where --namespace dns
  check "$mode: a client in one of its own: libnsp" prints 192.0.2.1 unshare --pid --fork "$work/reach-c" libnsp where
  check "$mode: a client in one of its own: glibc's module" prints 192.0.2.1 unshare --pid --fork "$work/reach-c" names where
  stop $machine
}
processes in-process
processes worker
check "a host does not start with a /proc of another pid namespace" fails 1 "/proc does not show the processes of this pid namespace" \
  unshare --pid --fork --kill-child "$nsphost" serve --plugins "$work/plugins"

[ $failed = 0 ] || { echo "$failed checks failed"; exit 1; }
