#!/bin/bash
# The bridge to modules of glibc's name service switch, in both isolation modes: glibc's own reading of files, modules of Debian, and modules
# that do everything that one should not.
#   check-nss.sh           needs root, the package's own build with libnsp (swift build --product NSPLibrary), its plugins (make plugins), and
#                          a C compiler
set -uo pipefail
# Its own /etc/hosts and /etc/services, which nobody else sees.
[ -n "${NSP_OWN_MOUNTS:-}" ] || NSP_OWN_MOUNTS=1 exec unshare -m "$0" "$@"
cd "$(dirname "$0")" || exit 1
umask 022
work=$(mktemp -d)
. ./host.sh
needs apt-get clang dpkg getent mount
trap cleanup EXIT
all=return-name,return-addr,return-aliases
modules=$work/modules

# Modules of Debian are unpacked, not installed: to install one changes how this machine looks names up.
debian() { # package
  local cache=$root/build/debian
  mkdir -p "$cache"
  ls "$cache/$1"_*.deb >/dev/null 2>&1 || (cd "$cache" && { apt-get download "$1" || { apt-get update && apt-get download "$1"; }; }) >/dev/null 2>&1
  dpkg -x "$(ls "$cache/$1"_*.deb 2>/dev/null | tail -1)" "$work/debian" 2>/dev/null && cp "$work"/debian/usr/lib/*-linux-gnu/libnss_*.so.2 "$modules"
}
mkdir "$modules"
for package in libnss-myhostname libnss-unknown; do
  debian $package || { echo "check-nss.sh: $package is not in build/debian and can't be downloaded" >&2; exit 1; }
done

cc=clang
module() { # name, what it has...
  local name=$1
  shift
  $cc -std=gnu11 -Wall -Wextra -Werror -shared -fPIC -fvisibility=hidden -DMODULE="$name" "$@" nss/scripted.c -o "$modules/libnss_$name.so.2" || exit 1
}
module scripted -DHAS_4 -DHAS_3 -DHAS_ADDRESS2 -DHAS_SERVICES
module families -DHAS_2 -DHAS_ADDRESS
module plain -DHAS_PLAIN
module dns -DHAS_4 -DHAS_3 -DHAS_ADDRESS2
module last -DHAS_4 -DHAS_SERVICES -DLAST
echo "no shared object" >"$modules/libnss_broken.so.2"
library=$(cd "$root" && swift build --show-bin-path)/libNSPLibrary.so
cp "$library" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so" || exit 1
$cc -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/ABI/CWinsock/include" nss/ask.c -o "$work/ask" -L"$work" -lnsp -pthread || exit 1
ask() { LD_LIBRARY_PATH=$work timeout 30 "$work/ask" "$@"; }

hosts=2a800 names=2a801 ports=2a802 addresses=2a803
bridge() { # isolation, modules, more lines of the provider's table
  local isolation=$1 list
  printf -v list '"%s", ' $2
  printf '[providers.nss]\ndeadline-ms = 1000\ngrace-ms = 2000\n%s\n[providers.nss.settings]\nmodules = [%s]\nfolder = "%s"\n' \
    "${3:-}" "${list%, }" "$modules" >"$work/nsphost.toml"
  serve "$isolation" nss
}
of_class() { local class=$1; shift; lookup "$@" --class "000$class-0000-0000-c000-000000000046"; }
logged() { grep -q "$1" "$work/serve.err" || { tail -5 "$work/serve.err"; return 1; }; }

# MARK: glibc's files

cat >"$work/hosts" <<END
# A comment
192.0.2.1   One.example one uno
2001:db8::1 one.example
192.0.2.2	two.example two	# three
192.0.2.3   two.example
::1         loop.example
127.0.0.1   loop.example loopback
198.51.100.7 umlaut-ä.example
END
cat >"$work/services" <<END
http        80/tcp      www        # the web
domain      53/tcp
domain      53/udp      nameserver
ntp         123/udp
signalling  2905/sctp   m3ua sig
video       5004/dccp
thin        5005/udplite
rtmp        1/ddp
last        65535/tcp
END
mount --bind "$work/hosts" /etc/hosts && mount --bind "$work/services" /etc/services || exit 1

# Lines as getent prints them, from records: name, port/protocol, aliases.
as_getent() {
  awk 'BEGIN { split("6 tcp 17 udp 33 dccp 132 sctp 136 udplite", p); for (i = 1; i < 10; i += 2) name[p[i]] = p[i + 1]
               split("6 1 17 2 33 6 132 1 136 2", t); for (i = 1; i < 10; i += 2) type[t[i]] = t[i + 1] }
       $2 == 0 { line = $1 " " $4 "/" (type[$5] == $6 && $3 == "0.0.0.0" ? name[$5] : "?") }
       $2 != 0 { line = line " " $1 }
       END { if (line != "") print line }'
}
same() { [ "$2" = "$3" ] || { printf '%s: ours:\n%s\ntheirs:\n%s\n' "$1" "$2" "$3"; return 1; }; }
agrees_on_hosts() {
  local name ours theirs
  for name in one.example ONE.example one uno two.example two loop.example loopback umlaut-ä.example nobody.example; do
    ours=$(lookup "$name" 2>/dev/null | awk '{print $1}' | sort)
    theirs=$(getent -A -i -s files ahosts "$name" | awk '$2 == "STREAM" {print $1}' | sort -u)
    [ "$name" = nobody.example ] || [ -n "$ours" ] || { echo "$name: nothing"; return 1; }
    same "$name" "$ours" "$theirs" || return 1
  done
}
agrees_on_aliases() {
  local name ours theirs
  for name in one.example two uno loopback 192.0.2.1 192.0.2.2 2001:db8::1 ::1; do
    ours=$(ask $hosts "$name" | awk '{print $1}' | sort -u)
    # One name after the other: of IPv6, of IPv4, and of getaddrinfo, as far as they have them.
    theirs=$({ getent -i -s files hosts "$name"; case $name in *.*.*.* | *:*) ;; *)
      getent -A -i -s files ahostsv4 "$name"; getent -i -s files hosts "$(getent -A -i -s files ahostsv4 "$name" | awk 'NR == 1 {print $1}')" ;; esac
      } | awk '{for (i = 2; i <= NF; i++) if ($i !~ /^(STREAM|DGRAM|RAW)$/) print $i}' | sort -u)
    [ -n "$ours" ] || { echo "$name: nothing"; return 1; }
    same "$name" "$ours" "$theirs" || return 1
  done
}
agrees_on_services() {
  local key
  for key in http/tcp http www www/tcp domain domain/tcp domain/udp nameserver ntp ntp/udp ntp/tcp signalling/sctp m3ua video/dccp thin/udplite last \
    80 80/tcp 80/udp 53 53/udp 123/udp 2905/sctp 5004/dccp 5005/udplite 65535 65535/tcp 4 nobody nobody/tcp http/foo; do
    same "$key" "$(ask $ports "$key" | as_getent)" "$(getent -s files services "$key" | awk '{$1 = $1; print}')" || return 1
  done
}
files() {
  bridge "$1" files
  check "$1: glibc says the same of the addresses of every name" agrees_on_hosts
  check "$1: glibc says the same of every other name of a name or an address" agrees_on_aliases
  check "$1: glibc says the same of every service, by name and by port, with protocol and type of socket" agrees_on_services
  check "$1: an alias is told from the name" prints '192.0.2.1  One.example\n-          one\n-          uno' lookup 192.0.2.1 --flags $all
  check "$1: an address of IPv4, written as one of IPv6" eval "prints '192.0.2.1  One.example' lookup ::ffff:192.0.2.1 && prints '192.0.2.1  One.example' of_class $names ::192.0.2.1"
  check "$1: the class of names of an address takes addresses alone" fails 1 WSAEINVAL of_class $names one.example
  check "$1: and the class of addresses of a name takes an address for a name" fails 2 WSASERVICE_NOT_FOUND of_class $addresses 192.0.2.77
  check "$1: what is no number of a port" fails 2 WSASERVICE_NOT_FOUND of_class $ports 65536/tcp
  check "$1: what is no service" fails 1 WSAEINVAL of_class $ports http/
  check "$1: a protocol without ports" fails 2 WSANO_DATA of_class $ports rtmp/ddp
  check "$1: a class of another kind" fails 2 WSASERVICE_NOT_FOUND lookup one --class dns/mx
  check "$1: a name longer than any" fails 2 WSASERVICE_NOT_FOUND lookup "$(printf '%1025s' | tr ' ' a)"
  check "$1: every session ended" settles
}

# MARK: Debian's modules

# What glibc itself gets from myhostname. It numbers the interface of a link-local address, which we name.
numbered() { while IFS=% read -r address zone; do echo "$address${zone:+%$(cat "/sys/class/net/$zone/ifindex")}"; done; }
own_name() {
  same "$1" "$(lookup "$1" | awk '{print $1}' | numbered | sort)" \
    "$(LD_LIBRARY_PATH=$modules getent -A -s myhostname ahosts "$1" | awk '$2 == "STREAM" {print $1}' | sort -u)"
}
debians() {
  local own
  own=$(hostname)
  bridge "$1" "unknown myhostname"
  check "$1: myhostname: the name of this machine" own_name "$own"
  check "$1: myhostname: localhost, of both families" prints '127.0.0.1  localhost\n::1        localhost' lookup localhost
  check "$1: myhostname: a name under localhost" prints '127.0.0.1  localhost\n::1        localhost' lookup anything.localhost
  check "$1: myhostname: the name of an address" prints '127.0.0.1  localhost' lookup 127.0.0.1
  check "$1: myhostname: nobody else's name" fails 2 WSASERVICE_NOT_FOUND lookup nobody.example
  check "$1: myhostname: has nothing of services: a stub" fails 2 WSASERVICE_NOT_FOUND of_class $ports http/tcp
  check "$1: unknown: is asked first, and has nothing for hosts" logged 'libnss_unknown.so.2 has nothing for hosts or services'
  bridge "$1" "files myhostname"
  check "$1: files, then myhostname: the first that has it answers" prints '127.0.0.1  loop.example\n::1        loop.example' lookup loop.example
  check "$1: files, then myhostname: the next where it has not" prints '127.0.0.1  localhost\n::1        localhost' lookup localhost
}

# Names that stay on this machine: a module that is called dns would send them to servers, whatever it has.
special() {
  bridge "$1" dns
  check "$1: dns: is asked for names of any kind" prints '198.51.100.0  fine\n2001:db8::5   fine' lookup fine
  check "$1: dns: is not asked for this machine's, nor for what Tor alone knows" eval "fails 2 WSASERVICE_NOT_FOUND lookup x.onion &&
    fails 2 WSASERVICE_NOT_FOUND lookup X.Onion. && fails 2 WSASERVICE_NOT_FOUND lookup a.localhost"
  bridge "$1" "dns scripted"
  check "$1: others are" eval "lookup x.onion | grep -q '^198.51.100.0 ' && lookup a.localhost | grep -q '^198.51.100.0 '"
}

# MARK: Modules that do what they should not

# A lookup's end comes within the deadline.
in_time() { # most milliseconds, status, text, command...
  local most=$1 start=${EPOCHREALTIME/./} took
  shift
  fails "$@" || return 1
  took=$(((${EPOCHREALTIME/./} - start) / 1000))
  [ $took -le "$most" ] || { echo "took $took ms"; return 1; }
}
rubbish() { # name, text of the log
  fails 1 WSASYSCALLFAILURE lookup "$1" && logged "libnss_.*left rubbish: $2"
}
scripted() {
  local mode=$1 name
  bridge "$mode" "scripted"
  check "$mode: addresses by the function that knows both families, aliases by the other" \
    prints '198.51.100.0  fine\n2001:db8::5   fine\n-             fine-alias' lookup fine --flags $all
  check "$mode: a buffer that suffices at once" prints '2 1' grown 1000
  check "$mode: a buffer that is doubled twice" prints '6 3' grown 4096
  check "$mode: the largest buffer" prints '22 11' grown 1048576
  check "$mode: a byte more is too much" fails 1 WSATRY_AGAIN lookup grow-1048577
  check "$mode: a module that no buffer contents" fails 1 WSATRY_AGAIN lookup never
  check "$mode: is asked eleven times, not for ever" prints '198.51.100.0  calls-of-never\n2001:db8::5   calls-of-never\n-             0\n-             11' \
    lookup calls-of-never --flags $all
  check "$mode: buffers grow for addresses and services too" grows_elsewhere
  check "$mode: 4,096 addresses" many 4096 4096
  check "$mode: more than that have no end" rubbish many-4097 "a list of addresses that has no end"
  check "$mode: an answer in memory of the module's own" prints '192.0.2.33  own\n-           own-alias' lookup static --flags $all
  check "$mode: a family that nobody knows is passed over" prints '198.51.100.0  mixed\n2001:db8::5   mixed' lookup mixed
  check "$mode: nothing but a family that nobody knows" fails 2 WSANO_DATA lookup family-77
  check "$mode: for now" fails 1 WSATRY_AGAIN lookup temporary
  check "$mode: for now, with an error of another call behind it" fails 1 WSATRY_AGAIN lookup stale-errno
  check "$mode: no data" fails 2 WSANO_DATA lookup no-data
  check "$mode: unavailable" fails 1 WSASYSCALLFAILURE lookup unavailable
  for name in "status-77:status 77" "endless:a list of addresses that has no end" "wild-list:an address that leads nowhere" \
    "wild-name:the name of the host is no text" "long-name:the name of the host is no text" "not-utf8:the name of the host is no text" \
    "cut-off:the name of the host is no text" "nothing:no addresses"; do
    check "$mode: rubbish of ${name%%:*}: ${name#*:}" rubbish "${name%%:*}" "${name#*:}"
  done
  check "$mode: rubbish of addresses" fails 1 WSASYSCALLFAILURE lookup 198.51.100.4
  check "$mode: rubbish of services" odd_services

  check "$mode: how long an answer may be kept, where the module says it" says '"blob":"4e5350444d0000000100000000000000' lookup fine --json
  check "$mode: noise, 2,000 times: nothing but answers" noise

  bridge "$mode" "families"
  check "$mode: a module that is asked for each family" prints '198.51.100.0  fine\n2001:db8::5   fine\n-             fine-alias' lookup fine --flags $all
  check "$mode: a list without end in the whole buffer" rubbish endless "an address that leads nowhere\|a list of aliases"
  check "$mode: a length that no family has" rubbish long-99 "addresses of 99 bytes"
  check "$mode: a family that is none" rubbish family-77 "addresses of .* bytes and of family 77"
  check "$mode: no name" rubbish no-name "the name of the host is no text"
  check "$mode: lists that lead nowhere" rubbish wild-list "a list of aliases that leads nowhere"
  check "$mode: the older function for addresses" prints '198.51.100.0  fine' lookup 198.51.100.1
  bridge "$mode" "plain"
  check "$mode: a module that has one function alone" prints '198.51.100.0  fine\n-             fine-alias' lookup fine --flags $all
  check "$mode: stubs for the others" fails 2 WSASERVICE_NOT_FOUND lookup 198.51.100.1
}
# How often a buffer was offered for an answer: by the function for addresses with that for names of IPv4, then by that for names of IPv6.
grown() { lookup "grow-$1" --flags $all | awk '$2 ~ /^calls-/ {print substr($2, 7)}' | awk '{n = n ? n " " $1 : $1} END {print n}'; }
grows_elsewhere() {
  prints '198.51.100.0  grow-9000' lookup 198.51.100.2 && fails 1 WSATRY_AGAIN lookup 198.51.100.3 &&
    prints 'grow-9000 0 0.0.0.0 4711 6 1\ncalls-5 1' ask $ports grow-9000/tcp && fails 1 WSATRY_AGAIN of_class $ports never
}
says() { local text=$1 out; shift; out=$("$@" 2>&1) && [[ $out == *$text* ]] || { echo "$out"; return 1; }; }
# Whatever comes of it, it is the same process that answers afterwards.
noise() {
  local before after
  before=$(provider_process)
  ask $hosts noise 125 8 >/dev/null
  ask $ports noise 125 8 >/dev/null
  after=$(provider_process)
  [ "$before" = "$after" ] && logged 'left rubbish' && prints '198.51.100.0  fine\n2001:db8::5   fine' lookup fine
}
provider_process() { pgrep -P $host | grep . || echo $host; }
many() { [ "$(lookup "many-$1" | wc -l)" = "$2" ] && lookup "many-$1" | grep -q '^198.51.115.255 '; }
odd_services() {
  prints 'fine 0 0.0.0.0 4711 17 2\nfine-alias 1' ask $ports 4711/udp && fails 2 WSANO_DATA of_class $ports unknown-protocol &&
    fails 1 WSASYSCALLFAILURE of_class $ports far-port && fails 1 WSASYSCALLFAILURE of_class $ports no-name/tcp &&
    fails 1 WSASYSCALLFAILURE of_class $ports endless/tcp
}

# One after the other.
order() {
  local mode=$1 name
  bridge "$mode" "missing broken scripted plain last"
  for name in nobody unavailable temporary no-data wild-name family-77 never status-77; do
    check "$mode: the next is asked after $name" prints '198.51.100.0  fine\n2001:db8::5   fine' lookup "then-$name"
  done
  check "$mode: whoever may know later counts most" fails 1 WSATRY_AGAIN lookup temporary
  check "$mode: an answer ends it" prints '198.51.100.0  fine\n2001:db8::5   fine' lookup fine
  check "$mode: one that is not there is named, once" once 'libnss_missing.so.2 can.t be loaded: '
  check "$mode: one that is no library too" once 'libnss_broken.so.2 can.t be loaded: '
  bridge "$mode" "missing broken"
  check "$mode: none that can be loaded" fails 1 WSATRY_AGAIN lookup fine
  chmod o+w "$modules/libnss_plain.so.2"
  bridge "$mode" "plain"
  check "$mode: nor one that anybody can write" fails 1 WSATRY_AGAIN lookup fine
  check "$mode: which is said" logged 'libnss_plain.so.2 belongs to others than root and the running user, or they can write it'
  chmod o-w "$modules/libnss_plain.so.2"
}
once() { [ "$(grep -c "$1" "$work/serve.err")" = 1 ] || { grep "$1" "$work/serve.err"; return 1; }; }

refused() { # modules, folder, text of the log
  printf '[providers.nss.settings]\nmodules = %s\nfolder = "%s"\n' "$1" "$2" >"$work/nsphost.toml"
  serve in-process nss
  fails 1 WSATRY_AGAIN lookup fine && logged "its settings can't be used: $3"
}

hangs() {
  local mode=$1
  bridge "$mode" "scripted"
  check "$mode: a module that hangs: an answer at the deadline" in_time 10000 1 WSATRY_AGAIN lookup hang
  check "$mode: and others go on" prints '198.51.100.0  fine\n2001:db8::5   fine' retried fine
  # In good order it would wait for the thread that the module keeps.
  { kill -9 $host && wait $host; } 2>/dev/null
  host=
}
# Again, as long as the process is being started anew.
retried() { local _; for _ in 1 2 3 4 5 6 7 8 9 10; do lookup "$@" 2>/dev/null && return; sleep 0.3; done; lookup "$@"; }
crashes() {
  bridge worker "scripted"
  check "worker: a module that crashes: an answer at once" in_time 10000 1 WSATRY_AGAIN lookup crash
  check "worker: the host lives, and the next one is answered" prints '198.51.100.0  fine\n2001:db8::5   fine' retried fine
  check "worker: and says whose fault it was" logged 'SIGSEGV'
  killed() {
    local process
    for _ in 1 2 3; do
      process=$(pgrep -P $host) && kill -9 $process && prints '198.51.100.0  fine\n2001:db8::5   fine' retried fine || return 1
    done
  }
  check "worker: its process is killed, and there is another" killed
}

# Many at once, and many one after the other: what the process has open and what it takes must not grow.
endures() {
  local mode=$1 process before after before_memory after_memory
  bridge "$mode" "scripted"
  process=$(provider_process)
  [ "$(ask $hosts fine 125 8)" = 1000 ] || return 1
  before=$(ls /proc/$process/fd | wc -l) && before_memory=$(awk '/VmRSS/ {print $2}' /proc/$process/status)
  [ "$(ask $hosts grow-9000 125 8)" = 1000 ] && [ "$(ask $ports fine/tcp 250 8)" = 2000 ] && [ "$(ask $hosts fine 250 8)" = 2000 ] || return 1
  after=$(ls /proc/$process/fd | wc -l) && after_memory=$(awk '/VmRSS/ {print $2}' /proc/$process/status)
  echo "descriptors $before, then $after; memory $before_memory kB, then $after_memory kB"
  # A worker has a socket for each thread that has ever been busy at the same time.
  [ $after -le $((before + 8)) ] && [ $after_memory -le $((before_memory + 8192)) ]
}

for mode in in-process worker; do
  files $mode
  debians $mode
  scripted $mode
  special $mode
  order $mode
  check "$mode: 6,000 lookups, eight at a time, take nothing that stays" endures $mode
  hangs $mode
done
crashes
check "the module that leads back here is refused" refused '["files", "nsp"]' "$modules" "nsp, of modules, asks this host"
check "so is what is no name" refused '["../evil"]' "$modules" "../evil, of modules, is no name of a module"
check "and no module at all" refused '[]' "$modules" "modules is empty"
check "and a folder that is somewhere" refused '["files"]' "modules" "modules, of folder, is not an absolute path"
stop
finish
