#!/bin/sh
# The manual pages: those of the commands and of nsphost.toml are made from the program, the others are packaging/man.
#   make-manual.sh GENERATOR PROGRAM FOLDER     the tool of swift-argument-parser, nsphost, and where the pages go
set -eu
here=$(cd "$(dirname "$0")" && pwd)
generator=$1 program=$2 folder=$3
date=$(git -C "$here" log -1 --format=%cs 2>/dev/null || date +%F)
rm -rf "$folder"
mkdir -p "$folder"
"$generator" "$program" --multi-page --section 1 --date "$date" --output-directory "$folder"
rm -f "$folder"/nsphost.help.1 "$folder"/nsphost.worker.1 "$folder"/nsphost.config.manual.1
# As pages of subcommands are called elsewhere: nsphost-lookup.
for page in "$folder"/nsphost*.1; do
  name=$(basename "$page" .1 | tr . -)
  sed -e '/^\.Xr nsphost\./s/\([a-z]\)\.\([a-z]\)/\1-\2/g' -e '/^\.Xr nsphost-\(help\|worker\|config-manual\) /d' \
    -e '/^\.Dt /s/\([A-Z]\)\.\([A-Z]\)/\1-\2/g' "$page" >"$folder/.page"
  rm "$page"
  mv "$folder/.page" "$folder/$name.1"
done
printf '.Xr %s ,\n' 'nsphost.toml 5' 'nsp-provider 7' >>"$folder/nsphost.1"
echo '.Xr libnss_nsp 8' >>"$folder/nsphost.1"
date=$(LC_ALL=C date --date "$date" '+%B %-d, %Y')
"$program" config manual --date "$date" >"$folder/nsphost.toml.5"
for page in "$here"/man/*; do sed "s/@DATE@/$date/" "$page" >"$folder/${page##*/}"; done
