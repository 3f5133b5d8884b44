#!/bin/bash
# Backs up an image that may be served: a snapshot, a tar archive of it, and no more than KEEP of each. It is for cron, or a timer.
#
#   backup.sh IMAGE FOLDER [KEEP]
#
# Restore one: pmemfs mkfs NEW.img --from FOLDER/backup-TIME.tar.gz
set -euo pipefail # an archive whose writer has failed is no archive
image=$1 folder=$2 keep=${3:-7}
name=backup-$(date -u +%Y%m%dT%H%M%SZ)
[ "$keep" -ge 1 ] || { echo "backup.sh: KEEP is 1 or more" >&2; exit 1; }

pmemfs snapshot create "$image" "$name" --description "by backup.sh"
trap 'rm -f "$folder/.$name.tar.gz.part"; pmemfs snapshot delete "$image" "$name"' ERR
# The archive appears when it is whole.
pmemfs tar --quiet "$image@$name" | gzip >"$folder/.$name.tar.gz.part"
gzip --test "$folder/.$name.tar.gz.part"
mv "$folder/.$name.tar.gz.part" "$folder/$name.tar.gz"
trap - ERR

# The oldest go, by their names, which are times.
pmemfs snapshot list "$image" --json | grep -o '"backup-[0-9TZ]*"' | tr -d '"' | sort -u | head -n "-$keep" |
	while read -r old; do pmemfs snapshot delete "$image" "$old"; done
ls "$folder" | grep '^backup-[0-9TZ]*\.tar\.gz$' | sort | head -n "-$keep" |
	while read -r old; do rm "$folder/$old"; done
echo "$name"
