#!/bin/bash
# Puts the output of a command into docs/performance.md, between the lines
#
#   <!-- begin NAME -->
#   <!-- end NAME -->
#
#   scripts/table.sh NAME COMMAND ARGUMENTS...
#
# The document stays as it is where the command fails or the lines are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

document=docs/performance.md
name=$1
shift
table=$(mktemp) new=$(mktemp)
trap 'rm -f "$table" "$new"' EXIT

"$@" >"$table"
awk -v name="$name" -v table="$table" '
	$0 == "<!-- end " name " -->" { inside = 0; ends++ }
	!inside { print }
	$0 == "<!-- begin " name " -->" {
		inside = 1
		begins++
		print ""
		while ((getline line <table) > 0) print line
		print ""
	}
	END { exit !(begins == 1 && ends == 1 && !inside) }
' "$document" >"$new" || {
	echo "$0: $document has no place for $name" >&2
	exit 1
}
cat "$new" >"$document"
