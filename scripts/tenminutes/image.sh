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
# Files are written while it stops: it ends in order all the same, and what was acknowledged is there afterwards.
stop_busy() {
	local n options="version=3&nfsport=$port&mountport=$port"
	(for n in $(seq 1000); do nfs-cp "$folder/sent" "nfs://127.0.0.1//busy$n?$options" >/dev/null 2>&1 || break; echo "$n" >>"$folder/acknowledged"; done) &
	local writer=$!
	until [ -s "$folder/acknowledged" ]; do sleep 0.05; done
	"${podman[@]}" stop -t 30 "$name" >/dev/null
	kill "$writer" 2>/dev/null || true
	[ "$("${podman[@]}" inspect -f '{{.State.ExitCode}}' "$name")" = 0 ]
}
again() {
	"${podman[@]}" start "$name" >/dev/null
	answers "$port"
}
kept() {
	local n options="version=3&nfsport=$port&mountport=$port"
	for n in $(cat "$folder/acknowledged"); do
		rm "$folder/back" # what is compared is what comes now
		nfs-cp "nfs://127.0.0.1//busy$n?$options" "$folder/back" >/dev/null
		cmp "$folder/sent" "$folder/back"
	done
}

step "run the container" run
step "copy a file there and back" there_and_back "$port" "$folder"
step "stop it while files are written" stop_busy
step "start it again" again
step "find everything that was acknowledged" kept
done_with "from the image to a file on a filesystem"
