# Sourced by the checks of this folder: one line a check, and what a failed one has said. $work is a folder of the script's own.
failed=0
check() { # name, command...
  local name=$1
  shift
  if "$@" >"$work/out" 2>"$work/err"; then echo "ok      $name"; else
    failed=$((failed + 1)) && echo "FAILED  $name: $*" && sed 's/^/        /' "$work/out" "$work/err" | head -20
  fi
}
