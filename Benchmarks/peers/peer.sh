#!/bin/bash
# One peer, as the first process of a mount and a process namespace of its own: when it is killed, so is its server. Clients enter both,
# and find there an /etc that says whom to ask, a /run with the server's socket, and WORK as /peers.
#
#   peer.sh PEER WORK FOLDER    the peer's own files are in FOLDER, below WORK
set -euo pipefail
peer=$1 work=$2 home=/peers/$3

# A root of its own, whose folders belong to whoever runs this: a host takes no plugins from below a folder of a stranger, and in a
# user's namespace that is what root's are.
root=$work/$3/root
mkdir "$root"
mount -t tmpfs -o mode=755 tmpfs "$root"
for entry in /*; do
  case $entry in
    /etc | /run | /tmp | /peers) mkdir "$root$entry" ;;
    *)
      if [ -L "$entry" ]; then cp -P "$entry" "$root/"; fi
      if [ ! -L "$entry" ] && [ -d "$entry" ]; then mkdir "$root$entry" && mount --rbind "$entry" "$root$entry"; fi
      ;;
  esac
done
chmod 1777 "$root/tmp"
mkdir -p "$root/peers" "$root/run/nscd" "$root/run/nsphost"
mount --bind "$work" "$root/peers"
mount --bind "$work/$3/etc" "$root/etc"
cd "$root"
pivot_root . .
umount -l .

# Where a library lies counts: the module is found by ld.so's cache, as an installed one is, and all peers have that cache.
ldconfig -X
[ ! -f "$home/folders" ] || while read -r folder; do
  mkdir -p "$folder"
  mount --bind "$home/runtime$folder" "$folder"
done <"$home/folders"

# Servers read the names from `files`, whatever their clients are told to do.
serve() {
  # shellcheck disable=SC2016
  unshare --mount bash -c 'mount --bind /etc/nsswitch.server /etc/nsswitch.conf && exec "$0" "$@"' "$home/server" "$@" &
}
case $peer in
  files) sleep infinity & ;;
  nscd | nscd-mapped) serve --foreground --config-file /etc/nscd.conf ;;
  # The names of a file are kept beside its cache, which may therefore be as small as it is by itself.
  dnsmasq) serve --no-daemon --conf-file=/dev/null --no-resolv --no-hosts --addn-hosts=/etc/hosts --listen-address=127.0.0.1 ;;
  nsp | nsp-worker)
    export STATE_DIRECTORY=$home/state
    mkdir "$STATE_DIRECTORY"
    serve serve --log warning --plugins "$home/plugins" --socket /run/nsphost/socket --config "$home/nsphost.toml"
    ;;
esac
wait -n
