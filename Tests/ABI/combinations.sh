# NSP-006, sourced by check-abi.sh: every header alone, every pair in both orders, and all of them in several orders.
all=$(cd "$headers" && ls *.h)
include() { printf '#include "%s"\n' "$@"; }
i=0
mkdir "$work/orders"
for first in $all; do
  include $first >"$work/orders/alone-$first"
  for second in $all; do
    [ "$first" = "$second" ] || include $first $second >"$work/orders/$first-then-$second"
  done
  i=$((i + 1)) # all of them, turned by i
  include $(echo $all $all | cut -d' ' -f$i-$((i + $(echo $all | wc -w) - 1))) >"$work/orders/all-from-$first"
done
include $(echo $all | tr ' ' '\n' | tac) $all >"$work/orders/all-backwards-and-again.h"

each_order() { # compiler and flags
  local order
  for order in "$work"/orders/*; do
    "$@" -fsyntax-only -I"$headers" "$order" || return 1
  done
}
for compiler in $compilers; do
  for flag in "" -fshort-wchar -DNSP_ROUTINE_PROTOTYPES; do
    check "NSP-006 $(ls "$work/orders" | wc -l) orders C11 $compiler $flag" each_order $compiler -std=c11 $strict $flag -x c
    check "NSP-006 $(ls "$work/orders" | wc -l) orders C++17 $compiler $flag" each_order $(cxx $compiler) -std=c++17 $strict $flag -x c++
  done
done
