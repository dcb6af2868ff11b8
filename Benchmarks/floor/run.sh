#!/bin/bash
# Starts a release build of the host with the samples, and measures it against the floor.
set -euo pipefail
cd "$(dirname "$0")"
root=../..
work=$(mktemp -d)
binaries=$(cd $root && swift build -c release --show-bin-path)
cp "$binaries/libNSPLibrary.so" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
cc=$(command -v clang || command -v cc)
$cc -O2 -std=gnu11 -Wall -Wextra -I$root/Sources/CWinsock/include floor.c -o "$work/floor" -L"$work" -lnsp -pthread
export NSP_SOCKET=$work/socket LD_LIBRARY_PATH=$work
NSP_PLUGIN_PATH=$1 "$binaries/nsphost" serve >/dev/null &
host=$!
trap 'kill $host 2>/dev/null; wait $host 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 100); do [ -S "$NSP_SOCKET" ] && break; sleep 0.05; done
"$work/floor" $host
