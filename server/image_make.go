package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
)

// NewImage says how to make an image that is missing.
type NewImage struct {
	Size     int64                   // bytes
	Owner    *Owner                  // of the root directory; nil for DefaultOwner
	Progress func(done, total int64) // told of the allocation in bytes; may be nil
}

// Owner is who may write to the root directory of a new filesystem.
type Owner struct {
	UID, GID uint32
	Mode     uint32 // permission bits and sticky
}

// DefaultOwner makes a new filesystem usable by whoever makes it, with root squashed: a user owns the root directory, with
// mode 0755. When root makes it, nobody in particular would own it over NFS, as root is squashed; so it is like /tmp then:
// everybody may create there, and remove what is their own (mode 1777).
func DefaultOwner() Owner {
	uid, gid := os.Geteuid(), os.Getegid()
	if uid <= 0 {
		return Owner{Mode: 0o1777}
	}
	return Owner{UID: uint32(uid), GID: uint32(gid), Mode: 0o755}
}

// FormatOptions are the engine's options for n.
func (n NewImage) FormatOptions() pmemfs.FormatOptions {
	owner := DefaultOwner()
	if n.Owner != nil {
		owner = *n.Owner
	}
	return pmemfs.FormatOptions{Size: n.Size, Progress: n.Progress, RootUID: owner.UID, RootGID: owner.GID, RootMode: owner.Mode}
}

// ensureImage makes the image at path if nothing is there. It appears when it is whole and durable, so that a first run that is interrupted
// can simply be repeated; of two at once one makes it, and the other finds it there.
func ensureImage(path string, n NewImage) (created bool, err error) {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return false, err // nil if there is something, whatever it is: Open says if it is ours
	}
	err = pmemfs.Format(path, n.FormatOptions())
	if errors.Is(err, pmemfs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// vetNew refuses an image that is missing and would be of no use when it is made.
func vetNew(path string, exports *export.Set) error {
	if path == "" {
		return errors.New("no image is named")
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// In a new one there is the root directory and nothing else.
	if !slices.ContainsFunc(exports.All(), func(e export.Export) bool { return e.Subtree == "/" }) {
		return fmt.Errorf("%s: there is no such image, and a new one would have nothing to show: no export is of the root directory", path)
	}
	if !slices.ContainsFunc(exports.All(), func(e export.Export) bool { return !e.ReadOnly }) {
		return fmt.Errorf("%s: there is no such image, and nobody could fill a new one: all exports are read-only", path)
	}
	return nil
}

// vetImage reports whether the image can be served for reading only, and is to be: it is a file that this process cannot write, for want of permission or since its
// filesystem is mounted for reading, and nothing would be written by clients. Nothing is changed.
func (c *ImageConfig) vetImage(exports *export.Set) (readOnly bool) {
	if st, err := os.Stat(c.Path); err != nil || !st.Mode().IsRegular() || !allReadOnly(exports) {
		return false // Open says what is wrong with it
	}
	f, err := os.OpenFile(c.Path, os.O_RDWR, 0)
	if err == nil {
		return f.Close() != nil
	}
	return errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)
}

// allReadOnly reports whether no export allows changes.
func allReadOnly(exports *export.Set) bool {
	return !slices.ContainsFunc(exports.All(), func(e export.Export) bool { return !e.ReadOnly })
}
