#!/bin/bash
# The first ten minutes of a stranger with the Debian package: scripts/tenminutes/package.sh PACKAGE
#
# It is installed into a copy of this system that nobody else sees: root's mount namespace, with an overlay over /. It needs root.
here=$(dirname "$(realpath "$0")")
. "$here/common.sh"
package=$(realpath "$1")

if [ "${2:-}" != inside ]; then
	folder=$(mktemp -d)
	trap 'rm -rf "$folder"' EXIT
	mkdir "$folder/files" "$folder/system"
	cp "$package" "$folder/files/pmemfs.deb"
	cp "$here"/*.sh "$folder/files/"
	unshare --mount --propagation private bash -euo pipefail -c '
		mount -t tmpfs none "$1" -o size=1G
		mkdir "$1/upper" "$1/work" "$1/system"
		mount -t overlay overlay "$1/system" -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work"
		mount -t tmpfs none "$1/system/run"
		mount -t tmpfs none "$1/system/tmp"
		mount --rbind /dev "$1/system/dev"
		mount --rbind /proc "$1/system/proc"
		mkdir "$1/system/tmp/ten"
		cp "$2"/* "$1/system/tmp/ten/"
		exec chroot "$1/system" bash /tmp/ten/package.sh /tmp/ten/pmemfs.deb inside
	' - "$folder/system" "$folder/files"
	exit
fi

cd /tmp/ten
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true' EXIT
export DEBIAN_FRONTEND=noninteractive
image=/var/lib/pmemfs/files.img
configure() {
	port=$(free_port)
	printf 'image = "%s"\nsize = "64MiB"\nroot_mode = "1777"\nnfs = "127.0.0.1:%s"\nadmin = "off"\n' "$image" "$port" >/etc/pmemfs/pmemfs.toml
	pmemfs config check /etc/pmemfs/pmemfs.toml
}
installed() {
	pmemfs version
	getent passwd pmemfs
	[ "$(stat -c %U /var/lib/pmemfs)" = pmemfs ]
	[ "$(stat -c %U:%G:%a /etc/pmemfs/pmemfs.toml)" = root:pmemfs:640 ]
	[ -s /usr/share/man/man1/pmemfs.1.gz ]
	[ -s /usr/share/bash-completion/completions/pmemfs ]
	[ "$(systemctl --root=/ is-enabled pmemfs.service)" = disabled ]
}
example() { pmemfs config check /etc/pmemfs/pmemfs.toml; }
# As the unit does it; systemd itself is tried elsewhere.
serve() {
	setpriv --reuid=pmemfs --regid=pmemfs --clear-groups pmemfs serve --config /etc/pmemfs/pmemfs.toml >log 2>&1 &
	server=$!
	answers "$port" log "$server"
}
# What the administrator has removed stays removed, and is no reason to fail.
without() {
	mv /etc/pmemfs/pmemfs.toml kept.toml
	dpkg -i pmemfs.deb
	[ ! -e /etc/pmemfs/pmemfs.toml ]
	mv kept.toml /etc/pmemfs/pmemfs.toml
	chown root:root /etc/pmemfs/pmemfs.toml
	dpkg -i pmemfs.deb
	[ "$(stat -c %U:%G /etc/pmemfs/pmemfs.toml)" = root:root ]
	[ "$(stat -c %U /var/lib/pmemfs)" = pmemfs ]
}
purged() {
	[ ! -e /usr/bin/pmemfs ]
	[ ! -e /etc/pmemfs/pmemfs.toml ]
	[ -s "$image" ]
}

step "install" dpkg -i pmemfs.deb
step "look at what is there" installed
step "check the configuration that comes with it" example
step "write a configuration" configure
step "serve" serve
step "copy a file there and back" there_and_back "$port" /tmp/ten
step "stop" stop
step "install it again, as an upgrade does" dpkg -i pmemfs.deb
step "keep the configuration" grep -q "$port" /etc/pmemfs/pmemfs.toml
step "upgrade without a configuration, as somebody with another one may" without
step "purge" dpkg -P pmemfs
step "keep the image" purged
done_with "from the package to a file on a filesystem, and back"
