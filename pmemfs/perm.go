package pmemfs

import (
	"slices"

	"pmemfs/pmemfs/internal/layout"
)

// inGroup reports whether c is in group gid.
func (c *Cred) inGroup(gid uint32) bool { return c.GID == gid || slices.Contains(c.Groups, gid) }

// granted returns which of the Access bits in want the mode bits of in give to c. The owner's bits count for the owner
// even when the group's or the others' say more, as POSIX has it. Root may do anything but execute a file without any
// execute bit.
func granted(c *Cred, in layout.Inode, want uint32) uint32 {
	mode := uint32(in.Mode())
	switch {
	case c.UID == 0:
		if in.IsDir() || mode&0o111 != 0 {
			return want
		}
		return want &^ AccessExec
	case c.UID == in.UID():
		return mode >> 6 & want
	case c.inGroup(in.GID()):
		return mode >> 3 & want
	}
	return mode & want
}

// allow returns ErrAccess unless c has all of want.
func allow(c *Cred, in layout.Inode, want uint32) error {
	if granted(c, in, want) != want {
		return ErrAccess
	}
	return nil
}

// owns reports whether c is the owner or root.
func (c *Cred) owns(in layout.Inode) bool { return c.UID == 0 || c.UID == in.UID() }

// allowData is allow for reading and writing data by handle, where there is no open file to remember that the mode
// allowed it once: the owner always may, and what may be executed may be read, as NFS servers do (RFC 1813 section 4.4).
func allowData(c *Cred, in layout.Inode, want uint32) error {
	if c.owns(in) || want == AccessRead && granted(c, in, AccessExec) != 0 {
		return nil
	}
	return allow(c, in, want)
}

// maySticky returns ErrPerm when the sticky bit of directory d keeps c from removing or renaming child.
func maySticky(c *Cred, d, child layout.Inode) error {
	if d.Mode()&0o1000 != 0 && !c.owns(d) && !c.owns(child) {
		return ErrPerm
	}
	return nil
}

// vetName checks a name that is to be made or removed.
func vetName(name []byte) error {
	switch {
	case len(name) == 0:
		return ErrNotExist
	case len(name) > NameMax:
		return ErrNameTooLong
	case string(name) == "." || string(name) == "..":
		return ErrInvalid
	case slices.Contains(name, '/') || slices.Contains(name, 0):
		return ErrInvalid
	}
	return nil
}
