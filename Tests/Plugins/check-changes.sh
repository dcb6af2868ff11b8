#!/bin/bash
# Changes inside providers, watched by real processes, in both isolation modes: a hosts file that is edited, what is registered and what ends in
# the directory, published addresses, a program that advertises, providers that say so and one that never does.
#   check-changes.sh       needs the package's own build, its plugins (make plugins), a C compiler
set -uo pipefail
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
built=${NSPHOST_PLUGINS:-$PWD/../../build/plugins}
export NSPHOST_PLUGINS=$work/shipped
. ./host.sh
watches=() others=()
end() { for process in "${watches[@]}" "${others[@]}"; do kill -9 "$process" && wait "$process"; done 2>/dev/null; cleanup; }
trap end EXIT
cp "$(dirname "$program")/libNSPLibrary.so" "$work/libnsp.so.0" && ln -s libnsp.so.0 "$work/libnsp.so"
needs clang
cc=clang
compile() { $cc -std=gnu11 -Wall -Wextra -Werror -I"$root/Sources/ABI/CWinsock/include" "$@" -pthread || exit 1; }
mkdir "$work/shipped" "$work/data" && cp "$built"/{hosts,directory,email}.{so,toml} "$work/shipped/" || exit 1
compile -shared -fPIC teller.c -o "$work/shipped/teller.so"
printf '[settings]\ndata = "%s"\n' "$work/data" >"$work/shipped/teller.toml"
for name in changes directory email; do compile $name.c -o "$work/$name" -L"$work" -lnsp; done
compile ../Clients/advertiser.c -o "$work/advertiser" -L"$work" -lnsp
export LD_LIBRARY_PATH=$work
teller=51e57b00-0001-4000-8000-000000000001
cat >"$work/nsphost.toml" <<END
[providers.hosts.settings]
files = ["$work/hosts", "$work/folder/more"]
[providers.email.settings]
discover = false
END

id() { sed -n 's/^id = "\(.*\)"/\1/p' "$work/shipped/$1.toml"; }
# Watches a name at a provider until the check is over; what it says is in $work/NAME.seen.
follow() { # name, provider's id
  "$program" watch "$1" --provider "$2" >"$work/$1.seen" 2>"$work/$1.err" 7>&- 8>&- 9>&- & watches+=($!)
}
unfollow() { for process in "${watches[@]}"; do kill "$process" && wait "$process"; done 2>/dev/null; watches=(); }
sees() { # name, line: the last one, within ten seconds
  for _ in $(seq 500); do [ "$(tail -n 1 "$work/$1.seen")" = "$2" ] && return; sleep 0.02; done
  echo "instead of $2:"; cat "$work/$1.seen" "$work/$1.err"
  return 1
}
asked() { grep -c "lookup of $1," "$work/serve.err"; }
# Nobody asks for a name while nothing happens.
quiet() { # name: it is asked for no more, once the provider has promised to say every change
  local before try
  sleep 1.5
  for try in 1 2 3 4 5 6 7 8; do
    before=$(asked "$1") && sleep 2.5
    [ "$(asked "$1")" != "$before" ] || return 0
  done
  echo "$1 was asked for $before, then $(asked "$1") times"
  return 1
}
unchanged() { # name, command that nobody is told of
  local name=$1 before
  shift
  before=$(cat "$work/$name.seen") && "$@" && sleep 2.5
  [ "$(cat "$work/$name.seen")" = "$before" ] || { cat "$work/$name.seen"; return 1; }
}
put() { printf '%s' "$2" >"$work/data/$1"; }
says() { nsphost lookup "say-$1" --provider $teller >/dev/null; }

run() {
  rm -rf "$STATE_DIRECTORY" "$work/folder" "$work/data/"* && printf '192.0.2.1 moving\n' >"$work/hosts"
  serve "$1" hosts directory email teller
  local hosts directory email
  hosts=$(id hosts) directory=$(id directory) email=$(id email)

  hosts_file() {
    follow moving "$hosts" && sees moving '+ 192.0.2.1  moving  hosts' && quiet moving || return 1
    printf '192.0.2.2 moving\n' >"$work/hosts" && sees moving '= 192.0.2.2  moving  hosts' || return 1
    printf '192.0.2.3 moving\n' >>"$work/hosts" && sees moving '= 192.0.2.2 192.0.2.3  moving  hosts' || return 1
    printf '192.0.2.4 moving\n' >"$work/new" && mv "$work/new" "$work/hosts" && sees moving '= 192.0.2.4  moving  hosts' || return 1
    rm "$work/hosts" && sees moving '- 192.0.2.4  moving  hosts' || return 1
    mkdir "$work/folder" && printf '192.0.2.5 moving\n' >"$work/folder/more" && sees moving '+ 192.0.2.5  moving  hosts' && quiet moving
  }
  check "$1: a hosts file that is written, replaced, removed and made; nobody asks meanwhile" hosts_file

  registered() {
    follow thing "$directory" && nsphost register thing --address 192.0.2.1:1 >/dev/null && sees thing '+ 192.0.2.1:1  thing  directory' || return 1
    quiet thing && nsphost unregister thing >/dev/null && sees thing '- 192.0.2.1:1  thing  directory'
  }
  check "$1: what another process registers in the directory and takes back" registered
  expired() {
    follow brief "$directory" && nsphost register brief --address 192.0.2.1:1 --expires 2 >/dev/null &&
      sees brief '+ 192.0.2.1:1  brief  directory' && sees brief '- 192.0.2.1:1  brief  directory' || return 1
    nsphost register brief --address 192.0.2.2:1 --expires 1 >/dev/null && nsphost register later --address 192.0.2.2:1 --expires 3 >/dev/null || return 1
    follow later "$directory"
    sees brief '- 192.0.2.2:1  brief  directory' && sees later '- 192.0.2.2:1  later  directory' && quiet brief
  }
  check "$1: what expires there" expired
  session() {
    mkfifo "$work/hold" && { "$work/directory" hold held <"$work/hold" >"$work/held" & } && local holder=$!
    others+=($holder)
    exec 9>"$work/hold"
    follow held "$directory" && sees held '+ 192.0.2.1:80  held  directory' && quiet held || return 1
    kill -9 $holder && wait $holder 2>/dev/null
    exec 9>&- && rm "$work/hold" && sees held '- 192.0.2.1:80  held  directory'
  }
  check "$1: what ends there with its session" session
  beside() {
    follow beside "$directory" && quiet beside && nsphost register beside --address 192.0.2.1:1 --local --plugins "$work/plugins" >/dev/null &&
      sees beside '+ 192.0.2.1:1  beside  directory' && nsphost unregister beside --local --plugins "$work/plugins" >/dev/null &&
      sees beside '- 192.0.2.1:1  beside  directory'
  }
  check "$1: what another host writes to the same file" beside

  published() {
    follow eve@here.test "$email" || return 1
    mkfifo "$work/in" && { "$work/email" register=eve@here.test,imap,192.0.2.5:143 hold <"$work/in" >"$work/held" 2>&1 & } && local holder=$!
    others+=($holder)
    exec 8>"$work/in"
    sees eve@here.test '+ 192.0.2.5:143  eve@here.test  email' || return 1
    kill -9 $holder && wait $holder 2>/dev/null
    exec 8>&- && rm "$work/in" && sees eve@here.test '- 192.0.2.5:143  eve@here.test  email'
  }
  check "$1: an address that is published, until its session ends" published

  silent() {
    follow silent $teller && put silent 192.0.2.1 && sees silent '+ 192.0.2.1  silent  teller' && put silent 192.0.2.2 &&
      sees silent '= 192.0.2.2  silent  teller' && rm "$work/data/silent" && sees silent '- 192.0.2.2  silent  teller'
  }
  check "$1: a provider that never says so is asked again" silent
  named() {
    put named 192.0.2.1 && follow named $teller && sees named '+ 192.0.2.1  named  teller' || return 1
    { "$work/changes" $teller named >"$work/waiting" 2>&1 & } && local waiting=$!
    { "$work/changes" $teller other-name >"$work/other" 2>&1 & } && local other=$!
    others+=($waiting $other)
    for _ in $(seq 200); do grep -q waits "$work/waiting" && grep -q waits "$work/other" && break; sleep 0.02; done
    says NAMED && wait $waiting && grep -qx 'told 0' "$work/waiting" && ! grep -q told "$work/other" || { cat "$work/waiting" "$work/other"; return 1; }
    says everything && wait $other && grep -qx 'told 0' "$work/other"
  }
  check "$1: WSANSPIoctl is told of the name that a provider says, and of everything" named
  promised() {
    quiet named && unchanged named put named 192.0.2.7 && says named && sees named '= 192.0.2.7  named  teller' || return 1
    unchanged named put named 192.0.2.8 && says other-name && unchanged named true && says everything && sees named '= 192.0.2.8  named  teller'
  }
  check "$1: one that has promised to say every change is asked when it says so, and not before" promised
  others() {
    fails 1 WSAEINVALIDPROVIDER nsphost lookup say-nobody --provider $teller && fails 1 WSAEINVALIDPROVIDER nsphost lookup say-hosts --provider $teller
  }
  check "$1: a provider that speaks for another, or for nobody, is refused" others

  advertised() {
    local offered name=offered
    "$work/advertiser" start install=$name:12 cleanup || return 1
    mkfifo "$work/offer" && { "$work/advertiser" start advertise=$name wait cleanup <"$work/offer" >"$work/offered" 2>&1 & } && offered=$!
    others+=($offered)
    exec 7>"$work/offer"
    for _ in $(seq 200); do grep -q ready "$work/offered" && break; sleep 0.02; done
    follow switch "$("$work/advertiser" id=$name)" && echo on >&7 && sees switch "+ 192.0.2.9:99  switch  $name" || return 1
    echo off >&7 && sees switch "- 192.0.2.9:99  switch  $name" && echo changed >&7 && quiet switch && unchanged switch eval 'echo on >&7' || return 1
    echo 'changed switch' >&7 && sees switch "+ 192.0.2.9:99  switch  $name" && echo others >&7 || return 1
    for _ in $(seq 200); do grep -q others "$work/offered" && break; sleep 0.02; done
    [ "$(grep changed: "$work/offered" | sort | uniq -c | tr -s ' ')" = " 2 changed: 0" ] && grep -qx 'others: 10105 10105 10022' "$work/offered" ||
      { cat "$work/offered"; return 1; }
    # The promise holds at the next host, too.
    kill $host && wait $host
    "$program" serve --config "$work/nsphost.toml" --plugins "$work/plugins" --log debug >"$work/serve.log" 2>"$work/serve.err" 7>&- & host=$!
    for _ in $(seq 200); do nsphost lookup switch --provider "$("$work/advertiser" id=$name)" >/dev/null 2>&1 && break; sleep 0.05; done
    follow switch "$("$work/advertiser" id=$name)" && sees switch "+ 192.0.2.9:99  switch  $name" && quiet switch || return 1
    exec 7>&- && rm "$work/offer" && wait $offered
  }
  check "$1: a program that advertises says so, and only for itself" advertised
  unfollow
}
run in-process
run worker
stop
finish
