package pmemfs

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
)

var (
	aclSteps = flag.Int("aclsteps", 3000, "steps of TestACLModel")
	aclSeed  = flag.Uint64("aclseed", 1, "seed of TestACLModel")
)

// A picture of one file's permissions, in words of acl(5): maps, no order, no bytes, none of the engine's code.
type aclModel struct {
	uid, gid            uint32
	owner, group, other uint32
	users, groups       map[uint32]uint32
	mask                int // -1 for none
	def                 *aclModel
}

func (m *aclModel) clone() *aclModel {
	c := *m
	c.users, c.groups = map[uint32]uint32{}, map[uint32]uint32{}
	for id, p := range m.users {
		c.users[id] = p
	}
	for id, p := range m.groups {
		c.groups[id] = p
	}
	c.def = nil
	return &c
}

// may is the access check algorithm of acl(5), for users other than root.
func (m *aclModel) may(c *Cred, want uint32) bool {
	mask := uint32(7)
	if m.mask >= 0 {
		mask = uint32(m.mask)
	}
	if c.UID == m.uid {
		return m.owner&want == want
	}
	if p, ok := m.users[c.UID]; ok {
		return p&mask&want == want
	}
	matched := false
	for _, gid := range append([]uint32{c.GID}, c.Groups...) {
		if gid == m.gid {
			matched = true
			if m.group&mask&want == want {
				return true
			}
		}
		if p, ok := m.groups[gid]; ok {
			matched = true
			if p&mask&want == want {
				return true
			}
		}
	}
	return !matched && m.other&want == want
}

// mode is what stat(2) shows.
func (m *aclModel) mode() uint32 {
	group := m.group
	if m.mask >= 0 {
		group = uint32(m.mask)
	}
	return m.owner<<6 | group<<3 | m.other
}

// chmod is acl(5), CORRESPONDENCE BETWEEN ACL ENTRIES AND FILE PERMISSION BITS.
func (m *aclModel) chmod(mode uint32) {
	m.owner, m.other = mode>>6&7, mode&7
	if m.mask >= 0 {
		m.mask = int(mode >> 3 & 7)
	} else {
		m.group = mode >> 3 & 7
	}
}

// child is acl(5), OBJECT CREATION AND DEFAULT ACLs.
func (m *aclModel) child(c *Cred, mode uint32, dir bool) *aclModel {
	k := &aclModel{uid: c.UID, gid: c.GID, owner: 7, group: 7, other: 7, mask: -1}
	if m.def != nil {
		k = m.def.clone()
		k.uid, k.gid = c.UID, c.GID
		if dir {
			k.def = m.def.clone()
		}
	}
	k.owner, k.other = k.owner&(mode>>6), k.other&mode
	if k.mask >= 0 {
		k.mask &= int(mode >> 3)
	} else {
		k.group &= mode >> 3
	}
	return k
}

// list turns the picture into a list, in random order.
func (m *aclModel) list(rng *rand.Rand) ACL {
	acl := ACL{{Tag: ACLUserObj, Perm: uint16(m.owner)}, {Tag: ACLGroupObj, Perm: uint16(m.group)}, {Tag: ACLOther, Perm: uint16(m.other)}}
	for id, p := range m.users {
		acl = append(acl, ACLEntry{Tag: ACLUser, Perm: uint16(p), ID: id})
	}
	for id, p := range m.groups {
		acl = append(acl, ACLEntry{Tag: ACLGroup, Perm: uint16(p), ID: id})
	}
	if m.mask >= 0 {
		acl = append(acl, ACLEntry{Tag: ACLMask, Perm: uint16(m.mask)})
	}
	rng.Shuffle(len(acl), func(i, j int) { acl[i], acl[j] = acl[j], acl[i] })
	return acl
}

// randomACL makes a picture of a few users and groups.
func randomACL(rng *rand.Rand, uid, gid uint32) *aclModel {
	perm := func() uint32 { return rng.Uint32N(8) }
	m := &aclModel{uid: uid, gid: gid, owner: perm(), group: perm(), other: perm(), mask: -1, users: map[uint32]uint32{}, groups: map[uint32]uint32{}}
	for range rng.IntN(4) {
		m.users[rng.Uint32N(6)+1] = perm()
	}
	for range rng.IntN(4) {
		m.groups[rng.Uint32N(6)+1] = perm()
	}
	if len(m.users)+len(m.groups) > 0 || rng.IntN(4) == 0 {
		m.mask = int(perm())
	}
	return m
}

// TestACLModel sets, inherits and changes lists at random, and compares what every kind of user may with the model.
func TestACLModel(t *testing.T) {
	b := newBench(t, 16<<20)
	rng := rand.New(rand.NewPCG(*aclSeed, 21))
	replay := fmt.Sprintf("go test ./pmemfs -run TestACLModel -aclseed %d -aclsteps %d", *aclSeed, *aclSteps)
	dir, err := b.Mkdir(superuser, nil, b.root, []byte("dir"), &SetAttr{Mask: SetMode, Mode: 0o777})
	b.must(err)
	d := &aclModel{owner: 7, group: 7, other: 7, mask: -1}
	asked := 0
	for step := range *aclSteps {
		if rng.IntN(5) == 0 { // another default list, or none
			var def ACL
			if d.def = nil; rng.IntN(4) > 0 {
				d.def = randomACL(rng, 0, 0)
				def = d.def.list(rng)
			}
			b.must(b.SetACLs(superuser, nil, dir.Handle, ACLs{Default: def}, ACLDefault))
		}
		who := &Cred{UID: rng.Uint32N(6) + 1, GID: rng.Uint32N(6) + 1}
		mode, isDir := rng.Uint32N(0o1000), rng.IntN(3) == 0
		s := SetAttr{Mask: SetMode, Mode: mode}
		var a Attr
		if isDir {
			a, err = b.Mkdir(who, nil, dir.Handle, []byte("x"), &s)
		} else {
			a, err = b.Create(who, nil, dir.Handle, []byte("x"), &CreateOptions{Attr: s})
		}
		b.must(err)
		m := d.child(who, mode, isDir)
		for range 1 + rng.IntN(3) {
			asked += b.compareACL(m, a.Handle, isDir, rng)
			if t.Failed() {
				t.Fatalf("step %d\nreplay: %s", step, replay)
			}
			switch rng.IntN(3) {
			case 0:
				mode := rng.Uint32N(0o1000)
				m.chmod(mode)
				_, err = b.Setattr(who, nil, a.Handle, &SetAttr{Mask: SetMode, Mode: mode})
			case 1:
				old := m
				m = randomACL(rng, old.uid, old.gid)
				m.def = old.def
				err = b.SetACLs(who, nil, a.Handle, ACLs{Access: m.list(rng)}, ACLAccess)
			case 2:
				m.gid = rng.Uint32N(6) + 1
				_, err = b.Setattr(superuser, nil, a.Handle, &SetAttr{Mask: SetGID, GID: m.gid})
			}
			b.must(err)
		}
		asked += b.compareACL(m, a.Handle, isDir, rng)
		if isDir {
			b.must(b.Rmdir(superuser, nil, dir.Handle, []byte("x")))
		} else {
			b.must(b.Unlink(superuser, nil, dir.Handle, []byte("x")))
		}
	}
	if t.Failed() {
		t.Log("replay: " + replay)
	}
	t.Logf("%d questions", asked)
}

// compareACL compares a file with its picture, for some random users.
func (b *bench) compareACL(m *aclModel, h Handle, isDir bool, rng *rand.Rand) (asked int) {
	b.t.Helper()
	if mode := b.mode(h) & 0o777; mode != m.mode() {
		b.t.Errorf("mode %o, expected %o", mode, m.mode())
	}
	if acls, err := b.GetACLs(nil, h); err != nil || (m.def != nil) != (acls.Default != nil) {
		b.t.Errorf("default list %v, %v, expected one: %v", acls.Default, err, m.def != nil)
	}
	for range 6 {
		c := &Cred{UID: rng.Uint32N(7) + 1, GID: rng.Uint32N(7) + 1}
		for range rng.IntN(4) {
			c.Groups = append(c.Groups, rng.Uint32N(7)+1)
		}
		got, err := b.Access(c, nil, h, 15)
		b.must(err)
		var want uint32
		for bit := uint32(1); bit < 8; bit <<= 1 {
			if m.may(c, bit) {
				want |= bit
			}
		}
		if m.may(c, AccessWrite|AccessExec) {
			want |= AccessChange
		}
		if got != want {
			b.t.Errorf("uid %d, groups %d %d: access %b, expected %b of %+v", c.UID, c.GID, c.Groups, got, want, *m)
		}
		b.tryAs(m, c, h, isDir)
		asked++
	}
	return asked
}

// tryAs carries out what the picture allows, and what it does not.
func (b *bench) tryAs(m *aclModel, c *Cred, h Handle, isDir bool) {
	b.t.Helper()
	check := func(what string, allowed bool, err error) {
		b.t.Helper()
		var want error
		if !allowed {
			want = ErrAccess
		}
		b.want(fmt.Sprintf("%s by %d, %d %d of %+v", what, c.UID, c.GID, c.Groups, *m), err, want)
	}
	if isDir {
		_, err := b.Lookup(c, nil, h, []byte("."))
		check("lookup", m.may(c, AccessExec), err)
		check("readdir", m.may(c, AccessRead), b.Readdir(c, nil, h, 0, false, func(*DirEntry) bool { return true }))
		_, err = b.Create(c, nil, h, []byte("y"), &CreateOptions{Mode: Guarded})
		check("create", m.may(c, AccessExec|AccessWrite), err)
		if err == nil {
			check("unlink", true, b.Unlink(c, nil, h, []byte("y")))
		}
		return
	}
	if c.UID == m.uid {
		return // who owns a file may read and write it by its handle in any case
	}
	_, _, err := b.Read(c, nil, h, make([]byte, 1), 0)
	check("read", m.may(c, AccessRead) || m.may(c, AccessExec), err)
	_, _, err = b.Write(c, nil, h, []byte("x"), 0)
	check("write", m.may(c, AccessWrite), err)
}
