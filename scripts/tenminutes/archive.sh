#!/bin/bash
# The first ten minutes of a stranger who has downloaded an archive: scripts/tenminutes/archive.sh ARCHIVE SHA256SUMS
here=$(dirname "$(realpath "$0")")
. "$here/common.sh"
archive=$(realpath "$1") sums=$(realpath "$2")
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"

check() {
	grep " $(basename "$archive")\$" "$sums" >sum
	(cd "$(dirname "$archive")" && sha256sum --quiet -c "$folder/sum")
}
unpack() { tar -xzf "$archive" --strip-components=1; }
version() {
	./pmemfs version
	./pmemfs --help >/dev/null
	[ -s LICENSE ]
	[ -s THIRD-PARTY-LICENSES ]
	[ -s man/pmemfs.1 ]
}
serve() {
	port=$(free_port)
	./pmemfs serve --size 64MiB --nfs "127.0.0.1:$port" --admin off --squash none >log 2>&1 &
	server=$!
	answers "$port" log "$server"
}

step "verify the checksum" check
step "unpack" unpack
step "look at the version" version
step "serve a new image" serve
step "copy a file there and back" there_and_back "$port" "$folder"
step "stop" stop
step "check the image" ./pmemfs check --quiet pmemfs.img
done_with "from the archive to a file on a filesystem"
