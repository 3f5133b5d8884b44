package repair

import (
	"bytes"

	"pmemfs/pmemfs/internal/layout"
)

// list vets an attribute that is an access control list. One that makes no sense is not kept. One that does not agree with the mode
// is changed: the inode has a checksum of its own, and is looked at by more.
func (a *attrs) list(x *layout.Xattr) (ok, changed bool) {
	var flag uint32
	switch string(x.Name) {
	case layout.ACLAccess:
		flag = layout.FlagACL
	case layout.ACLDefault:
		flag = layout.FlagDefaultACL
	default:
		return true, false
	}
	acl := layout.ACL(x.Value)
	switch may, _ := typeFlags(a.in.Mode() & layout.ModeType); {
	case may&flag == 0:
		a.f.lose(a.name(x), "it: files of this type have no such list")
		return false, false
	case !acl.Valid():
		a.f.lose(a.name(x), "it: the list makes no sense")
		return false, false
	}
	a.lists |= flag
	if mode, _ := acl.Mode(); flag != layout.FlagACL || mode == a.in.Mode()&0o777 {
		return true, false
	}
	acl = bytes.Clone(acl)
	acl.SetMode(a.in.Mode())
	x.Value, x.CRC = acl, layout.CRC(acl)
	a.f.note(false, a.name(x), "the list agrees with the mode again, which counts")
	return true, true
}

// finishLists makes the inode say which lists there are. Who has lost the list that kept others out is closed to all but the
// owner.
func (a *attrs) finishLists() {
	const all = layout.FlagACL | layout.FlagDefaultACL
	flags := a.in.Flags()
	if flags&all == a.lists {
		return
	}
	a.f.spoil(a.ino)
	in := a.f.change(a.ino)
	in.SetFlags(flags&^all | a.lists)
	if flags&layout.FlagACL != 0 && a.lists&layout.FlagACL == 0 {
		in.SetMode(in.Mode() &^ (layout.ModeGroupAll | layout.ModeOtherAll))
		a.f.lose(inodeName(a.ino), "its access control list: the file is closed to all but its owner")
	}
	if flags&layout.FlagDefaultACL != 0 && a.lists&layout.FlagDefaultACL == 0 {
		a.f.lose(inodeName(a.ino), "its default access control list")
	}
	in.Seal()
}
