#!/bin/bash
# What `nsphost registrations` shows of what is registered, in both isolation modes: by whom, where, for how long, after a restart, page by page;
# and what many registrations leave behind.
#   check-registrations.sh   needs the package's own build, its plugins (make plugins), a C compiler and python3; as root, another user too
set -uo pipefail
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
built=${NSPHOST_PLUGINS:-$PWD/../../build/plugins}
export NSPHOST_PLUGINS=$work/shipped
. ./host.sh
needs clang python3
holder=
end() { [ -z "$holder" ] || { kill -9 $holder && wait $holder; } 2>/dev/null; cleanup; }
trap end EXIT
cp "$(dirname "$program")/libNSPLibrary.so" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
compile() { clang -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/ABI/CWinsock/include" "$@" -pthread || exit 1; }
mkdir "$work/shipped" && cp "$built"/{directory,email,dns}.{so,toml} "$work/shipped/" || exit 1
compile -shared -fPIC absorber.c -o "$work/shipped/absorber.so" && : >"$work/shipped/absorber.toml"
for name in registrations directory email; do compile $name.c -o "$work/$name" -L"$work" -lnsp; done
export LD_LIBRARY_PATH=$work
absorber=51e57b00-0002-4000-8000-000000000001
directory=$(sed -n 's/^id = "\(.*\)"/\1/p' "$work/shipped/directory.toml")
cat >"$work/nsphost.toml" <<END
[providers.email.settings]
discover = false
END

registrations() { nsphost registrations "$@"; }
register() { nsphost register "$@" >/dev/null; }
# What a Python expression makes of the list: `all` has all of it, `found` the registrations, `one` the first.
json() { # expression, words...
  local expression=$1
  shift
  registrations --json "$@" | python3 -c '
import json, sys
all = json.load(sys.stdin)
found = all["registrations"]
one = found[0] if found else None
print(eval(sys.argv[1]))' "$expression"
}
lists() { # names, words...
  local names=$1
  shift
  prints "$names" json '"\n".join(one["name"] for one in found)' "$@"
}
eventually() { for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done; "$@"; }
# A process that registers something, says so, and stays; its process is $holder.
hold() { # word that it says, command...
  local word=$1
  shift
  rm -f "$work/hold" && mkfifo "$work/hold"
  "$@" <"$work/hold" >"$work/held" 2>&1 & holder=$!
  exec 9>"$work/hold"
  for _ in $(seq 3000); do grep -q "$word" "$work/held" && return; kill -0 $holder 2>/dev/null || break; sleep 0.02; done
  cat "$work/held"
  return 1
}
leave() { exec 9>&- && wait $holder; local status=$?; holder=; return $status; }
vanish() { kill -9 $holder && wait $holder 2>/dev/null; exec 9>&-; holder=; }

run() {
  rm -rf "$STATE_DIRECTORY"
  serve "$1" directory email dns absorber

  durable() {
    register printer --address 10.0.0.7:631 --address '[2001:db8::7]:631' --service '\Floor\Two' --class hostname --provider "$directory" || return 1
    prints 'directory root 0 for-good hostname \\Floor\\Two True all' json \
      '" ".join(map(str, [one["provider"], one["user"], one["uid"], one["lasts"], one["class_name"], one["context"], one["registered"], one["namespace"]]))' &&
      prints '10.0.0.7:631 [2001:db8::7]:631' json '" ".join(one["addresses"])' &&
      registrations | grep -Eq '^printer +\\Floor\\Two +hostname +10\.0\.0\.7:631 \[2001:db8::7\]:631 +directory +root +for good$'
  }
  check "$1: name, context, class, addresses, provider, user and duration of what is kept for good" durable
  keyed() {
    register printer --address 10.0.0.8:1 --provider "$directory" && register printer --address 10.0.0.9:1 --class hostname --provider "$directory" &&
      register printer --address 10.0.0.9:2 --namespace dns --provider "$directory" && prints 4 json 'len(found)' PRINTER &&
      prints 4 json 'len({(r.get("context"), r.get("class_id"), r["namespace"]) for r in found})'
  }
  check "$1: contexts, classes and name spaces tell registrations apart" keyed
  restarted() { stop && serve "$1" directory email dns absorber && prints 4 json 'len(found)' printer; }
  check "$1: it is there after a restart of the host" restarted "$1"
  taken() {
    nsphost unregister printer --provider "$directory" >/dev/null && nsphost unregister printer --class hostname --provider "$directory" >/dev/null &&
      nsphost unregister printer --namespace dns --provider "$directory" >/dev/null && lists printer
  }
  check "$1: what is taken back is gone" taken

  session() {
    hold held "$work/directory" hold held || return 1
    prints "session True $holder directory" json '" ".join(map(str, [one["lasts"], one["ends_with_session"], one["pid"], one["command"]]))' held &&
      registrations held | grep -q "root (directory $holder) *session" || { registrations held; vanish; return 1; }
    vanish && eventually lists printer
  }
  check "$1: what ends with its session is gone when that was killed" session
  expiry() {
    register brief --address 10.0.0.1:1 --expires 2 --provider "$directory" && prints 'expires True' json \
      '" ".join(map(str, [one["lasts"], "T" in one["expires"]]))' brief && sleep 2.1 && lists printer
  }
  check "$1: what expires is gone then" expiry
  published() {
    hold holding "$work/email" register=eve@here.test,imap,192.0.2.5:143 register=eve@here.test,jmap,192.0.2.5:443 hold || return 1
    prints "imap\njmap" json '"\n".join(one["context"] for one in found)' --provider email && prints "email session $holder" json \
      '" ".join(map(str, [one["provider"], one["lasts"], one["pid"]]))' EVE@here.test || { vanish; return 1; }
    leave && eventually lists '' --provider email
  }
  check "$1: addresses that are published, until the session ends" published

  unknown() {
    hold done "$work/registrations" $absorber live 3 20 || return 1
    prints "3 unknown $holder" json '" ".join(map(str, [len(found), one["lasts"], one["pid"]]))' --provider absorber || { vanish; return 1; }
    leave && eventually lists '' --provider $absorber || return 1
    prints "absorber\ndns" json '"\n".join(sorted(one["provider"] for one in all["unknown"]))' &&
      registrations | grep -qx 'dns: it does not list what it keeps' && registrations | grep -q 'only what running processes have registered'
  }
  check "$1: of providers that list nothing it shows what lives, and says that it does not know the rest" unknown
  gone() {
    nsphost disable directory >/dev/null && prints '' json '"\n".join(one["provider"] for one in found)' && nsphost enable directory >/dev/null && lists printer
  }
  check "$1: a provider that is disabled is not asked" gone

  pages() {
    local n
    hold done "$work/registrations" "$directory" page 25 20 && leave || return 1
    prints '10 10 None' json '" ".join(map(str, [len(found), all.get("next"), one.get("context")]))' --limit 10 &&
      registrations --limit 10 | grep -qx 'There are more: --skip 10' && registrations --limit 10 | tail -n 1 | grep -qx '10 registrations' || return 1
    for n in 0 10 20; do json '"\n".join(one["name"] for one in found)' --limit 10 --skip $n; done >"$work/names"
    [ "$(sort -u "$work/names" | wc -l)" = 26 ] && [ "$(wc -l <"$work/names")" = 26 ] && prints 'None' json 'all.get("next")' --limit 10 --skip 20 &&
      prints 0 json 'len(found)' --skip 100 && fails 64 'write a number from 1' registrations --limit 0
  }
  check "$1: pages follow each other without a gap" pages
  filters() {
    prints 26 json 'len(found)' --user root && prints 26 json 'len(found)' --user 0 && prints 26 json 'len(found)' --provider "$directory" &&
      prints 0 json 'len(found)' --user 12345 && fails 64 'there is no user "nosuch"' registrations --user nosuch &&
      fails 2 'there is no provider with this name' registrations --provider nosuch
  }
  check "$1: by user and provider" filters
  if [ "$(command id -u)" = 0 ]; then
    nobody() { timeout 30 setpriv --reuid 65534 --regid 65534 --clear-groups "$program" "$@"; }
    user() {
      nobody register theirs --address 10.0.0.9:9 --provider "$directory" >/dev/null && lists theirs --user nobody &&
        prints 'nobody 65534' json 'one["user"] + " " + str(one["uid"])' theirs && fails 77 'only root' nobody registrations &&
        fails 1 WSAEACCES nobody lookup '*' --class 6d1f2c8f-0b7a-4f53-9b1e-6a2f0c4d9e31 --provider "$directory"
    }
    check "$1: another user's are told apart; who is no operator is not shown any" user
  fi

  # 5,000 names of 1,000 bytes, three times, at a provider that keeps nothing: what grows is the host's.
  resident() { awk '/VmRSS/ { print $2 }' /proc/$host/status; }
  many() { hold done "$work/registrations" $absorber "round$1-" 5000 1000 && lists '' nosuch && leave && eventually lists '' --provider absorber; }
  is_where_it_was() { [ $(($(resident) - $1)) -lt 4096 ]; }
  bounded() {
    local before
    # What it takes while they are there, it keeps for the next ones. They are 15,000 KiB.
    many 0 && before=$(resident) && many 1 && many 2 && many 3 && eventually is_where_it_was $before
    local status=$?
    echo "$before then $(resident) KiB" >&2
    return $status
  }
  check "$1: 5,000 names of 1,000 bytes, registered and left three times, leave the host where it was" bounded
  figures=$(tail -n 1 "$work/err")
  echo "        $figures"
  kept() {
    local before after
    hold done "$work/registrations" "$directory" first- 300 1000 && leave || return 1
    before=$(resident) && hold done "$work/registrations" "$directory" second- 900 1000 && leave && after=$(resident)
    prints 1226 json 'len(found)' --provider directory --user root --limit 10000 && echo "$before then $after KiB" >&2 && [ $((after - before)) -lt 8192 ]
  }
  check "$1: nor do those that the directory keeps grow in the host" kept
}
run in-process
run worker
stop
finish
