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
if [ ${#missing[@]} -eq 0 ]; then
	echo "all packages are installed"
	exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! sudo -n true; then
		echo "these packages are missing, and neither root nor sudo is at hand: ${missing[*]}" >&2
		exit 1
	fi
	as_root=(sudo -n)
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
