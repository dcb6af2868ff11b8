#!/bin/bash
# One peer, as the first process of a mount and a process namespace of its own: when it is killed, so is its server. Clients enter
# both, and find there an /etc that says whom to ask and a /run with the server's socket.
#
#   peer.sh PEER HOME
set -euo pipefail
peer=$1 home=$2
mount --bind "$home/etc" /etc
mount -t tmpfs tmpfs /run
mkdir /run/nscd /run/nsphost
[ ! -f "$home/folders" ] || while read -r folder; do mount --bind "$home/runtime$folder" "$folder"; done <"$home/folders"

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
