package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// TestACLDamaged spoils lists in different ways. Who is judged by one gets an I/O error; the owner and root go by the mode.
func TestACLDamaged(t *testing.T) {
	healthy := operate(t, false)
	for name, spoil := range map[string]func(s *surgery){
		"flag without a list": func(s *surgery) {
			s.edit(s.lists, func(in layout.Inode) {
				in.SetXattrRoot(0, 0)
				in.SetUID(owner.UID)
			})
		},
		"list that is none": func(s *surgery) {
			s.list(layout.ACLAccess, func(acl layout.ACL) { acl[0] = 9 })
			s.list(layout.ACLDefault, func(acl layout.ACL) { acl[0] = 9 })
		},
		"node with a wrong checksum": func(s *surgery) {
			block, _ := s.inode(s.lists).XattrRoot()
			s.block(block)[4000] ^= 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := *healthy
			s.t, s.medium = t, bytes.Clone(healthy.medium)
			spoil(&s)
			s.edit(s.lists, func(in layout.Inode) { in.SetUID(owner.UID) })
			fs := mountBytes(t, s.medium)
			defer closeFS(t, fs)
			h := Handle{Ino: s.lists, Gen: s.inode(s.lists).Gen()}
			want := func(what string, err, expected error) {
				t.Helper()
				if !errors.Is(err, expected) {
					t.Errorf("%s: %v, expected %v", what, err, expected)
				}
			}
			_, err := fs.Access(stranger, nil, h, 7)
			want("access", err, ErrIO)
			_, err = fs.Lookup(stranger, nil, h, []byte("x"))
			want("lookup", err, ErrIO)
			_, err = fs.Create(stranger, nil, h, []byte("x"), &CreateOptions{})
			want("create", err, ErrIO)
			_, err = fs.GetACLs(nil, h)
			want("list", err, ErrIO)
			_, err = fs.GetXattr(stranger, nil, h, aclAccess)
			want("attribute", err, ErrIO)
			got, err := fs.Access(owner, nil, h, 7)
			if err != nil || got != 7 {
				t.Errorf("the owner's access is %o, %v", got, err)
			}
			_, err = fs.Create(superuser, nil, h, []byte("x"), &CreateOptions{})
			want("create by root below a default list that is lost", err, ErrIO)
			_, err = fs.Setattr(owner, nil, h, &SetAttr{Mask: SetMode, Mode: 0o700})
			want("chmod", err, ErrIO)
		})
	}
}

// TestACLFull changes modes and lists where no block is free: what needs no more room succeeds.
func TestACLFull(t *testing.T) {
	b := newBench(t, 8<<20)
	h := b.own(b.root, "file", TypeRegular, 0o640)
	list := basic(ACLEntry{Tag: ACLGroup, Perm: 7, ID: 70}, ACLEntry{Tag: ACLMask, Perm: 3})
	b.must(b.SetACLs(owner, nil, h, ACLs{Access: list}, ACLAccess))
	b.fill(b.root)
	for i := range uint32(8) {
		_, err := b.Setattr(owner, nil, h, &SetAttr{Mask: SetMode, Mode: 0o600 | i<<3})
		b.must(err)
		list[3].Perm = uint16(7 - i)
		b.must(b.SetACLs(owner, nil, h, ACLs{Access: list}, ACLAccess))
	}
	b.must(b.SetACLs(owner, nil, h, ACLs{}, ACLAccess))
}

// TestACLConcurrent asks and inherits while the list changes: each answer is that of one list, whole.
func TestACLConcurrent(t *testing.T) {
	b := newBench(t, 16<<20)
	d := b.own(b.root, "d", TypeDir, 0o700)
	may, deny := ACL{}, ACL{}
	for i := range 60 { // the entry that counts is behind many
		may, deny = append(may, ACLEntry{Tag: ACLGroup, ID: uint32(1000 + i)}), append(deny, ACLEntry{Tag: ACLGroup, ID: uint32(1000 + i)})
	}
	may = basic(append(may, ACLEntry{Tag: ACLGroup, Perm: 7, ID: 2000}, ACLEntry{Tag: ACLMask, Perm: 7})...)
	deny = basic(append(deny, ACLEntry{Tag: ACLGroup, ID: 2000}, ACLEntry{Tag: ACLMask})...)
	b.must(b.SetACLs(owner, nil, d, ACLs{Access: may, Default: may}, ACLAccess|ACLDefault))
	who := &Cred{UID: 77, GID: 78, Groups: []uint32{2000}}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			name := fmt.Appendf(nil, "f%d", i)
			for {
				select {
				case <-done:
					return
				default:
				}
				if got, err := b.Access(who, nil, d, 7); err != nil || got != 0 && got != 7 {
					t.Errorf("access %o, %v", got, err)
				}
				a, err := b.Create(who, nil, d, name, &CreateOptions{Attr: SetAttr{Mask: SetMode, Mode: 0o770}})
				if err != nil && !errors.Is(err, ErrAccess) {
					t.Errorf("create: %v", err)
				}
				if err == nil && a.Mode != 0o670 && a.Mode != 0o600 {
					t.Errorf("mode %o", a.Mode)
				}
				if err := b.Unlink(superuser, nil, d, name); err != nil && !errors.Is(err, ErrNotExist) {
					t.Errorf("unlink: %v", err)
				}
			}
		})
	}
	for i := range 300 {
		acl := [2]ACL{may, deny}[i%2]
		var err error
		switch i % 3 {
		case 0:
			err = b.SetACLs(owner, nil, d, ACLs{Access: acl, Default: acl}, ACLAccess|ACLDefault)
		case 1:
			_, err = b.Setattr(owner, nil, d, &SetAttr{Mask: SetMode, Mode: 0o700 | uint32(i%2)*0o70})
		case 2:
			err = b.SetACLs(owner, nil, d, ACLs{}, ACLAccess)
		}
		b.must(err)
	}
	close(done)
	wg.Wait()
}
