package crashtest

import (
	"bytes"
	"encoding/binary"

	"pmemfs/pmemfs"
)

// The attributes in which access control lists are.
const (
	accessName  = "system.posix_acl_access"
	defaultName = "system.posix_acl_default"
)

// someACL returns the list of a number: with that many groups, and its lowest bits as the mask.
func someACL(n int64) pmemfs.ACL {
	acl := pmemfs.ACL{{Tag: pmemfs.ACLUserObj, Perm: 7}, {Tag: pmemfs.ACLGroupObj, Perm: 5}}
	for i := range n {
		acl = append(acl, pmemfs.ACLEntry{Tag: pmemfs.ACLGroup, Perm: uint16(i % 8), ID: uint32(100 + i)})
	}
	return append(acl, pmemfs.ACLEntry{Tag: pmemfs.ACLMask, Perm: uint16(n & 7)}, pmemfs.ACLEntry{Tag: pmemfs.ACLOther, Perm: 1})
}

// A stored list, of the model: it begins with 4 bytes, then each entry has tag, permissions and number in 8.
func storedACL(acl pmemfs.ACL) []byte {
	b := []byte{2, 0, 0, 0}
	for _, e := range acl {
		id := uint32(0xffffffff)
		if e.Tag == pmemfs.ACLGroup {
			id = e.ID
		}
		b = append(b, byte(e.Tag), 0, byte(e.Perm), 0)
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	return b
}

// each calls f with tag and permissions of each entry of a stored list, to be changed.
func each(list []byte, f func(tag byte, perm *byte)) {
	for at := 4; at < len(list); at += 8 {
		f(list[at], &list[at+2])
	}
}

// setACL is the operation: the mode follows the access list, of which all have a mask.
func (n *node) setACL(o Op) bool {
	access, def := o.B&1 != 0, o.B&2 != 0
	switch {
	case n.typ == pmemfs.TypeSymlink, def && o.A != 0 && n.kids == nil:
		return false
	case access && o.A != 0:
		n.xattrs[accessName] = storedACL(someACL(o.A))
		n.mode = n.mode&0o7000 | 0o701 | uint32(o.A&7)<<3
	case access:
		delete(n.xattrs, accessName)
	}
	if def && o.A != 0 {
		n.xattrs[defaultName] = storedACL(someACL(o.A))
	} else if def {
		delete(n.xattrs, defaultName)
	}
	return true
}

// follow makes the access list say what the mode does.
func (n *node) follow() {
	each(n.xattrs[accessName], func(tag byte, perm *byte) {
		switch tag {
		case pmemfs.ACLUserObj:
			*perm = byte(n.mode >> 6 & 7)
		case pmemfs.ACLMask:
			*perm = byte(n.mode >> 3 & 7)
		case pmemfs.ACLOther:
			*perm = byte(n.mode & 7)
		}
	})
}

// inherit gives a new file what the default list of its directory makes of its mode.
func (n *node) inherit(d *node) *node {
	if d == nil || d.xattrs[defaultName] == nil {
		return n
	}
	def := d.xattrs[defaultName]
	var most uint32
	each(def, func(tag byte, perm *byte) {
		switch tag {
		case pmemfs.ACLUserObj:
			most |= uint32(*perm) << 6
		case pmemfs.ACLMask:
			most |= uint32(*perm) << 3
		case pmemfs.ACLOther:
			most |= uint32(*perm)
		}
	})
	n.mode &= most | 0o7000
	n.xattrs[accessName] = bytes.Clone(def)
	n.follow()
	if n.kids != nil {
		n.xattrs[defaultName] = bytes.Clone(def)
	}
	return n
}
