#!/bin/bash
# Inside the namespaces that run.sh has made: starts every peer in namespaces of its own, measures them turn by turn, and leaves the
# figures in WORK/records.
#
#   measure.sh WORK NSPHOST PLUGINS
#
# What is measured is in the environment: NAMES, CLIENTS, PEERS, ROUNDS, MILLISECONDS, STARTS.
# shellcheck disable=SC2153
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$1 nsphost=$2 plugins=$3
measured=1000   # of more names than that, a fixed random choice is asked for: nscd knows only what was asked before
declare -A holder init

fail() {
  echo "peers: $1" >&2
  exit 1
}

children_of() {
  awk -v parent="$1" '/^Pid:/ {pid = $2} /^PPid:/ && $2 == parent {print pid}' /proc/[0-9]*/status 2>/dev/null || true
}
descendants_of() {
  local child
  for child in $(children_of "$1"); do
    echo "$child"
    descendants_of "$child"
  done
}

# The names of this size, and those of them that are asked for. /etc of the peers holds what resolving reads, and nothing else.
make_names() {
  local etc=$work/$size/etc
  mkdir -p "$etc"
  awk -v count="$size" 'BEGIN {for (i = 1; i <= count; i++)
    printf "10.%d.%d.%d host-%06d.peers.example\n", int(i / 65536), int(i / 256) % 256, i % 256, i}' >"$work/$size/all"
  shuf -n $measured --random-source="$work/$size/all" "$work/$size/all" >"$work/$size/names" 2>/dev/null ||
    cp "$work/$size/all" "$work/$size/names"
  { echo "127.0.0.1 localhost" && cat "$work/$size/all"; } >"$etc/hosts"
  cp -r /etc/passwd /etc/group /etc/ld.so.conf /etc/ld.so.conf.d "$etc/"
  echo /peers/module >>"$etc/ld.so.conf"
  echo "multi on" >"$etc/host.conf"
  echo "nameserver 127.0.0.1" >"$etc/resolv.conf"
  echo "hosts: files" >"$etc/nsswitch.server"
}

# Programs and libraries that two peers have in common are copied for each: what is resident of them would count half otherwise.
copy_host() {
  local home=$1 library folder
  cp "$nsphost" "$home/server"
  cp -r "$plugins" "$home/plugins"
  for library in $(ldd "$nsphost" "$plugins/hosts.so" | awk '$2 == "=>" && $3 !~ /^\/(usr\/)?lib/ {print $3}' | sort -u); do
    folder=$(dirname "$library")
    mkdir -p "$home/runtime$folder"
    cp "$library" "$home/runtime$folder/"
    echo "$folder" >>"$home/folders"
  done
  [ ! -f "$home/folders" ] || sort -u -o "$home/folders" "$home/folders"
  printf '[providers.hosts]\nisolation = "%s"\n[providers.hosts.settings]\nfiles = ["/etc/hosts"]\n' "$2" >"$home/nsphost.toml"
}

prepare() {
  local home=$work/$size/$peer service
  mkdir "$home"
  cp -r "$work/$size/etc" "$home/etc"
  case $peer in
    files | nscd | nscd-mapped)
      # A client that nscd does not answer asks itself: here it must not find anything that way, and the run fails.
      service=$([ "$peer" = files ] && echo files || echo nobody)
      sed "s/SHARED/$([ "$peer" = nscd-mapped ] && echo yes || echo no)/" "$here/nscd.conf" >"$home/etc/nscd.conf"
      cp "$(command -v nscd)" "$home/server"
      ;;
    dnsmasq)
      service=dns
      cp "$(command -v dnsmasq)" "$home/server"
      ;;
    nsp) service=nsp && copy_host "$home" in-process ;;
    nsp-worker) service=nsp && copy_host "$home" worker ;;
    *) fail "no peer has the name $peer" ;;
  esac
  echo "hosts: $service" >"$home/etc/nsswitch.conf"
}

# In the server's process namespace too: a host looks at who its clients are, and clients find /proc/self.
as_client() { nsenter --target "${init[$peer]}" --mount --pid "$@"; }

start() {
  local home=$work/$size/$peer name address attempt
  prepare
  unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
    "$here/peer.sh" "$peer" "$work" "$size/$peer" >"$home/log" 2>&1 &
  holder[$peer]=$!
  read -r address name <"$work/$size/names"
  for attempt in $(seq 600); do
    init[$peer]=$(children_of "${holder[$peer]}")
    [ -z "${init[$peer]}" ] || ! as_client /peers/once "$name" "$address" 2>/dev/null || return 0
    kill -0 "${holder[$peer]}" 2>/dev/null || break
    sleep 0.05
  done
  cat "$home/log" >&2
  fail "$peer does not answer, or not with the address of $name (attempt $attempt)"
}

stop() {
  kill -KILL "${holder[$peer]}"
  wait "${holder[$peer]}" 2>/dev/null || true
}

record() { echo "$*" >>"$work/records"; }

measure_starts() {
  local time
  time=$(as_client /peers/resolve start "$names" "$STARTS" /peers/once) || fail "$peer: new processes"
  record start "$size" 0 "$peer" "$time"
}
measure_load() {
  local p50 p99 each_second
  as_client /peers/resolve load "$names" "$clients" "$MILLISECONDS" >"$work/figures" || fail "$peer: $clients clients"
  read -r p50 p99 each_second <"$work/figures"
  record p50 "$size" "$clients" "$peer" "$p50"
  record p99 "$size" "$clients" "$peer" "$p99"
  record throughput "$size" "$clients" "$peer" "$each_second"
}
# Of all processes of the peer's namespace but the first, which is the script.
measure_memory() {
  local process total=0 kilobytes
  if [ "$peer" = files ]; then record memory "$size" 0 files 0 && return; fi
  for process in $(descendants_of "${init[$peer]}"); do
    kilobytes=$(awk '/^Pss:/ {print $2}' "/proc/$process/smaps_rollup")
    total=$((total + kilobytes))
  done
  record memory "$size" 0 "$peer" $total
}

ip link set lo up
for size in $NAMES; do
  names=/peers/$size/names
  make_names
  warming=()
  for peer in $PEERS; do
    echo "$size names: $peer" >&2
    start
    [ "$peer" = files ] && continue
    as_client /peers/resolve warm "$names" &
    warming+=($!)
  done
  for process in "${warming[@]}"; do wait "$process" || fail "a peer does not know all names"; done
  for round in $(seq "$ROUNDS"); do
    echo "$size names: round $round of $ROUNDS" >&2
    for peer in $PEERS; do measure_starts; done
    for clients in $CLIENTS; do
      for peer in $PEERS; do measure_load; done
    done
  done
  for peer in $PEERS; do measure_memory; done
  for peer in $PEERS; do stop; done
  rm -rf "${work:?}/$size"
done
