#!/usr/bin/env bash
# Fuzzes the readers of packed query sets and of service classes, those of the wire, and glibc's module, each for a number of seconds; fails
# when something is found.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
out=build/fuzz
mkdir -p "$out"
clang -c -fPIC -ISources/ABI/CWinsock/include -ISources/ABI/CLastError/include Sources/ABI/CLastError/LastError.c -o "$out/LastError.o"
clang -c -fPIC -ISources/System/CReadableMemory/include Sources/System/CReadableMemory/ReadableMemory.c -o "$out/ReadableMemory.o"
fuzz() { # name, sources...
  local name=$1
  shift
  mkdir -p "$out/corpus/$name"
  swiftc -O -sanitize=fuzzer,address -parse-as-library -swift-version 6 -module-name "Fuzz" -I Sources/ABI/CWinsock/include -I Sources/System/CReadableMemory/include \
    "$@" "$out/LastError.o" "$out/ReadableMemory.o" -o "$out/$name"
  "$out/$name" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 "$out/corpus/$name" "Tests/Fuzz/corpus/$name"
}
fuzz packed-query-set Sources/Core/QuerySets/*.swift Tests/Fuzz/PackedQuerySetFuzz.swift
fuzz wire Sources/Core/QuerySets/*.swift Sources/Core/Wire/*.swift Sources/Clients/ClientLibrary/Packing/*.swift \
  Tests/Fuzz/WireFuzz.swift
fuzz message Sources/Core/Wire/*.swift Sources/Core/QuerySets/*.swift Tests/Fuzz/MessageFuzz.swift
fuzz service-class Sources/Core/QuerySets/*.swift Sources/Core/Wire/*.swift Sources/Clients/ClientLibrary/Packing/{Text,CallerPacking}.swift Sources/Clients/ClientLibrary/ServiceClassCopy.swift \
  Tests/Fuzz/ServiceClassFuzz.swift
for room in Clients/CNSSModule System/CHostSocket; do
  name=${room#*/}
  clang -c -fPIC -ISources/Clients/CNSSModule/include -ISources/System/CHostSocket/include "Sources/$room/$name.c" -o "$out/$name.o"
done
fuzz nss-answer -I Sources/Clients/CNSSModule/include -Xcc -ISources/System/CHostSocket/include "$out/CNSSModule.o" "$out/CHostSocket.o" \
  Sources/Clients/NSSModule/*.swift Sources/Core/Wire/{Frame,Message,ClientMessages}.swift Tests/Fuzz/NSSAnswerFuzz.swift
