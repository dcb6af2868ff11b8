#!/bin/bash
# Confines processes and tries what they may not do. As root all of it; else what does not take root.
#   check-confinement.sh            needs a C and a C++ compiler
set -euo pipefail
cd "$(dirname "$0")"
. ../needs.sh
needs clang gcc c++
room=../../Sources/System/CConfinement
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
# The user that confined processes become may look in.
chmod 755 "$work"
mkdir -m 755 "$work/plugin" "$work/inside" "$work/outside"
echo inside >"$work/inside/file" && echo outside >"$work/outside/file"
strict="-Wall -Wextra -Werror"
for cc in clang gcc; do
  $cc -std=gnu11 $strict -I$room/include $room/*.c confinement.c -o "$work/confinement" -pthread -ldl
done
c++ -std=c++17 $strict -shared -fPIC plugin.cpp -o "$work/plugin/plugin.so" -pthread
chmod 755 "$work/plugin/plugin.so" && chmod 644 "$work"/*/file
"$work/confinement" "$work"
