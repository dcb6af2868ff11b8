#!/bin/bash
# The provider of e-mail addresses, in both isolation modes: sessions that publish and end in every way, two users, and discovery at a real
# server of the Domain Name System.
#   check-email.sh         needs the package's own build and its plugins (make plugins), a C compiler, and knotd; as root, users are told apart
set -uo pipefail
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
. ./host.sh
needs clang setpriv
knot= holder=
end() { for process in $knot $holder; do kill -9 $process; wait $process; done 2>/dev/null; cleanup; }
trap end EXIT
build=$(cd "$root" && swift build --show-bin-path)
cp "$build/libNSPLibrary.so" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
clang -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/ABI/CWinsock/include" email.c -o "$work/email" -L"$work" -lnsp -pthread || exit 1
export LD_LIBRARY_PATH=$work

# A server for zones of this check, on a port of its own.
PATH=$PATH:/usr/sbin
needs knotd
knotd=knotd
port=$((20000 + RANDOM % 20000))
srv() { printf '_%s._tcp SRV %s\n' "$1" "$2"; }
zone() { # domain; records come in
  { printf '$ORIGIN %s.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n' "$1"; cat; } >"$work/$1.zone"
  printf '  - domain: %s\n    file: %s\n' "$1" "$work/$1.zone" >>"$work/knot.conf"
}
mkdir "$work/knot"
cat >"$work/knot.conf" <<END
server:
    rundir: $work/knot
    listen: 127.0.0.1@$port
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: $work/knot
zone:
END
{
  srv imaps '7 9 993 imap' && srv imap '0 0 143 imap' && srv submissions '0 0 465 out' && srv submission '0 0 587 out'
  srv jmap '0 0 443 imap' && srv pop3s '0 0 995 imap' && srv pop3 '0 0 110 imap' && srv sieve '0 0 4190 alias'
  printf '@ MX 20 second\n@ MX 10 first\nimap A 192.0.2.1\nimap AAAA 2001:db8::1\nout A 192.0.2.2\nfirst A 192.0.2.3\nsecond AAAA 2001:db8::4\nalias CNAME imap\n'
} | zone full.test
{
  srv imaps '10 95 1001 a' && srv imaps '10 5 1002 b' && srv imaps '5 60000 1000 z' && srv imaps '20 0 1003 c' && srv imap '0 0 0 .'
  printf 'a A 192.0.2.10\nb A 192.0.2.11\nc A 192.0.2.12\nz A 192.0.2.9\n'
} | zone order.test
{ srv imaps '0 0 0 .' && srv imap '0 0 0 .' && printf '@ MX 0 .\n@ A 192.0.2.20\n'; } | zone null.test
printf '@ A 192.0.2.30\n@ AAAA 2001:db8::30\n' | zone plain.test
printf '@ TXT "nothing here"\n' | zone empty.test
{ srv imaps '0 0 993 nowhere' && srv imaps '1 0 993 six' && srv imaps '2 0 993 loop' && printf 'six AAAA 2001:db8::6\nloop CNAME loop2\nloop2 CNAME loop\n'; } | zone holes.test
{ srv imaps '0 0 993 imap' && printf 'imap A 192.0.2.40\n'; } | zone xn--mnchen-3ya.test
{ for i in $(seq 40); do srv imaps "$i 0 $i t$i" && printf 't%s A 192.0.2.%s\n' "$i" "$i"; done; } | zone many.test
{ srv imaps '0 0 993 big' && for i in $(seq 300); do printf 'big A 198.51.%s.%s\n' $((i / 200)) $((i % 200)); done; } | zone big.test
knot() {
  "$knotd" -c "$work/knot.conf" >"$work/knot.log" 2>&1 & knot=$!
  for _ in $(seq 100); do grep -q 'server started' "$work/knot.log" && return; sleep 0.05; done
  cat "$work/knot.log" && exit 1
}
knot

cat >"$work/nsphost.toml" <<END
[limits]
frame-bytes = 4194304
[providers.email.settings]
servers = ["127.0.0.1:$port"]
timeout-ms = 400
tries = 1
END

as=()
another=(setpriv --reuid 65534 --regid 65534 --clear-groups)
# The client of the samples in the style of Windows.
wide=$root/build/libnspwindows.a
[ -f "$wide" ] || { echo "check-email.sh: $wide: there is none: run make windows" >&2; exit 1; }
clang -fshort-wchar -DUNICODE -D_UNICODE -I"$root/Sources/ABI/CWindows/include" -I"$root/Sources/ABI/CWinsock/include" \
  "$root/sample-providers/windows-style/email-client.c" -o "$work/email-client" -L"$root/build" -lnspwindows -L"$work" -lnsp -pthread || exit 1

client() { timeout 60 "$work/email" "$@"; }
nobody() { timeout 60 "${another[@]}" "$work/email" "$@"; }
# Exactly these lines, in this order.
says() { # expected, command...
  local expected=$1 out
  shift
  out=$("$@" 2>&1)
  [ "$out" = "$(printf '%b' "$expected")" ] || { printf 'expected:\n%b\ngot:\n%s\n' "$expected" "$out"; return 1; }
}
# A client that stays, when it has done what it was told.
holds() { # words...
  rm -f "$work/in" && mkfifo "$work/in" || return 1
  "${as[@]}" "$work/email" "$@" hold <"$work/in" >"$work/held" 2>&1 & holder=$!
  exec 8>"$work/in"
  for _ in $(seq 200); do grep -q holding "$work/held" && return; sleep 0.02; done
  cat "$work/held" && return 1
}
leaves() { exec 8>&- && wait $holder; holder=; }
vanishes() { kill -9 $holder && exec 8>&-; wait $holder 2>/dev/null; holder=; }
# What a name comes to once everything that has ended is ended.
soon() { for _ in $(seq 100); do "$@" && return; sleep 0.03; done; "$@"; }
# Threads and descriptors of the process that has the provider.
carrier() { pgrep -P $host | head -1 | grep . || echo $host; }
descriptors() { ls "/proc/$1/fd" | wc -l; }
memory() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }

published() {
  local mode=$1
  check "$mode: what is published under a service is found under it, and under none" \
    says "ok\nimap ann@here.test 192.0.2.1:143\nimap ann@here.test 192.0.2.1:143" \
    client register=ann@here.test,imap,192.0.2.1:143 look=ann@here.test,imap look=ann@here.test
  check "$mode: a name published for nothing in particular" says "ok\n- bob@here.test 192.0.2.1:25\n11004" \
    client register=bob@here.test,,192.0.2.1:25 look=bob@here.test, look=bob@here.test,imap
  check "$mode: who has ended has published nothing" soon says 10108 client look=ann@here.test,sip
  check "$mode: case and script of a name make no difference" \
    says 'ok\nSIP Ann@M\xc3\xbcnchen.Test 192.0.2.1:1\nSIP Ann@M\xc3\xbcnchen.Test 192.0.2.1:1' \
    client $'register=Ann@M\xc3\xbcnchen.Test,SIP,192.0.2.1:1' look=aNN@xn--mnchen-3ya.test.,sip $'look=ann@M\xc3\x9cNCHEN.test,sip'
  check "$mode: register replaces, with SERVICE_MULTIPLE it adds, each once" \
    says 'ok\nok\nsip a@here.test 192.0.2.2:2\nok\nsip a@here.test 192.0.2.2:2 [2001:db8::1]:1' \
    client register=a@here.test,sip,192.0.2.1:1 register=a@here.test,sip,192.0.2.2:2 look=a@here.test,sip \
    'add=a@here.test,sip,192.0.2.2:2,[2001:db8::1]:1' look=a@here.test,sip
  check "$mode: deregister keeps the name, without addresses, until it is registered again" \
    says 'ok\nok\n11004\nok\nsip a@here.test 192.0.2.3:3' \
    client register=a@here.test,sip,192.0.2.1:1 deregister=a@here.test,sip look=a@here.test,sip add=a@here.test,sip,192.0.2.3:3 look=a@here.test,sip
  check "$mode: withdrawn one by one it is deregistered, not gone" \
    says 'ok\nok\nsip a@here.test 192.0.2.2:2\nok\n11004\nok' \
    client register=a@here.test,sip,192.0.2.1:1,192.0.2.2:2 withdraw=a@here.test,sip,192.0.2.1:1 look=a@here.test,sip \
    withdraw=a@here.test,sip,192.0.2.2:2 look=a@here.test,sip delete=a@here.test,sip
  check "$mode: with its last address an instance that is taken back is gone" says 'ok\nok\nsip a@here.test 192.0.2.2:2\nok\n10108\n10108' \
    client register=a@here.test,sip,192.0.2.1:1,192.0.2.2:2 take=a@here.test,sip,192.0.2.1:1 look=a@here.test,sip \
    take=a@here.test,sip,192.0.2.2:2,192.0.2.9:9 look=a@here.test,sip take=a@here.test,sip,192.0.2.2:2
  check "$mode: nobody has what is unknown" says '10108\n10108\n10108\n10108' \
    client deregister=a@here.test,sip withdraw=a@here.test,sip,192.0.2.1:1 delete=a@here.test,sip take=a@here.test,sip,192.0.2.1:1
  check "$mode: what is no address, no domain, or no service" says '10045\n10045\n10045\n10045\n10045\n10022\n10022\n10108' \
    client register=ann,sip,192.0.2.1:1 register=@here.test,sip,192.0.2.1:1 register=ann@,sip,192.0.2.1:1 register=ann@a..b,sip,192.0.2.1:1 \
    "register=$(printf 'x%.0s' $(seq 311))@here.test,sip,192.0.2.1:1" "register=ann@here.test,$(printf 'x%.0s' $(seq 65)),192.0.2.1:1" \
    "look=ann@here.test,a service" look=ann,imap
  check "$mode: 320 bytes and 64 letters are not too much" says 'ok\nok' \
    client "register=$(printf 'x%.0s' $(seq 310))@here.test,sip,192.0.2.1:1" "register=ann@here.test,$(printf 'x%.0s' $(seq 64)),192.0.2.1:1"
  check "$mode: bytes that are no address, comment and blob come back as they were" says 'ok' client opaque=odd@here.test
  check "$mode: a zone comes back with its address, and is compared with it" \
    says 'ok\nsip z@here.test [fe80::7%lo]:631\nok\nsip z@here.test [fe80::7%lo]:631\nok\n10108' \
    client 'register=z@here.test,sip,[fe80::7%lo]:631' look=z@here.test,sip 'take=z@here.test,sip,[fe80::7]:631' look=z@here.test,sip \
    'take=z@here.test,sip,[fe80::7%lo]:631' look=z@here.test,sip
  check "$mode: preferred names are not asked by name" says '10022' client prefers=ann@here.test
  check "$mode: an address published for one service is its publisher's word for all" says 'ok\n11004' \
    client register=ann@full.test,sip,192.0.2.1:1 look=ann@full.test,imap
  check "$mode: no more than 1,000 names a session, 4,096 addresses a name, and what fits an answer" \
    says '1000 10055\nok\nok\nwide w@large.example and 4096 in all\n10055\n10055' \
    client many=1001 delete=name0@many.example,sip wide=w@large.example,4096 'look=w@large.example,wide' add=w@large.example,wide,192.0.2.1:1 full=100
}

# One that stays, and others.
shared() {
  local mode=$1
  check "$mode: a client publishes, and stays" holds register=eve@here.test,imap,192.0.2.5:143 register=eve@here.test,jmap,192.0.2.5:443 \
    register=ada@here.test,imap,192.0.2.6:143
  check "$mode: others find it, by lookup and by GetAddrInfoEx" \
    says 'imap eve@here.test 192.0.2.5:143\njmap eve@here.test 192.0.2.5:443\neve@here.test 192.0.2.5:143 6 0' \
    client look=eve@here.test resolve=eve@here.test,imap
  check "$mode: nsphost finds it" prints '192.0.2.5:143  eve@here.test' lookup eve@here.test --namespace email --service imap
  check "$mode: a client in the style of Windows finds it" \
    says 'eve@here.test 192.0.2.5:443\nimap 192.0.2.5:143\njmap 192.0.2.5:443' \
    eval '"$work/email-client" resolve eve@here.test jmap; "$work/email-client" lookup eve@here.test'
  check "$mode: what it publishes itself ends with it" eval '"$work/email-client" publish win@here.test calls 5060 && soon says 10108 client look=win@here.test,calls'
  check "$mode: another session of the same user adds to it" \
    says 'ok\nimap eve@here.test 192.0.2.5:143\nimap eve@here.test 192.0.2.7:143' client register=eve@here.test,imap,192.0.2.7:143 look=eve@here.test,imap
  check "$mode: which is gone with that session, and not with the other" soon says 'imap eve@here.test 192.0.2.5:143' client look=eve@here.test,imap
  check "$mode: the preferred names are the user's, the last one first, each once" \
    says 'ok\n- new@here.test flags 10000\n- ada@here.test flags 10000\n- eve@here.test flags 10000\njmap eve@here.test flags 10000\n11004' \
    client register=new@here.test,sip,192.0.2.5:1 preferred= preferred=jmap preferred=pop3
  check "$mode: by GetAddrInfoEx, too" says 'eve@here.test 0 10000\n11004' client names=jmap names=pop3
  check "$mode: several of them, too" says 'ok\ntwo@here.test 0 10000\neve@here.test 0 10000' client register=two@here.test,jmap,192.0.2.5:2 names=jmap
  if is_root "other users"; then
    check "$mode: another user's name is not to be taken, nor taken back" says '10013\n10013\n10013\nok' \
      nobody register=eve@here.test,pop3,192.0.2.8:110 deregister=eve@here.test,imap delete=eve@here.test,imap register=mine@here.test,sip,192.0.2.8:1
    check "$mode: but found; what an operator has published is secure, too" \
      says 'imap eve@here.test 192.0.2.5:143\nimap eve@here.test 192.0.2.5:143' nobody look=eve@here.test,imap secure=eve@here.test,imap
    check "$mode: each user has preferred names of their own" says '11004\nok\n- mine@here.test flags 10000' \
      nobody preferred= register=mine@here.test,sip,192.0.2.8:1 preferred=
  fi
  vanishes
  check "$mode: killed, it has published nothing" soon says '10108\n11004' client secure=eve@here.test,imap preferred=
  if is_root "other users"; then
    as=("${another[@]}")
    check "$mode: another user publishes, and stays" holds register=low@here.test,imap,192.0.2.9:143
    check "$mode: its addresses are found by who asks for all owners, and are not secure; others ask the domain, of which the server says nothing" \
      says 'imap low@here.test 192.0.2.9:143\n10108\n10112' client all=low@here.test,imap secure=low@here.test,imap look=low@here.test,imap
    check "$mode: an operator may add to it, and take back what is not theirs" \
      says 'ok\nimap low@here.test 192.0.2.9:143\nimap low@here.test 192.0.2.1:1\nok\nok\n10108' \
      client register=low@here.test,imap,192.0.2.1:1 all=low@here.test,imap delete=low@here.test,imap delete=low@here.test,imap look=low@here.test,sip
    leaves
    as=()
  fi
}

discovered() {
  local mode=$1
  check "$mode: the endpoints of a service, TLS first, with both families" \
    says 'imaps ann@full.test 192.0.2.1:993 [2001:db8::1]:993 (imap.full.test:993)\nimap ann@full.test 192.0.2.1:143 [2001:db8::1]:143 (imap.full.test:143)' \
    client look=ann@full.test,imap
  check "$mode: of one family, and of none that is there; what is published is its publisher's business" \
    says ' [2001:db8::1]:993\n 192.0.2.1:993\n11004\nok\n 192.0.2.1:1' \
    client family=ann@full.test,imap,10 family=ann@full.test,imap,2 family=ann@full.test,imap,1 register=f@here.test,sip,192.0.2.1:1 family=f@here.test,sip,10
  check "$mode: every service" says 'submissions ann@full.test 192.0.2.2:465 (out.full.test:465)
submission ann@full.test 192.0.2.2:587 (out.full.test:587)
imaps ann@full.test 192.0.2.1:993 [2001:db8::1]:993 (imap.full.test:993)
imap ann@full.test 192.0.2.1:143 [2001:db8::1]:143 (imap.full.test:143)
jmap ann@full.test 192.0.2.1:443 [2001:db8::1]:443 (imap.full.test:443)
smtp ann@full.test 192.0.2.3:25 (first.full.test:25)
smtp ann@full.test [2001:db8::4]:25 (second.full.test:25)' client look=ann@full.test
  check "$mode: services that no address is asked for by default, one by a CNAME" \
    says 'pop3s a@full.test 192.0.2.1:995 [2001:db8::1]:995 (imap.full.test:995)
pop3 a@full.test 192.0.2.1:110 [2001:db8::1]:110 (imap.full.test:110)
sieve a@full.test 192.0.2.1:4190 [2001:db8::1]:4190 (alias.full.test:4190)
submissions a@full.test 192.0.2.2:465 (out.full.test:465)' client look=a@full.test,pop3 look=a@full.test,sieve look=a@full.test,SUBMISSIONS
  check "$mode: GetAddrInfoEx finds them" says 'ann@full.test 192.0.2.1:443 6 0\nann@full.test [2001:db8::1]:443 6 0' client resolve=ann@full.test,jmap
  check "$mode: nsphost says where from, and a blob what the record is made of" \
    grep -q '"blob":"4e5350443c000000210007000900e10300000000","comment":"imap.full.test:993","context":"imaps"' \
    <(lookup ann@full.test --namespace email --service imaps --json)
  weighs() {
    local out first
    out=$(client $(printf 'look=a@order.test,imap %.0s' $(seq 60)))
    [ "$(grep -c . <<<"$out")" = 240 ] || { echo "$out" | head; return 1; }
    [ "$(awk 'NR % 4 == 1' <<<"$out" | sort -u)" = 'imaps a@order.test 192.0.2.9:1000 (z.order.test:1000)' ] || return 1
    [ "$(awk 'NR % 4 == 0' <<<"$out" | sort -u)" = 'imaps a@order.test 192.0.2.12:1003 (c.order.test:1003)' ] || return 1
    first=$(awk 'NR % 4 == 2' <<<"$out" | grep -c :1001)
    [ "$first" -gt 40 ] && [ "$(awk 'NR % 4 == 2 || NR % 4 == 3' <<<"$out" | sort -u | wc -l)" = 2 ] || { echo "first $first times"; return 1; }
  }
  check "$mode: by priority, and among equals by chance according to weight; a target of nothing is none" weighs
  check "$mode: services that are decidedly not offered" says '11004\n11004\n11004' client look=a@null.test,imap look=a@null.test,smtp look=a@null.test
  check "$mode: without MX the domain itself, and nothing else" \
    says 'smtp a@plain.test 192.0.2.30:25 [2001:db8::30]:25 (plain.test:25)\n11004' client look=a@plain.test look=a@plain.test,imap
  check "$mode: a domain that offers nothing" says '11004\n11004\n11004' client look=a@empty.test look=a@empty.test,smtp look=a@empty.test,jmap
  check "$mode: a domain that is not there" says '10108\n10108\n10108' client look=a@no.full.test look=a@no.full.test,mx look=a@no.full.test,imap
  check "$mode: targets that are not there are passed over" says 'imaps a@holes.test [2001:db8::6]:993 (six.holes.test:993)' client look=a@holes.test,imap
  check "$mode: a domain in another script" says 'imaps a@M\xc3\xbcnchen.test 192.0.2.40:993 (imap.xn--mnchen-3ya.test:993)' client $'look=a@M\xc3\xbcnchen.test,imap'
  check "$mode: a domain that names many targets, and one with many addresses" \
    says '20\nimaps a@big.test and 256 in all (big.big.test:993)' eval 'client look=a@many.test,imap | wc -l; client look=a@big.test,imap'
  check "$mode: what nobody vouches for is not secure; a service that is none of e-mail" says '10108\n10108' client secure=a@full.test,imap look=a@full.test,gopher
  # The server would refuse to answer for either.
  check "$mode: this machine's own domains are not asked for, nor those that Tor alone knows" \
    says 'smtp a@localhost 127.0.0.1:25 [::1]:25 (localhost:25)\n11004\nsmtp a@b.LocalHost 127.0.0.1:25 [::1]:25 (b.localhost:25)\n10108\n10108' \
    client look=a@localhost look=a@localhost,imap look=a@b.LocalHost,smtp look=a@x.onion look=a@x.onion,smtp
  check "$mode: what is no domain, and one that the server refuses to answer for" says '10108\n10108\n10112' client "look=a@$(printf 'x%.0s' $(seq 70)).test,imap" 'look=a@x y.test,imap' 'look=a@elsewhere.example,imap'

  silent() {
    kill -STOP $knot
    says '11002' client look=a@full.test,imap || { kill -CONT $knot; return 1; }
    timeout 0.2 "$work/email" look=b@full.test &
    client cancel=200,c@full.test
    wait $!
    settles || { kill -CONT $knot; return 1; }
    kill -CONT $knot
    soon says 'jmap a@full.test 192.0.2.1:443 [2001:db8::1]:443 (imap.full.test:443)' client look=a@full.test,jmap
  }
  check "$mode: a server that says nothing, clients that don't wait for it, and the server again" silent
  dies() {
    kill -9 $knot && wait $knot 2>/dev/null
    says '11002\n11002\nok\nsip d@full.test 192.0.2.1:1' client look=a@full.test,imap look=a@full.test register=d@full.test,sip,192.0.2.1:1 look=d@full.test
    local status=$?
    knot
    [ $status = 0 ] && soon says 'submissions a@full.test 192.0.2.2:465 (out.full.test:465)' client look=a@full.test,submissions
  }
  check "$mode: a server that dies, and the next one in its place" dies
}

# Whoever waits is told when the host dies, and what a worker held dies with it.
dies_with() {
  local mode=$1
  if [ "$mode" = worker ]; then
    lost() {
      holds register=kim@full.test,sip,192.0.2.5:1 || return 1
      kill -9 "$(carrier)"
      soon says 'jmap kim@full.test 192.0.2.1:443 [2001:db8::1]:443 (imap.full.test:443)\nok' client look=kim@full.test,jmap register=kim@full.test,sip,192.0.2.1:1
      local status=$?
      leaves && return $status
    }
    check "$mode: a worker that is killed, and the next one in its place" lost
    check "$mode: every session ended then, too" settles
  fi
  killed() {
    kill -STOP $knot
    client look=ann@full.test >"$work/told" 2>&1 & local waiting=$!
    for _ in $(seq 100); do "$program" sessions --json | grep -q '"live":1' && break; sleep 0.02; done
    { kill -9 $host; wait $host; } 2>/dev/null
    host=
    wait $waiting
    kill -CONT $knot
    [ "$(cat "$work/told")" = 10050 ] || { cat "$work/told"; return 1; }
  }
  check "$mode: a host that is killed" killed
}

endures() {
  local mode=$1 process before after memoryBefore
  process=$(carrier)
  client storm=50,x@storm.test cancel=500,a@full.test look=a@full.test >/dev/null
  before=$(descriptors "$process") memoryBefore=$(memory "$process")
  says '0 failed\nok' client storm=600,y@storm.test cancel=4000,a@full.test || return 1
  settles || return 1
  # A worker keeps a connection for each of the threads that were busy at once.
  settled() { after=$(descriptors "$process") && [ "$after" -le $((before + 8)) ]; }
  soon settled || { echo "descriptors: $before, then $after"; return 1; }
  [ "$(memory "$process")" -le $((memoryBefore + 16384)) ] || { echo "kB: $memoryBefore, then $(memory "$process")"; return 1; }
  echo "$mode: $process: descriptors $before $after, kB $memoryBefore $(memory "$process")" >>"${NSPHOST_MEASURED:-/dev/null}"
}

run() {
  serve "$1" email
  published "$1"
  shared "$1"
  discovered "$1"
  check "$1: 4,800 registrations and 9,600 lookups by eight threads, and 4,000 that end before their answer" endures "$1"
  check "$1: every session ended" settles
  dies_with "$1"
}
run in-process
run worker

sed -i 's/^servers.*/servers = ["nowhere"]/' "$work/nsphost.toml"
serve in-process email
check "servers that are none are refused" fails 1 WSATRY_AGAIN lookup a@full.test --namespace email
check "and named in the host's log" grep -q 'email: its settings can.t be used: .*nowhere' "$work/serve.err"
sed -i 's/^servers.*/discover = false/' "$work/nsphost.toml"
serve in-process email
check "without discovery, only what is published is there" says '10108\nok\nsip a@full.test 192.0.2.1:1' \
  client look=a@full.test,imap register=a@full.test,sip,192.0.2.1:1 look=a@full.test
stop
finish
