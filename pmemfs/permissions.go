package pmemfs

import (
	"bytes"
	"slices"

	"pmemfs/pmemfs/internal/layout"
)

// inGroup reports whether c is in group gid.
func (c *Cred) inGroup(gid uint32) bool { return c.GID == gid || slices.Contains(c.Groups, gid) }

// granted returns which of the Access bits in want c has: by the mode bits of in, or by its access control list if it has one. The
// owner's bits count for the owner even when the group's or the others' say more, as POSIX has it. Root may do anything
// but execute a file without any execute bit. The stripe of in is held. Errors are those of reading the list.
func (fs *FS) granted(c *Cred, in layout.Inode, want uint32) (uint32, error) {
	got, _, err := fs.rights(c, in, want)
	return got, err
}

// allow returns ErrAccess unless c has all of want.
func (fs *FS) allow(c *Cred, in layout.Inode, want uint32) error {
	_, all, err := fs.rights(c, in, want)
	if err == nil && !all {
		return ErrAccess
	}
	return err
}

// rights is granted, and says whether one right alone gives all of want.
func (fs *FS) rights(c *Cred, in layout.Inode, want uint32) (got uint32, all bool, err error) {
	mode := uint32(in.Mode())
	switch {
	case c.UID == 0:
		got = want
		if !in.IsDir() && mode&layout.ModeAnyExec == 0 {
			got &^= AccessExec
		}
	case c.UID == in.UID():
		got = mode >> 6 & want
	case in.Flags()&layout.FlagACL != 0:
		return fs.rightsByACL(c, in, want)
	case c.inGroup(in.GID()):
		got = mode >> 3 & want
	default:
		got = mode & want
	}
	return got, got == want, nil
}

// rightsByACL is rights for who is neither root nor the owner, of a file with an access control list (acl(5), ACCESS CHECK
// ALGORITHM). Of several groups that c is in one must give all of want at once. A mask without any bit counts as any other, where
// Linux would go on as if there were no list.
func (fs *FS) rightsByACL(c *Cred, in layout.Inode, want uint32) (got uint32, all bool, err error) {
	acl, err := fs.aclOf(nil, in, ACLAccess)
	if err != nil {
		return 0, false, err
	}
	mask := uint32(7)
	last := acl.Len() - 1
	for last > 0 && acl.Entry(last).Tag > ACLMask { // entries are in the order of their tags
		last--
	}
	if e := acl.Entry(last); e.Tag == ACLMask {
		mask = uint32(e.Perm)
	}
	member := false
	for i := range acl.Len() {
		e := acl.Entry(i)
		perm := uint32(e.Perm) & want
		switch {
		case e.Tag == ACLUser && e.ID == c.UID:
			perm &= mask
			return perm, perm == want, nil
		case e.Tag == ACLGroupObj && c.inGroup(in.GID()), e.Tag == ACLGroup && c.inGroup(e.ID):
			perm &= mask
			member = true
			got |= perm
			all = all || perm == want
		case e.Tag == ACLOther && !member:
			return perm, perm == want, nil
		}
	}
	return got, all, nil
}

// owns reports whether c is the owner or root.
func (c *Cred) owns(in layout.Inode) bool { return c.UID == 0 || c.UID == in.UID() }

// allowData is allow for reading and writing data by handle, where there is no open file to remember that the mode
// allowed it once (but see Call.Open): the owner always may, and what may be executed may be read, as NFS servers do (RFC 1813 section 4.4).
func (fs *FS) allowData(c *Cred, call *Call, in layout.Inode, want uint32) error {
	if c.owns(in) || call.opened() {
		return nil
	}
	err := fs.allow(c, in, want)
	if err == error(ErrAccess) && want == AccessRead {
		return fs.allow(c, in, AccessExec)
	}
	return err
}

// refuses is allow for one case of a switch: it reports whether there is an error, and stores it.
func (fs *FS) refuses(c *Cred, in layout.Inode, want uint32, errp *error) bool {
	*errp = fs.allow(c, in, want)
	return *errp != nil
}

// maySticky returns ErrPerm when the sticky bit of directory d keeps c from removing or renaming child.
func maySticky(c *Cred, d, child layout.Inode) error {
	if d.Mode()&layout.ModeSticky != 0 && !c.owns(d) && !c.owns(child) {
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
	case bytes.IndexByte(name, '/') >= 0 || bytes.IndexByte(name, 0) >= 0:
		return ErrInvalid
	}
	return nil
}
