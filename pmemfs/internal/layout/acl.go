package layout

import "math"

// A POSIX access control list is the value of an extended attribute, in the format in which Linux keeps and shows it: a
// version u32, then for each entry tag u16 | permissions u16 | id u32.
const (
	ACLAccess  = "system.posix_acl_access"
	ACLDefault = "system.posix_acl_default"
	ACLEntries = 127 // most entries of a list: with them it is still kept in its record (XattrInlineMax)
	ACLSizeMax = aclHead + ACLEntries*aclEntry
	aclHead    = 4
	aclEntry   = 8
	aclVersion = 2
)

// Tags of entries, in the order in which entries are stored.
const (
	ACLUserObj  = 0x01 // the owner
	ACLUser     = 0x02 // a user by number
	ACLGroupObj = 0x04 // the file's group
	ACLGroup    = 0x08 // a group by number
	ACLMask     = 0x10 // what users and groups by number, and the file's group, have at most
	ACLOther    = 0x20 // everybody else
)

// ACLNoID is the id of an entry that is not of a user or group by number.
const ACLNoID = math.MaxUint32

// ACLEntry is one entry: Perm is 4 read, 2 write, 1 execute.
type ACLEntry struct {
	Tag, Perm uint16
	ID        uint32
}

// named reports whether the entry is of a user or group by number.
func (e ACLEntry) named() bool { return e.Tag == ACLUser || e.Tag == ACLGroup }

// ACL is a list as it is stored. Its methods but Valid are for valid ones.
type ACL []byte

// AppendACL appends the list of some entries, which are in order.
func AppendACL(b []byte, entries []ACLEntry) ACL {
	b = le.AppendUint32(b, aclVersion)
	for _, e := range entries {
		b = le.AppendUint16(b, e.Tag)
		b = le.AppendUint16(b, e.Perm)
		b = le.AppendUint32(b, e.ID)
	}
	return b
}

// Framed reports whether a value has the version and a length that some number of entries have. Bytes from outside become
// entries after that; whether those make sense is another question.
func (a ACL) Framed() bool {
	return len(a) >= aclHead && (len(a)-aclHead)%aclEntry == 0 && le.Uint32(a) == aclVersion
}

// Len returns the number of entries.
func (a ACL) Len() int { return (len(a) - aclHead) / aclEntry }

// Entry returns entry i.
func (a ACL) Entry(i int) ACLEntry {
	b := a[aclHead+i*aclEntry:]
	return ACLEntry{le.Uint16(b), le.Uint16(b[2:]), le.Uint32(b[4:])}
}

// SetPerm sets the permissions of entry i.
func (a ACL) SetPerm(i int, perm uint16) { le.PutUint16(a[aclHead+i*aclEntry+2:], perm) }

// Valid reports whether the list is one that may be stored: each tag that there must be once, a mask if there are users or
// groups by number, which are sorted and there once.
func (a ACL) Valid() bool {
	if !a.Framed() || a.Len() > ACLEntries {
		return false
	}
	var seen uint16 // tags
	var last ACLEntry
	for i := range a.Len() {
		e := a.Entry(i)
		switch {
		case e.Tag == 0 || e.Tag&(e.Tag-1) != 0 || e.Perm > 7 || e.named() == (e.ID == ACLNoID):
			return false
		case e.Tag < last.Tag || e.Tag == last.Tag && (!e.named() || e.ID <= last.ID):
			return false
		}
		seen |= e.Tag
		last = e
	}
	const must = ACLUserObj | ACLGroupObj | ACLOther
	const all = must | ACLUser | ACLGroup | ACLMask
	return seen&must == must && seen&^all == 0 && (seen&(ACLUser|ACLGroup) == 0 || seen&ACLMask != 0)
}

// Mode returns the permission bits 0777 that a file with this list has, and whether they say all that it does. With a mask
// the group's bits are the mask's.
func (a ACL) Mode() (mode uint16, minimal bool) {
	minimal = true
	for i := range a.Len() {
		switch e := a.Entry(i); e.Tag {
		case ACLUserObj:
			mode |= e.Perm << 6
		case ACLGroupObj:
			mode |= e.Perm << 3
		case ACLMask:
			mode = mode&^ModeGroupAll | e.Perm<<3
			minimal = false
		case ACLOther:
			mode |= e.Perm
		default:
			minimal = false
		}
	}
	return mode, minimal
}

// SetMode changes the list so that Mode returns those bits.
func (a ACL) SetMode(mode uint16) {
	group := 0
	for i := range a.Len() {
		switch a.Entry(i).Tag {
		case ACLUserObj:
			a.SetPerm(i, mode>>6&7)
		case ACLGroupObj, ACLMask: // the mask is behind the group
			group = i
		case ACLOther:
			a.SetPerm(i, mode&7)
		}
	}
	a.SetPerm(group, mode>>3&7)
}
