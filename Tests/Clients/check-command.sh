#!/bin/bash
# What the command says of files that can't be loaded, of names that no terminal should see, and of whose state it uses: the real program
# against real hosts, in both isolation modes. And what it says without a host of providers that die or hang.
#   check-command.sh            needs the package's own build, the samples and the fixtures, and a C compiler
set -uo pipefail
cd "$(dirname "$0")" || exit 1
root=$(cd ../.. && pwd)
samples=${NSPHOST_SAMPLES:-$root/build/providers}
fixtures=${NSPHOST_FIXTURES:-$root/build/fixtures}
. ../needs.sh
needs cc grep timeout python3
work=$(mktemp -d)
host=
trap '[ -z "$host" ] || kill -9 $host 2>/dev/null; rm -rf "$work"' EXIT
export NSP_SOCKET=$work/run/socket STATE_DIRECTORY=$work/state
program=$(cd "$root" && swift build --show-bin-path)/nsphost
plugins=$work/plugins
mkdir -p "$plugins" "$work/run" && chmod 755 "$work" "$plugins" "$work/run"

. ./check.sh
nsphost() { timeout 30 "$program" "$@"; }
# Ends well and says each of these.
says() { # texts... -- command...
  local texts=() out text
  while [ "$1" != -- ]; do texts+=("$1"); shift; done
  shift
  out=$("$@" 2>&1) || { echo "status $?: $out"; return 1; }
  for text in "${texts[@]}"; do [[ $out == *"$text"* ]] || { printf 'missing: %s\nin:\n%s\n' "$text" "$out"; return 1; }; done
}
fails() { # status, text, command...
  local status=$1 text=$2 out got=0
  shift 2
  out=$("$@" 2>&1) || got=$?
  [ $got = "$status" ] && [[ $out == *"$text"* ]] || { echo "status $got: $out"; return 1; }
}
not() { ! "$@"; }
until_true() { for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done; "$@"; }
serve() { # isolation
  printf 'isolation = "%s"\n' "$1" >"$work/nsphost.toml"
  "$program" serve --config "$work/nsphost.toml" --plugins "$plugins" --log debug >"$work/serve.log" 2>"$work/serve.err" & host=$!
  until_true nsphost stats || { cat "$work/serve.err"; exit 1; }
}
stop() { [ -z "$host" ] || { kill $host && wait $host; host=; }; }

odd=$'esc\e[31mape\nnew.so'
shown='esc\u{1b}[31mape\u{a}new.so'
fill() {
  rm -rf "${plugins:?}/"*
  cp "$fixtures"/bad/{fails-to-load,huge-static-tls,missing-library,undefined-symbol,undefined-in-library}.so "$fixtures/bad/libbroken.so.1" "$plugins/"
  # One that can be loaded, and one that can't, under a name that moves a cursor and ends a line.
  cp "$fixtures/no-rundown.so" "$plugins/$odd" && cp "$fixtures/bad/huge-static-tls.so" "$plugins/un$odd"
  cp "$fixtures/scripted-a.so" "$plugins/"$'no-\xff-text.so'
}
# No byte that a terminal obeys.
is_plain() { "$@" >"$work/bytes" 2>&1; LC_ALL=C; python3 - "$work/bytes" <<'END'
import sys
text = open(sys.argv[1], "rb").read().decode()  # which fails for what is not UTF-8
bad = [c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)]
sys.exit(f"control characters: {bad}" if bad else 0)
END
}
# The entry of one file in the list of refused ones, as "reason|detail|remedy".
refused() { # file
  nsphost providers --refused --json | python3 -c '
import json, os, sys
for one in json.load(sys.stdin)["refused"]:
    if os.path.basename(one["file"]) == sys.argv[1]: print(one["reason"], one["detail"], one["remedy"], sep="|")' "$1"
}
tls='cannot allocate memory in static TLS block'
loader="$plugins/libbroken.so.1: undefined symbol: nobody_defines_this_either"

checks() { # isolation
  fill
  serve "$1"
  check "$1: an undefined symbol of the file" until_true says 'unresolved symbol: nobody supplies nobody_defines_this' \
    'do: link the library that defines nobody_defines_this, or remove the reference' -- nsphost providers --refused
  check "$1: an undefined symbol of a library: the linker's own words" until_true says "unresolved symbol: $loader" \
    'do: link the library that defines nobody_defines_this_either, or remove the reference' -- nsphost providers --refused
  check "$1: the same in JSON" until_true says "unresolved-symbol|$loader|link the library that defines nobody_defines_this_either" -- refused undefined-in-library.so
  check "$1: a library that no directory has" until_true says 'missing-library|needs libnowhere.so.1, which no directory has|install the package that contains libnowhere.so.1' \
    -- refused missing-library.so
  if [ "$1" = worker ]; then
    check "$1: what takes much static storage is loaded in a process that keeps room for it" until_true says '' -- nsphost providers --exists fails-to-load
    check "$1: not as much as it likes" until_true says "failed-to-load|$plugins/huge-static-tls.so: $tls|build it, and the libraries that it needs, with -ftls-model=global-dynamic" \
      -- refused huge-static-tls.so
  else
    for name in fails-to-load huge-static-tls; do
      check "$1: static storage of $name" until_true says "failed-to-load|$plugins/$name.so: $tls|run it in a worker, whose process keeps room for it: isolation = \"worker\" in its manifest" \
        -- refused $name.so
    done
  fi
  check "$1: inspect says it by the provider's name" says "state: refused: unresolved symbol: $loader" 'do: link the library' -- nsphost inspect undefined-in-library
  check "$1: by the file's path" says "state: refused: unresolved symbol: $loader" -- nsphost inspect "$plugins/undefined-in-library.so"
  check "$1: by a path from where one is" eval "cd '$plugins' && says 'nobody_defines_this_either' -- nsphost inspect ./undefined-in-library.so"
  check "$1: by the file's name" says "state: refused: unresolved symbol: $loader" -- nsphost inspect undefined-in-library.so
  check "$1: and in JSON" says '"state":"refused"' '"reason":"unresolved-symbol"' "\"detail\":\"$loader\"" -- nsphost inspect undefined-in-library --json
  check "$1: another file is looked at, and not said to be loaded" says 'state: examined' -- nsphost inspect "$fixtures/scripted-c.so"
  check "$1: the log says it too" grep -qF "undefined-in-library.so is not used: $loader: link the library" "$work/serve.err"

  check "$1: a file whose name would drive a terminal serves" says '' -- nsphost lookup one --provider no-rundown
  check "$1: and is listed as what it is" says "$shown" -- nsphost providers
  check "$1: what is printed can be given" says no-rundown -- nsphost inspect "$shown"
  check "$1: one that can't be loaded is, too" says "un$shown" "un$shown: $tls" -- nsphost providers --refused
  check "$1: a name that is no text is told byte by byte" says 'no-\xff-text.so' 'bad name: its name is not UTF-8' 'do: give the file a name in UTF-8' -- nsphost providers --refused
  check "$1: and can be inspected as it was told" says 'refused: bad name' -- nsphost inspect 'no-\xff-text.so'
  check "$1: its bytes themselves are no argument" fails 64 'argument 2: it is not UTF-8: no-\xff-text.so' nsphost inspect $'no-\xff-text.so'
  for words in providers 'providers --refused' 'providers --json' 'inspect no-rundown' "inspect no-rundown --json" modules 'modules --json' stats; do
    check "$1: nothing of it reaches a terminal: $words" is_plain nsphost $words
  done
  check "$1: nor in errors" is_plain nsphost inspect $'\e[31m/nowhere.so'
  check "$1: nor in the log" is_plain cat "$work/serve.err"
  sounds() { says "un$shown is not used" -- grep -aF "un$shown" "$work/serve.err"; }
  check "$1: where it has its name" sounds

  # Another look at the directories forgets nothing; a file that is mended is no longer refused.
  cp "$fixtures/scripted-b.so" "$plugins/.new" && mv "$plugins/.new" "$plugins/scripted-b.so"
  until_true nsphost providers --exists scripted-b
  check "$1: another look forgets nothing" says "unresolved-symbol|$loader" -- refused undefined-in-library.so
  check "$1: reload says why" fails 1 "$loader" nsphost reload undefined-in-library
  check "$1: enable says why" fails 1 "$loader" nsphost enable undefined-in-library
  check "$1: and both keep it" says "unresolved-symbol|$loader" -- refused undefined-in-library.so
  echo 'int broken_anchor(void) { return 1; }' | cc -shared -fPIC -x c - -Wl,-soname,libbroken.so.1 -o "$plugins/.mended" && mv "$plugins/.mended" "$plugins/libbroken.so.1"
  check "$1: with its library mended it is loaded" says 'reloaded undefined-in-library' -- nsphost reload undefined-in-library
  check "$1: and refused no longer" says '' -- eval '[ -z "$(refused undefined-in-library.so)" ] && nsphost providers --exists undefined-in-library'
  if [ "$1" = worker ]; then
    # A process that dies, and whose file can't be loaded again, says that as well.
    cp "$fixtures/bad/libbroken.so.1" "$plugins/.new" && mv "$plugins/.new" "$plugins/libbroken.so.1"
    kill -9 "$(nsphost inspect undefined-in-library --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["provider"]["process"]["pid"])')"
    dies() { says "while it was being loaded ($loader)" -- nsphost inspect undefined-in-library; }
    check "$1: what the linker says to a process that is started again" until_true dies
  fi
  stop
}
for isolation in in-process worker; do checks $isolation; done

# A worker's storage is beside what the user has set for the whole program.
fill
GLIBC_TUNABLES=glibc.malloc.arena_max=2 serve worker
tunables() {
  local pid; pid=$(nsphost inspect fails-to-load --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["provider"]["process"]["pid"])')
  # Where they are told apart glibc puts ends of strings.
  tr '\0:' '\n\n' <"/proc/$pid/environ" >"$work/environ"
  grep -qx 'GLIBC_TUNABLES=glibc.malloc.arena_max=2' "$work/environ" && grep -qx 'glibc.rtld.optional_static_tls=[0-9]*' "$work/environ"
}
check "room for static storage is kept beside other tunables" tunables
stop

# A manifest is somebody else's text.
mkdir -m 755 "$work/manifests" && cp "$fixtures/scripted-a.so" "$work/manifests/"
deep() { python3 -c 'print("settings." + ".".join("a" * 30000) + " = 1")' >"$work/manifests/scripted-a.toml" && "$@"; }
check "a manifest with 30,000 keys within each other is refused" deep says 'scripted-a.toml:1: more than 16 keys, lists or tables within each other' \
  'write at most 16 levels' -- nsphost inspect "$work/manifests/scripted-a.so"
many() { python3 -c 'print("[providers.one.settings]"); [print(f"k{i} = 1") for i in range(16000)]' >"$work/many.toml" && "$@"; }
check "a configuration of 16,000 keys is read" many says 'the configuration is good' -- nsphost config check --config "$work/many.toml"
# Without a host: providers run in workers, files that register modules in a process that is their host. One that dies or hangs is named,
# takes nothing else along, and leaves a status that is not 0.
temporary=${TMPDIR:-}
export NSP_SOCKET=$work/nobody TMPDIR=$work/temporary
mkdir -m 755 "$work/temporary"
has() { [ -z "$2" ] || grep -q "$1" -- "$2" "$3"; }
alone() { # status, pattern of what is said, text that is printed, command...
  local status=$1 said=$2 printed=$3 got=0
  shift 3
  timeout 20 "$program" "$@" >"$work/printed" 2>"$work/said" || got=$?
  [ $got = "$status" ] && has -F "$printed" "$work/printed" && has -E "$said" "$work/said" ||
    { echo "status $got, printed:"; cat "$work/printed"; echo "said:"; cat "$work/said"; return 1; }
}
quiet() { # command... ends well, and says nothing: what runs a provider of these would
  alone 0 '' '' "$@" && { [ ! -s "$work/said" ] || { cat "$work/said"; return 1; }; }
}
record='192.0.2.1:7  hello'
beside() { # file, milliseconds: a folder with this file, which may take so long, and one that serves
  rm -rf "$work/alone" && mkdir -m 755 "$work/alone"
  cp "$samples/hello.so" "$1" "$work/alone/"
  printf 'deadline-ms = 1000\ngrace-ms = %s\n' "$2" >"$work/alone/$(basename "$1" .so).toml"
}
printf 'providers\nopen ann\nlookup ann hello\n' >"$work/hello.nsp"
constructors() { # fault, how it is told, kind of files, all or some
  local name=constructor-$1 how=$2 kind=$3 of
  beside "$fixtures/$kind/$name.so" 1000
  # A worker is told by the provider, a process that is a host by the file that it loaded.
  [ "$kind" = faults ] && of="^nsphost: $name: its process has died: $how.* while it was being loaded" ||
    of="^nsphost: .*/$name.so: its process has died: $how.* while it was being loaded"
  local here="--plugins $work/alone" at="$kind, $1 when it is loaded:"
  check "$at lookup prints what others have" alone 1 "$of" "$record" lookup hello $here
  check "$at lookup of what nobody has" alone 1 "$name.*(died: $how|died: killed)" '' lookup nosuch $here
  check "$at lookup of another provider does not load it" quiet lookup hello --provider hello $here
  for words in providers 'providers --json' 'providers --refused' "providers --exists hello" modules 'modules --json' 'inspect hello' "inspect $name"; do
    check "$at $words runs nothing" quiet $words $here
  done
  if [ "$kind" = faults ]; then
    check "$at inspect of the file" alone 1 "$of" "refused: failed to load: its process has died: $how" inspect "$work/alone/$name.so" $here
  else
    check "$at it is listed" alone 0 '' "$name.so  3+4 stub  registers modules" providers $here
    check "$at inspect of the file" alone 0 '' 'registers modules, so only a host loads it' inspect "$work/alone/$name.so" $here
  fi
  check "$at reload" alone 1 "$how.* while it was being loaded" '' reload $name $here
  [ "$4" = all ] || return
  check "$at lookup in JSON" alone 1 "$of" '"address":"192.0.2.1:7"' lookup hello --json $here
  check "$at classes" alone 1 "$of" 'classes' classes $here
  check "$at register" alone 1 "$name" '' register x.example --address 192.0.2.3:1 $here
  check "$at watch" alone 1 '' '+ 192.0.2.1:7  hello  hello' watch hello --once $here
  check "$at reload of another" quiet reload hello $here
  check "$at enable" alone 1 "$how.* while it was being loaded" '' enable $name $here
  check "$at unload of another" quiet unload hello $here
  check "$at unload" alone 1 "/$name.so: its process has died: $how.* while it was being loaded" '' unload $name $here
  check "$at run" alone 1 "/$name.so: its process has died: $how.* while it was being loaded" '' run "$work/hello.nsp" $here
}
disables() { rm -rf "$STATE_DIRECTORY" && quiet disable hello --plugins "$work/alone" && quiet enable hello --plugins "$work/alone"; }
routines() { # fault, how it is told, kind of files
  local name=$1-begin how=$2 kind=$3 of
  beside "$fixtures/$kind/faults.so" 5000
  cp "$fixtures/faults/harmless.so" "$work/alone/"
  local here="--plugins $work/alone" at="$kind, $1 in a routine:"
  if [ "$kind" = faults ]; then of="^nsphost: faults: its process has died: $how.* in NSPv2LookupServiceBegin"; else of="^nsphost: lookup: the process of its host has died: $how"; fi
  check "$at lookup prints what others have" alone 1 "$of" "192.0.2.9:7  $name" lookup $name $here
  check "$at and what another provider is asked for" quiet lookup $name --provider harmless $here
  check "$at a script" alone 1 "^nsphost: run: the process of its host has died: $how" '> open ann' run - $here <<<"open ann
lookup ann $name"
}
for kind in faults hosted; do
  constructors abort SIGABRT $kind all
  check "$kind: another provider is disabled and enabled beside it" disables
  constructors exit0 'exit with status 70' $kind all
  constructors segfault SIGSEGV $kind some
  constructors spin 'killed, because it did not return' $kind some
  routines abort SIGABRT $kind
  routines exit0 'exit with status 70' $kind
  routines segfault SIGSEGV $kind
done
check "the process of a host says which routine it was" alone 1 '^nsphost: hosted-faults: died in NSPv2LookupServiceBegin: SIGSEGV' '' lookup segfault-begin --plugins "$work/alone"
beside "$fixtures/faults/faults.so" 5000
for where in begin next; do
  check "a routine that does not return, $where: its provider could not answer" alone 1 'faults could not answer: no answer in time' '' lookup spin-$where --plugins "$work/alone"
done
check "nothing is left behind" rmdir "$work/temporary"
[ -z "$temporary" ] && unset TMPDIR || TMPDIR=$temporary
NSP_SOCKET=$work/run/socket

# Whose state: that of another user would be that user's own; here it is that of one who has disabled a provider.
chmod 755 "$work" && cp "$program" "$work/nsphost" && mkdir -p "$work/home/nsphost"
stranger() {
  local as=()
  [ "$(id -u)" != 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  env -u STATE_DIRECTORY NSP_SOCKET="$work/nobody" XDG_STATE_HOME="$work/home" NSP_PLUGIN_PATH="$samples" "${as[@]}" "$work/nsphost" "$@"
}
[ "$(id -u)" != 0 ] || chown -R 65534:65534 "$work/home"
check "a provider is disabled for good, in the user's own state" says "kept in $work/home/nsphost/catalog.toml" -- stranger disable hello
before=$(cat "$work/home/nsphost/catalog.toml")
check "which counts for the directories that everybody uses" fails 2 WSA stranger lookup hello --namespace dns
check "and not for others" says '192.0.2.1:7  hello' -- stranger lookup hello --plugins "$samples"
check "nor is it changed for them" fails 64 'STATE_DIRECTORY=/FOLDER' stranger enable hello --plugins "$samples"
check "as is to be seen" [ "$before" = "$(cat "$work/home/nsphost/catalog.toml")" ]
named() { local out; out=$(STATE_DIRECTORY=$work/named NSP_SOCKET=$work/nobody nsphost disable hello --plugins "$samples") && [ "$out" = "disabled hello, for good: kept in $work/named/catalog.toml" ]; }
check "a folder that is named keeps it" named
configured() {
  printf 'state = "%s"\n' "$work/configured" >"$work/nsphost.toml"
  env -u STATE_DIRECTORY "$program" serve --config "$work/nsphost.toml" --plugins "$samples" >/dev/null 2>&1 & host=$!
  until_true nsphost stats && says "kept in $work/configured/catalog.toml" -- nsphost disable hello
}
check "so does one that the configuration names" configured
stop
[ $failed = 0 ] || { echo "$failed checks failed"; exit 1; }
