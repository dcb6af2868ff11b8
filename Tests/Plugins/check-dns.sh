#!/bin/bash
# The provider of the Domain Name System, in both isolation modes, against a real server (knot) and against servers that misbehave.
#   check-dns.sh         needs the package's own build and its plugins (make plugins), knot, knot-dnsutils, python3 and a C compiler
set -uo pipefail
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
. ./host.sh
PATH=$PATH:/usr/sbin
needs clang knotd kdig python3 setpriv
declare -A server=()
export LD_LIBRARY_PATH=$work/lib
stop_server() { [ -z "${server[$1]:-}" ] || { kill -9 "${server[$1]}" && wait "${server[$1]}"; server[$1]=; } 2>/dev/null; }
trap 'for name in "${!server[@]}"; do stop_server "$name"; done; cleanup' EXIT
# Ports that nobody has, for UDP and TCP.
read -r port silent late garbage without refusing names < <(python3 -c '
import socket
kept = []
while len(kept) < 14:
    udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
    udp.bind(("127.0.0.1", 0))
    try: tcp.bind(udp.getsockname())
    except OSError: continue
    kept += [udp, tcp]
print(*[one.getsockname()[1] for one in kept[::2]])')

# An address of this machine for resolv.conf, which names no ports.
address=127.$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1)).7
mkdir -p "$work/zones" "$work/knot" "$work/lib"
cp "$(dirname "$program")/libNSPLibrary.so" "$work/lib/libnsp.so.0" && ln -s libnsp.so.0 "$work/lib/libnsp.so"
clang -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/ABI/CWinsock/include" many.c -o "$work/many" \
  -L"$work/lib" -lnsp -pthread || exit 1

# The zones.
zone() { cat - <(printf '@ 60 SOA ns.example.test. hostmaster.example.test. 1 3600 600 86400 30\n@ 300 NS ns.example.test.\n') >"$work/zones/$1.zone"; }
{
  cat <<'ZONE'
ns 300 A 127.0.0.1
@ 300 MX 10 mail2
@ 300 MX 5 mail
@ 300 MX 10 mail1
www 120 A 192.0.2.1
www 120 A 192.0.2.2
www 90 AAAA 2001:db8::1
v4 300 A 192.0.2.4
v6 300 AAAA 2001:db8::6
alias 50 CNAME alias2
alias2 40 CNAME www
away 300 CNAME host.other.test.
nowhere 300 CNAME nobody.other.test.
void 300 CNAME .
hidden 300 CNAME x.onion.
self 300 CNAME a.localhost.
ring1 300 CNAME ring2
ring2 300 CNAME ring1
_sip._tcp 300 SRV 10 5 5060 www
_sip._tcp 300 SRV 20 0 5061 v4
text 300 TXT "one" "two"
binary 300 TXT "\255\000"
*.wild 300 A 192.0.2.77
xn--bcher-kva 300 A 192.0.2.88
other.dots 300 A 192.0.2.90
ZONE
  printf 'long 300 TXT "%0255d" "%0100d"\n' 1 2
  seq 0 499 | awk '{ printf "many 300 A 10.1.%d.%d\n", $1 / 256, $1 % 256 }'
  seq 100 149 | awk '{ printf "manytext 300 TXT \"%d-%200s\"\n", $1, "x" }'
} | zone example.test
printf 'host 20 A 198.51.100.9\nhost 20 AAAA 2001:db8:9::9\nwww 300 A 198.51.100.1\n' | zone other.test
printf '1 70 PTR www.example.test.\n1 70 PTR alias.example.test.\n' | zone 2.0.192.in-addr.arpa
printf '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 70 PTR www.example.test.\n' | zone 8.b.d.0.1.0.0.2.ip6.arpa
printf '1%s 70 PTR www.example.test.\n' "$(printf '.0%.0s' $(seq 27))" | zone 0.8.e.f.ip6.arpa
printf 'pointer 300 CNAME elsewhere\nworded 300 TXT "x"\n' | zone dynamic.test
secret=$(head -c 32 /dev/urandom | base64)
cat >"$work/knot.conf" <<END_OF_KNOT
server:
    rundir: $work/knot
    listen: [ 127.0.0.1@$port, $address@53 ]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: $work/knot
log:
  - target: stderr
    any: warning
key:
  - id: update.key
    algorithm: hmac-sha256
    secret: $secret
acl:
  - id: updates
    key: update.key
    action: update
template:
  - id: default
    storage: $work/zones
    file: "%s.zone"
    zonefile-sync: -1
zone:
  - domain: example.test
  - domain: other.test
  - domain: 2.0.192.in-addr.arpa
  - domain: 8.b.d.0.1.0.0.2.ip6.arpa
  - domain: 0.8.e.f.ip6.arpa
  - domain: broken.test # it has no file: SERVFAIL
  - domain: dynamic.test
    acl: updates
END_OF_KNOT
key() { printf 'key "%s" {\n\talgorithm hmac-sha256;\n\tsecret "%s";\n};\n' "$2" "$3" >"$work/$1" && chmod 600 "$work/$1"; }
key right update.key "$secret" && key wrong update.key "$(head -c 32 /dev/urandom | base64)" && key unknown another.key "$secret"
printf '# made by hand\n// for the updates\n/* of\n   dynamic.test */\nkey "update.key" { # its name\n\talgorithm HMAC-SHA256.; // with a dot\n\tsecret "%s";\n};\n' "$secret" >"$work/commented" &&
  chmod 600 "$work/commented"
head -c 1000 /dev/urandom >"$work/nonsense" && chmod 600 "$work/nonsense"
answers() { kdig +short +retry=0 +timeout=1 @127.0.0.1 -p "$port" "$@" 2>/dev/null | grep -v '^;;' | sort | paste -sd ' '; }
start_knot() {
  knotd -c "$work/knot.conf" 2>>"$work/knot.log" & server[knot]=$!
  for _ in $(seq 100); do [ "$(answers v4.example.test A)" = 192.0.2.4 ] && return; kill -0 "${server[knot]}" || break; sleep 0.05; done
  echo "knotd does not start" && cat "$work/knot.log" && exit 1
}
start_server() { # mode, port
  python3 dns-server.py "$1" "$2" >"$work/$1.out" 2>"$work/$1.err" & server[$1]=$!
  for _ in $(seq 100); do grep -q ready "$work/$1.out" && return; sleep 0.05; done
  echo "the $1 server does not start" && cat "$work/$1.err" && exit 1
}
start_knot && start_server names "$names" && start_server silent "$silent" && start_server late "$late" && start_server garbage "$garbage" && start_server without "$without"

# Starts the host with these settings of the provider.
serve_with() { # isolation, lines...
  local isolation=$1
  shift
  printf '%s\n' '[providers.dns.settings]' "$@" >"$work/nsphost.toml"
  serve "$isolation" dns
}
own="servers = [\"127.0.0.1:$port\"]"
updates="update-server = \"127.0.0.1:$port\""
all=return-name,return-addr,return-aliases
# The blob of the first record, as nspdns.h has it.
blob() { lookup "$@" --json --flags return-all | grep -o '"blob":"[0-9a-f]*"' | head -1 | cut -d'"' -f4; }
little() { printf '%08x' "$1" | sed 's/\(..\)\(..\)\(..\)\(..\)/\4\3\2\1/'; }
# The milliseconds that a command takes, which must succeed.
milliseconds() {
  local start=$(date +%s%N)
  "$@" >/dev/null || return 1
  echo $((($(date +%s%N) - start) / 1000000))
}
# The process that the provider runs in.
process() { if [ "$1" = worker ]; then pgrep -P "$host"; else echo "$host"; fi; }
threads() { ls "/proc/$1/task" | wc -l; }

questions() { # isolation
  serve_with "$1" "$own" 'search = ["example.test", "other.test"]' 'ndots = 2' 'timeout-ms = 400'
  check "$1: addresses of both families" prints '192.0.2.1    www.example.test\n192.0.2.2    www.example.test\n2001:db8::1  www.example.test' \
    lookup www.example.test
  check "$1: a name in other letters, and with the root's dot" prints '192.0.2.4  V4.Example.TEST' lookup V4.Example.TEST.
  check "$1: a name with addresses of one family" prints '2001:db8::6  v6.example.test' lookup v6.example.test
  check "$1: a chain of CNAMEs, and its names" prints \
    '192.0.2.1    www.example.test\n192.0.2.2    www.example.test\n2001:db8::1  www.example.test\n-            alias.example.test\n-            alias2.example.test' \
    lookup alias.example.test --flags $all
  check "$1: a chain into another zone" prints '198.51.100.9   host.other.test\n2001:db8:9::9  host.other.test' lookup away.example.test.
  check "$1: a chain whose end is not there" fails 2 WSASERVICE_NOT_FOUND lookup nowhere.example.test.
  check "$1: a chain that is a ring" fails 2 WSANO_DATA lookup ring1.example.test.
  check "$1: a wildcard" prints '192.0.2.77  any.wild.example.test' lookup any.wild.example.test
  check "$1: a name beyond ASCII" prints '192.0.2.88  xn--bcher-kva.example.test' lookup Bücher.example.test
  check "$1: as it is, where that is asked for" fails 2 WSASERVICE_NOT_FOUND lookup bücher.example.test. --flags return-name,LUP_DISABLE_IDN_ENCODING
  check "$1: a name that can't be one" fails 1 WSAEINVAL lookup "$(printf 'x%.0s' $(seq 70)).example.test."
  check "$1: search: the first domain that has it" prints '192.0.2.1    www.example.test\n192.0.2.2    www.example.test\n2001:db8::1  www.example.test' \
    lookup www
  check "$1: search: the second domain, once the first has not" prints '198.51.100.9   host.other.test\n2001:db8:9::9  host.other.test' lookup host
  check "$1: search: fewer dots than ndots" prints '192.0.2.90  other.dots.example.test' lookup other.dots
  check "$1: search: a final dot keeps a name from it" fails 1 WSAEREFUSED lookup www.
  check "$1: NXDOMAIN" fails 2 WSASERVICE_NOT_FOUND lookup nobody.example.test.
  check "$1: a name without data of the type" fails 2 WSANO_DATA lookup v4.example.test. --class dns/mx
  check "$1: SERVFAIL" fails 1 WSATRY_AGAIN lookup host.broken.test.
  check "$1: a zone that the server has not" fails 1 WSAEREFUSED lookup www.elsewhere.invalid.
  check "$1: what is no name of this kind" fails 2 WSASERVICE_NOT_FOUND lookup someone@example.test
  check "$1: names of an address, the first and the others" prints '192.0.2.1  www.example.test\n-          alias.example.test' lookup 192.0.2.1 --flags $all
  check "$1: the name of an address of IPv6" prints '2001:db8::1  www.example.test' lookup 2001:DB8:0::1
  check "$1: an address of IPv4, written as one of IPv6" eval "prints '192.0.2.1  www.example.test' lookup ::ffff:192.0.2.1 &&
    prints '192.0.2.1  www.example.test' lookup ::192.0.2.1 && prints '192.0.2.1  www.example.test' lookup ::ffff:192.0.2.1 --class inet-hostaddrbyinetstring"
  check "$1: an address with a zone, which comes back" prints 'fe80::1%lo  www.example.test' lookup fe80::1%lo
  check "$1: a CNAME to the root is no data" fails 2 WSANO_DATA lookup void.example.test.
  check "$1: a CNAME to this machine, and one to what Tor alone knows" eval "prints '127.0.0.1  a.localhost\n::1        a.localhost' lookup self.example.test. &&
    fails 2 WSASERVICE_NOT_FOUND lookup hidden.example.test."
  check "$1: SRV" prints '-  www.example.test\n-  v4.example.test' lookup _sip._tcp.example.test --class dns/srv
  check "$1: MX, with ties" prints '-  mail.example.test\n-  mail1.example.test\n-  mail2.example.test' lookup example.test --class dns/mx
  check "$1: NS, CNAME, SOA" eval "prints '-  ns.example.test' lookup example.test --class dns/ns &&
    prints '-  alias2.example.test' lookup alias.example.test --class dns/cname && prints '-  example.test' lookup example.test --class dns/soa"
  text() { lookup "$1.example.test" --class dns/txt --json | grep -o '"comment":"[^"]*"'; }
  check "$1: TXT of several strings, and of more than 255 bytes" eval "[ \$(text text) = '\"comment\":\"onetwo\"' ] &&
    [ \$(text long) = '\"comment\":\"$(printf '%0255d%0100d' 1 2)\"' ]"
  check "$1: TXT that is no text comes in the blob alone" eval "! text binary && [ \$(blob binary.example.test --class dns/txt) = \
    4e535044$(little 300)1000000000000000$(little 3)02ff00 ]"
  check "$1: blob: SRV with priority, weight, port and data" eval "blob _sip._tcp.example.test --class dns/srv |
    grep -qE '^4e535044$(little 300)2100(0a000500c413|140000.*c513)'"
  check "$1: blob: the least time to live along the chain" eval "[ \$(blob alias.example.test) = 4e535044$(little 40)0100000000000000$(little 0) ]"
  # Of both kinds the server's UDP answer is cut off: it takes TCP to see all.
  cut_off() { kdig +notcp +ignore +noedns @127.0.0.1 -p "$port" "$1.example.test" "$2" | grep -q '^;; Flags:.* tc' && shift 2 && [ "$("$@" --no-legend | wc -l)" = "$count" ]; }
  check "$1: 500 addresses, by TCP" eval "count=500; cut_off many A lookup many.example.test"
  check "$1: 50 texts, by TCP" eval "count=50; cut_off manytext TXT lookup manytext.example.test --class dns/txt"
  unlinked() { # a server that dies, and comes back
    stop_server knot
    fails 1 WSATRY_AGAIN lookup v4.example.test. || return 1
    start_knot && prints '192.0.2.4  v4.example.test' lookup v4.example.test.
  }
  check "$1: a server that is killed, and comes back" unlinked
  check "$1: every session ended" settles
}

servers() { # isolation
  serve_with "$1" "servers = [\"127.0.0.1:$silent\", \"127.0.0.1:$port\"]" 'timeout-ms = 2000' 'search = []'
  remembers() {
    local first second
    first=$(milliseconds lookup v4.example.test) && second=$(milliseconds lookup v6.example.test) && [ "$first" -ge 2000 ] && [ "$second" -lt 2000 ] ||
      { echo "$first ms, then $second ms"; return 1; }
  }
  check "$1: a dead first server costs its time once" remembers
  serve_with "$1" "servers = [\"127.0.0.1:$refusing\", \"127.0.0.1:$port\"]" 'timeout-ms = 2000' 'search = []'
  quickly() { local took; took=$(milliseconds "$@") && [ "$took" -lt 2000 ] || { echo "$took ms"; return 1; }; }
  check "$1: a first server that nobody is" quickly lookup v4.example.test
  serve_with "$1" "servers = [\"127.0.0.1:$port\", \"127.0.0.1:$without\"]" 'search = []'
  check "$1: after SERVFAIL the next server" prints '192.0.2.1  any.broken.test\n::         any.broken.test' lookup any.broken.test
  serve_with "$1" "servers = [\"127.0.0.1:$without\"]" 'search = []'
  check "$1: a server that knows no EDNS" prints '192.0.2.1  plain.test\n::         plain.test' lookup plain.test
  serve_with "$1" "servers = [\"127.0.0.1:$names\"]" 'search = ["example.test", "localhost"]' 'ndots = 2'
  unsent() {
    local name asked
    for name in localhost LOCALHOST. a.b.localhost '\108ocalhost'; do lookup "$name" >"$work/out" && [ "$(grep -c '^127.0.0.1  \|^::1  ' "$work/out")" = 2 ] || { echo "$name:" && cat "$work/out"; return 1; }; done
    fails 2 WSANO_DATA lookup localhost --class dns/mx && fails 2 WSANO_DATA lookup a.localhost --class dns/txt || return 1
    for name in x.onion X.Onion. a.b.onion 'x.\111nion' onion. x.onion.; do fails 2 WSASERVICE_NOT_FOUND lookup "$name" || { echo "$name"; return 1; }; done
    fails 2 WSASERVICE_NOT_FOUND lookup x.onion --class dns/txt && fails 2 WSASERVICE_NOT_FOUND lookup onion && fails 2 WSASERVICE_NOT_FOUND lookup www || return 1
    asked=$(grep -v ready "$work/names.out" | tr A-Z a-z | sort -u | paste -sd ' ')
    [ "$asked" = "onion.example.test www www.example.test" ] || { echo "asked: $asked"; return 1; }
  }
  check "$1: localhost is this machine, and neither it nor what Tor alone knows is ever sent" unsent
  stop_server names && start_server names "$names"

  serve_with "$1" "servers = [\"127.0.0.1:$garbage\"]" 'search = []' 'timeout-ms = 30'
  noise() {
    local kind
    for kind in noise short cut more lies size pointer beyond label self other endless; do
      "$program" lookup "$kind.test" >"$work/noise" 2>&1 && { echo "$kind:" && cat "$work/noise"; return 1; }
      grep -qE 'WSATRY_AGAIN|WSAEREFUSED|WSANO_DATA' "$work/noise" || { echo "$kind:" && cat "$work/noise"; return 1; }
    done
    prints '192.0.2.1  plain.test\n::         plain.test' lookup plain.test
  }
  check "$1: answers that are none, in twelve ways" noise

  serve_with "$1" "servers = [\"127.0.0.1:$late\"]" 'search = []' 'timeout-ms = 8000'
  thousand() {
    local pid before inflight
    lookup warm.test >/dev/null || return 1
    pid=$(process "$1") && before=$(threads "$pid")
    "$work/many" ask 1000 late.test >"$work/asked" & local asker=$!
    for _ in $(seq 200); do grep -q asked "$work/asked" && break; sleep 0.02; done
    inflight=$(threads "$pid")
    wait $asker || { cat "$work/asked"; return 1; }
    # Two questions a name, and none had been answered when the last was asked.
    [ "$(tail -1 "$work/late.out")" = "waiting 2000" ] || { tail -1 "$work/late.out"; return 1; }
    [ "$inflight" -le $((before + 8)) ] || { echo "$before threads before, $inflight with a thousand queries"; return 1; }
  }
  stop_server late && start_server late "$late"
  check "$1: 1,000 queries in flight, and no thread for each" thousand "$1"
  crash() {
    "$work/many" ask 200 late.test >"$work/asked" & local asker=$!
    for _ in $(seq 200); do grep -q asked "$work/asked" && break; sleep 0.02; done
    kill -9 "$(process worker)"
    ! wait $asker && grep -q "^0 records" "$work/asked" || { cat "$work/asked"; return 1; }
    # The host starts another, which takes it a moment.
    for _ in $(seq 50); do lookup after.test >/dev/null 2>&1 && break; sleep 0.1; done
    prints '192.0.2.99  after.test' lookup after.test
  }
  [ "$1" = in-process ] || check "$1: a worker that is killed with 200 in flight" crash

  serve_with "$1" "servers = [\"127.0.0.1:$silent\"]" 'search = []' 'timeout-ms = 5000'
  check "$1: End and cancel, while nobody answers" "$work/many" cancel nobody.test
  check "$1: every session ended" settles
}

configurations() { # isolation
  printf 'nameserver %s\nsearch other.test\n' $address >"$work/resolv.conf"
  serve_with "$1" "resolv-conf = \"$work/resolv.conf\""
  check "$1: resolv.conf: server and search domain" prints '198.51.100.1  www.other.test' lookup www
  edited() {
    printf 'nameserver %s\nsearch example.test\noptions ndots:2 timeout:1 attempts:1\n' $address >"$work/resolv.conf"
    sleep 1.1
    prints '192.0.2.4  v4.example.test' lookup v4 && prints '192.0.2.90  other.dots.example.test' lookup other.dots || return 1
    printf 'nameserver %s\nsearch example.test\noptions timeout:1 attempts:1\n' ${address%7}8 >"$work/new" && mv "$work/new" "$work/resolv.conf"
    sleep 1.1
    fails 1 WSATRY_AGAIN lookup v4 || return 1
    rm "$work/resolv.conf" && mkfifo "$work/resolv.conf" && sleep 1.1 && fails 1 WSA lookup v4.example.test. || return 1
    rm "$work/resolv.conf" && printf 'nameserver %s\n' $address >"$work/resolv.conf" && sleep 1.1 &&
      prints '192.0.2.4  v4.example.test' lookup v4.example.test
  }
  check "$1: resolv.conf, edited, replaced, no file, and back" edited
  refuses() { # what is said, settings...
    local said=$1
    shift
    serve_with "$isolation" "$@" || return 1
    fails 1 WSA lookup v4.example.test && grep -qF "$said" "$work/serve.err" || { tail -3 "$work/serve.err"; return 1; }
  }
  local isolation=$1
  keyless() { # what is said, file
    serve_with "$isolation" "$own" "$updates" 'update-zone = "dynamic.test"' "update-key = \"$work/$2\""
    prints '192.0.2.4  v4.example.test' lookup v4.example.test && fails 1 WSANO_RECOVERY nsphost register no.dynamic.test --address 192.0.2.40 &&
      grep -qF "$1" "$work/serve.err" && [ -z "$(answers no.dynamic.test A)" ] || { tail -3 "$work/serve.err"; return 1; }
  }
  chmod 644 "$work/right"
  check "$1: settings: a key that others can read stops registrations, and no lookup" keyless "is not its owner's alone" right
  mended() {
    chmod 600 "$work/right"
    nsphost register mended --address 192.0.2.41 >/dev/null && [ "$(answers mended.dynamic.test A)" = 192.0.2.41 ] && nsphost unregister mended >/dev/null
  }
  check "$1: settings: until it is mended" mended
  chmod 600 "$work/right"
  check "$1: settings: so does a file that is no key" keyless "is no key file" nonsense
  check "$1: settings: and one that is not there" keyless "can't be read: No such file" nowhere
  # These are read before there is any difference.
  [ "$1" = in-process ] || return 0
  check "$1: settings: a server that is no address" refuses "nobody, of servers, is no address" 'servers = ["nobody"]'
  check "$1: settings: a zone without a server" refuses "need each other" "$own" 'update-zone = "dynamic.test"'
}

registrations() { # isolation
  local zone='update-zone = "dynamic.test"' name
  register() { nsphost register "$@" >/dev/null; }
  unregister() { nsphost unregister "$@" >/dev/null; }
  serve_with "$1" "$own"
  check "$1: update: without a zone there is none" fails 1 WSAEOPNOTSUPP nsphost register one.dynamic.test --address 192.0.2.10
  serve_with "$1" "$own" "$updates" "$zone" "update-key = \"$work/right\"" 'update-ttl = 77' 'search = ["dynamic.test"]' 'update-users = ["daemon", 65534]'
  replaces() {
    register one --address 192.0.2.10 --address 2001:db8::10 && [ "$(answers one.dynamic.test A) $(answers one.dynamic.test AAAA)" = "192.0.2.10 2001:db8::10" ] &&
      prints '192.0.2.10    one.dynamic.test\n2001:db8::10  one.dynamic.test' lookup one && [[ $(blob one) == 4e535044$(little 77)* ]] &&
      register one --address 192.0.2.11 && [ "$(answers one.dynamic.test A) $(answers one.dynamic.test AAAA)" = "192.0.2.11 " ]
  }
  check "$1: update: what is registered replaces what was there" replaces
  takes() {
    register ONE.dynamic.test. --address 192.0.2.12 --address 192.0.2.13 && unregister one --address 192.0.2.12 &&
      [ "$(answers one.dynamic.test A)" = 192.0.2.13 ] && unregister one && [ -z "$(answers one.dynamic.test A)" ] &&
      fails 2 WSASERVICE_NOT_FOUND nsphost unregister one
  }
  check "$1: update: one address is taken back, then all, then there is nothing" takes
  check "$1: update: addresses are added" eval "'$work/many' add one 192.0.2.14 && '$work/many' add one 192.0.2.15 &&
    [ \"\$(answers one.dynamic.test A)\" = '192.0.2.14 192.0.2.15' ]"
  check "$1: update: text" eval "register words --class dns/txt --comment 'two words' && [ \"\$(answers words.dynamic.test TXT)\" = '\"two words\"' ]"
  aliased() {
    fails 1 WSAEINVAL nsphost register pointer --address 192.0.2.60 && ! "$work/many" add pointer 192.0.2.60 &&
      grep -q 'pointer.dynamic.test was not updated: there is an alias (CNAME)' "$work/serve.err" &&
      [ "$(answers pointer.dynamic.test CNAME)" = elsewhere.dynamic.test. ]
  }
  check "$1: update: over a CNAME nothing can be registered, and the log says why" aliased
  absent() {
    fails 2 WSASERVICE_NOT_FOUND nsphost unregister worded && fails 2 WSASERVICE_NOT_FOUND nsphost unregister pointer &&
      fails 2 WSASERVICE_NOT_FOUND nsphost unregister worded --address 192.0.2.61 && [ "$(answers worded.dynamic.test TXT)" = '"x"' ] &&
      register single --address 192.0.2.62 --address 192.0.2.63 && fails 2 WSASERVICE_NOT_FOUND nsphost unregister single --address 192.0.2.64 &&
      unregister single --address 192.0.2.63 --address 192.0.2.64 && [ "$(answers single.dynamic.test A)" = 192.0.2.62 ] && unregister single || return 1
    register six --address 2001:db8::62 && unregister six && [ -z "$(answers six.dynamic.test AAAA)" ] && fails 2 WSASERVICE_NOT_FOUND nsphost unregister six &&
      register six --address 2001:db8::62 && unregister six --address 2001:db8::62 && [ -z "$(answers six.dynamic.test AAAA)" ]
  }
  check "$1: update: what is not there can't be taken back, beside other records, a CNAME or other addresses" absent
  check "$1: update: a wildcard is not taken where nobody has said so" eval "fails 1 WSAEINVAL nsphost register '*' --address 192.0.2.65 &&
    fails 1 WSAEINVAL nsphost register '*.sub.dynamic.test' --address 192.0.2.65 && grep -q 'set update-wildcards = true' '$work/serve.err' && [ -z \"\$(answers any.dynamic.test A)\" ]"
  check "$1: update: an address with a zone, which no record can keep" eval "fails 1 WSAEINVAL nsphost register one --address '[fe80::7%lo]:631' && grep -q 'fe80::7%lo.* has a zone' '$work/serve.err'"
  check "$1: update: a name outside the zone" fails 1 WSAEINVAL nsphost register www.example.test --address 192.0.2.10
  check "$1: update: what it does not keep" fails 1 WSAEOPNOTSUPP nsphost register one --address 192.0.2.10 --class dns/mx
  # The program and its socket, where another user gets at them.
  cp "$program" "$work/program" && chmod 755 "$work/program" && chmod 711 "$work" "$work/run" && chmod 777 "$NSP_SOCKET"
  as() { setpriv --reuid "$1" --regid 65534 --clear-groups env HOME=/ "$work/program" register "$2" --socket "$NSP_SOCKET" --address 192.0.2.20; }
  check "$1: update: a user who may not" fails 77 WSAEACCES as 12345 theirs
  check "$1: update: users who may, by name and number" eval "as daemon theirs && as 65534 others && [ \"\$(answers theirs.dynamic.test A) \$(answers others.dynamic.test A)\" = '192.0.2.20 192.0.2.20' ]"
  gone() {
    stop_server knot
    fails 1 WSATRY_AGAIN nsphost register late --address 192.0.2.30 || return 1
    start_knot && register late --address 192.0.2.30 && [ "$(answers late.dynamic.test A)" = 192.0.2.30 ]
  }
  check "$1: update: a server that is killed, and comes back" gone
  serve_with "$1" "$own" "$updates" "$zone" "update-key = \"$work/commented\"" 'update-wildcards = true'
  wild() { register '*' --address 192.0.2.66 && [ "$(answers any.dynamic.test A)" = 192.0.2.66 ] && unregister '*' && [ -z "$(answers any.dynamic.test A)" ]; }
  check "$1: update: a wildcard where the settings say so; a key with comments, and a dot behind its algorithm" wild
  for name in wrong unknown; do
    serve_with "$1" "$own" "$updates" "$zone" "update-key = \"$work/$name\""
    check "$1: update: a key that is $name" eval "fails 77 WSAEACCES nsphost register no --address 192.0.2.40 && [ -z \"\$(answers no.dynamic.test A)\" ]"
  done
  serve_with "$1" "$own" "$updates" "$zone" "update-key = \"$work/right\"" \
    '[providers.dns]' "allow-read = [\"$work/right\"]" "allow-connect = [\"udp:*\", \"tcp:$port\"]"
  confined() { prints '192.0.2.4  v4.example.test' lookup v4.example.test && register inside --address 192.0.2.50 && [ "$(answers inside.dynamic.test A)" = 192.0.2.50 ]; }
  [ "$1" = in-process ] || check "$1: a worker that reads its key and reaches its servers, and nothing else" confined
  serve_with "$1" "$own" "$updates" "$zone"
  check "$1: update: no key" eval "fails 77 WSAEACCES nsphost register no --address 192.0.2.40 && grep -q 'the server answers' '$work/serve.err'"
  check "$1: every session ended" settles
}

for isolation in in-process worker; do
  questions $isolation && servers $isolation && configurations $isolation && registrations $isolation
done
serve_with in-process "$own" 'search = []'
# Nothing stays behind of queries, answered or not.
leaks() {
  local before after
  "$work/many" rounds 1000 www.example.test >/dev/null || return 1
  before="$(ls "/proc/$host/fd" | wc -l) $(awk '/VmRSS/ { print $2 }' "/proc/$host/status")"
  "$work/many" rounds "${NSPHOST_ROUNDS:-4000}" www.example.test || return 1
  settles || return 1
  after="$(ls "/proc/$host/fd" | wc -l) $(awk '/VmRSS/ { print $2 }' "/proc/$host/status")"
  echo "descriptors and KiB before: $before, after: $after"
  [ "${after% *}" -le $((${before% *} + 2)) ] && [ "${after#* }" -le $((${before#* } + 4096)) ]
}
check "thousands of rounds, most of them ended early, leave no descriptors and no memory behind" leaks
stop
finish
