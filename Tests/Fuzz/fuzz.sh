#!/usr/bin/env bash
# Fuzzes the readers of packed query sets and of service classes, those of the wire, and glibc's module, each for a number of seconds; fails
# when something is found.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
out=build/fuzz
mkdir -p "$out"
clang -c -fPIC -ISources/CWinsock/include -ISources/CLastError/include Sources/CLastError/LastError.c -o "$out/LastError.o"
clang -c -fPIC -ISources/CReadableMemory/include Sources/CReadableMemory/ReadableMemory.c -o "$out/ReadableMemory.o"
fuzz() { # name, sources...
  local name=$1
  shift
  mkdir -p "$out/corpus/$name"
  swiftc -O -sanitize=fuzzer,address -parse-as-library -swift-version 6 -module-name "Fuzz" -I Sources/CWinsock/include -I Sources/CReadableMemory/include \
    "$@" "$out/LastError.o" "$out/ReadableMemory.o" -o "$out/$name"
  "$out/$name" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 "$out/corpus/$name" "Tests/Fuzz/corpus/$name"
}
fuzz packed-query-set Sources/QuerySets/*.swift Tests/Fuzz/PackedQuerySetFuzz.swift
fuzz wire Sources/QuerySets/*.swift Sources/Wire/*.swift Sources/ClientLibrary/Packing/*.swift \
  Tests/Fuzz/WireFuzz.swift
fuzz message Sources/Wire/*.swift Sources/QuerySets/*.swift Tests/Fuzz/MessageFuzz.swift
fuzz service-class Sources/QuerySets/*.swift Sources/Wire/*.swift Sources/ClientLibrary/Packing/{Text,CallerPacking}.swift Sources/ClientLibrary/ServiceClassCopy.swift \
  Tests/Fuzz/ServiceClassFuzz.swift
for name in CNSSModule CHostSocket; do
  clang -c -fPIC -ISources/CNSSModule/include -ISources/CHostSocket/include Sources/$name/$name.c -o "$out/$name.o"
done
fuzz nss-answer -I Sources/CNSSModule/include -Xcc -ISources/CHostSocket/include "$out/CNSSModule.o" "$out/CHostSocket.o" \
  Sources/NSSModule/*.swift Sources/Wire/{Frame,Message,ClientMessages}.swift Tests/Fuzz/NSSAnswerFuzz.swift
