#!/bin/bash
# The files and folders that a host makes, opens and saves, in both isolation modes: links and folders of others, what an orderly stop leaves,
# backup and restore, the plugins of a prefix, and the sockets of a service manager.
#   check-state.sh         needs root, the package's own build and its plugins (make plugins)
set -uo pipefail
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
. ./host.sh
needs python3 setpriv unshare mount tar flock md5sum
[ "$(id -u)" = 0 ] || { echo "root is needed: what other users put into the way is a part of this"; exit 1; }
trap 'kill -9 $(jobs -p) 2>/dev/null; cleanup' EXIT
nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
register() { nsphost register "$@" >/dev/null; }
eventually() { for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done; "$@"; }
# Ends at once, because it refuses; one that starts is ended after 10 s, with another status.
refused() { # text, variables and arguments of serve...
  local text=$1
  shift
  fails 1 "$text" timeout 10 env "$@"
}
serving() { # socket, state, more arguments...
  local socket=$1 state=$2
  shift 2
  echo "NSP_SOCKET=$socket" "STATE_DIRECTORY=$state" "$program" serve --plugins "$work/plugins" "$@"
}
# Nothing was written to it.
untouched() { [ "$(cat "$work/precious")" = precious ] || { echo "written to: $(head -c 100 "$work/precious")"; return 1; }; }
printf precious >"$work/precious"
# A folder of somebody else, and one like /tmp.
mkdir -m 755 "$work/theirs" && chown 65534:65534 "$work/theirs" && mkdir "$work/shared" && chmod 1777 "$work/shared"

echo "the folder of the socket"
linked() { nobody ln -s "$work/precious" "$1/socket.lock" && refused "$2" $(serving "$1/socket" "$work/none") && untouched; }
check "a lock that is a link, in a folder of another user" linked "$work/theirs" "$work/theirs belongs to user 65534"
check "a lock that is a link, in a folder like /tmp" linked "$work/shared" "$work/shared/socket.lock is a link"
rm "$work/shared/socket.lock"
hard() { ln "$work/precious" "$work/shared/socket.lock" && refused "second name" $(serving "$work/shared/socket" "$work/none"); local result=$?; rm -f "$work/shared/socket.lock"; untouched && return $result; }
check "a lock that is another file's second name" hard
theirs() { nobody touch "$work/shared/socket.lock" && refused "socket.lock belongs to user 65534" $(serving "$work/shared/socket" "$work/none"); local result=$?; rm -f "$work/shared/socket.lock"; return $result; }
check "a lock of another user" theirs
pipe() { mkfifo "$work/shared/socket.lock" && refused "is not a regular file" $(serving "$work/shared/socket" "$work/none"); local result=$?; rm -f "$work/shared/socket.lock"; return $result; }
check "a lock that is a pipe" pipe
foreign() {
  python3 -c 'import os, socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1]); os.lchown(sys.argv[1], 65534, 65534)' "$work/shared/socket" && refused "is a socket of user 65534" $(serving "$work/shared/socket" "$work/none") && [ -S "$work/shared/socket" ]
  local result=$?
  rm -f "$work/shared/socket" "$work/shared/socket.lock"
  return $result
}
check "a socket of another user" foreign
led() { nobody ln -s "$work/run" "$work/shared/run" && refused "is a link of user 65534, in a folder that others can write" $(serving "$work/shared/run/socket" "$work/none") && [ ! -e "$work/run/socket" ]; }
check "a link of another user that leads there" led
made() { mkdir -m 777 "$work/open" && chmod 777 "$work/open" && refused "every user can write it" $(serving "$work/open/new/socket" "$work/none") && [ ! -e "$work/open/new" ]; }
check "nothing is made in a folder that everybody can write" made
running() { # socket
  env NSP_SOCKET="$1" STATE_DIRECTORY="$work/none" "$program" serve --plugins "$work/plugins" >"$work/other.log" 2>&1 & local other=$!
  NSP_SOCKET=$1 eventually "$program" stats
  local result=$?
  kill $other && wait $other && return $result
}
ln -s "$work/run" "$work/alias"
check "a folder like /tmp will do" running "$work/shared/mine"
check "so will one that a link of the user's leads to, and one that is not there yet" running "$work/alias/new/socket"

echo "the state folder"
mkdir -p "$work/open/state"
check "in a folder that everybody can write" refused "$work/open has mode 0777: every user can write it" $(serving "$work/run/s" "$work/open/state")
check "in a folder of another user" refused "$work/theirs belongs to user 65534" $(serving "$work/run/s" "$work/theirs")
check "a folder like /tmp will not do" refused "$work/shared has mode 1777" $(serving "$work/run/s" "$work/shared")
for name in catalog.toml.lock catalog.toml.new nsphost.lock schema.db schema.changes directory.db directory.runs; do
  through() {
    rm -rf "$work/state" && mkdir "$work/state" && ln -s "$work/precious" "$work/state/$1" || return 1
    # What refuses is the host, the provider, or the change that needs the file.
    timeout 10 env $(serving "$work/run/socket" "$work/state") >"$work/other.log" 2>&1 & local other=$!
    decided() { [ -S "$work/run/socket" ] || ! kill -0 $other 2>/dev/null; }
    eventually decided
    if kill -0 $other 2>/dev/null; then nsphost register a --address 10.0.0.1:1; nsphost disable hosts; nsphost enable hosts; fi
    kill $other 2>/dev/null
    wait $other
    untouched
  }
  cp "$plugins/directory".* "$plugins/hosts".* "$work/plugins/"
  check "no file is written through a link: $name" through $name
done
rm -rf "$work/state"

echo "directories of plugins"
warns() { local out; out=$("$@" 2>&1) && [[ $out == *"plugin directory $work/nosuch: No such file"*"help: make it"* ]] || { echo "$out"; return 1; }; }
named() { warns nsphost providers --plugins "$work/nosuch"; }
check "one that was named and is not there is a warning: --plugins" named
variable() { NSP_PLUGIN_PATH=$work/nosuch warns nsphost providers --local; }
check "NSP_PLUGIN_PATH" variable
configured() {
  printf 'plugins = ["%s", "%s"]\n' "$work/nosuch" "$work/precious" >"$work/other.toml"
  timeout 20 env NSP_SOCKET="$work/run/other" STATE_DIRECTORY="$work/none" "$program" serve --config "$work/other.toml" >"$work/other.log" 2>&1 & local other=$!
  eventually grep -q "serves" "$work/other.log" && kill $other && wait $other && grep -q "warning: plugin directory $work/nosuch: No such file" "$work/other.log" && grep -q "precious: is not a directory" "$work/other.log"
}
check "the configuration" configured
prefix() {
  mkdir -p "$work/prefix/bin" "$work/prefix/lib/nsp" "$work/home/.local/lib/nsp" && cp "$program" "$work/prefix/bin/" && cp "$plugins/hosts".* "$work/prefix/lib/nsp/" &&
    cp "$plugins/email".* "$work/home/.local/lib/nsp/" || return 1
  timeout 20 env -u NSP_PLUGIN_PATH HOME="$work/home" NSP_SOCKET="$work/run/other" STATE_DIRECTORY="$work/none" "$work/prefix/bin/nsphost" serve >"$work/other.log" 2>&1 & local other=$!
  eventually grep -q "serves" "$work/other.log" || { cat "$work/other.log"; return 1; }
  [[ $(NSP_SOCKET=$work/run/other "$work/prefix/bin/nsphost" inspect hosts) == *"$work/prefix/lib/nsp/hosts.so"* ]] && NSP_SOCKET=$work/run/other fails 2 '' nsphost providers --exists email
  local result=$?
  kill $other && wait $other && return $result
}
check "serve finds the plugins of its own prefix, and none in the home of root" prefix

echo "a socket of the service manager"
activated() { # socket, command in front...
  local socket=$1
  shift
  (unset NSP_SOCKET && STATE_DIRECTORY=$work/none exec timeout 20 python3 ../Clients/activate.py "$socket" "$@" "$program" serve --plugins "$work/plugins") >"$work/other.log" 2>&1 & other=$!
}
moved() {
  mkdir "$work/elsewhere" && activated "$work/elsewhere/socket" env "NSP_SOCKET=/nowhere/socket"
  eventually grep -q "on $work/elsewhere/socket" "$work/other.log" && NSP_SOCKET=$work/elsewhere/socket nsphost providers --exists hosts &&
    NSP_SOCKET=$work/elsewhere/socket nsphost lookup localhost >/dev/null && ! grep -q "has died" "$work/other.log"
  local result=$?
  kill $other && wait $other && return $result
}
check "at another path than NSP_SOCKET says: workers are told of that one, and serve" moved
hidden() {
  mkdir "$work/hidden" && activated "$work/hidden/socket" unshare --mount sh -c 'mount -t tmpfs none "$0" && exec "$@"' "$work/hidden"
  ! wait $other && grep -q "$work/hidden/socket, is not there for this process" "$work/other.log"
}
check "one that the host can't see is refused: no worker could connect" hidden
several() {
  fails 1 "has given 2 sockets" env LISTEN_FDS=2 python3 -c 'import os, sys; os.environ["LISTEN_PID"] = str(os.getpid()); os.execvp(sys.argv[1], sys.argv[1:])' "$program" serve --plugins "$work/plugins"
}
check "several are refused" several
handed() {
  fails 64 "leave out --supervise" python3 ../Clients/activate.py "$work/run/handed" "$program" serve --supervise --plugins "$work/plugins"
}
check "one with --supervise is refused" handed

# One row of a copy of a database alone.
copied() { rm -rf "$work/copy" && mkdir "$work/copy" && cp "$work/state/$1" "$work/copy/" && python3 -c 'import sqlite3, sys; print(*[row[0] for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2])])' "$work/copy/$1" "$2"; }
printf '[[class]]\nid = "5e0f4d0a-3a53-4c3c-8f3b-0a4b8c1d2e3f"\nname = "Kept"\n' >"$work/class.toml"
saved=$work/saved.tar

run() {
  local mode=$1
  echo "state: $mode"
  rm -rf "$work/state" "$work"/state.*
  serve "$mode" directory hosts
  stopped() {
    register kept --address 10.0.0.5:5 && register also --address 10.0.0.6:6 && nsphost classes install "$work/class.toml" >/dev/null && stop || return 1
    prints 'also kept' copied directory.db 'SELECT name FROM instance ORDER BY name' && prints Kept copied schema.db 'SELECT name FROM class'
  }
  check "$mode: an orderly stop leaves everything in the databases themselves" stopped
  serve "$mode" directory hosts

  # Registrations go on meanwhile: the copy is sound, and has what was acknowledged before it was begun.
  busily() {
    (for number in $(seq 1000); do "$program" register "busy$number" --address 10.0.1.1:1 >/dev/null || break; echo $number >"$work/acknowledged"; done) & local others=$!
    eventually test -s "$work/acknowledged" && nsphost disable hosts >/dev/null || return 1
    local before=$(cat "$work/acknowledged") out
    out=$(nsphost backup "$saved") && [[ $out == "saved 3 files in $saved"*state/catalog.toml*state/directory.db*state/schema.db* ]] || { echo "$out"; kill $others; return 1; }
    kill $others && wait $others 2>/dev/null
    [ "$(stat -c %a "$saved")" = 600 ] && [ -z "$(ls -d "$saved".* 2>/dev/null)" ] && rm -rf "$work/copy" && mkdir "$work/copy" && tar -xf "$saved" -C "$work/copy" || return 1
    python3 -c '
import sqlite3, sys
with sqlite3.connect(sys.argv[1] + "/directory.db") as one:
    assert one.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    names = {row[0] for row in one.execute("SELECT name FROM instance")}
    missing = {"kept", "also"} | {"busy%d" % n for n in range(1, int(sys.argv[2]) + 1)}
    assert missing <= names, missing - names' "$work/copy/state" "$before"
  }
  check "$mode: backup while the host runs and takes registrations" busily
  check "$mode: restore while a host runs changes nothing" fails 1 "a host uses $work/state" nsphost restore "$saved"
  register later --address 10.0.0.7:7 && nsphost unregister kept >/dev/null && nsphost enable hosts >/dev/null && stop
  back() {
    local out
    out=$(nsphost restore "$saved") && [[ $out == "restored 3 files from $saved"*"what was there before is in $work/state.before-"* ]] || { echo "$out"; return 1; }
    serve "$mode" directory && fails 2 '' lookup later && prints '10.0.0.5:5  kept' lookup kept && [[ $(nsphost classes) == *Kept* ]] && grep -q '= false' "$work/state/catalog.toml" && stop || return 1
    local former=("$work"/state.before-*)
    prints 'later' copied "../${former[0]##*/}/directory.db" "SELECT name FROM instance WHERE name = 'later'" && [ "$(stat -c '%a %u' "$work/state")" = "$(stat -c '%a %u' "${former[0]}")" ]
  }
  check "$mode: restore puts back what was saved, and keeps what was there" back
}
run in-process
run worker

echo "backups that are damaged, or made up"
same() { (cd "$work/state" && find . -type f ! -name '*-shm' ! -name '*-wal' -exec md5sum {} + | sort); }
before=$(same)
unchanged() { [ "$(same)" = "$before" ] && [ -z "$(find "$work" -maxdepth 1 -name 'state.??????')" ] || { echo "the state has changed"; ls "$work"; return 1; }; }
bad() { fails 1 "$1" nsphost restore "$work/bad.tar" && unchanged; }
damage() { python3 - "$saved" "$work/bad.tar" "$1" <<'END'
import io, sys, tarfile
source, target, how = sys.argv[1:]
data = bytearray(open(source, "rb").read())
if how == "cut": data = data[:len(data) // 2]
elif how == "empty": data = b""
elif how == "noise": data = bytes(range(256)) * 40
elif how == "byte": data[512 + 20] ^= 1
elif how == "header": data[0] ^= 1
else:
    with tarfile.open(source) as old: members = [(one, old.extractfile(one).read()) for one in old]
    new = io.BytesIO()
    with tarfile.open(fileobj=new, mode="w", format=tarfile.USTAR_FORMAT) as out:
        for one, content in members[:-1]:
            if how == "database" and one.name.endswith("directory.db"): content = b"no database" + content[11:]
            if how == "inside" and one.name.endswith("directory.db"): content = content[:8192] + bytes(len(content) - 8192)
            one.size = len(content)
            out.addfile(one, io.BytesIO(content))
        for name in {"up": ["state/../../escaped"], "absolute": ["/etc/escaped"], "deep": ["state/a/b"], "dots": ["state/.."], "other": ["mine/file"],
                     "twice": ["state/catalog.toml"]}.get(how, []):
            extra = tarfile.TarInfo(name)
            extra.size = 4
            out.addfile(extra, io.BytesIO(b"evil"))
            members.insert(len(members) - 1, (extra, b"evil"))
        if how in ("link", "hard", "folder", "device"):
            extra = tarfile.TarInfo("state/extra")
            extra.type = {"link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "folder": tarfile.DIRTYPE, "device": tarfile.CHRTYPE}[how]
            extra.linkname = "/etc/passwd"
            out.addfile(extra)
        import zlib
        text = "nsphost-backup 1\n"
        for one, content in members[:-1]:
            if how == "database" and one.name.endswith("directory.db"): content = b"no database" + content[11:]
            if how == "inside" and one.name.endswith("directory.db"): content = content[:8192] + bytes(len(content) - 8192)
            text += "%08x %d %s\n" % (zlib.crc32(content), len(content), one.name)
        if how != "listless":
            listing = tarfile.TarInfo("nsphost-backup")
            listing.size = len(text)
            out.addfile(listing, io.BytesIO(text.encode()))
    data = bytearray(new.getvalue())
    if how == "size":
        # More than there is.
        data[124:136] = b"77777777777\0"
        data[148:156] = b" " * 8
        data[148:156] = b"%06o\0 " % sum(data[:512])
open(target, "wb").write(data)
END
}
while read -r how text; do
  damage "$how"
  check "$how" bad "$text"
done <<'END'
cut ends before
empty not a backup
noise not a backup
byte is not what was saved
header not a backup
listless not complete
size ends before
database is no database
inside is damaged
up not that of a file in a state folder
absolute not that of a file in a state folder
deep not that of a file in a state folder
dots not that of a file in a state folder
other the configuration names none
twice twice
link regular files alone
hard regular files alone
folder regular files alone
device regular files alone
END
rewritten() { damage none && nsphost restore "$work/bad.tar" >/dev/null && before=$(same); }
check "the same without any damage is taken: what was refused was the damage" rewritten
# A host that starts, and a change, in the middle of a restore.
waits() {
  exec 8>"$work/state/nsphost.lock" && flock -x 8 || return 1
  refused "a restore of $work/state is going on" $(serving "$work/run/socket" "$work/state") && NSP_SOCKET=$work/none fails 1 "is going on" nsphost disable hosts --local && unchanged
  local result=$?
  exec 8>&-
  return $result
}
check "while a restore is going on, no host starts and nothing is changed" waits
# Killed at any moment, it has done all or nothing.
killed() {
  local delay
  for delay in 0.01 0.02 0.03 0.04 0.05 0.06 0.07 0.08 0.09 0.1 0.12 0.14 0.16 0.2; do
    timeout -s KILL $delay "$program" restore "$saved" >/dev/null 2>&1
    [ "$(cd "$work/state" && ls catalog.toml directory.db schema.db 2>&1 | wc -w)" = 3 ] && [ "$(copied directory.db 'PRAGMA integrity_check') $(copied schema.db 'SELECT name FROM class')" = "ok Kept" ] || { echo "killed after $delay s:"; ls "$work/state"; return 1; }
  done
  rm -rf "$work"/state.??????
}
check "a restore that is killed has done all or nothing" killed
owned() { before=$(same) && cp "$saved" "$work/bad.tar" && chown 65534 "$work/bad.tar" && bad "belongs to user 65534"; }
check "one of another user" owned
check "none at all" fails 1 "No such file" nsphost restore "$work/nosuch.tar"
broken() {
  cp "$work/state/directory.db" "$work/whole" && printf 'not a database' | dd of="$work/state/directory.db" conv=notrunc status=none && rm -f "$work/new.tar" || return 1
  fails 1 "directory.db is damaged" nsphost backup "$work/new.tar" && [ ! -e "$work/new.tar" ] && nsphost restore "$saved" >/dev/null && cmp <(copied directory.db 'SELECT count(*) FROM instance') <(echo "$(tar -xOf "$saved" state/directory.db >"$work/count.db" && python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("SELECT count(*) FROM instance").fetchone()[0])' "$work/count.db")")
}
check "a damaged database is not saved over a good one, and a restore takes its place" broken
absent() { fails 1 "can't be resolved" env STATE_DIRECTORY="$work/nosuch" "$program" backup "$work/new.tar" && [ ! -e "$work/new.tar" ]; }
check "a state folder that is not there is nothing to save" absent
fresh() { env STATE_DIRECTORY="$work/fresh/state" "$program" restore "$saved" >/dev/null && cmp "$work/fresh/state/catalog.toml" "$work/state/catalog.toml"; }
check "restore makes a folder that is not there" fresh
own() {
  mkdir "$work/own" && printf '[providers.directory.settings]\nstate = "%s"\n' "$work/own" >"$work/own.toml" && cp "$work/state/directory.db" "$work/own/" &&
    [[ $(nsphost backup --config "$work/own.toml" "$work/new.tar") == *directory/directory.db* ]] && rm "$work/own/directory.db" && nsphost restore --config "$work/own.toml" "$work/new.tar" >/dev/null &&
    [ -s "$work/own/directory.db" ] && fails 1 "the configuration names none" nsphost restore "$work/new.tar"
}
check "the folder that the configuration gives to a provider is saved and put back, too" own
into() { nobody ln -s "$work/precious" "$work/shared/backup.tar" && nsphost backup "$work/shared/backup.tar" >/dev/null && [ ! -L "$work/shared/backup.tar" ] && untouched; }
check "a link in the place of the backup is replaced, not followed" into
mounted() {
  unshare --mount --propagation private sh -c 'mkdir -p "$0/mounted" && mount -t tmpfs -o mode=755 none "$0/mounted" && STATE_DIRECTORY=$0/mounted "$1" restore "$2"' "$work" "$program" "$saved"
}
check "a mount point can't be replaced, which is said" fails 1 "is a mount point" mounted
finish
