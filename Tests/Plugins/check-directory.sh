#!/bin/bash
# The default store in both isolation modes: what is registered, by whom, for how long, and what is left of it after every kind of end.
#   check-directory.sh     needs the package's own build, its plugins (make plugins), a C compiler and python3; as root, another user too
set -uo pipefail
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
. ./host.sh
needs clang python3 setpriv
trap 'kill $(jobs -p) 2>/dev/null; cleanup' EXIT
cp "$(dirname "$program")/libNSPLibrary.so" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
cc=clang
$cc -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/ABI/CWinsock/include" directory.c -o "$work/directory" -L"$work" -lnsp -pthread || exit 1
export LD_LIBRARY_PATH=$work
database=$STATE_DIRECTORY/directory.db
client() { timeout 60 "$work/directory" "$@"; }
register() { nsphost register "$@" >/dev/null; }
missing() { fails 2 WSASERVICE_NOT_FOUND lookup "$@"; }
# Asks the file itself, whoever else has it open.
sql() { python3 -c 'import sqlite3, sys; [print(*row) for row in sqlite3.connect(sys.argv[1], timeout=10).execute(sys.argv[2])]' "$database" "$1"; }
sound() { [ "$(sql 'PRAGMA integrity_check')" = ok ] && [ -z "$(sql 'PRAGMA foreign_key_check')" ]; }
eventually() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.02; done; "$@"; }
says() { eventually grep -q "$1" "$work/serve.err"; }
# Ends host and provider without a word.
crash() {
  local others
  others=$(pgrep -P "$host")
  kill -9 $host $others && wait $host 2>/dev/null
  host=
  for other in $others; do while kill -0 $other 2>/dev/null; do sleep 0.01; done; done
}
# It is loaded and can answer nothing, which shows before it is asked.
failing() { fails 2 '' nsphost providers --exists directory && [[ $(nsphost inspect directory) == *"state: failing"*"$1"* ]] && [[ $(nsphost providers --json) == *'"reason":"'*"$1"*'"state":"failing"'* ]] || { nsphost inspect directory; return 1; }; }
# Holds a name until it is let go of; its process is $holder.
hold() {
  rm -f "$work/hold" && mkfifo "$work/hold"
  "$work/directory" hold "$1" <"$work/hold" >"$work/held" & holder=$!
  exec 9>"$work/hold"
  eventually grep -q held "$work/held" && prints "192.0.2.1:80  $1" lookup "$1"
}

run() {
  rm -rf "$STATE_DIRECTORY"
  serve "$1" directory
  check "$1: NSP-085 to NSP-089 all data, identity, operations, versions, wildcards, contexts, containers, hosts, what is refused" client statements
  check "$1: nothing of all that is left" prints '' sql 'SELECT written_name FROM instance UNION ALL SELECT instance FROM address'

  check "$1: NSP-189 NSP-199 it is enumerated under ntds and dns, is one provider, and serves the others too" client enumerated
  one_session() {
    local before=$("$program" sessions --json | sed 's/.*"startups":\([0-9]*\).*/\1/') after
    client enumerated || return 1
    after=$("$program" sessions --json | sed 's/.*"startups":\([0-9]*\).*/\1/')
    # The client's, and those of the two commands, which ask no provider.
    [ $((after - before)) = 1 ] || { echo "$before sessions before, $after after"; return 1; }
  }
  check "$1: one session for all its name spaces" one_session
  asked_once() { [ "$(nsphost lookup everywhere --explain 2>&1 | grep -c '^ *[0-9]* *directory  *asked ')" = 1 ]; }
  check "$1: one question for a query" asked_once

  printed() {
    register printer --address 10.0.0.7:631 --address '[2001:db8::7]:631' --service '\Floor\Two' --service-version 3 --comment warm &&
      prints '10.0.0.7:631       printer\n[2001:db8::7]:631  printer' lookup PRINTER --service 'floor\two' --at-least 2 &&
      missing printer && missing printer --service 'floor\two' --service-version 2 &&
      prints '10.0.0.7:631       printer\n[2001:db8::7]:631  printer' lookup 'p?int*' --flags return-name,return-addr,LUP_DEEP &&
      prints '-  Floor' lookup '*' --flags return-name,LUP_CONTAINERS && prints '-  Floor\n-  Two' lookup '*' --flags return-name,LUP_CONTAINERS,LUP_DEEP
  }
  check "$1: the command registers and finds, in a context, by version, deeper down, and containers" printed
  later() {
    register brief-before --expires 1 && stop && sleep 1 && serve "$1" directory && missing brief-before && prints 0 sql 'SELECT count(*) FROM instance WHERE expires > 0' && prints '10.0.0.7:631       printer\n[2001:db8::7]:631  printer' lookup printer --service 'floor\two'
  }
  check "$1: and finds it after a restart, without what has expired meanwhile" later "$1"
  check "$1: by its address, too" prints '10.0.0.7:631       printer\n[2001:db8::7]:631  printer' lookup 10.0.0.7 --class 0002a801-0000-0000-c000-000000000046 --service 'floor\two'

  zoned() {
    prints 'registered local6 [fe80::7%lo]:631\n    directory  done' nsphost register local6 --address '[fe80::7%lo]:631' && prints '[fe80::7%lo]:631  local6' lookup local6 &&
      lookup local6 --json | grep -q '"\[fe80::7%lo\]:631"' && fails 64 '' nsphost register local6 --address 'fe80::7%no-such' || return 1
    local name
    for name in fe80::7%lo fe80::7; do prints '[fe80::7%lo]:631  local6' lookup $name --class inet-hostaddrbyinetstring || return 1; done
    missing "fe80::7%$(($(cat /sys/class/net/lo/ifindex) + 999))" --class inet-hostaddrbyinetstring && nsphost unregister local6 --address '[fe80::7%lo]:631'
  }
  check "$1: a zone is taken, kept, printed, and tells addresses apart" zoned
  written() {
    register four --address 10.0.0.44:1 && register six --address '[::ffff:10.0.0.45]:1' || return 1
    local name
    for name in 10.0.0.44 ::ffff:10.0.0.44 ::10.0.0.44; do prints '10.0.0.44:1  four' lookup $name --class inet-hostaddrbyinetstring || return 1; done
    for name in 10.0.0.45 ::ffff:10.0.0.45; do prints '[::ffff:10.0.0.45]:1  six' lookup $name --class inet-hostaddrbyinetstring || return 1; done
    nsphost unregister four && nsphost unregister six
  }
  check "$1: an address of IPv4, however it is written" written

  ports() {
    register meters/tcp --class inet-servicebyname --address 0.0.0.0:7001 || return 1
    local name
    for name in meters/tcp METERS 7001/tcp 7001; do prints '0.0.0.0:7001  meters' lookup $name --class inet-servicebyname || return 1; done
    for name in meters/udp meter 7001/udp 7002/tcp 7001/; do ! lookup $name --class inet-servicebyname || return 1; done
    nsphost unregister meters/tcp --class inet-servicebyname
  }
  check "$1: the port of a service, by name or number, of one protocol or any" ports

  # Lifetimes
  brief() {
    register brief --expires 4 --address 10.0.0.1:1 && prints '10.0.0.1:1  brief' lookup brief || return 1
    register lasting --expires 1 --address 10.0.0.1:1 && register lasting --expires 60 --address 10.0.0.1:1 && sleep 4.1
    missing brief && prints '10.0.0.1:1  lasting' lookup lasting && register other --address 10.0.0.1:1 &&
      prints 'lasting\nother\nprinter' sql 'SELECT written_name FROM instance'
  }
  check "$1: what expires is found until then, and removed later; registered again it lasts longer" brief
  check "$1: what is registered for a session is gone when the command ends" eval "register gone --session --address 10.0.0.1:1 && missing gone"
  held() { hold "$1" && kill -9 $holder && { wait $holder; exec 9>&-; eventually missing "$1"; } && eventually prints 0 sql "SELECT count(*) FROM instance WHERE name = '$1'"; }
  check "$1: or its client is killed" held held-and-killed
  goodbye() { hold "$1" && exec 9>&- && wait $holder && eventually missing "$1"; }
  check "$1: or has said goodbye" goodbye held-and-let-go
  crashed() {
    hold held-at-crash && register kept --address 10.0.0.3:3 && crash && exec 9>&- && wait $holder
    prints 1 sql "SELECT count(*) FROM instance WHERE name = 'held-at-crash'" || return 1
    serve "$1" directory && missing held-at-crash && prints 0 sql "SELECT count(*) FROM instance WHERE name = 'held-at-crash'" &&
      prints '10.0.0.3:3  kept' lookup kept
  }
  check "$1: or the host has crashed; what is permanent stays" crashed "$1"
  beside() {
    hold held-beside || return 1
    nsphost lookup kept --local --plugins "$work/plugins" >/dev/null && nsphost register x --local --plugins "$work/plugins" >/dev/null &&
      prints '192.0.2.1:80  held-beside' lookup held-beside && prints '-  x' lookup x
    local result=$?
    exec 9>&- && wait $holder && return $result
  }
  check "$1: a second host on the same file leaves the sessions of the first alone" beside

  # Others
  if is_root "other users"; then
    nobody() { timeout 30 setpriv --reuid 65534 --regid 65534 --clear-groups "$program" "$@"; }
    others() {
      nobody register theirs --address 10.0.0.9:9 >/dev/null && register ours --address 10.0.0.8:8 || return 1
      fails 77 WSAEACCES nobody register ours --address 10.0.0.9:9 && fails 77 WSAEACCES nobody unregister ours || return 1
      fails 77 WSAEACCES nobody unregister ours --address 10.0.0.8:8 && prints '10.0.0.8:8  ours' nobody lookup OURS
    }
    check "$1: what is another's stays as it is" others
    secure() {
      local flags=return-name,return-addr,LUP_SECURE
      missing theirs --flags $flags && prints '10.0.0.9:9  theirs' nobody lookup theirs --flags $flags &&
        prints '10.0.0.8:8  ours' nobody lookup ours --flags $flags && missing theirs && prints '10.0.0.9:9  theirs' lookup theirs --all-owners &&
        register theirs --address 10.0.0.4:4 && prints '10.0.0.4:4  theirs' lookup theirs --flags $flags && fails 77 WSAEACCES nobody unregister theirs
    }
    check "$1: secure lookups see what operators have registered, and one's own; an operator takes over what it registers" secure
    quota() {
      local n
      stop && printf '[providers.directory.settings]\nper-user = 3\nblob-bytes = 16\n' >"$work/nsphost.toml" && serve "$1" directory
      for n in 1 2 3; do nobody register many$n --address 10.0.0.9:9 >/dev/null || return 1; done
      fails 1 WSAENOBUFS nobody register many4 --address 10.0.0.9:9 && nobody register many3 --address 10.0.0.9:8 >/dev/null &&
        nobody unregister many1 >/dev/null && nobody register many4 --address 10.0.0.9:9 >/dev/null && register many5 --address 10.0.0.9:9
      local result=$?
      stop && : >"$work/nsphost.toml" && serve "$1" directory && return $result
    }
    check "$1: a user has so many instances and no more" quota "$1"
  fi
  unusable() {
    stop && printf '[providers.directory.settings]\nper-user = -1\n' >"$work/nsphost.toml" && serve "$1" directory
    fails 1 WSAEPROVIDERFAILEDINIT nsphost register a && says 'per-user is -1: write a number'
    local result=$?
    stop && : >"$work/nsphost.toml" && serve "$1" directory && return $result
  }
  check "$1: a setting that can't be is said" unusable "$1"

  # Many, and crashes
  reached() { [ "$(wc -l <"$work/a")" -gt "$1" ]; }
  stream() {
    local before done
    "$work/directory" stream "$2-a" >"$work/a" & local a=$!
    "$work/directory" stream "$2-b" >"$work/b" & local b=$!
    eventually reached "$3"
    crash && wait $a $b
    serve "$1" directory
    for before in a b; do
      done=$(tail -n 1 "$work/$before")
      [ "${done:-0}" -gt 0 ] && [ "$(client count "$2-$before*")" -ge "$done" ] && prints "192.0.2.$((done % 200 + 1)):80  $2-$before$done" lookup "$2-$before$done" || return 1
    done
    sound
  }
  streams() { stream "$1" first 5 && stream "$1" second 50 && stream "$1" third 100; }
  check "$1: killed during registrations, three times: what was answered is there, and the file is sound" streams "$1"
  # Microseconds, by the host's own clock: the middle one of 500 lookups.
  median() { # name
    client time "$1" 500 >/dev/null &&
      grep -A1 "lookup of $1," "$work/serve.err" | grep -o 'records, [0-9.e-]*' | awk '{print int($2 * 1e6)}' | sort -n | sed -n 250p
  }
  register among-few --address 192.0.2.7:80
  few=$(median among-few)
  large() {
    stop && python3 - "$database" <<'END' && serve "$1" directory && prints '10.1.134.159:80  n099999' lookup N099999 && [ "$(client count 'n01*')" = 10000 ]
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as store:
    for i in range(100000):
        row = store.execute("""INSERT INTO instance (context, name, class, space, written_context, written_name, is_registered, protocols,
          owner, is_trusted, registered, size) VALUES ('\\', ?, '', 0, '\\', ?, 1, '', 0, 1, 0, 200)""", (f"n{i:06}", f"n{i:06}")).lastrowid
        host = bytes([10, i >> 16, i >> 8 & 255, i & 255])
        store.execute("INSERT INTO address VALUES (?, 0, x'', ?, 1, 6, ?)", (row, b"\2\0\0\x50" + host + bytes(8), host))
END
  }
  if [ "$1" = in-process ]; then check "$1: 10,000 of 100,000 instances are listed in order" large "$1"; fi
  if [ "$1" = in-process ]; then
    quick() {
      local many
      many=$(median n077777) && [ "$many" -gt 0 ] && [ "$many" -lt $((10 * few)) ] || { echo "$few us among few, $many us among many"; return 1; }
    }
    check "$1: a lookup among them takes about as long as among few" quick
    abandoned() { local n; for n in $(seq 20); do [ "$(client some '*7*' 100)" = 100 ] || return 1; done; settles; }
    check "$1: listings that are given up end" abandoned
  fi

  busy() { client rounds 60 && eventually prints 0 sql "SELECT count(*) FROM instance WHERE run IS NOT NULL"; }
  check "$1: four threads register, list and remove at once; what they left ends with them" busy
  resident() { awk '/^VmRSS/ {print $2}' /proc/$1/status; }
  descriptors() {
    local pid=$host before after memory n
    [ "$1" = in-process ] || pid=$(pgrep -o -P "$host")
    client rounds 20 && before=$(ls /proc/$pid/fd | wc -l) && memory=$(resident $pid)
    for n in 1 2 3; do client rounds 30 || return 1; done
    settles && after=$(ls /proc/$pid/fd | wc -l) && [ $((after - before)) -lt 8 ] && [ $(($(resident $pid) - memory)) -lt 30000 ] ||
      { echo "descriptors $before, $after; memory $memory, $(resident $pid)"; return 1; }
  }
  check "$1: neither descriptors nor memory grow" descriptors "$1"

  # Files that can't be used
  inside() {
    stop && sql 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null && python3 -c 'import os, sys; f = open(sys.argv[1], "r+b"); f.seek(-4096, 2); f.write(os.urandom(4096))' "$database"
    serve "$1" directory && nsphost lookup kept >/dev/null
    says 'move it away, with its' && fails 1 WSA nsphost register a
  }
  if [ "$1" = in-process ]; then check "$1: damage deep inside a large file is found, and said" inside "$1"; fi
  moved() {
    stop && rm -rf "$STATE_DIRECTORY" && serve "$1" directory && register early --address 10.0.0.5:5 || return 1
    mv "$database" "$work/moved" && fails 1 WSATRY_AGAIN nsphost register late --address 10.0.0.5:5 && says 'moved away or replaced: start the host again' && [ ! -e "$database" ]
    local result=$?
    mv "$work/moved" "$database" && register late --address 10.0.0.5:5 && return $result
  }
  check "$1: a file that was moved away is missed, not made anew; back in its place it goes on" moved "$1"
  damaged() {
    stop && sql 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null && cp "$database" "$work/whole" || return 1
    # The beginning, then everything behind the first page.
    printf 'not a database at all' | dd of="$database" conv=notrunc status=none && cp "$database" "$work/broken" && serve "$1" directory
    fails 1 WSAEPROVIDERFAILEDINIT nsphost register a --address 10.0.0.5:5 && says 'file is not a database: move it away' && cmp -s "$database" "$work/broken" || return 1
    cp "$work/whole" "$database" && sleep 1.1 && prints '10.0.0.5:5  early' lookup early || { echo "not used again"; return 1; }
    stop && rm -f "$database"-* && cp "$work/whole" "$database" || return 1
    python3 -c 'import os, sys; f = open(sys.argv[1], "r+b"); n = os.path.getsize(sys.argv[1]); f.seek(8192); f.write(os.urandom(n - 8192))' "$database"
    cp "$database" "$work/broken" && serve "$1" directory
    failing 'move it away, with its' && fails 1 WSATRY_AGAIN nsphost lookup early && says 'move it away, with its' && fails 1 WSAEPROVIDERFAILEDINIT nsphost register a --address 10.0.0.5:5 && cmp -s "$database" "$work/broken"
    local result=$?
    stop && rm -f "$database"-* && cp "$work/whole" "$database" && serve "$1" directory && prints '10.0.0.5:5  early' lookup early && return $result
  }
  check "$1: a damaged file is refused, said, and left as it is; a whole one in its place is used" damaged "$1"
  newer() {
    stop && sql 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null && cp "$database" "$work/whole"
    python3 -c 'import sqlite3, sys; s = sqlite3.connect(sys.argv[1]); s.execute("INSERT INTO grdb_migrations VALUES (9)"); s.commit()' "$database"
    serve "$1" directory && failing 'a later version of nsphost has made it' && fails 1 WSATRY_AGAIN nsphost lookup early && says 'a later version of nsphost has made it: use that version'
    local result=$?
    stop && rm -f "$database"-* && cp "$work/whole" "$database" && serve "$1" directory && prints '10.0.0.5:5  early' lookup early && return $result
  }
  check "$1: so is one of a later version" newer "$1"
  closed() { stop && rm -rf "$STATE_DIRECTORY" && serve "$1" directory && register a && [ "$(stat -c %a "$database")" = 600 ] && missing early; }
  check "$1: nobody else reads the file; without one it starts empty" closed "$1"
  check "$1: every session ended" settles
}
run in-process
run worker
stop
finish
