#!/bin/bash
# Makes a release of what is committed: archives for three platforms, Debian packages, an SBOM of each binary, and checksums.
#
#   scripts/release.sh VERSION [FOLDER]
#
# Two runs on two checkouts of one commit make the same bytes: every time is that of the commit, and no path and no user of this machine is
# in them. CHANGELOG.md must have a section of that version, and nothing may be changed or new in the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."

nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.48.0
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

maintainer="pmemfs maintainers <maintainers@pmemfs.invalid>"

die() {
	echo "release: $*" >&2
	exit 1
}

version=${1:-}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || die "name the version, such as 0.1.0, not '$version'"
out=${2:-dist}
# A checkout may belong to another user than the one who builds it.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="*"
changes=$(git status --porcelain)
[ -z "$changes" ] || die "there are changes that are not committed, or new files: git status"
grep -q "^## $version (" CHANGELOG.md || die "CHANGELOG.md has no section '## $version'"
[ ! -e "$out" ] || die "$out exists: remove it, or name another folder"

export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C GOFLAGS=-mod=readonly GOTOOLCHAIN=local CGO_ENABLED=0
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
stage=$(realpath "$(mktemp -d)")
trap 'rm -rf "$stage"' EXIT
umask 022

# build OS ARCH: the binary in $stage/bin-OS-ARCH.
build() {
	GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=true -ldflags "-s -w -buildid= -X main.release=$version" -o "$stage/bin-$1-$2/pmemfs" ./cmd/pmemfs
}

# licences OS ARCH: the licences of all modules that are in the binary.
licences() {
	GOOS=$1 GOARCH=$2 go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/pmemfs | sort -u |
		while read -r path module folder; do
			mapfile -t files < <(find "$folder" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) | sort)
			[ ${#files[@]} -gt 0 ] || die "$path has no licence in $folder"
			echo "=== $path $module"
			cat "${files[@]}"
			echo
		done
	echo "=== Go's standard library"
	cat "$(go env GOROOT)/LICENSE"
	echo "=== uPlot, in the status page"
	cat server/page/files/uplot/LICENSE
}

# dated FOLDER: gives everything in it the time of the commit.
dated() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }

# In the checkout, the first file would have later binaries say that they are of a changed one.
made=$stage/made
mkdir "$made"
# To Debian, 1.0~rc comes before 1.0, and 1.0-rc after it.
debian=${version/-/\~}
# What documents link to is beside them as in the checkout.
doc=$stage/doc
mkdir -p "$doc/docs" "$doc/deploy" "$doc/server/gonfs" "$doc/server/control"
cp ./*.md "$doc/"
cp docs/*.md docs/*.svg docs/*.png "$doc/docs/"
cp -r examples "$doc/"
cp -r deploy/prometheus "$doc/deploy/"
cp server/gonfs/LIMITS.md "$doc/server/gonfs/"
cp server/control/schema.json "$doc/server/control/"
# Debian's own form of a changelog, and of a copyright.
printf 'pmemfs (%s) stable; urgency=medium\n\n  * CHANGELOG.md says what changed.\n\n -- %s  %s\n' \
	"$debian" "$maintainer" "$(date -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$stage/changelog.gz"
cat >"$stage/copyright" <<-END
	Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
	Upstream-Name: pmemfs

	Files: *
	Copyright: 2026 the authors of pmemfs
	License: Apache-2.0
	 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
	Comment: the licences of what the program is linked with are in
	 THIRD-PARTY-LICENSES, in this folder.
END
mkdir "$stage/man"
for page in deploy/man/*; do gzip -9n <"$page" >"$stage/man/$(basename "$page").gz"; done

for target in linux/amd64 linux/arm64 darwin/arm64; do
	os=${target%/*} arch=${target#*/}
	build "$os" "$arch"
	name=pmemfs-$version-$os-$arch
	cp -r "$doc" "$stage/$name"
	cp "$stage/bin-$os-$arch/pmemfs" LICENSE "$stage/$name/"
	licences "$os" "$arch" >"$stage/$name/THIRD-PARTY-LICENSES"
	cp -r deploy/man deploy/completions "$stage/$name/"
	[ "$os" != linux ] || cp -r deploy/systemd "$stage/$name/"
	dated "$stage/$name"
	tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mode=go-w --mtime="@$SOURCE_DATE_EPOCH" \
		--format=ustar -cf - "$name" | gzip -9n >"$made/$name.tar.gz"
	go run "$sbom" bin -json -noserial -std -version "$version" -output "$made/$name.cdx.json" "$stage/bin-$os-$arch/pmemfs" 2>"$stage/sbom.log" ||
		die "no bill of materials: $(cat "$stage/sbom.log")"
	sed -i "s/^\( *\"timestamp\": \)\"[^\"]*\"/\1\"$(date -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)\"/" "$made/$name.cdx.json"
done

for arch in amd64 arm64; do
	cp "$stage/pmemfs-$version-linux-$arch/THIRD-PARTY-LICENSES" "$stage/bin-linux-$arch/"
	# The example, but for where a service has its image; and whoever it serves is another user than the service, to whom a new root directory
	# belongs.
	"$stage/bin-linux-$(go env GOHOSTARCH)/pmemfs" config init |
		sed -e 's#^\#image = "pmemfs.img"$#image = "/var/lib/pmemfs/pmemfs.img"#' -e 's/^#root_mode = "0755"$/root_mode = "1777"/' \
			>"$stage/bin-linux-$arch/pmemfs.toml"
	for line in 'image = "/var/lib/pmemfs/pmemfs.img"' 'root_mode = "1777"'; do
		grep -qxF "$line" "$stage/bin-linux-$arch/pmemfs.toml" || die "the example of a configuration has no line to become $line"
	done
	dated "$stage"
	STAGE=$stage VERSION=$version ARCH=$arch MAINTAINER=$maintainer go run "$nfpm" package --config deploy/package/nfpm.yaml --packager deb \
		--target "$made/pmemfs_${debian}_$arch.deb" >/dev/null
done
(cd "$made" && sha256sum -- * >"$stage/sums")
mv "$stage/sums" "$made/SHA256SUMS"
mkdir -p "$(dirname "$out")"
mv "$made" "$out"
ls -l "$out" | awk 'NR > 1 {print $5, $9}'
