package pmemfs

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// aclValue encodes entries as setxattr(2) gives them, in the order that they have.
func aclValue(acl ACL) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range acl {
		b = binary.LittleEndian.AppendUint16(b, e.Tag)
		b = binary.LittleEndian.AppendUint16(b, e.Perm)
		b = binary.LittleEndian.AppendUint32(b, e.ID)
	}
	return b
}

// basic returns a minimal list and adds some entries in front of the last one.
func basic(extra ...ACLEntry) ACL {
	acl := append(ACL{{Tag: ACLUserObj, Perm: 6}, {Tag: ACLGroupObj, Perm: 4}}, extra...)
	return append(acl, ACLEntry{Tag: ACLOther})
}

// TestACLRefused sets lists that make no sense.
func TestACLRefused(t *testing.T) {
	b := newBench(t, 16<<20)
	h := b.own(b.root, "file", TypeRegular, 0o640)
	mask, user, group := ACLEntry{Tag: ACLMask, Perm: 4}, ACLEntry{Tag: ACLUser, Perm: 7, ID: 5}, ACLEntry{Tag: ACLGroup, Perm: 7, ID: 5}
	many := func(n int) (list []ACLEntry) {
		for i := range n {
			list = append(list, ACLEntry{Tag: ACLGroup, ID: uint32(i)})
		}
		return append(list, mask)
	}
	for _, c := range []struct {
		name  string
		value []byte
		want  error
	}{
		{"an odd length", []byte{2, 0, 0, 0, 1}, ErrInvalid},
		{"half a version", []byte{2, 0}, ErrInvalid},
		{"another version", append([]byte{1, 0, 0, 0}, aclValue(basic())[4:]...), ErrInvalid},
		{"no others", aclValue(basic()[:2]), ErrInvalid},
		{"no owner", aclValue(basic()[1:]), ErrInvalid},
		{"no group", aclValue(ACL{{Tag: ACLUserObj}, {Tag: ACLOther}}), ErrInvalid},
		{"owner twice", aclValue(append(ACL{{Tag: ACLUserObj}}, basic()...)), ErrInvalid},
		{"a user without a mask", aclValue(append(ACL{{Tag: ACLUserObj}, user}, basic()[1:]...)), ErrInvalid},
		{"a group without a mask", aclValue(basic(group)), ErrInvalid},
		{"a group twice", aclValue(basic(group, group, mask)), ErrInvalid},
		{"two masks", aclValue(basic(mask, mask)), ErrInvalid},
		{"an unknown tag", aclValue(basic(ACLEntry{Tag: 0x40})), ErrInvalid},
		{"two tags in one", aclValue(basic(ACLEntry{Tag: 0x18}, mask)), ErrInvalid},
		{"tag 0", aclValue(append(ACL{{}}, basic()...)), ErrInvalid},
		{"an unknown permission", aclValue(basic(ACLEntry{Tag: ACLMask, Perm: 8})), ErrInvalid},
		{"no number", aclValue(basic(ACLEntry{Tag: ACLGroup, ID: 1<<32 - 1}, mask)), ErrInvalid},
		{"a user behind the group", aclValue(basic(user, mask)), ErrInvalid},
		{"too many", aclValue(basic(many(ACLEntries - 3)...)), ErrNoSpace},
		{"the most", aclValue(basic(many(ACLEntries - 4)...)), nil},
		{"numbers in disorder", aclValue(basic(group, ACLEntry{Tag: ACLGroup, ID: 2}, mask)), nil},
	} {
		b.want(c.name, b.SetXattr(owner, nil, h, aclAccess, c.value, 0), c.want)
	}
	b.want("stranger", b.SetXattr(stranger, nil, h, aclAccess, aclValue(basic(mask)), 0), ErrPerm)
	b.want("member", b.RemoveXattr(member, nil, h, aclAccess), ErrPerm)
	b.want("default of a file", b.SetXattr(owner, nil, h, aclDefault, aclValue(basic(mask)), 0), ErrAccess)
	b.want("no default of a file", b.RemoveXattr(owner, nil, h, aclDefault), nil)
	link, err := b.Symlink(owner, nil, b.own(b.root, "d", TypeDir, 0o777), []byte("link"), []byte("x"), nil)
	b.must(err)
	b.want("symbolic link", b.SetXattr(owner, nil, link.Handle, aclAccess, aclValue(basic(mask)), 0), ErrNotSupported)
	_, err = b.GetXattr(owner, nil, link.Handle, aclAccess)
	b.want("list of a symbolic link", err, ErrNoXattr)
	b.want("a handle of nobody", b.SetACLs(superuser, nil, Handle{Ino: h.Ino, Gen: h.Gen + 1}, ACLs{}, ACLAccess), ErrStale)
}

// TestACLAndMode follows mode and list through changes of each.
func TestACLAndMode(t *testing.T) {
	b := newBench(t, 16<<20)
	h := b.own(b.root, "file", TypeRegular, 0o640)
	b.wantACL(h, ACLAccess, "o6 f4 x0 ")
	list := basic(ACLEntry{Tag: ACLGroup, Perm: 7, ID: 70}, ACLEntry{Tag: ACLMask, Perm: 3})
	b.must(b.SetACLs(owner, nil, h, ACLs{Access: list}, ACLAccess))
	b.wantACL(h, ACLAccess, "o6 f4 g7@70 m3 x0 ")
	if m := b.mode(h); m != 0o630 {
		t.Errorf("mode %o: the group's bits are the mask's", m)
	}
	_, err := b.Setattr(owner, nil, h, &SetAttr{Mask: SetMode, Mode: 0o751})
	b.must(err)
	b.wantACL(h, ACLAccess, "o7 f4 g7@70 m5 x1 ")
	_, err = b.Setattr(superuser, nil, h, &SetAttr{Mask: SetUID | SetGID, UID: 99, GID: 98})
	b.must(err)
	b.wantACL(h, ACLAccess, "o7 f4 g7@70 m5 x1 ")
	b.must(b.RemoveXattr(superuser, nil, h, aclAccess))
	b.wantACL(h, ACLAccess, "o7 f5 x1 ")
	_, err = b.GetXattr(stranger, nil, h, aclAccess)
	b.want("removed", err, ErrNoXattr)
	b.must(b.SetACLs(superuser, nil, h, ACLs{Access: list}, ACLAccess))
	b.must(b.SetACLs(superuser, nil, h, ACLs{Access: basic()}, ACLAccess))
	b.wantACL(h, ACLAccess, "o6 f4 x0 ")
	if names, err := b.ListXattr(superuser, nil, h); err != nil || len(names) != 0 || b.mode(h) != 0o640 {
		t.Errorf("a list that a mode can express is kept: %q, %v, mode %o", names, err, b.mode(h))
	}
	_, err = b.Setattr(superuser, nil, h, &SetAttr{Mask: SetMode | SetUID | SetGID, Mode: 0o6770, UID: owner.UID, GID: member.GID})
	b.must(err)
	_, err = b.Setattr(superuser, nil, h, &SetAttr{Mask: SetMode, Mode: 0o6770})
	b.must(err)
	b.must(b.SetACLs(owner, nil, h, ACLs{Access: list}, ACLAccess))
	if m := b.mode(h); m != 0o4630 {
		t.Errorf("mode %o: who is not of the group loses its set-id bit, and no other", m)
	}
}

// TestACLInherited makes files of all types below a default list.
func TestACLInherited(t *testing.T) {
	b := newBench(t, 16<<20)
	d := b.own(b.root, "d", TypeDir, 0o777)
	def := ACL{{Tag: ACLUserObj, Perm: 7}, {Tag: ACLUser, Perm: 6, ID: 5}, {Tag: ACLGroupObj, Perm: 7}, {Tag: ACLMask, Perm: 6}, {Tag: ACLOther, Perm: 5}}
	b.must(b.SetACLs(owner, nil, d, ACLs{Default: def}, ACLDefault))
	mode := func(m uint32) *SetAttr { return &SetAttr{Mask: SetMode, Mode: m} }
	a, err := b.Create(owner, nil, d, []byte("f"), &CreateOptions{Attr: *mode(0o4664)})
	b.must(err)
	b.wantACL(a.Handle, ACLAccess, "o6 u6@5 f7 m6 x4 ")
	b.wantACL(a.Handle, ACLDefault, "")
	if a.Mode != 0o4664 {
		t.Errorf("mode %o", a.Mode)
	}
	a, err = b.Create(owner, nil, d, []byte("f2"), &CreateOptions{Attr: *mode(0o777)})
	b.must(err)
	if a.Mode != 0o765 {
		t.Errorf("mode %o: no more than the list has", a.Mode)
	}
	a, err = b.Create(owner, nil, d, []byte("f3"), &CreateOptions{Mode: Exclusive, Verifier: 3})
	b.must(err)
	b.wantACL(a.Handle, ACLAccess, "o6 u6@5 f7 m4 x4 ")
	a, err = b.Mknod(owner, nil, d, []byte("fifo"), TypeFIFO, 0, 0, mode(0o600))
	b.must(err)
	b.wantACL(a.Handle, ACLAccess, "o6 u6@5 f7 m0 x0 ")
	a, err = b.Symlink(owner, nil, d, []byte("link"), []byte("f"), nil)
	b.must(err)
	b.wantACL(a.Handle, ACLAccess, "o7 f7 x7 ")
	sub, err := b.Mkdir(owner, nil, d, []byte("sub"), mode(0o711))
	b.must(err)
	b.wantACL(sub.Handle, ACLAccess, "o7 u6@5 f7 m0 x1 ")
	b.wantACL(sub.Handle, ACLDefault, "o7 u6@5 f7 m6 x5 ")
	b.must(b.SetACLs(owner, nil, sub.Handle, ACLs{Default: basic()}, ACLDefault))
	a, err = b.Create(owner, nil, sub.Handle, []byte("f"), &CreateOptions{Attr: *mode(0o666)})
	b.must(err)
	if names, err := b.ListXattr(superuser, nil, a.Handle); err != nil || len(names) != 0 || a.Mode != 0o640 {
		t.Errorf("%q, %v, mode %o: a default list without names bounds the mode, and is not kept", names, err, a.Mode)
	}
	b.must(b.Rename(superuser, nil, d, []byte("f"), b.root, []byte("moved"), 0))
	_, err = b.Link(owner, nil, a.Handle, d, []byte("linked"))
	b.must(err)
	f, err := b.Lookup(owner, nil, b.root, []byte("moved"))
	b.must(err)
	b.wantACL(f.Handle, ACLAccess, "o6 u6@5 f7 m6 x4 ")
	b.wantACL(a.Handle, ACLAccess, "o6 f4 x0 ")
}

// wantACL compares a list with its text: permissions by tag, numbers where there are some.
func (b *bench) wantACL(h Handle, k ACLKind, want string) {
	b.t.Helper()
	acls, err := b.GetACLs(nil, h)
	b.must(err)
	acl := acls.Access
	if k == ACLDefault {
		acl = acls.Default
	}
	got := ""
	for _, e := range acl {
		got += fmt.Sprintf("%c%d", map[uint16]byte{ACLUserObj: 'o', ACLUser: 'u', ACLGroupObj: 'f', ACLGroup: 'g', ACLMask: 'm', ACLOther: 'x'}[e.Tag], e.Perm)
		if e.Tag == ACLUser || e.Tag == ACLGroup {
			got += fmt.Sprintf("@%d", e.ID)
		}
		got += " "
	}
	if got != want {
		b.t.Errorf("list is %q, expected %q", got, want)
	}
}
