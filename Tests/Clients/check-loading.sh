#!/bin/bash
# How files are loaded: where their libraries are found, what they bring with them, what becomes of the host.
#   check-loading.sh            needs the package's own build, C compilers, swiftc and python3
set -uo pipefail
cd "$(dirname "$0")" || exit 1
. ../needs.sh
needs cc clang swiftc python3 pgrep timeout
root=../..
work=$(realpath "$(mktemp -d)") && chmod 755 "$work"
host= under=
trap '[ -z "$host" ] || kill -9 $host 2>/dev/null; rm -rf "$work"' EXIT
export NSP_SOCKET=$work/socket STATE_DIRECTORY=$work/state
binaries=$(realpath "$(cd $root && swift build --show-bin-path)")
program=$binaries/nsphost
swift_libraries=$(ldd "$program" | sed -n 's|.*=> \(/.*\)/libswiftCore.so .*|\1|p')
umask 022
export LC_ALL=C
. ./check.sh
cd "$work" || exit 1

sources=$OLDPWD
shared() { cc -std=gnu11 -Wall -Wextra -Werror -shared -fPIC -O1 -fvisibility=hidden -I"$sources/$root/Sources/ABI/CWinsock/include" "$@"; }
provider() { # file, name, number, flags...
  shared -DNAME="\"$2\"" -DNUMBER="$3" -o "$1.new" "$sources/loading.c" "${@:4}" && chmod 755 "$1.new" && mv "$1.new" "$1"
}
library() { # file, function, flags...
  mkdir -p "$(dirname "$1")" && echo "int $2(void) { return 1; }" | shared -fvisibility=default -o "$1" "${@:3}" -x c -
}

# Our search against the dynamic linker's own.
cc -Wall -Wextra -Werror "$sources/opens.c" -o opens || exit 1
ours() {
  NSP_SOCKET=$work/none timeout 20 "$program" inspect --json "$1" | python3 -c '
import json, os, sys
provider = json.load(sys.stdin)["provider"]
file, folder = os.path.realpath(sys.argv[1]), sys.argv[2]
reason = provider.get("refused", {}).get("reason")
if reason: print("refused" if reason == "missing-library" else reason)
else: print("\n".join(sorted(os.path.realpath(path) for path in provider["file"]["libraries"] if os.path.realpath(path).startswith(folder))))' \
    "$1" "$work"
}
agrees() { # what is expected: what comes along, relative to the folder of the file, in order; or refused; the file
  local theirs mine expected=$1
  theirs=$(./opens "$2" "$work" | sort) mine=$(ours "$2")
  [ "$expected" = refused ] || expected=$(for file in $1; do echo "$(dirname "$2")/$file"; done)
  [ "$theirs" = "$expected" ] || { echo "the dynamic linker says: $theirs"; ./opens "$2" "$work"; return 1; }
  [ "$mine" = "$theirs" ] || { echo "theirs: $theirs"; echo "ours: $mine"; return 1; }
}
# Each in a folder of its own: p.so needs liba.so, which needs libb.so.
case_of() { # folder, flags of p.so, flags of liba.so, places of liba.so and libb.so
  mkdir -p "$1" && library "$1/$5/libb.so" b -Wl,-soname,libb.so || return 1
  mkdir -p "$1/$4" && echo "int b(void); int a(void) { return b(); }" |
    shared -fvisibility=default -o "$1/$4/liba.so" -x c - $3 -Wl,-soname,"${soname:-liba.so}" -L"$1/$5" -lb || return 1
  provider "$work/$1/p.so" "$1" 0 -DNEEDS=a -L"$1/$4" -l:liba.so -Wl,--allow-shlib-undefined $2
}
old=-Wl,--disable-new-dtags new=-Wl,--enable-new-dtags
rpath() { echo "$old -Wl,-rpath,$1"; }
runpath() { echo "$new -Wl,-rpath,$1"; }
finds() { # name, what is expected, folder, then as case_of
  check "libraries: $1" finds_now "${@:2}"
}
finds_now() { case_of "${@:2}" && agrees "$1" "$work/$2/p.so"; }
finds "DT_RPATH with \$ORIGIN is inherited" "lib/liba.so lib/libb.so" rpath "$(rpath '$ORIGIN/lib')" "" lib lib
finds "DT_RUNPATH is not" refused runpath "$(runpath '$ORIGIN/lib')" "" lib lib
finds "DT_RUNPATH of a library hides the DT_RPATH of who needs it" refused hidden "$(rpath '$ORIGIN/lib')" "$(runpath /nowhere)" lib lib
finds "\$ORIGIN is that of the file in which it stands" "lib/liba.so lib/more/libb.so" origin "$(rpath '$ORIGIN/lib')" "$(rpath '$ORIGIN/more')" lib lib/more
lib=$(/lib64/ld-linux-x86-64.so.2 --list-diagnostics 2>/dev/null | sed -n 's/^dl_dst_lib="\(.*\)"/\1/p')
[ -z "$lib" ] || finds "\$LIB" "$lib/liba.so $lib/libb.so" lib "$(rpath '$ORIGIN/$LIB')" "" "$lib" "$lib"
[ -z "$lib" ] || finds "\${LIB}, and \$LIBRARY, which is nothing" "$lib/liba.so $lib/libb.so" braces "$(rpath '$ORIGIN/$LIBRARY:$ORIGIN/${LIB}')" "" "$lib" "$lib"
platform=$(/lib64/ld-linux-x86-64.so.2 --list-diagnostics 2>/dev/null | sed -n 's/^dl_platform="\(.*\)"/\1/p')
[ -z "$platform" ] || finds "\$PLATFORM" "on/$platform/liba.so on/$platform/libb.so" platform "$(rpath '${ORIGIN}/on/$PLATFORM')" "" "on/$platform" "on/$platform"
if /lib64/ld-linux-x86-64.so.2 --help 2>/dev/null | grep -q "x86-64-v2 (supported"; then
  case_of hwcaps "$(rpath '$ORIGIN/lib')" "" lib lib && library hwcaps/lib/glibc-hwcaps/x86-64-v2/libb.so b -Wl,-soname,libb.so
  check "libraries: the folder of a processor comes first" agrees "lib/glibc-hwcaps/x86-64-v2/libb.so lib/liba.so" "$work/hwcaps/p.so"
  finds "a library that is there for a processor only" "lib/glibc-hwcaps/x86-64-v2/liba.so lib/libb.so" processor \
    "$(rpath '$ORIGIN/lib')" "" lib/glibc-hwcaps/x86-64-v2 lib
  case_of other "$(rpath '$ORIGIN/lib')" "" lib lib && library other/lib/glibc-hwcaps/power10/libb.so b -Wl,-soname,libb.so
  check "libraries: the folder of another processor does not count" agrees "lib/liba.so lib/libb.so" "$work/other/p.so"
fi
soname=$work/absolute/lib/liba.so finds "a name that is a path" "lib/liba.so lib/libb.so" absolute "" "$(rpath '$ORIGIN')" lib lib
soname='$ORIGIN/lib/liba.so' finds "a name that is a path with \$ORIGIN" "lib/liba.so lib/libb.so" named "" "$(rpath '$ORIGIN')" lib lib
# liba.so is loaded by its path, and libc.so finds it by its own name.
by_own_name() {
  library own/lib/liba.so a && mkdir -p own/other
  echo "int a(void); int c(void) { return a(); }" | shared -fvisibility=default -o own/other/libc2.so -x c - -Wl,-soname,libc2.so -L"$work/own/lib" -la
  # Without a name of its own it is needed by its path; then it gets one.
  provider "$work/own/p.so" own 0 -DNEEDS=c -x none -Wl,--no-as-needed "$work/own/lib/liba.so" own/other/libc2.so $(runpath '$ORIGIN/other') || return 1
  library own/lib/liba.so a -Wl,-soname,liba.so && agrees "lib/liba.so other/libc2.so" "$work/own/p.so"
}
check "libraries: one that is loaded is known by its own name" by_own_name
case_of environment "$(runpath '$ORIGIN/lib')" "$(runpath '$ORIGIN')" lib lib && library environment/first/liba.so a -Wl,-soname,liba.so
with() { LD_LIBRARY_PATH=$1 agrees "${@:2}"; }
check "libraries: LD_LIBRARY_PATH is before DT_RUNPATH" with "$work/environment/first" first/liba.so "$work/environment/p.so"
case_of environment-2 "$(rpath '$ORIGIN/lib')" "" lib lib && library environment-2/first/liba.so a -Wl,-soname,liba.so
check "libraries: LD_LIBRARY_PATH is behind DT_RPATH" with "$work/environment-2/first" "lib/liba.so lib/libb.so" "$work/environment-2/p.so"
here() { # an empty part of a path is the current folder
  case_of here "" "" . . && cp opens here/ && (cd here && with :/nowhere "liba.so libb.so" "$work/here/p.so")
}
check "libraries: an empty part of LD_LIBRARY_PATH is the current folder" here
decoy() { # folder, what is in its place
  case_of "$1" "$(rpath '$ORIGIN/first:$ORIGIN/lib')" "" lib lib && mkdir "$1/first" && case $2 in
    text) echo text >"$1/first/liba.so" ;;
    machine) cp "$1/lib/liba.so" "$1/first/" && printf '\003\000' | dd of="$1/first/liba.so" bs=1 seek=18 conv=notrunc 2>/dev/null ;;
    empty) : >"$1/first/liba.so" ;;
  esac && agrees "$3" "$work/$1/p.so"
}
check "libraries: one of another machine is passed over" decoy decoy-machine machine "lib/liba.so lib/libb.so"
check "libraries: a text in the place of one is not" decoy decoy-text text refused
check "libraries: nor is an empty file" decoy decoy-empty empty refused
linked() { mkdir -p linked && ln -s ../rpath/p.so linked/p.so && cp -r rpath/lib linked/ && agrees "lib/liba.so lib/libb.so" "$work/linked/p.so"; }
check "libraries: \$ORIGIN of a link is the link's folder" linked
finds "one that nobody has" refused nowhere "" "" lib lib

# Real hosts. Each provider in the host's process, then in one of its own.
serve() { # isolation, files...
  rm -rf plugins "$STATE_DIRECTORY" && mkdir -m 755 plugins && echo "isolation = \"$1\"" >nsphost.toml && shift
  local file
  for file in "$@"; do cp "$file" "plugins/$(basename "$file")" || return 1; done
  LD_LIBRARY_PATH=$swift_libraries $under "$program" serve --plugins "$work/plugins" --config nsphost.toml >serve.log 2>serve.err &
  host=$!
  for _ in $(seq 500); do [ -S "$NSP_SOCKET" ] && "$program" providers >/dev/null 2>&1 && return; sleep 0.02; done
  cat serve.err
  return 1
}
stop() { kill $host && wait $host; local status=$?; host=; return $status; }
answers() { timeout 20 "$program" lookup that --provider "$1" >answer 2>&1 && grep -q "that" answer || { cat answer serve.err; return 1; }; }
says() { grep -Eq "$1" "${2:-said}" || { cat "${2:-said}"; echo "nothing says: $1"; return 1; }; }
hosted() { # command...: ends the host that it leaves behind
  "$@" && return
  [ -z "$host" ] || { kill -9 $host; wait $host; host=; } 2>/dev/null
  return 1
}
id() { printf '%08x-0001-4000-8000-000000000001' $((0x10ad1400 + $1)); }

# A library in C that needs one in Swift, which brings the runtime.
mkdir deep && echo '@_cdecl("deep") public func deep() -> Int32 { "\(Deep.self)".isEmpty ? 0 : 1 }
protocol Named { static var name: String { get } }
struct Deep: Named { static let name = "deep" }' >deep.swift
swiftc -emit-library -parse-as-library -module-name Deep deep.swift -o deep/libdeep.so -Xlinker -soname=libdeep.so 2>&1 &&
  echo "int deep(void); int middle(void) { return deep(); }" |
  shared -fvisibility=default -o deep/libmiddle.so -x c - -Wl,-soname,libmiddle.so -L"$work/deep" -ldeep -Wl,-rpath,'$ORIGIN' || exit 1
provider deep.so deep 1 -DNEEDS=middle -L"$work/deep" -lmiddle -Wl,-rpath,"$work/deep" -Wl,--allow-shlib-undefined
provider plain.so plain 2
stays() { # isolation
  serve "$1" deep.so plain.so || return 1
  answers "$(id 1)" && "$program" inspect deep >said && says "unload: no: it stays mapped: .*/deep/libdeep.so brings the Swift runtime" || return 1
  for _ in 1 2 3; do
    "$program" disable deep >said 2>&1 && "$program" enable deep >/dev/null 2>&1 && answers "$(id 1)" || { cat said serve.err; return 1; }
  done
  if [ "$1" = in-process ]; then
    "$program" disable deep >/dev/null
    # Whatever looks at the conformances of types walks over what is registered.
    "$program" stats >/dev/null && grep -q libdeep /proc/$host/maps || { echo "libdeep.so has left"; return 1; }
  fi
  answers "$(id 2)" && "$program" sessions --json >/dev/null && stop
}
check "a Swift runtime two libraries away stays mapped, in the host" hosted stays in-process
check "the same in a worker" hosted stays worker

# The library that a program embeds the host with.
mkdir second && cp "$binaries/libNSPHostLibrary.so" second/libnsphost.so.0 && ln -s libnsphost.so.0 second/libnsphost.so
provider second.so second 3 -Wl,--no-as-needed -L"$work/second" -lnsphost -Wl,-rpath,"$work/second" -Wl,--allow-shlib-undefined
echo "int near(void) { return 1; }" | shared -fvisibility=default -o second/libnear.so -x c - -Wl,-soname,libnear.so -Wl,--no-as-needed -L"$work/second" -lnsphost \
  -Wl,-rpath,'$ORIGIN' -Wl,--allow-shlib-undefined
provider second-near.so second-near 4 -DNEEDS=near -L"$work/second" -lnear -Wl,-rpath,"$work/second" -Wl,--allow-shlib-undefined
second() { # isolation
  local name
  serve "$1" second.so second-near.so plain.so || return 1
  for name in second second-near; do
    "$program" inspect "$work/plugins/$name.so" >said && says "refused: second host: links a second host: $work/second/" && says "pkg-config --cflags nsp-provider" || return 1
  done
  says "$work/second/libnear.so needs" && says "second.so is not used" serve.err && answers "$(id 2)" && stop
}
check "a provider that links a second host is refused, with the remedy, in the host" hosted second in-process
check "the same in a worker" hosted second worker

# Data with the name of a routine.
provider data-startup.so data-startup 5 -DDATA_STARTUP
provider data-end.so data-end 6 -DDATA_END
provider indirect.so indirect 7 -DINDIRECT
data() { # isolation
  serve "$1" data-startup.so data-end.so indirect.so plain.so || return 1
  answers "$(id 5)" && answers "$(id 7)" && answers "$(id 2)" || return 1
  "$program" inspect data-startup >said && says "Startup +stub" || return 1
  "$program" inspect "$work/plugins/data-end.so" >said && says "missing routine: NSPv2LookupServiceEnd" && stop
}
check "data with the name of a routine is none, and an indirect function is one, in the host" hosted data in-process
check "the same in a worker" hosted data worker

# An executable stack.
provider stack.so stack 8 -Wl,-z,execstack
echo "int wild(void) { return 1; }" | shared -fvisibility=default -o second/libwild.so -x c - -Wl,-soname,libwild.so -Wl,-z,execstack
provider stack-near.so stack-near 9 -DNEEDS=wild -L"$work/second" -lwild -Wl,-rpath,"$work/second"
# A file that says nothing of its stack.
provider stack-silent.so stack-silent 10
python3 - <<'END'
import struct
with open("stack-silent.so", "r+b") as file:
    header = file.read(64)
    offset, size, count = struct.unpack_from("<Q", header, 32)[0], *struct.unpack_from("<HH", header, 54)
    for index in range(count):
        file.seek(offset + index * size)
        if struct.unpack("<I", file.read(4))[0] == 0x6474E551:
            file.seek(offset + index * size)
            file.write(struct.pack("<I", 0))
END
executable_stacks() { awk '$2 ~ /x/ && $6 ~ /stack/' "/proc/$1/maps"; }
stacks() {
  local name
  serve in-process stack.so stack-near.so stack-silent.so plain.so || return 1
  for name in stack stack-near stack-silent; do
    "$program" inspect "$name" >said && says "refused: executable stack" && says "noexecstack, or run it in a worker" && says "stack: .*wants an executable one" || return 1
  done
  says "libwild.so" <("$program" inspect stack-near) || return 1
  [ -z "$(executable_stacks $host)" ] && answers "$(id 2)" && stop || return 1
  serve worker stack.so stack-near.so stack-silent.so plain.so || return 1
  for name in 8 9 10; do answers "$(id $name)" || return 1; done
  [ -z "$(executable_stacks $host)" ] && "$program" inspect stack >said && says "stack: it wants an executable one: only a worker loads it" && stop
}
check "a file that wants an executable stack runs in a worker only" hosted stacks

# A file's own code that does not return, while it is loaded into the host.
provider early.so early 20
provider hang.so hang 21 -DHANGS="\"$work/go\""
provider late.so z-late 22
provider other.so other 23 && echo 'isolation = "worker"' >other.toml
provider module.so module 24 -DLOAD_HANGS="\"$work/go\""
eventually() { for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done; "$@"; }
state() { "$program" providers | awk -v name="$1" '$2 == name { print $NF }'; }
is_at() { [ "$(state "$1")" = "$2" ] || { "$program" providers; return 1; }; }
ends() { # within so many seconds of SIGTERM
  local begin=$SECONDS
  kill $host && timeout "$1" tail --pid=$host -f /dev/null || { echo "it does not end"; return 1; }
  wait $host
  local status=$?
  host=
  [ $status = 0 ] || { echo "it ends with $status"; cat serve.err; return 1; }
}
hangs_at_start() {
  rm -f go
  serve in-process early.so hang.so late.so module.so other.so other.toml || return 1
  says "hang.so does not serve yet: its constructors have not returned" serve.err || return 1
  answers "$(id 20)" && answers "$(id 23)" && is_at hang starting && is_at z-late starting && is_at module starting || return 1
  "$program" inspect z-late >said && says "loading: it waits for .*/hang.so: its constructors have not returned" || return 1
  timeout 5 "$program" lookup that --provider "$(id 21)" >said 2>&1
  says "WSATRY_AGAIN" || return 1
  # Workers come and go, and so does what is loaded.
  provider plugins/new.so new 25 && echo 'isolation = "worker"' >plugins/new.toml
  rm plugins/new.so && provider plugins/new.so new 25 && eventually answers "$(id 25)" || return 1
  timeout 8 "$program" disable early >/dev/null && timeout 8 "$program" disable z-late >/dev/null && is_at z-late disabled || return 1
  touch go
  eventually answers "$(id 21)" && eventually answers "$(id 24)" && is_at hang ready && is_at z-late disabled || return 1
  "$program" enable z-late >/dev/null && "$program" enable early >/dev/null && answers "$(id 22)" && answers "$(id 20)" && ends 10
}
check "constructors that do not return: the host starts, others are served, and it serves when they do" hosted hangs_at_start
module_hangs() {
  rm -f go
  serve in-process module.so z-late.so || return 1
  says "module.so does not serve yet: its NSPModuleLoad has not returned" serve.err && is_at module starting && answers "$(id 22)" && ends 10
}
cp late.so z-late.so
check "an NSPModuleLoad that does not return holds up no other file, nor the end of the host" hosted module_hangs
hangs_later() {
  rm -f go
  serve in-process early.so other.so other.toml && cp hang.so plugins/.hang && mv plugins/.hang plugins/hang.so || return 1
  eventually says "hang.so does not serve yet" serve.err && answers "$(id 20)" && answers "$(id 23)" && is_at hang starting || return 1
  timeout 8 "$program" reload other >/dev/null && answers "$(id 23)" && ends 10
}
check "constructors of a file that comes later: others are served and reloaded, SIGTERM ends the host" hosted hangs_later

# No page that can be written is ever executed.
cc -Wall -Wextra -Werror "$sources/mdwe.c" -o mdwe || exit 1
fixtures=${NSPHOST_FIXTURES:-$sources/$root/build/fixtures}
mdwe() { # isolation
  local name
  cp "$fixtures/version1.so" "$fixtures/partial-set.so" .
  serve "$1" plain.so version1.so partial-set.so || return 1
  [ "$(./mdwe of $host)" = in-force ] || { echo "the host does not run under it"; return 1; }
  answers "$(id 2)" || return 1
  timeout 20 "$program" lookup records-1 --provider version1 >answer 2>&1 && says record answer || return 1
  timeout 20 "$program" lookup that --provider partial-set >answer 2>&1
  says WSAEOPNOTSUPP answer && "$program" inspect partial-set >said && says "LookupServiceBegin +stub +WSAEOPNOTSUPP +[1-9]" || return 1
  for name in plain version1 partial-set; do "$program" reload "$name" >/dev/null || { cat serve.err; return 1; }; done
  answers "$(id 2)" && ends 15
}
if ./mdwe true 2>/dev/null; then
  under=./mdwe
  check "the host under PR_SET_MDWE: providers of both versions and stubs, in its process" hosted mdwe in-process
  check "the same in workers" hosted mdwe worker
else
  echo "skipped: the host under PR_SET_MDWE: this kernel does not have it (Linux 6.3)"
fi
exit $((failed > 0))
