#!/bin/bash
# Installs what is missing of the Debian packages that it is given. A server among them is for tests and benchmarks, which start it themselves:
# it is started neither now nor with the machine.
set -euo pipefail
missing=()
for package in "$@"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then exec sudo "$0" "$@"; fi
echo "installing ${missing[*]}" >&2

# What maintainer scripts ask before they start a service; 101 forbids it. One that is there already says what the machine's owner wants.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
for package in "${missing[@]}"; do
  [ ! -e "/etc/init.d/$package" ] || update-rc.d "$package" disable
  [ ! -e "/lib/systemd/system/$package.service" ] || systemctl disable -q "$package" 2>/dev/null || true
done
