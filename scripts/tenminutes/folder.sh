#!/bin/bash
# The first ten minutes of a stranger with a checkout and Go: scripts/tenminutes/folder.sh CHECKOUT
here=$(dirname "$(realpath "$0")")
. "$here/common.sh"
checkout=$(realpath "$1")
folder=$(mktemp -d)
server=
trap 'rm -rf "$folder"' EXIT
cd "$folder"

clone() { git -c safe.directory="*" clone -q --depth 1 "file://$checkout" pmemfs; }
build() { (cd pmemfs && GOFLAGS=-buildvcs=false go build -o ../bin/ ./cmd/pmemfs); }
# As README has it, with ports of its own: another server may have the usual ones.
serve() {
	port=$(free_port)
	(cd pmemfs && GOFLAGS=-buildvcs=false exec go run ./cmd/pmemfs serve --size 64MiB --nfs "127.0.0.1:$port" --admin off --squash none) >log 2>&1 &
	runner=$!
	trap 'pkill -TERM -P "$runner" -x pmemfs 2>/dev/null || true; rm -rf "$folder"' EXIT
	answers "$port" log "$runner"
	server=$(pgrep -P "$runner" -x pmemfs)
}
# go run ends with its program.
stopped() {
	kill -TERM "$server"
	wait "$runner" || true
	server=
	grep -q stopped log
}

step "clone" clone
step "serve a new image: go run ./cmd/pmemfs serve" serve
step "copy a file there and back" there_and_back "$port" "$folder"
step "stop" stopped
step "build" build
step "check the image" bin/pmemfs check --quiet pmemfs/pmemfs.img
done_with "from an empty folder to a file on a filesystem"
