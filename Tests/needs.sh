# Sourced by the checks.

# Ends the script where one of these programs is missing: a check that is left out for want of a tool would prove nothing.
needs() { # program...
  local program missing=
  for program in "$@"; do command -v "$program" >/dev/null || missing="$missing $program"; done
  [ -z "$missing" ] || { echo "${0##*/}: missing programs:$missing
help: make test-packages installs what the tests need" >&2; exit 1; }
}

# True for root. Else says what is left out.
is_root() { # what
  [ "$(command id -u)" = 0 ] || { echo "skipped: $1: it takes root"; return 1; }
}
