#!/bin/bash
# The first ten minutes of a stranger with the container image: scripts/tenminutes/image.sh IMAGE, which podman has. PODMAN is the command,
# and RUN what podman run is told besides, with what they need on this machine.
here=$(dirname "$(realpath "$0")")
. "$here/common.sh"
image=$1
read -ra podman <<<"${PODMAN:-podman}"
read -ra more <<<"${RUN:-}"
name=pmemfs-ten-$$
folder=$(mktemp -d)
trap 'rm -rf "$folder"; "${podman[@]}" rm -f "$name" >/dev/null 2>&1; "${podman[@]}" volume rm -f "$name" >/dev/null 2>&1' EXIT
port=$(free_port)

run() {
	"${podman[@]}" run -d "${more[@]}" --name "$name" --network host --read-only -v "$name:/data" \
		-e PMEMFS_NFS="127.0.0.1:$port" -e PMEMFS_SIZE=64MiB -e PMEMFS_ADMIN=off "$image" >/dev/null
	answers "$port"
}
# what_of NAME: what the file NAME holds, which no other does.
what_of() {
	echo "$1"
	head -c 100000 "$folder/sent"
}
# write_until_it_stops WRITER: files, each noted when it is acknowledged.
write_until_it_stops() {
	local n options="version=3&nfsport=$port&mountport=$port"
	for n in $(seq 1000); do
		what_of "busy-$1-$n" >"$folder/of-$1"
		nfs-cp "$folder/of-$1" "nfs://127.0.0.1//busy-$1-$n?$options" >/dev/null 2>&1 || break
		echo "busy-$1-$n" >>"$folder/acknowledged"
	done
}
# Files are written while it stops: it ends in order all the same, and what was acknowledged is there afterwards.
stop_busy() {
	local writers=() writer
	for writer in 1 2 3; do
		write_until_it_stops "$writer" &
		writers+=($!)
	done
	local try
	for try in $(seq 1200); do
		[ -s "$folder/acknowledged" ] && break
		sleep 0.05
	done
	[ -s "$folder/acknowledged" ]
	"${podman[@]}" stop -t 30 "$name" >/dev/null
	kill "${writers[@]}" 2>/dev/null || true # libnfs would go on until the server is there again
	[ "$("${podman[@]}" inspect -f '{{.State.ExitCode}}' "$name")" = 0 ]
}
again() {
	"${podman[@]}" start "$name" >/dev/null
	answers "$port"
}
kept() {
	local file options="version=3&nfsport=$port&mountport=$port"
	while read -r file; do
		nfs-cp "nfs://127.0.0.1//$file?$options" "$folder/$file" >/dev/null
		what_of "$file" | cmp - "$folder/$file"
	done <"$folder/acknowledged"
}

step "run the container" run
step "copy a file there and back" there_and_back "$port" "$folder"
step "stop it while files are written" stop_busy
step "start it again" again
step "find everything that was acknowledged" kept
done_with "from the image to a file on a filesystem"
