#!/bin/bash
# The provider of files like /etc/hosts, in both isolation modes, against real files and glibc's own reading of them.
#   check-hosts.sh         needs the package's own build and its plugins (make plugins)
set -uo pipefail
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
. ./host.sh
needs getent mount unshare
trap cleanup EXIT
all=return-name,return-addr,return-aliases

cat >"$work/first" <<END
# A comment, and a line with one behind it.
192.0.2.1   One.example one uno   # three names
2001:db8::1 one.example
192.0.2.2	two.example	two
192.0.2.3   two.example
   198.51.100.7 indented
END
# However busy the machine is, no lookup is given up.
cat >"$work/nsphost.toml" <<END
[providers.hosts]
deadline-ms = 60000
[providers.hosts.settings]
files = ["$work/first", "$work/second"]
END
run() {
  printf '192.0.2.9 nine.example nine\n192.0.2.1 another.example' >"$work/second"
  serve "$1" hosts
  check "$1: addresses of a name, of both families, and its aliases" \
    prints '192.0.2.1    One.example\n2001:db8::1  One.example\n-            one\n-            one.example\n-            uno' \
    lookup one.example --flags $all
  check "$1: a name in other letters, and with the root's dot" prints '192.0.2.1    One.example\n2001:db8::1  One.example' lookup ONE.EXAMPLE.
  check "$1: a name of several lines" prints '192.0.2.2  two.example\n192.0.2.3  two.example' lookup two.example
  check "$1: an alias leads to the name" prints '198.51.100.7  indented' lookup indented
  check "$1: the second file, whose last line has no end" prints '192.0.2.1  another.example' lookup another.example
  check "$1: the names of an address, of the first line that has it" \
    prints '192.0.2.1  One.example\n-          one\n-          uno' lookup 192.0.2.1 --flags $all
  check "$1: an address of IPv6" prints '2001:db8::1  one.example' lookup 2001:DB8:0::1
  printf '100.64.0.1 box.tail.ts.net. box.\n::ffff:198.51.100.8 mapped\nfe80::2%%lo zoned\n192.0.2.50 first \xff\xfe last\n192.0.2.51 \xff\n192.0.2.52 \xc3\x84RGER.Example\n' >"$work/second"
  check "$1: a dot at the end of a name, in the file and in the query" eval "prints '100.64.0.1  box.tail.ts.net' lookup box.tail.ts.net &&
    prints '100.64.0.1  box.tail.ts.net' lookup box.tail.ts.net. && prints '100.64.0.1  box.tail.ts.net\n-           box' lookup Box. --flags $all && prints '100.64.0.1  box.tail.ts.net' lookup 100.64.0.1"
  check "$1: a mapped address serves both families" prints '198.51.100.8         mapped\n::ffff:198.51.100.8  mapped' lookup mapped
  check "$1: an address of IPv4, however the file and the query write it" eval "prints '198.51.100.8  mapped' lookup 198.51.100.8 && prints '198.51.100.8  mapped' lookup ::ffff:198.51.100.8 &&
    prints '192.0.2.1  One.example' lookup ::ffff:192.0.2.1 && prints '192.0.2.1  One.example' lookup ::192.0.2.1 --class inet-hostaddrbyinetstring"
  check "$1: a zone is printed, in text and JSON, and taken" eval "prints 'fe80::2%lo  zoned' lookup zoned && lookup zoned --json | grep -q '\"fe80::2%lo\"' &&
    prints 'fe80::2%lo  zoned' lookup fe80::2%lo && prints 'fe80::2%lo  zoned' lookup fe80::2 && fails 2 WSASERVICE_NOT_FOUND lookup fe80::2%\$(($(cat /sys/class/net/lo/ifindex) + 999))"
  check "$1: a name that is no text costs that name alone, and is told" eval "prints '192.0.2.50  first' lookup last && fails 2 WSASERVICE_NOT_FOUND lookup 192.0.2.51 &&
    grep -q 'second:4: a name in it is no UTF-8' '$work/serve.err' && grep -q 'second:5: is no address with names' '$work/serve.err'"
  check "$1: case is ASCII's, whatever else a name has" eval "prints '192.0.2.52  ÄRGER.Example' lookup Ärger.EXAMPLE && fails 2 WSASERVICE_NOT_FOUND lookup ärger.example"
  listed() {
    seq 30 | sed 's/$/.nonsense/' >"$work/second" && sleep 0.1
    fails 2 WSASERVICE_NOT_FOUND lookup nobody.example && [ "$(grep -c 'second:[0-9]*: is no address' "$work/serve.err")" = $((10 + $1)) ] &&
      grep -q 'second: 20 more lines are left out' "$work/serve.err" || { tail -15 "$work/serve.err"; return 1; }
  }
  check "$1: ten of the lines that can't be used are listed, and the rest counted" eval "listed \$(grep -c 'second:[0-9]*: is no address' '$work/serve.err')"
  check "$1: a name that is nowhere" fails 2 WSASERVICE_NOT_FOUND lookup nobody.example
  check "$1: containers there are none" fails 2 WSANO_DATA lookup one --flags return-name,LUP_CONTAINERS
  check "$1: a class of another kind" fails 2 WSASERVICE_NOT_FOUND lookup one --class dns/mx

  changes() {
    local n
    for n in 1 2 3 4 5 6 7 8; do
      # The same length, within the same tick of the file system's clock.
      printf '192.0.2.1%s moving.example\n' $n >"$work/second"
      sleep 0.03
      prints "192.0.2.1$n  moving.example" lookup moving.example || return 1
    done
    printf '203.0.113.5 moving.example\n' >"$work/new" && mv "$work/new" "$work/second"
    prints '203.0.113.5  moving.example' lookup moving.example || return 1
    rm "$work/second" && fails 2 WSASERVICE_NOT_FOUND lookup moving.example || return 1
    printf '203.0.113.6 moving.example\n' >"$work/second" && prints '203.0.113.6  moving.example' lookup moving.example
  }
  check "$1: what is written, replaced, removed and made anew counts for the next lookup" changes
  unread() {
    rm "$work/second" && mkdir "$work/second"
    fails 1 WSATRY_AGAIN lookup nobody.example && prints '192.0.2.1  One.example' lookup one || return 1
    ! "$program" providers --exists hosts && nsphost inspect hosts | grep -q 'failing: .*second is left out: it is not a regular file' || return 1
    rmdir "$work/second" && fails 2 WSASERVICE_NOT_FOUND lookup nobody.example && "$program" providers --exists hosts
  }
  check "$1: a name may be in a file that can't be read: try again, and failing" unread

  garbage() {
    head -c 300000 /dev/urandom >"$work/second"
    printf '\n192.0.2.77 behind-it\n999.1.1.1 no-address\n10.0.0.1\n\0\n' >>"$work/second"
    prints '192.0.2.77  behind-it' lookup behind-it && prints '192.0.2.1    One.example\n2001:db8::1  One.example' lookup one.example &&
      grep -q "second:1: is no address with names" "$work/serve.err"
  }
  check "$1: noise in a file costs what can't be read, and is named" garbage
  pipe() {
    rm "$work/second" && mkfifo "$work/second" || return 1
    prints '198.51.100.7  indented' lookup indented && grep -q "second is left out: it is not a regular file" "$work/serve.err"
  }
  check "$1: a pipe in the place of a file keeps nobody waiting" pipe
  rm "$work/second"

  # Microseconds at the provider, by the host's own clock: the middle one of nine.
  median() { for _ in 1 2 3 4 5 6 7 8 9; do lookup "$1" --json | grep -o "\"status\":\"success\",\"took_us\":[0-9]*" | cut -d: -f3; done | sort -n | sed -n 5p; }
  within() { # a name, so many times what another one takes
    local one=$(median "$1") other=$(median "$3")
    [ "${one:-0}" -gt 0 ] && [ "${other:-0}" -gt 0 ] && [ "$one" -lt $((other * $2)) ] || { echo "$1: $one us; $3: $other us"; return 1; }
  }
  few=$(median one)
  large() {
    awk 'BEGIN { for (i = 0; i < 100000; i++) printf "10.%d.%d.%d host%d.example h%d\n", i / 65536, i / 256 % 256, i % 256, i, i }' >"$work/second"
    prints '10.1.134.159  host99999.example' lookup h99999 && prints '10.0.0.0  host0.example' lookup h0
  }
  check "$1: 100,000 lines" large
  flat() {
    local many=$(median h99999)
    [ "${many:-0}" -gt 0 ] && [ "$many" -lt $((100 * (few + 100))) ] || { echo "$few us among few, $many us among many"; return 1; }
  }
  check "$1: none of which a lookup reads again" flat
  # A name of 100,000 lines that say the same is as quick as one of a single line, where nothing goes through all of them.
  crowded() {
    awk 'BEGIN { for (i = 0; i < 100000; i++) print "192.0.2.1 crowd"; print "192.0.2.2 alone" }' >"$work/second"
    prints '192.0.2.1  crowd' lookup crowd && prints '192.0.2.2  alone' lookup alone || return 1
    within crowd 20 alone
  }
  check "$1: 100,000 lines of one name" crowded
  # An answer takes as long as it is: that of 100,000 lines has as many addresses as that of 4,096.
  wide() {
    awk 'BEGIN { for (i = 0; i < 100000; i++) printf "10.%d.%d.%d wide%s\n", i / 65536, i / 256 % 256, i % 256, i < 4096 ? " part" : "" }' >"$work/second"
    # To read them takes longer than a lookup may, where the build is one for debugging and the machine is busy.
    for _ in 1 2 3 4 5 6 7 8 9; do lookup one.example >/dev/null 2>&1 && break; done
    [ "$(lookup wide | grep -c '^10.*  wide$')" = 4096 ] && [ "$(lookup part | grep -c '^10.*  wide$')" = 4096 ] || return 1
    within wide 5 part
  }
  check "$1: 100,000 addresses of one name, of which 4,096 are given" wide
  rm "$work/second"
  check "$1: every session ended" settles
}
run in-process
run worker

# A worker that can connect to nothing still knows the machine's interfaces.
sed -i "/^deadline-ms/a allow-connect = []\nallow-read = [\"$work\"]" "$work/nsphost.toml"
printf 'fe80::2%%lo zoned\n' >"$work/second"
serve worker hosts
check "worker: a zone by name, where nothing may be connected to" eval "prints 'fe80::2%lo  zoned' lookup zoned && prints 'fe80::2%lo  zoned' lookup fe80::2%lo"
rm "$work/second"

# The same file read by glibc itself.
agrees() {
  local name ours theirs
  for name in one.example one uno two indented; do
    ours=$(lookup "$name" | awk '{print $1}' | sort)
    theirs=$(unshare -m sh -c "mount --bind $work/first /etc/hosts && getent -s files ahosts $name" | awk '$2 == "STREAM" {print $1}' | sort)
    [ -n "$ours" ] && [ "$ours" = "$theirs" ] || { printf '%s: ours:\n%s\ntheirs:\n%s\n' "$name" "$ours" "$theirs"; return 1; }
  done
}
if is_root "glibc's reading of the same file"; then check "glibc's nss_files says the same of every name" agrees; fi
stop
finish
