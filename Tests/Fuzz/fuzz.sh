#!/usr/bin/env bash
# Fuzzes the reader of packed query sets for a number of seconds; fails when something is found.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
out=build/fuzz
mkdir -p "$out/corpus"
clang -c -fPIC -ISources/CWinsock/include Sources/CWinsock/LastError.c -o "$out/LastError.o"
swiftc -O -sanitize=fuzzer,address -parse-as-library -swift-version 6 -module-name QuerySetFuzz -I Sources/CWinsock/include \
  Sources/QuerySets/*.swift Tests/Fuzz/PackedQuerySetFuzz.swift "$out/LastError.o" -o "$out/packed-query-set"
"$out/packed-query-set" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 "$out/corpus" Tests/Fuzz/corpus
