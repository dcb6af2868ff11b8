#!/bin/bash
# Programs of the last release on this host: its libnsp.so and its module for glibc, with a client and a provider in C that were linked with that
# library. Both libraries are built from the commit that Tests/last-release names, once, into build/last-release.
#   check-compatibility.sh       needs the package's own build, the samples, the repository's history, and a C compiler
set -uo pipefail
cd "$(dirname "$0")" || exit 1
. ../needs.sh
needs clang getent git mount setpriv tar timeout unshare
root=$(cd ../.. && pwd)
if [ "${1:-}" != inside ]; then
  # Nothing of the machine's own /etc and /run is touched.
  [ "$(id -u)" = 0 ] && exec unshare --mount --propagation private "$PWD/${0##*/}" inside
  exec unshare --user --map-root-user --mount --propagation private "$PWD/${0##*/}" inside
fi
samples=${NSPHOST_SAMPLES:-$root/build/providers}
release=$(cat ../last-release)
former=$root/build/last-release/$release
if ! git -C "$root" cat-file -e "$release^{commit}" 2>/dev/null; then
  echo "check-compatibility.sh: this copy of the sources has no history, and so no last release to try"
  exit 0
fi
if [ ! -e "$former/libnsp.so.0" ]; then
  rm -rf "$former" && mkdir -p "$former/source" && git -C "$root" archive "$release" | tar -x -C "$former/source" || exit 1
  for product in NSPLibrary NSSModule; do (cd "$former/source" && swift build --product $product) >"$former/log" 2>&1 || { tail -5 "$former/log"; exit 1; }; done
  built=$(cd "$former/source" && swift build --show-bin-path)
  strip -R .swift_ast -o "$former/libnss_nsp.so.2" "$built/libNSSModule.so" && mv "$built/libNSPLibrary.so" "$former/libnsp.so.0" || exit 1
  rm -rf "$former/source/.build"
fi
work=$(mktemp -d)
host= input=9
trap 'pkill -KILL -P $$; rm -rf "$work"' EXIT
chmod 755 "$work" && mkdir -p "$work/run/nsphost" "$work/lib" && install -m 755 "$former"/lib*.so.* "$work/lib/" && ln -s libnsp.so.0 "$work/lib/libnsp.so" || exit 1
headers=$(find "$former/source/Sources" -path '*/CWinsock/include' -type d)
for name in client advertiser; do
  clang -std=gnu11 -Wall -Wextra -Werror -I"$headers" "$former/source/Tests/Clients/$name.c" -o "$work/$name" -L"$work/lib" -lnsp -pthread || exit 1
done
mount --bind "$work/run" /run && printf 'hosts: nsp\n' >"$work/nsswitch.conf" && mount --bind "$work/nsswitch.conf" /etc/nsswitch.conf || exit 1
program=$(cd "$root" && swift build --show-bin-path)/nsphost
export STATE_DIRECTORY=$work/state
unset NSP_SOCKET XDG_RUNTIME_DIR NSP_NSS_BYPASS
mkdir -m 755 "$work/plugins" && cp "$samples"/{hello,addressbook}.so "$work/plugins/" || exit 1
"$program" serve --plugins "$work/plugins" >"$work/serve.log" 2>"$work/serve.err" {input}>&- & host=$!
for _ in $(seq 200); do "$program" providers --exists hello >/dev/null 2>&1 && "$program" providers --exists addressbook >/dev/null && break; sleep 0.05; done
export LD_LIBRARY_PATH=$work/lib

. ./check.sh
says() { local expected=$1 out; shift; out=$(timeout 30 "$@" 2>&1) && [[ $out == *"$expected"* ]] || { echo "$out"; return 1; }; }
check "a client of the last release resolves a name" says "hello 192.0.2.1 7" "$work/client" start resolve=hello cleanup
check "a name that nobody has" says "" "$work/client" start fails=10108:nobody cleanup
check "it lists the providers" says "addressbook 37 1" "$work/client" start providers cleanup
check "it registers a name, and takes it back" says "a@example.org 10.0.0.7 5060" "$work/client" start publish=a@example.org resolve=a@example.org withdraw=a@example.org cleanup
check "100 threads of it" "$work/client" start many cleanup
serves() {
  local id out
  "$work/advertiser" start install=former:1000 cleanup && id=$("$work/advertiser" id=former) || return 1
  mkfifo "$work/fifo" && { "$work/advertiser" start advertise=former wait cleanup <"$work/fifo" >"$work/former.out" 2>&1 & offered=$!; }
  exec {input}>"$work/fifo"
  for _ in $(seq 200); do grep -q ready "$work/former.out" && break; sleep 0.05; done
  out=$(timeout 30 "$program" lookup x --provider "$id" 2>&1)
  exec {input}>&- && wait $offered || { cat "$work/former.out"; return 1; }
  [ "$out" = "192.0.2.9:99  x" ] || { echo "$out"; return 1; }
}
check "a provider of the last release is served, and taken back" serves
check "glibc's module of the last release resolves a name" says "192.0.2.1" getent ahostsv4 hello
kill $host && wait $host
[ $failed = 0 ]
