#!/bin/bash
# Starts release builds of the host with the samples, and measures them: against the floor, and workers against the host's own process.
set -euo pipefail
cd "$(dirname "$0")"
root=../..
work=$(mktemp -d)
binaries=$(cd $root && swift build -c release --show-bin-path)
cp "$binaries/libNSPLibrary.so" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
cc=$(command -v clang || command -v cc)
for name in floor workers; do
  $cc -O2 -std=gnu11 -Wall -Wextra -I$root/Sources/ABI/CWinsock/include $name.c -o "$work/$name" -L"$work" -lnsp -pthread
done
export LD_LIBRARY_PATH=$work NSP_IN_PROCESS=$work/in-process NSP_ISOLATED=$work/isolated
hosts=()
trap 'kill "${hosts[@]}" 2>/dev/null; wait "${hosts[@]}" 2>/dev/null; rm -rf "$work"' EXIT
# A folder for the state, a socket, and more of the command line.
serve() {
  STATE_DIRECTORY=$work/$1-state NSP_SOCKET=$2 NSP_PLUGIN_PATH=$samples "$binaries/nsphost" serve --log warning "${@:3}" >/dev/null &
  hosts+=($!)
  for _ in $(seq 200); do NSP_SOCKET=$2 "$binaries/nsphost" providers --exists hello 2>/dev/null && return; sleep 0.05; done
}
samples=$1
echo 'isolation = "in-process"' >"$work/in-process.toml"
serve in-process "$NSP_IN_PROCESS" --config "$work/in-process.toml"
[ "${2:-}" = workers ] || NSP_SOCKET=$NSP_IN_PROCESS "$work/floor" "${hosts[0]}"
serve isolated "$NSP_ISOLATED" --isolate
"$work/workers"
