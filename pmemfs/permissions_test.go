package pmemfs

import (
	"errors"
	"fmt"
	"testing"

	"pmemfs/pmemfs/internal/pmem"
)

// TestAccess compares Access with the bits that POSIX gives to each class of user.
func TestAccess(t *testing.T) {
	b := newBench(t, 16<<20)
	for _, typ := range []FileType{TypeRegular, TypeDir} {
		for mode := uint32(0); mode < 0o1000; mode += 0o13 {
			h := b.own(b.root, fmt.Sprintf("%d-%o", typ, mode), typ, mode)
			all := uint32(7)
			if typ == TypeRegular && mode&0o111 == 0 {
				all = 6
			}
			for _, c := range []struct {
				who  *Cred
				want uint32
			}{{superuser, all}, {owner, mode >> 6}, {member, mode >> 3}, {extra, mode >> 3}, {stranger, mode}} {
				got, err := b.Access(c.who, nil, h, 7)
				if err != nil || got != c.want&7 {
					t.Errorf("type %d mode %o uid %d: %o, %v, expected %o", typ, mode, c.who.UID, got, err, c.want&7)
				}
			}
			if got, err := b.Access(owner, nil, h, 2); err != nil || got != mode>>6&2 {
				t.Errorf("asked for write only: %o, %v", got, err)
			}
		}
	}
}

// TestDirPermissions tries every operation on a directory that a user may use in each of the eight ways.
func TestDirPermissions(t *testing.T) {
	b := newBench(t, 16<<20)
	name := []byte("name")
	for mode := range uint32(8) {
		d := b.own(b.root, fmt.Sprint("dir", mode), TypeDir, 0o700|mode)
		b.own(d, "name", TypeRegular, 0o666)
		b.own(d, "sub", TypeDir, 0o777)
		other := b.own(b.root, fmt.Sprint("other", mode), TypeDir, 0o777)
		file := b.own(other, "file", TypeRegular, 0o666)
		read, write, exec := mode&4 != 0, mode&2 != 0, mode&1 != 0
		check := func(what string, allowed bool, err error) {
			t.Helper()
			want := error(nil)
			if !allowed {
				want = ErrAccess
			}
			b.want(fmt.Sprintf("%s with mode %o", what, mode), err, want)
		}
		_, err := b.Lookup(stranger, nil, d, name)
		check("lookup", exec, err)
		check("readdir", read, b.Readdir(stranger, nil, d, 0, true, func(*DirEntry) bool { return true }))
		_, err = b.Create(stranger, nil, d, []byte("new"), &CreateOptions{})
		check("create", write && exec, err)
		_, err = b.Mkdir(stranger, nil, d, []byte("newdir"), nil)
		check("mkdir", write && exec, err)
		_, err = b.Symlink(stranger, nil, d, []byte("newlink"), name, nil)
		check("symlink", write && exec, err)
		_, err = b.Mknod(stranger, nil, d, []byte("newfifo"), TypeFIFO, 0, 0, nil)
		check("mknod", write && exec, err)
		_, err = b.Link(stranger, nil, file, d, []byte("newname"))
		check("link", write && exec, err)
		check("rename out", write && exec, b.Rename(stranger, nil, d, name, other, []byte("x"), 0))
		check("rename in", write && exec, b.Rename(stranger, nil, other, []byte("file"), d, []byte("y"), 0))
		if !write || !exec {
			check("unlink", false, b.Unlink(stranger, nil, d, name))
		}
		check("rmdir", write && exec, b.Rmdir(stranger, nil, d, []byte("sub")))
		b.want("mode bits bind nobody but users", b.Rename(superuser, nil, d, []byte("."), d, name, 0), ErrInvalid)
	}
}

// TestSticky removes and renames in a directory like /tmp.
func TestSticky(t *testing.T) {
	b := newBench(t, 16<<20)
	for _, c := range []struct {
		who     *Cred
		allowed bool
	}{{superuser, true}, {owner, true}, {member, true}, {stranger, false}} {
		d := b.own(b.root, fmt.Sprint("tmp", c.who.UID), TypeDir, 0o1777) // of the owner
		mine := SetAttr{Mask: SetUID, UID: member.UID}
		for _, name := range []string{"a", "b", "c", "target"} { // of the member
			_, err := b.Create(superuser, nil, d, []byte(name), &CreateOptions{Attr: mine})
			b.must(err)
		}
		_, err := b.Create(superuser, nil, d, []byte("mine"), &CreateOptions{Attr: SetAttr{Mask: SetUID, UID: c.who.UID}})
		b.must(err)
		want := error(nil)
		if !c.allowed {
			want = ErrPerm
		}
		b.want("unlink", b.Unlink(c.who, nil, d, []byte("a")), want)
		b.want("rename", b.Rename(c.who, nil, d, []byte("b"), d, []byte("b2"), 0), want)
		b.want("rename over", b.Rename(c.who, nil, d, []byte("mine"), d, []byte("target"), 0), want)
		_, err = b.Create(c.who, nil, d, []byte("own"), &CreateOptions{})
		b.must(err)
		b.want("unlink of one's own", b.Unlink(c.who, nil, d, []byte("own")), nil)
	}
}

// TestSetgidDir makes files below a setgid directory, and below an ordinary one.
func TestSetgidDir(t *testing.T) {
	b := newBench(t, 16<<20)
	d := b.own(b.root, "shared", TypeDir, 0o2777)
	f, err := b.Create(stranger, nil, d, []byte("f"), &CreateOptions{Attr: SetAttr{Mask: SetMode, Mode: 0o2755}})
	b.must(err)
	if f.GID != member.GID || f.UID != stranger.UID || f.Mode != 0o755 {
		t.Errorf("file: owner %d:%d, mode %o: the group is the directory's, and no setgid without being in it", f.UID, f.GID, f.Mode)
	}
	sub, err := b.Mkdir(stranger, nil, d, []byte("sub"), &SetAttr{Mask: SetMode, Mode: 0o755})
	b.must(err)
	if sub.GID != member.GID || sub.Mode != 0o2755 {
		t.Errorf("directory: group %d, mode %o", sub.GID, sub.Mode)
	}
	plain := b.own(b.root, "plain", TypeDir, 0o777)
	f, err = b.Create(stranger, nil, plain, []byte("f"), &CreateOptions{Attr: SetAttr{Mask: SetMode, Mode: 0o6755}})
	b.must(err)
	if f.GID != stranger.GID || f.Mode != 0o6755 {
		t.Errorf("below an ordinary directory: group %d, mode %o", f.GID, f.Mode)
	}
	for what, s := range map[string]SetAttr{"owner": {Mask: SetUID, UID: 1}, "group": {Mask: SetGID, GID: 1}} {
		_, err = b.Create(stranger, nil, plain, []byte("g"), &CreateOptions{Attr: s})
		b.want("create for another "+what, err, ErrPerm)
	}
}

// TestSetattrPermissions lists who may change what of a file of owner 10 and group 20 with mode 0664.
func TestSetattrPermissions(t *testing.T) {
	b := newBench(t, 16<<20)
	h := b.own(b.root, "f", TypeRegular, 0o664)
	in20 := &Cred{UID: owner.UID, GID: 100, Groups: []uint32{20}}
	for _, c := range []struct {
		what string
		who  *Cred
		s    SetAttr
		want error
	}{
		{"mode by the owner", owner, SetAttr{Mask: SetMode, Mode: 0o664}, nil},
		{"mode by the group", member, SetAttr{Mask: SetMode, Mode: 0o664}, ErrPerm},
		{"owner by itself to itself", owner, SetAttr{Mask: SetUID, UID: owner.UID}, nil},
		{"owner gives away", owner, SetAttr{Mask: SetUID, UID: 11}, ErrPerm},
		{"root gives away", superuser, SetAttr{Mask: SetUID, UID: owner.UID}, nil},
		{"group to one the owner is in", in20, SetAttr{Mask: SetGID, GID: 20}, nil},
		{"group to one the owner is not in", owner, SetAttr{Mask: SetGID, GID: 300}, ErrPerm},
		{"group by a member", member, SetAttr{Mask: SetGID, GID: 20}, ErrPerm},
		{"times by the owner", owner, SetAttr{Mask: SetAtime | SetMtime, Atime: 5, Mtime: 6}, nil},
		{"times by a writer", member, SetAttr{Mask: SetAtime, Atime: 5}, ErrPerm},
		{"times to now by a writer", member, SetAttr{Mask: SetAtimeNow | SetMtimeNow}, nil},
		{"times to now by a supplementary writer", extra, SetAttr{Mask: SetMtimeNow}, nil},
		{"times to now by a reader", stranger, SetAttr{Mask: SetMtimeNow}, ErrAccess},
		{"size by a writer", extra, SetAttr{Mask: SetSize, Size: 10}, nil},
		{"size by a reader", stranger, SetAttr{Mask: SetSize, Size: 10}, ErrAccess},
		{"set-id bits away by a writer", member, SetAttr{Mask: SetDropID}, nil},
		{"set-id bits away by a reader", stranger, SetAttr{Mask: SetDropID}, ErrPerm},
		{"nothing by anybody", stranger, SetAttr{}, nil},
		{"guard that fails", owner, SetAttr{Mask: SetMode | SetGuard, Mode: 0, GuardCtime: 1}, ErrNotSync},
	} {
		before, err := b.Getattr(nil, h)
		b.must(err)
		_, err = b.Setattr(c.who, nil, h, &c.s)
		b.want(c.what, err, c.want)
		if after, err := b.Getattr(nil, h); err != nil || c.want != nil && after != before {
			t.Errorf("%s: refused, and changed %+v to %+v, %v", c.what, before, after, err)
		}
	}
	a, err := b.Getattr(nil, h)
	b.must(err)
	_, err = b.Setattr(owner, nil, h, &SetAttr{Mask: SetMode | SetGuard, Mode: 0o600, GuardCtime: a.Ctime})
	b.want("guard that holds", err, nil)
	_, err = b.Setattr(owner, nil, b.root, &SetAttr{Mask: SetSize})
	b.want("size of a directory", err, ErrIsDir)
	_, err = b.Setattr(superuser, nil, b.root, &SetAttr{Mask: SetDropID})
	b.want("set-id bits of a directory", err, ErrPerm)
}

// TestSetIDBits looks what takes setuid and setgid away.
func TestSetIDBits(t *testing.T) {
	b := newBench(t, 16<<20)
	in20 := &Cred{UID: owner.UID, GID: 20}
	write := func(c *Cred, h Handle) error { _, _, err := b.Write(c, nil, h, []byte("x"), 0); return err }
	set := func(s SetAttr) func(c *Cred, h Handle) error {
		return func(c *Cred, h Handle) error { _, err := b.Setattr(c, nil, h, &s); return err }
	}
	for i, c := range []struct {
		what      string
		who       *Cred
		typ       FileType
		old, want uint32
		do        func(c *Cred, h Handle) error
	}{
		{"write by a user", member, TypeRegular, 0o6777, 0o777, write},
		{"write by a user, group may not run it", member, TypeRegular, 0o6766, 0o2766, write},
		{"write by root", superuser, TypeRegular, 0o6777, 0o6777, write},
		{"truncate by a user", member, TypeRegular, 0o6777, 0o777, set(SetAttr{Mask: SetSize, Size: 5})},
		{"truncate by root", superuser, TypeRegular, 0o6777, 0o6777, set(SetAttr{Mask: SetSize, Size: 5})},
		{"both away, the mode left", member, TypeRegular, 0o6777, 0o777, set(SetAttr{Mask: SetDropID})},
		{"one away", member, TypeRegular, 0o6777, 0o2777, set(SetAttr{Mask: SetDropID, Mode: 0o2000})},
		{"away by root", superuser, TypeRegular, 0o6777, 0o777, set(SetAttr{Mask: SetDropID})},
		{"chown by root", superuser, TypeRegular, 0o6777, 0o777, set(SetAttr{Mask: SetUID, UID: 50})},
		{"chgrp by the owner", in20, TypeRegular, 0o6777, 0o777, set(SetAttr{Mask: SetGID, GID: 20})},
		{"chgrp of a directory by the owner", in20, TypeDir, 0o2777, 0o2777, set(SetAttr{Mask: SetGID, GID: 20})},
		{"chmod by the owner in the group", in20, TypeRegular, 0o755, 0o6755, set(SetAttr{Mask: SetMode, Mode: 0o6755})},
		{"chmod by the owner not in the group", owner, TypeRegular, 0o755, 0o4755, set(SetAttr{Mask: SetMode, Mode: 0o6755})},
		{"chmod by root", superuser, TypeRegular, 0o755, 0o6755, set(SetAttr{Mask: SetMode, Mode: 0o6755})},
		{"chmod with type bits", superuser, TypeRegular, 0o755, 0o644, set(SetAttr{Mask: SetMode, Mode: 0o170644})},
		{"chown and chmod at once", superuser, TypeRegular, 0o755, 0o6711, set(SetAttr{Mask: SetUID | SetMode, UID: 50, Mode: 0o6711})},
	} {
		h := b.own(b.root, fmt.Sprint(i), c.typ, c.old)
		b.must(c.do(c.who, h))
		if got := b.mode(h); got != c.want {
			t.Errorf("%s: mode %o, expected %o", c.what, got, c.want)
		}
	}
}

// TestDataPermissions reads and writes by handle, where the owner always may and what may be run may be read.
func TestDataPermissions(t *testing.T) {
	b := newBench(t, 16<<20)
	for mode := uint32(0); mode < 8; mode++ {
		h := b.own(b.root, fmt.Sprint(mode), TypeRegular, mode)
		buf := make([]byte, 1)
		check := func(what string, allowed bool, err error) {
			t.Helper()
			if !allowed {
				b.want(fmt.Sprintf("%s with mode %o", what, mode), err, ErrAccess)
			} else {
				b.want(fmt.Sprintf("%s with mode %o", what, mode), err, nil)
			}
		}
		for _, who := range []*Cred{superuser, owner, stranger} {
			any := who != stranger
			_, _, err := b.Write(who, nil, h, []byte("x"), 0)
			check("write", any || mode&2 != 0, err)
			_, _, err = b.Read(who, nil, h, buf, 0)
			check("read", any || mode&5 != 0, err)
			check("allocate", any || mode&2 != 0, b.Allocate(who, nil, h, 0, 10, true))
			check("punch", any || mode&2 != 0, b.PunchHole(who, nil, h, 5, 10))
			check("set attribute", any || mode&2 != 0, b.SetXattr(who, nil, h, []byte("user.a"), []byte("v"), 0))
		}
	}
	_, err := b.Mknod(stranger, nil, b.root, []byte("dev"), TypeChar, 1, 3, nil)
	b.want("device by a user", err, ErrPerm)
	a, err := b.Mknod(superuser, nil, b.root, []byte("dev"), TypeChar, 1, 3, nil)
	if b.want("device by root", err, nil); a.Major != 1 || a.Minor != 3 {
		t.Errorf("device %d, %d", a.Major, a.Minor)
	}
}

// hookAfter returns a persist hook that calls f once cond holds.
func hookAfter(cond func() bool, f func()) func(pmem.Failpoint, pmem.Range) error {
	return pmem.Before(func(pmem.Range) error {
		if cond() {
			f()
		}
		return nil
	})
}

// TestNoID sets owners that are no ids, in every way that there is: they leave the owner alone, for whoever asks, and nothing is made by or for
// them.
func TestNoID(t *testing.T) {
	b := newBench(t, 8<<20)
	f := b.own(b.root, "f", TypeRegular, 0o644)
	for name, c := range map[string]*Cred{"root": superuser, "owner": owner, "a stranger": stranger} {
		for what, s := range map[string]SetAttr{
			"both":  {Mask: SetUID | SetGID, UID: NoID, GID: NoID},
			"user":  {Mask: SetUID, UID: NoID},
			"group": {Mask: SetGID, GID: NoID},
		} {
			a, err := b.Setattr(c, nil, f, &s)
			if err != nil || a.UID != owner.UID || a.GID != member.GID {
				t.Errorf("%s, %s: owner %d, group %d, %v", name, what, a.UID, a.GID, err)
			}
		}
	}
	a, err := b.Setattr(superuser, nil, f, &SetAttr{Mask: SetUID | SetGID, UID: 77, GID: NoID})
	if err != nil || a.UID != 77 || a.GID != member.GID {
		t.Errorf("one of two: owner %d, group %d, %v", a.UID, a.GID, err)
	}
	a, err = b.Mkdir(&Cred{UID: 5, GID: 6}, nil, b.own(b.root, "d", TypeDir, 0o777), []byte("x"), &SetAttr{Mask: SetUID | SetGID, UID: NoID, GID: NoID})
	if err != nil || a.UID != 5 || a.GID != 6 {
		t.Errorf("made: owner %d, group %d, %v", a.UID, a.GID, err)
	}
	for _, c := range []*Cred{{UID: NoID}, {GID: NoID}} {
		_, err := b.Mkdir(c, nil, b.root, []byte("y"), nil)
		if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrAccess) {
			t.Errorf("made by %+v: %v", c, err)
		}
	}
	if got := ownerOf(NoID); got == NoID {
		t.Error("what an earlier version has stored is shown as it is")
	}
}
