#!/bin/bash
# Whose registrations count for whom, in both isolation modes, with processes of several users: nobody speaks for another.
#   check-owners.sh        needs the package's own build, its plugins (make plugins), a C compiler, and root
set -uo pipefail
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
built=${NSPHOST_PLUGINS:-$PWD/../../build/plugins}
export NSPHOST_PLUGINS=$work/shipped
. ./host.sh
needs clang setpriv
is_root "whose registrations count for whom" || { cleanup; exit 0; }
holder=
end() { [ -z "$holder" ] || { kill -9 $holder && wait $holder; } 2>/dev/null; cleanup; }
trap end EXIT
cp "$(dirname "$program")/libNSPLibrary.so" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
clang -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/ABI/CWinsock/include" owners.c -o "$work/owners" -L"$work" -lnsp || exit 1
export LD_LIBRARY_PATH=$work
mkdir "$work/shipped" && cp "$built"/{directory,email,hosts}.{so,toml} "$work/shipped/" || exit 1
# One that takes registrations and does not keep owners apart.
clang -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/ABI/CWinsock/include" -shared -fPIC absorber.c -o "$work/shipped/absorber.so" || exit 1
: >"$work/shipped/absorber.toml"

# Three users who are not root: the one that means harm, and two that the configurations below name.
as() { # user, command...
  local user=$1
  shift
  timeout 30 setpriv --reuid "$user" --regid "$user" --clear-groups "$@"
}
mallory() { as 65534 "$program" "$@"; }
alice() { as 1 "$program" "$@"; }
bob() { as 2 "$program" "$@"; }
client() { timeout 30 "$work/owners" "$@"; }
client_of() { local user=$1; shift; as "$user" "$work/owners" "$@"; }
quietly() { "$@" >/dev/null; }
missing() { fails 2 WSASERVICE_NOT_FOUND "$@"; }
# Exactly these lines, in this order.
says() { # expected, command...
  local expected=$1 out
  shift
  out=$("$@" 2>&1)
  [ "$out" = "$(printf '%b' "$expected")" ] || { printf 'expected:\n%b\ngot:\n%s\n' "$expected" "$out"; return 1; }
}
# Starts the host anew with another configuration.
configured() { # isolation, configuration, another provider
  stop
  printf "[providers.email.settings]\ndiscover = false\n$2" >"$work/nsphost.toml"
  serve "$1" directory email hosts ${3-}
}
# Publishes an e-mail address as a user, and stays.
publishes() { # user, address, endpoint
  rm -f "$work/in" && mkfifo "$work/in" || return 1
  setpriv --reuid "$1" --regid "$1" --clear-groups "$work/owners" "publish=$2,$3" hold <"$work/in" >"$work/held" 2>&1 & holder=$!
  exec 8>"$work/in"
  for _ in $(seq 400); do grep -q holding "$work/held" && break; sleep 0.02; done
  [ "$(cat "$work/held")" = "$(printf 'ok\nholding')" ] || { cat "$work/held"; leaves; return 1; }
}
leaves() { exec 8>&- && wait $holder; holder=; }

visible() {
  local mode=$1
  configured "$mode" ''
  quietly mallory register updates.example.com --address 192.0.2.66:80
  quietly alice register alices --address 192.0.2.1:80 --service '\Own'
  quietly nsphost register ours --address 192.0.2.7:80
  asked() {
    missing nsphost lookup updates.example.com && missing alice lookup updates.example.com &&
      prints '192.0.2.66:80  updates.example.com' mallory lookup updates.example.com && prints '192.0.2.7:80  ours' mallory lookup ours
  }
  check "$mode: NSP-260 what a user registers, root's lookups and other users' do not see; what root registers, all do" asked
  check "$mode: GetAddrInfoEx" says '11001\n192.0.2.7' client resolve=updates.example.com resolve=ours
  check "$mode: GetAddrInfoEx of another user, and of the one who registered it" eval \
    "says '11001\n192.0.2.7' client_of 1 resolve=updates.example.com resolve=ours && says '192.0.2.66' client_of 65534 resolve=updates.example.com"
  check "$mode: WSALookupService" says '10108\n10108\n192.0.2.7' client look=updates.example.com look-secure=updates.example.com look=ours
  watched() { fails 2 'nobody has it now' nsphost watch updates.example.com --once && mallory watch updates.example.com --once | grep -q '^+ 192.0.2.66:80'; }
  check "$mode: NSPClient, by which nsphost watch asks" watched
  asked_for() {
    prints '192.0.2.66:80  updates.example.com' nsphost lookup updates.example.com --all-owners &&
      prints '192.0.2.66:80  updates.example.com' alice lookup updates.example.com --all-owners &&
      nsphost watch updates.example.com --once --all-owners | grep -q '^+ 192.0.2.66:80' || return 1
    says '192.0.2.66\n192.0.2.66\n10108' client resolve-all=updates.example.com look-all=updates.example.com look-secure=updates.example.com
  }
  check "$mode: who asks for all owners gets them, by the command, libnsp and NSPClient; LUP_SECURE goes before that" asked_for
  patterns() {
    prints '192.0.2.7:80  ours' nsphost lookup '*' && prints '192.0.2.7:80   ours\n192.0.2.66:80  updates.example.com' mallory lookup '*' &&
      prints '192.0.2.7:80   ours\n192.0.2.66:80  updates.example.com' mallory lookup '*' --all-owners --flags return-name,return-addr,LUP_DEEP &&
      missing bob lookup 'u*' --all-owners && fails 2 WSANO_DATA bob lookup '*' --flags return-name,LUP_CONTAINERS --all-owners &&
      prints '-  Own' alice lookup '*' --flags return-name,LUP_CONTAINERS || return 1
    prints '192.0.2.1:80   alices\n192.0.2.66:80  updates.example.com\n192.0.2.7:80   ours' nsphost lookup '*' --all-owners --flags return-name,return-addr,LUP_DEEP &&
      says '192.0.2.7' client_of 1 'look-all=o*' && says '10108' client_of 1 'look-all=u*'
  }
  check "$mode: NSP-262 a pattern shows a user what counts for that user; all of it is for operators" patterns
  reversed() {
    missing nsphost lookup 192.0.2.66 --class inet-hostaddrbyinetstring &&
      prints '192.0.2.66:80  updates.example.com' mallory lookup 192.0.2.66 --class inet-hostaddrbyinetstring
  }
  check "$mode: nor are the names of an address another user's to say" reversed
  mail() {
    publishes 65534 root@here.test 192.0.2.66 || return 1
    says '11001\n192.0.2.66' client mail=root@here.test mail-all=root@here.test && says '11001' client_of 1 mail=root@here.test &&
      says '192.0.2.66' client_of 65534 mail=root@here.test && missing nsphost lookup root@here.test --namespace email &&
      prints '192.0.2.66:80  root@here.test' nsphost lookup root@here.test --namespace email --all-owners
    local status=$?
    leaves
    return $status
  }
  check "$mode: an e-mail address that a user publishes is that user's" mail
  listed() { nsphost registrations --json | grep -q updates.example.com && fails 77 'only root' alice registrations; }
  check "$mode: an operator sees who has registered what" listed

  configured "$mode" '[lookups]\nowners = "all"\n'
  said() {
    says '192.0.2.66\n10108\n11001' client look=updates.example.com look-secure=updates.example.com resolve=updates.example.com &&
      missing nsphost lookup updates.example.com && says '10108' client_of 1 'look=u*'
  }
  check "$mode: NSP-261 lookups.owners = \"all\" is about WSALookupService alone, and about no pattern" said
  configured "$mode" '[providers.directory]\nshared = true\n'
  shared() {
    prints '192.0.2.66:80  updates.example.com' nsphost lookup updates.example.com && says '192.0.2.66' client_of 1 resolve=updates.example.com &&
      prints '192.0.2.7:80   ours\n192.0.2.66:80  updates.example.com' bob lookup '*' && says '10108' client look-secure=updates.example.com
  }
  check "$mode: NSP-263 what is registered with a provider that is shared counts for everybody, but for LUP_SECURE" shared
}

reserved() {
  local mode=$1 name
  printf '192.0.2.50 files.example.com alias.example\n' >"$work/hosts"
  configured "$mode" "[providers.hosts.settings]\nfiles = [\"/etc/hosts\", \"$work/hosts\"]\n"
  refused() { fails 77 "$1 is reserved: $2" mallory register "$1" --address 192.0.2.66:80 && missing mallory lookup "$1" --provider directory; }
  machine() { refused localhost 'it stands for this machine' && refused LocalHost. 'it stands' && refused a.localhost 'it stands' && refused "$(uname -n)" 'it is the name of this machine'; }
  check "$mode: NSP-264 localhost and the machine's own name are nobody's to register" machine
  files() {
    refused files.example.com 'hosts serves it' && refused Alias.Example. 'hosts serves it' && says '10013' client_of 1 register=files.example.com,192.0.2.66 || return 1
    printf '192.0.2.51 later.example\n' >>"$work/hosts" && refused later.example 'hosts serves it' && quietly mallory register free.example --address 192.0.2.66:80
  }
  check "$mode: nor are names in the files that hosts serves, as they are now" files
  said() { grep -q "info: query .*: a registration by .*uid 65534.* is refused: localhost is reserved" "$work/serve.err"; }
  check "$mode: the log names the rule" said
  operators() {
    quietly nsphost register files.example.com --address 192.0.2.51:80 && prints '192.0.2.51:80  files.example.com' mallory lookup files.example.com --provider directory &&
      quietly nsphost unregister files.example.com
  }
  check "$mode: root may register them" operators
  unread() {
    rm "$work/hosts" && mkdir "$work/hosts" && fails 1 WSATRY_AGAIN mallory register unsure.example --address 192.0.2.66:80 && quietly nsphost register sure.example --address 192.0.2.7:80
    local status=$?
    rm -r "$work/hosts" && quietly nsphost unregister sure.example && quietly mallory unregister free.example && return $status
  }
  check "$mode: while the files can't be read nobody else registers anything" unread
}

registrars() {
  local mode=$1
  local rules='[[providers.directory.registrars]]
users = [1]
names = ["*.build.example.com", "printer", "localhost"]
[[providers.directory.registrars]]
users = [1]
groups = [2]
names = [".team.example.com"]
[[providers.email.registrars]]
users = [1]
names = ["ann@here.test", "@alice.test"]
'
  configured "$mode" ''
  beside() {
    quietly mallory register web.build.example.com --address 192.0.2.66:80 && quietly alice register web.build.example.com --address 192.0.2.1:80 || return 1
    prints '192.0.2.66:80  web.build.example.com' mallory lookup web.build.example.com && prints '192.0.2.1:80  web.build.example.com' alice lookup web.build.example.com &&
      missing bob lookup web.build.example.com && prints '192.0.2.1:80   web.build.example.com\n192.0.2.66:80  web.build.example.com' nsphost lookup web.build.example.com --all-owners || return 1
    prints '192.0.2.1:80   web.build.example.com\n192.0.2.66:80  web.build.example.com' nsphost lookup 'web.*' --all-owners
  }
  check "$mode: NSP-266 without a rule a name counts for its user, and users have it beside each other" beside
  own() { quietly alice unregister web.build.example.com && missing alice lookup web.build.example.com && prints '192.0.2.66:80  web.build.example.com' mallory lookup web.build.example.com; }
  check "$mode: each takes back what is its own" own
  told() { mallory register mine.example.com --address 192.0.2.66:80 | grep -qx '    directory  done, for this user only' && mallory register mine.example.com --address 192.0.2.66:80 --json | grep -q '"counts_for":"user"'; }
  check "$mode: the command says for whom it counts" told
  forged() { says 'ok' client_of 65534 forge=forged.example.com,192.0.2.66 && missing nsphost lookup forged.example.com; }
  check "$mode: NSP-267 a client can't say for whom it counts" forged

  configured "$mode" "$rules"
  permitted() {
    quietly alice register web.build.example.com --address 192.0.2.1:80 && prints '192.0.2.1:80  web.build.example.com' nsphost lookup web.build.example.com &&
      says '192.0.2.1\n192.0.2.1' client_of 2 resolve=web.build.example.com look-secure=web.build.example.com && prints '192.0.2.1:80  web.build.example.com' mallory lookup web.build.example.com
  }
  check "$mode: NSP-265 what a rule permits counts for everybody, and a name that somebody had for himself is not in its way" permitted
  group() { quietly bob register x.team.example.com --address 192.0.2.2:80 && says '192.0.2.2' client resolve=x.team.example.com && fails 77 WSAEACCES alice register x.team.example.com --address 192.0.2.1:80; }
  check "$mode: so does what a rule permits a group; it is its owner's" group
  refusals() {
    fails 77 'providers.directory.registrars?0? gives WEB.build.example.com to others' mallory register WEB.build.example.com --address 192.0.2.66:80 &&
      fails 77 'providers.directory.registrars?1? gives y.team.example.com. to others' mallory register y.team.example.com. --address 192.0.2.66:80 &&
      says '10013\n10013\n10013' client_of 65534 register=printer,192.0.2.66 forge=printer,192.0.2.66 take=web.build.example.com && missing nsphost lookup printer --all-owners
  }
  check "$mode: others are refused, and told by which rule" refusals
  check "$mode: no rule permits a reserved name" fails 77 'localhost is reserved' alice register localhost --address 192.0.2.1:80
  mail() {
    says '10013\n10013' client_of 65534 publish=ann@here.test,192.0.2.66 publish=any@ALICE.test,192.0.2.66 && publishes 1 Ann@here.test 192.0.2.1 || return 1
    says '192.0.2.1\n192.0.2.1' client mail=ann@here.test mail-all=ann@here.test && says '192.0.2.1' client_of 2 mail=ann@here.test
    local status=$?
    leaves
    return $status
  }
  check "$mode: an e-mail address that the configuration gives to a user is visible to all, and nobody else's" mail
  squatted() {
    publishes 65534 eve@free.test 192.0.2.66 || return 1
    says 'ok\n192.0.2.7' client publish=eve@free.test,192.0.2.7 mail=eve@free.test
    local status=$?
    leaves
    return $status
  }
  check "$mode: an address that somebody has published for himself is not in root's way" squatted
  configured "$mode" '[[providers.absorber.registrars]]\nusers = [1]\nnames = ["a.example"]\n' absorber
  strict() {
    fails 77 'no rule of providers.absorber.registrars permits b.example' alice register b.example --address 192.0.2.1:80 --provider absorber &&
      fails 77 'providers.absorber.registrars?0? gives a.example to others' mallory register a.example --address 192.0.2.1:80 --provider absorber &&
      quietly alice register a.example --address 192.0.2.1:80 --provider absorber && fails 1 WSAEOPNOTSUPP nsphost unregister a.example --owner daemon --provider absorber
  }
  check "$mode: of a provider that can't keep owners apart the rules permit all that there is, and no owner is named to it" strict
  configured "$mode" ''
  withdrawn() { quietly alice register web.build.example.com --address 192.0.2.1:80 && missing nsphost lookup web.build.example.com && prints '192.0.2.1:80  web.build.example.com' alice lookup web.build.example.com; }
  check "$mode: registered again without the rule it counts for its user" withdrawn
}

taken() {
  local mode=$1
  quietly mallory register theirs --address 192.0.2.66:80 && quietly alice register theirs --address 192.0.2.1:80
  of_one() {
    prints 'unregistered theirs\n    directory  done' nsphost unregister theirs --owner nobody && missing mallory lookup theirs && prints '192.0.2.1:80  theirs' alice lookup theirs &&
      fails 2 WSASERVICE_NOT_FOUND nsphost unregister theirs --owner 65534
  }
  check "$mode: NSP-268 an operator takes back what one user has registered, and nothing of another's" of_one
  published() {
    publishes 65534 evil@here.test 192.0.2.66 || return 1
    quietly nsphost unregister evil@here.test --namespace email --owner 65534 && says '11001' client_of 65534 mail=evil@here.test
    local status=$?
    leaves
    return $status
  }
  check "$mode: an e-mail address, too" published
  others() {
    fails 77 'only root and the host' mallory unregister theirs --owner daemon && says '10013' client_of 65534 steal=theirs,1 && prints '192.0.2.1:80  theirs' alice lookup theirs &&
      fails 64 'there is no user "nosuch"' nsphost unregister theirs --owner nosuch
  }
  check "$mode: nobody else does" others
}

run() {
  rm -rf "$STATE_DIRECTORY"
  visible "$1"
  reserved "$1"
  registrars "$1"
  taken "$1"
}
run in-process
run worker
stop
finish
