package pmemfs

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// someACL returns a list of which user 7 has what the first argument says, and nobody by number more than mask.
func someACL(user, mask uint16) ACL {
	return ACL{
		{Tag: ACLUserObj, Perm: 7}, {Tag: ACLUser, Perm: user & 7, ID: 7}, {Tag: ACLUser, Perm: 4, ID: 1007},
		{Tag: ACLGroupObj, Perm: 5}, {Tag: ACLGroup, Perm: 6, ID: 70}, {Tag: ACLMask, Perm: mask}, {Tag: ACLOther, Perm: 1},
	}
}

// longestACL returns a list of as many entries as there may be.
func longestACL() ACL {
	acl := someACL(1, 6)
	for i := range ACLEntries - len(acl) {
		acl = append(acl, ACLEntry{Tag: ACLGroup, Perm: uint16(i % 8), ID: uint32(1000 + i)})
	}
	return acl
}

// list changes a list of the directory that has some, keeping its length, and returns what a fault of the attribute says.
func (s *surgery) list(name string, f func(acl layout.ACL)) (string, int64) {
	block, _ := s.inode(s.lists).XattrRoot()
	_, off := s.node(block, "", func(n layout.Node) {
		for i := range n.Count() {
			if x, ok := layout.DecodeXattr(n.Payload(i)); ok && string(x.Name) == name {
				f(x.Value)
				x.CRC = layout.CRC(x.Value)
				copy(n.Payload(i), layout.EncodeXattr(nil, &x))
			}
		}
	})
	return fmt.Sprintf("attribute %q of inode %d", name, s.lists), off
}

func lists(s *surgery) uint64 { return s.lists }

var aclDamage = []damage{
	{"version of an access control list", func(s *surgery) (string, int64) {
		return s.list(layout.ACLAccess, func(acl layout.ACL) { acl[0] = 3 })
	}},
	{"tag of an access control list", func(s *surgery) (string, int64) {
		return s.list(layout.ACLDefault, func(acl layout.ACL) { acl[4] = 3 })
	}},
	{"user twice in an access control list", func(s *surgery) (string, int64) {
		return s.list(layout.ACLAccess, func(acl layout.ACL) { copy(acl[20:28], acl[12:20]) })
	}},
	{"access control list and mode", func(s *surgery) (string, int64) {
		s.list(layout.ACLAccess, func(acl layout.ACL) { acl.SetPerm(5, 1) })
		return fmt.Sprintf("inode %d", s.lists), s.at(s.lists)
	}},
	{"mode and access control list", func(s *surgery) (string, int64) {
		return s.edit(s.lists, func(in layout.Inode) { in.SetMode(layout.ModeDir | 0o700) })
	}},
	inodeFault("flag without an access control list", plain, func(_ *surgery, in layout.Inode) { in.SetFlags(layout.FlagACL) }),
	inodeFault("no flag for an access control list", lists, func(_ *surgery, in layout.Inode) { in.SetFlags(layout.FlagDefaultACL) }),
	inodeFault("no flag for a default access control list", lists, func(_ *surgery, in layout.Inode) { in.SetFlags(layout.FlagACL) }),
	inodeFault("flag of a directory's list", plain, func(_ *surgery, in layout.Inode) { in.SetFlags(layout.FlagDefaultACL) }),
	{"default access control list of a file", func(s *surgery) (string, int64) {
		object, off := s.list(layout.ACLDefault, func(layout.ACL) {})
		s.edit(s.lists, func(in layout.Inode) {
			in.SetMode(layout.ModeFIFO | in.Mode()&0o777)
			in.SetFlags(layout.FlagACL)
			in.SetParent(0)
			in.SetNlink(1)
		})
		return object, off
	}},
}
