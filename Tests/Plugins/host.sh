# Sourced by the checks of this folder: a real host with the providers that a check names, in one isolation mode. Before it, `work` is a
# folder of the script's own. The plugins come from `make plugins`, the command from the package's own build.
root=$(cd ../.. && pwd)
plugins=${NSPHOST_PLUGINS:-$root/build/plugins}
program=$(cd "$root" && swift build --show-bin-path)/nsphost
export NSP_SOCKET=$work/run/socket STATE_DIRECTORY=$work/state
host=
mkdir -p "$work/plugins" "$work/run" && chmod 755 "$work" "$work/plugins" "$work/run"

. ../needs.sh
. ../Clients/check.sh
needs pgrep timeout

# Starts the host with what $work/nsphost.toml says; the isolation goes for every provider, whatever its manifest says.
serve() { # isolation, plugins...
  local isolation=$1 name
  shift
  stop
  rm -f "$work/plugins/"*
  for name in "$@"; do cp "$plugins/$name.so" "$plugins/$name.toml" "$work/plugins/" || exit 1; done
  sed -i "/^isolation/d; /^enabled/d" "$work/plugins/"*.toml && sed -i "1i isolation = \"$isolation\"" "$work/plugins/"*.toml
  touch "$work/nsphost.toml"
  "$program" serve --config "$work/nsphost.toml" --plugins "$work/plugins" --log debug >"$work/serve.log" 2>"$work/serve.err" & host=$!
  # One that is failing is there, too.
  for _ in $(seq 200); do "$program" providers 2>/dev/null | grep -Eq "^ *[0-9]+ +$1 .* (ready|failing)$" && return; sleep 0.05; done
  echo "the host does not start" && cat "$work/serve.err" && exit 1
}
# Ends the host in good order.
stop() { [ -z "$host" ] || { kill $host && wait $host; host=; }; }
cleanup() { [ -z "$host" ] || kill -9 $host 2>/dev/null; rm -rf "$work"; }
# Exactly these lines, sorted.
prints() { # expected, command...
  local expected=$1 out
  shift
  out=$("$@" 2>&1 | sort)
  [ "$out" = "$(printf '%b' "$expected" | sort)" ] || { printf 'expected:\n%b\ngot:\n%s\n' "$expected" "$out"; return 1; }
}
# Ends with this status and says this.
fails() { # status, text, command...
  local status=$1 text=$2 out got=0
  shift 2
  out=$("$@" 2>&1) || got=$?
  [ $got = "$status" ] && [[ $out == *$text* ]] || { echo "status $got: $out"; return 1; }
}
nsphost() { timeout 30 "$program" "$@"; }
lookup() { nsphost lookup "$@"; }
# Every session was ended, and as many were cleaned up as were started.
settles() { for _ in $(seq 200); do "$program" sessions --json | grep -q '"live":0' && return; sleep 0.05; done; "$program" sessions; return 1; }
finish() { [ $failed = 0 ] || { echo "$failed checks failed"; exit 1; }; }
