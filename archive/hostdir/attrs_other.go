//go:build !linux

package hostdir

import (
	"os"

	"golang.org/x/sys/unix"

	"pmemfs/archive/tarball"
)

// holes are not looked for where the names of the system calls are not Linux's.
func holes(*os.File, uint64) ([]tarball.Extent, bool) { return nil, false }

// readXattrs finds none: those of other systems have names that Linux does not take.
func readXattrs(string) ([]tarball.Xattr, error) { return nil, nil }

// setXattr sets none, for the same reason.
func setXattr(*os.File, string, tarball.Xattr) error { return unix.ENOTSUP }

// makeNode makes none: there is no call that makes one in an open directory.
func makeNode(*os.File, string, *tarball.Entry) error { return unix.ENOTSUP }
