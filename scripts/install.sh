#!/bin/bash
# Installs those packages of packages.txt that are missing, and nothing else.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
for package in $(grep -v '^#' packages.txt); do
	# The status of a package that was never heard of is an error: also missing.
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=unknown
	[ "$status" = installed ] || missing+=("$package")
done
# The tests also download a kernel, which they find through apt's lists.
lists=known
apt-cache show linux-image-6.12-amd64 >/dev/null 2>&1 || lists=missing
if [ ${#missing[@]} -eq 0 ] && [ $lists = known ]; then
	echo "all packages are installed"
	exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! sudo -n true; then
		echo "these packages are missing, and neither root nor sudo is at hand: ${missing[*]} (apt's lists: $lists)" >&2
		exit 1
	fi
	as_root=(sudo -n)
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
[ ${#missing[@]} -eq 0 ] || "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
