#!/bin/bash
# Checks the model of an incoming close over all its interleavings, and that the check sees what is broken on purpose.
#   check-model.sh            needs spin and a C compiler
cd "$(dirname "$0")" || exit 1
. ../needs.sh
needs clang spin
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
cc=clang

# The search stops at the first error; an invalid end state, where somebody waits for ever, is one.
search() { # flags of the model...
  rm -f "$work"/pan*
  (cd "$work" && spin "$@" -a "$OLDPWD/incoming-close.pml" && $cc -O2 -DSAFETY -w -o pan pan.c && ./pan -m1000000) >"$work/log" 2>&1
  grep -q '^State-vector' "$work/log" || { cat "$work/log" && exit 1; }
  ! grep -q 'max search depth too small' "$work/log" && grep -q 'errors: 0' "$work/log"
}
if search; then
  echo "ok      incoming close: $(sed -n 's/^ *\([0-9]*\) states, stored.*/\1 states/p' "$work/log"), no deadlock, one deletion"
else
  cat "$work/log" && exit 1
fi
for rule in ORDER DELETE; do
  if search -DBROKEN_$rule; then echo "FAILED  without rule $rule no error is found" && exit 1; fi
  echo "ok      without rule $rule: $(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' "$work/log")"
done
