package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"pmemfs/pmemfs"
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

// ensureImage makes the image at path if nothing is there. It is formatted under another name and appears under its own
// when it is whole and durable, so that a first run that is interrupted can simply be repeated.
func ensureImage(path string, n NewImage) (created bool, err error) {
	if path == "" {
		return false, errors.New("no image is named")
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return false, err // nil if there is something, whatever it is: Open says if it is ours
	}
	draft := path + ".new"
	o := n.FormatOptions()
	o.Force = true // an interrupted first run may have left it; one in progress holds its lock
	if err := pmemfs.Format(draft, o); err != nil {
		return false, errors.Join(err, removeIfThere(draft))
	}
	if err := publish(draft, path); err != nil {
		return false, errors.Join(err, removeIfThere(draft))
	}
	return true, nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// publish gives the file at draft the name path, durably, without ever replacing what another may have put there.
func publish(draft, path string) error {
	switch err := os.Link(draft, path); {
	case err == nil:
		if err := os.Remove(draft); err != nil {
			return err
		}
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: appeared while it was being made", path)
	default: // a filesystem without hard links
		if err := os.Rename(draft, path); err != nil {
			return err
		}
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
