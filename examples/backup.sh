#!/bin/bash
# Backs up an image that may be served: a snapshot, a tar archive of it, and no more than KEEP of each. It is for cron, or a timer; one at a time.
#
#   backup.sh IMAGE FOLDER [KEEP]
#
# Restore one: pmemfs mkfs NEW.img --from FOLDER/backup-TIME.tar.gz
set -euo pipefail # an archive whose writer has failed is no archive
die() { echo "backup.sh: $*" >&2; exit 1; }
[ $# -ge 2 ] || die "usage: backup.sh IMAGE FOLDER [KEEP]"
image=$1 folder=$2 keep=${3:-7}
[ "$keep" -ge 1 ] || die "KEEP is 1 or more"
[ -d "$folder" ] || die "$folder is no folder"
name=backup-$(date -u +%Y%m%dT%H%M%SZ)
draft=$folder/.$name.tar.gz.part

rm -f "$folder"/.backup-*.part # of one that was killed
pmemfs snapshot create "$image" "$name" --description "by backup.sh"
whole=
undo() {
	[ -n "$whole" ] || { rm -f "$draft"; pmemfs snapshot delete "$image" "$name" || true; }
}
trap undo EXIT
trap 'exit 1' HUP INT TERM
# The archive appears when it is whole, and durable.
pmemfs tar --quiet "$image@$name" | gzip >"$draft"
gzip --test "$draft"
sync "$draft"
mv "$draft" "$folder/$name.tar.gz"
sync "$folder"
whole=yes

# The oldest go, by their names, which are times. One that is held stays, and does not keep others.
status=0
snapshots=$(pmemfs snapshot list "$image" --json | grep -o '"backup-[0-9TZ]*"' | tr -d '"' | sort -u | head -n "-$keep")
for old in $snapshots; do pmemfs snapshot delete "$image" "$old" || status=1; done
for old in $(ls "$folder" | grep '^backup-[0-9TZ]*\.tar\.gz$' | sort | head -n "-$keep"); do rm "$folder/$old" || status=1; done
echo "$name"
exit $status
