package pmemfs

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/xattr"
)

// ACLEntry is one entry of an access control list: who (a tag, and a number for users and groups by number), and what he may:
// AccessRead, AccessWrite, AccessExec. The ID of other entries means nothing.
type ACLEntry struct {
	Tag  uint16 // ACLUserObj and so on
	Perm uint16
	ID   uint32 // of ACLUser and ACLGroup
}

// ACL is a POSIX access control list (acl(5)).
type ACL []ACLEntry

// Tags of entries.
const (
	ACLUserObj  = layout.ACLUserObj  // the owner
	ACLUser     = layout.ACLUser     // a user by number
	ACLGroupObj = layout.ACLGroupObj // the file's group
	ACLGroup    = layout.ACLGroup    // a group by number
	ACLMask     = layout.ACLMask     // what those three but the owner have at most
	ACLOther    = layout.ACLOther    // everybody else
)

// ACLEntries is how many entries a list may have. More are ErrNoSpace.
const ACLEntries = layout.ACLEntries

// ACLs are the lists of a file. The default one, which only directories have, is what new files in the directory begin with.
type ACLs struct{ Access, Default ACL }

// ACLKind says which of a file's lists a call concerns.
type ACLKind uint8

// Bits of ACLKind.
const (
	ACLAccess ACLKind = 1 << iota
	ACLDefault
)

// The attributes that hold the lists. They are also what GetXattr and its kin know them by.
var (
	aclAccess  = []byte(layout.ACLAccess)
	aclDefault = []byte(layout.ACLDefault)
)

// aclKind returns which list an attribute of that name is, 0 for none.
func aclKind(name []byte) ACLKind {
	switch string(name) {
	case layout.ACLAccess:
		return ACLAccess
	case layout.ACLDefault:
		return ACLDefault
	}
	return 0
}

// where returns attribute and inode flag of one list.
func (k ACLKind) where() (name []byte, flag uint32) {
	if k == ACLAccess {
		return aclAccess, layout.FlagACL
	}
	return aclDefault, layout.FlagDefaultACL
}

// stored returns the list as it is stored, sorted. ErrInvalid means that it makes no sense: see acl(5).
func (acl ACL) stored() (layout.ACL, error) {
	if len(acl) > ACLEntries {
		return nil, ErrNoSpace
	}
	list := make([]layout.ACLEntry, len(acl))
	for i, e := range acl {
		if e.Tag != ACLUser && e.Tag != ACLGroup {
			e.ID = layout.ACLNoID
		}
		list[i] = layout.ACLEntry(e)
	}
	slices.SortFunc(list, func(a, b layout.ACLEntry) int { return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.ID, b.ID)) })
	if s := layout.AppendACL(nil, list); s.Valid() {
		return s, nil
	}
	return nil, ErrInvalid
}

// entries returns the entries of a stored list.
func entries(s layout.ACL) ACL {
	list := make(ACL, s.Len())
	for i := range list {
		list[i] = ACLEntry(s.Entry(i))
	}
	return list
}

// parseACL reads the value of an attribute, in which tags must be in order, as Linux has it. An empty list is none.
func parseACL(value []byte) (ACL, error) {
	s := layout.ACL(value)
	switch {
	case len(value) == 0:
		return nil, nil
	case !s.Framed():
		return nil, ErrInvalid
	case s.Len() > ACLEntries:
		return nil, ErrNoSpace
	}
	list := entries(s)
	if !slices.IsSortedFunc(list, func(a, b ACLEntry) int { return cmp.Compare(a.Tag, b.Tag) }) {
		return nil, ErrInvalid
	}
	return list, nil
}

// aclOf returns a list of an inode as it lies on the medium, or in the shadows of op, nil if there is none. It is valid as long
// as the stripe is held.
func (fs *FS) aclOf(op *alloc.Op, in layout.Inode, k ACLKind) (layout.ACL, error) {
	name, flag := k.where()
	if in.Flags()&flag == 0 {
		return nil, nil
	}
	set := xattr.Open(fs.j, op, in, fs.xk0, fs.xk1)
	value, found, err := set.Peek(name)
	if err == nil && (!found || !layout.ACL(value).Valid()) {
		err = fmt.Errorf("%w: inode %d: its access control list is missing or malformed", layout.ErrDamaged, in.Ino())
	}
	return value, err
}

// GetACLs returns the lists of a file. Where none is stored, Access is what the mode says. No permission is needed. No fence.
//
// Errors: read errors.
func (fs *FS) GetACLs(call *Call, h Handle) (acls ACLs, err error) {
	err = fs.view(call, h, func(in layout.Inode) error {
		access, err := fs.aclOf(nil, in, ACLAccess)
		if err != nil {
			return err
		}
		acls.Access = modeACL(in.Mode())
		if access != nil {
			acls.Access = entries(access)
		}
		def, err := fs.aclOf(nil, in, ACLDefault)
		if def != nil {
			acls.Default = entries(def)
		}
		return err
	})
	return acls, err
}

// modeACL returns the list that says what a mode does.
func modeACL(mode uint16) ACL {
	return ACL{
		{Tag: ACLUserObj, Perm: mode >> 6 & 7, ID: layout.ACLNoID}, {Tag: ACLGroupObj, Perm: mode >> 3 & 7, ID: layout.ACLNoID},
		{Tag: ACLOther, Perm: mode & 7, ID: layout.ACLNoID},
	}
}

// aclXattr returns a copy of a list as GetXattr does.
func (fs *FS) aclXattr(call *Call, h Handle, k ACLKind) (value []byte, err error) {
	err = fs.view(call, h, func(in layout.Inode) error {
		acl, err := fs.aclOf(nil, in, k)
		if err == nil && acl == nil {
			err = ErrNoXattr
		}
		value = bytes.Clone(acl)
		return err
	})
	return value, err
}

// SetACLs sets the lists of a file that k names, all in one record; an empty one removes. It is for the owner and root. The mode's
// bits follow the access list, the group's its mask if it has one; a list that says no more than a mode is not kept. Without
// the list the mode stays as it is. One fence; durable on return.
//
// Errors: ErrInvalid for a list that makes no sense, ErrNoSpace for one that is too long; ErrAccess for a default one of what is no directory;
// ErrNotSupported for symbolic links; ErrPerm; change errors.
func (fs *FS) SetACLs(c *Cred, call *Call, h Handle, acls ACLs, k ACLKind) error {
	if err := fs.changeable(h); err != nil {
		return err
	}
	var access, def layout.ACL
	var err error
	may := func(in layout.Inode) error {
		switch {
		case in.Mode()&layout.ModeType == layout.ModeSymlink:
			return ErrNotSupported
		case k&ACLDefault != 0 && len(acls.Default) > 0 && !in.IsDir():
			return ErrAccess
		case !c.owns(in):
			return ErrPerm
		}
		if len(acls.Access) > 0 {
			if access, err = acls.Access.stored(); err != nil {
				return err
			}
		}
		if len(acls.Default) > 0 {
			def, err = acls.Default.stored()
		}
		return err
	}
	return fs.editXattr(c, call, h, may, func(in layout.Inode, set *xattr.Set) error {
		if k&ACLAccess != 0 {
			if access != nil && followACL(c, in, access) {
				access = nil
			}
			if err := keepACL(in, set, ACLAccess, access); err != nil {
				return err
			}
		}
		if k&ACLDefault != 0 {
			return keepACL(in, set, ACLDefault, def)
		}
		return nil
	})
}

// followACL sets the mode as an access list says, and reports whether it says no more. Who is not of the group takes its set-id
// bit away, as on Linux.
func followACL(c *Cred, in layout.Inode, acl layout.ACL) (minimal bool) {
	mode, minimal := acl.Mode()
	in.SetMode(in.Mode()&^0o777 | mode)
	if c.UID != 0 && !c.inGroup(in.GID()) {
		in.SetMode(in.Mode() &^ layout.ModeSetGID)
	}
	return minimal
}

// keepACL stores a list, or removes it.
func keepACL(in layout.Inode, set *xattr.Set, k ACLKind, acl layout.ACL) error {
	name, flag := k.where()
	if acl != nil {
		in.SetFlags(in.Flags() | flag)
		return set.Put(name, acl)
	}
	in.SetFlags(in.Flags() &^ flag)
	_, err := set.Remove(name)
	return err
}

// chmodACL makes the access list of a shadow agree with the mode that it has been given.
func (fs *FS) chmodACL(op *alloc.Op, in layout.Inode) error {
	acl, err := fs.aclOf(op, in, ACLAccess)
	if err != nil || acl == nil {
		return err
	}
	acl = bytes.Clone(acl)
	acl.SetMode(in.Mode())
	set := xattr.Open(fs.j, op, in, fs.xk0, fs.xk1)
	return set.Put(aclAccess, acl)
}

// inherit gives a new file, whose mode is set, the lists that its directory's default one amounts to. The mode that was asked
// for bounds them (acl(5), OBJECT CREATION AND DEFAULT ACLs); no umask is known here: an NFS client that knows of the default list
// does not apply it, another has done so before.
func (fs *FS) inherit(op *alloc.Op, in, parent layout.Inode) error {
	if parent.Flags()&layout.FlagDefaultACL == 0 || in.Mode()&layout.ModeType == layout.ModeSymlink {
		return nil
	}
	def, err := fs.aclOf(nil, parent, ACLDefault)
	if err != nil {
		return err
	}
	acl := bytes.Clone(def)
	most, _ := layout.ACL(acl).Mode()
	mode := in.Mode() & most
	layout.ACL(acl).SetMode(mode)
	in.SetMode(in.Mode()&^0o777 | mode&0o777)
	set := xattr.Open(fs.j, op, in, fs.xk0, fs.xk1)
	if _, minimal := layout.ACL(acl).Mode(); !minimal {
		if err := keepACL(in, &set, ACLAccess, acl); err != nil {
			return err
		}
	}
	if in.IsDir() {
		return keepACL(in, &set, ACLDefault, def)
	}
	return nil
}
