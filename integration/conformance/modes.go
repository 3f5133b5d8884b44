package conformance

import "fmt"

// modeCases say when the set-id bits go, and who may change a mode.
func modeCases() []Case {
	var list []Case
	for _, k := range []struct {
		what        string
		start, want uint32
		user        User
		call        func(fs FS) error
		needs       Caps
	}{
		{"write by another", 0o6777, 0o777, bob, writeOne, 0},
		{"write by the owner", 0o4755, 0o755, alice, writeOne, 0},
		{"write by the owner, setgid", 0o2755, 0o755, alice, writeOne, 0},
		{"write by the owner, setgid without group execution", 0o2745, 0o2745, alice, writeOne, 0},
		{"write by root", 0o6777, 0o6777, root, writeOne, 0},
		{"truncate by another", 0o6777, 0o777, bob, func(fs FS) error { return fs.Setattr("f", Set{Size: ptr[uint64](2)}) }, 0},
		{"read by another", 0o6777, 0o6777, bob, func(fs FS) error { _, err := fs.Read("f", 0, 3); return err }, 0},
		{"change of group by the owner", 0o6755, 0o755, friendOwner, func(fs FS) error { return fs.Setattr("f", Set{GID: ptr[uint32](7)}) }, 0},
		{"chmod by the owner", 0o644, 0o4755, alice, func(fs FS) error { return fs.Setattr("f", Set{Mode: ptr[uint32](0o4755)}) }, 0},
		{"chmod to setgid by the owner", 0o644, 0o2755, alice, func(fs FS) error { return fs.Setattr("f", Set{Mode: ptr[uint32](0o2755)}) }, 0},
		{"rename", 0o6777, 0o6777, alice, func(fs FS) error { return fs.Rename("f", "f") }, 0},
		{"link", 0o755, 0o755, alice, func(fs FS) error { return fs.Link("f", "g") }, CapLinks},
		{"setting times", 0o6755, 0o6755, alice, func(fs FS) error { return fs.Setattr("f", Set{Atime: ptr[int64](5e9), Mtime: ptr[int64](5e9)}) }, 0},
	} {
		list = append(list, Case{"setid/" + k.what, k.needs | CapUsers, func(c *C) {
			owner := alice
			if k.user.UID == friendOwner.UID {
				owner = friendOwner
			}
			c.file("f", "content")
			c.ok(c.Setattr("f", Set{UID: &owner.UID, GID: &alice.GID}))
			c.ok(c.Setattr("f", Set{Mode: &k.start}))
			same(c, "mode at first", c.attr("f").Mode, k.start)
			c.ok(k.call(c.As(k.user)))
			same(c, "mode", c.attr("f").Mode, k.want)
		}})
	}
	return append(list, []Case{
		{"setid/setgid of a group that is not one's own", CapUsers, func(c *C) {
			c.file("f", "content")
			c.ok(c.Setattr("f", Set{UID: &alice.UID, GID: &bob.GID}))
			c.ok(c.As(alice).Setattr("f", Set{Mode: ptr[uint32](0o2755)}))
			same(c, "mode", c.attr("f").Mode, 0o755)
		}},
		{"mode/by others", CapUsers, func(c *C) {
			c.file("f", "content")
			c.ok(c.Setattr("f", Set{UID: &alice.UID, GID: &alice.GID}))
			c.ok(c.Setattr("f", Set{Mode: ptr[uint32](0o666)}))
			before := c.attr("f")
			for _, u := range []User{bob, mate, friend} {
				c.fails(c.As(u).Setattr("f", Set{Mode: ptr[uint32](0o777)}), EPERM)
			}
			same(c, "attributes", c.attr("f"), before)
			c.ok(c.As(alice).Setattr("f", Set{Mode: ptr[uint32](0)}))
			c.ok(c.As(alice).Setattr("f", Set{Mode: ptr[uint32](0o600)}))
		}},
	}...)
}

// friendOwner is a user with several groups.
var friendOwner = friend

func writeOne(fs FS) error { return fs.Write("f", 0, []byte("x")) }

// ownerCases say who may give files away, and set times.
func ownerCases() []Case {
	var list []Case
	u := func(uid uint32) Set { return Set{UID: &uid} }
	g := func(gid uint32) Set { return Set{GID: &gid} }
	for _, k := range []struct {
		what    string
		user    User
		set     Set
		allowed bool
		refusal Errno
		needs   Caps
	}{
		{"root gives away", root, u(bob.UID), true, 0, 0},
		{"root to a large number", root, u(1<<32 - 2), true, 0, 0},
		{"root changes the group", root, g(1<<32 - 2), true, 0, 0},
		{"owner gives away", alice, u(bob.UID), false, EPERM, 0},
		{"owner to root", alice, u(0), false, EPERM, 0},
		{"owner to the owner", alice, u(alice.UID), true, 0, 0},
		{"owner to a group not one's own", alice, g(bob.GID), false, EPERM, 0},
		{"owner to the same group", alice, g(alice.GID), true, 0, 0},
		{"owner to a supplementary group", User{UID: alice.UID, GID: alice.GID, Groups: []uint32{77}}, g(77), true, 0, 0},
		{"other takes", bob, u(bob.UID), false, EPERM, 0},
		{"other takes the group", bob, g(bob.GID), false, EPERM, 0},
		{"group member takes", mate, u(mate.UID), false, EPERM, 0},
		{"owner sets times", alice, Set{Atime: ptr[int64](5e9), Mtime: ptr[int64](6e9)}, true, 0, 0},
		{"other sets times of what all may write", bob, Set{Atime: ptr[int64](5e9), Mtime: ptr[int64](6e9)}, false, EPERM, 0},
		{"root sets times", root, Set{Atime: ptr[int64](5e9), Mtime: ptr[int64](6e9)}, true, 0, 0},
		{"other sets times to now", bob, Set{AtimeNow: true, MtimeNow: true}, true, 0, CapNow},
	} {
		list = append(list, Case{"owner/" + k.what, CapUsers | k.needs, func(c *C) {
			c.file("f", "content")
			c.ok(c.Setattr("f", Set{UID: &alice.UID, GID: &alice.GID}))
			c.ok(c.Setattr("f", Set{Mode: ptr[uint32](0o666)}))
			before := c.attr("f")
			c.may(c.As(k.user).Setattr("f", k.set), k.allowed, k.refusal)
			after := c.attr("f")
			if !k.allowed {
				same(c, "attributes", after, before)
				return
			}
			if k.set.UID != nil {
				same(c, "owner", after.UID, *k.set.UID)
			}
			if k.set.GID != nil {
				same(c, "group", after.GID, *k.set.GID)
			}
			if k.set.Mtime != nil {
				same(c, "mtime", after.Mtime, *k.set.Mtime)
			}
		}})
	}
	return append(list, []Case{
		{"owner/other sets times to now of what may not be written", CapUsers | CapNow, func(c *C) {
			c.file("f", "content")
			before := c.attr("f")
			c.fails(c.As(bob).Setattr("f", Set{AtimeNow: true, MtimeNow: true}), EACCES, EPERM)
			same(c, "attributes", c.attr("f"), before)
		}},
		{"owner/of a symbolic link", CapSetLink, func(c *C) {
			c.file("f", "content")
			c.ok(c.Symlink("f", "l"))
			c.ok(c.Setattr("l", Set{UID: &bob.UID, GID: &bob.GID}))
			same(c, "owner of the link", c.attr("l").UID, bob.UID)
			same(c, "owner of the file", c.attr("f").UID, 0)
		}},
		{"owner/of a directory", CapUsers, func(c *C) {
			c.dir("d", 0o700)
			c.fails(c.As(alice).Create("d/f", How{}), EACCES)
			c.ok(c.Setattr("d", Set{UID: &alice.UID}))
			c.ok(c.As(alice).Create("d/f", How{Mode: 0o600}))
			c.fails(c.As(bob).Create("d/g", How{}), EACCES)
		}},
	}...)
}

// stickyCases are about directories like /tmp.
func stickyCases() []Case {
	var list []Case
	type attempt struct {
		what  string
		needs Caps
		call  func(fs FS) error
	}
	attempts := []attempt{
		{"unlink", 0, func(fs FS) error { return fs.Unlink("d/f") }},
		{"rmdir", 0, func(fs FS) error { return fs.Rmdir("d/e") }},
		{"rename away", 0, func(fs FS) error { return fs.Rename("d/f", "o/f") }},
		{"rename within", 0, func(fs FS) error { return fs.Rename("d/f", "d/g") }},
		{"rename of a directory", 0, func(fs FS) error { return fs.Rename("d/e", "d/g") }},
		{"rename over", 0, func(fs FS) error { return fs.Rename("o/mine", "d/f") }},
	}
	for _, who := range []struct {
		name    string
		user    User
		allowed bool
	}{{"owner of the file", alice, true}, {"owner of the directory", mate, true}, {"root", root, true}, {"another", bob, false}, {"group member", friend, false}} {
		for _, a := range attempts {
			list = append(list, Case{"sticky/" + a.what + " by " + who.name, CapUsers | a.needs, func(c *C) {
				c.dir("o", 0o777)
				c.dir("d", 0o777)
				c.file("d/f", "content")
				c.file("o/mine", "mine")
				c.dir("d/e", 0o777)
				for _, p := range []string{"d/f", "d/e"} {
					c.ok(c.Setattr(p, Set{UID: &alice.UID, GID: &alice.GID}))
				}
				c.ok(c.Setattr("d/f", Set{Mode: ptr[uint32](0o666)}))
				c.ok(c.Setattr("o/mine", Set{UID: &who.user.UID}))
				c.ok(c.Setattr("d", Set{UID: &mate.UID, GID: &alice.GID}))
				c.ok(c.Setattr("d", Set{Mode: ptr[uint32](0o1777)}))
				c.may(a.call(c.As(who.user)), who.allowed, EPERM, EACCES)
				if !who.allowed {
					c.names("d", "f", "e")
					c.names("o", "mine")
					c.holds("d/f", "content")
				}
			}})
		}
	}
	return append(list, Case{"sticky/one's own among others'", CapUsers, func(c *C) {
		c.dir("d", 0o1777)
		c.ok(c.As(bob).Create("d/b", How{Mode: 0o600}))
		c.ok(c.As(alice).Create("d/a", How{Mode: 0o600}))
		c.ok(c.As(bob).Rename("d/b", "d/c"))
		c.fails(c.As(bob).Rename("d/c", "d/a"), EPERM, EACCES)
		c.fails(c.As(alice).Rename("d/a", "d/c"), EPERM, EACCES)
		c.ok(c.As(alice).Rename("d/a", "d/x"))
		c.ok(c.As(bob).Unlink("d/c"))
		c.names("d", "x")
	}})
}

// dirPermCases try what changes or reads a directory by each class of users and each of its bits.
func dirPermCases() []Case {
	var list []Case
	for _, k := range []struct {
		what  string
		bits  uint32 // of the directory that are needed
		needs Caps
		call  func(fs FS, name string) error // name is in d; file d/NAME and empty directory d/NAMEd are there, and o/NAME
	}{
		{"create", 3, 0, func(fs FS, n string) error { return fs.Create("d/"+n+"new", How{Mode: 0o600}) }},
		{"mkdir", 3, 0, func(fs FS, n string) error { return fs.Mkdir("d/"+n+"new", 0o700) }},
		{"symlink", 3, 0, func(fs FS, n string) error { return fs.Symlink("t", "d/"+n+"new") }},
		{"mknod", 3, CapNodes, func(fs FS, n string) error { return fs.Mknod("d/"+n+"new", FIFO, 0o600, 0, 0) }},
		{"link", 3, CapLinks, func(fs FS, n string) error { return fs.Link("o/"+n, "d/"+n+"new") }},
		{"unlink", 3, 0, func(fs FS, n string) error { return fs.Unlink("d/" + n) }},
		{"rmdir", 3, 0, func(fs FS, n string) error { return fs.Rmdir("d/" + n + "d") }},
		{"rename away", 3, 0, func(fs FS, n string) error { return fs.Rename("d/"+n, "o/"+n+"new") }},
		{"rename in", 3, 0, func(fs FS, n string) error { return fs.Rename("o/"+n, "d/"+n+"new") }},
		{"rename within", 3, 0, func(fs FS, n string) error { return fs.Rename("d/"+n, "d/"+n+"new") }},
		{"getattr", 1, 0, func(fs FS, n string) error { _, err := fs.Getattr("d/" + n); return err }},
		{"read of a file in it", 1, 0, func(fs FS, n string) error { _, err := fs.Read("d/"+n, 0, 1); return err }},
		{"write of a file in it", 1, 0, func(fs FS, n string) error { return fs.Write("d/"+n, 0, []byte("x")) }},
		{"chmod of a file in it", 1, 0, func(fs FS, n string) error { return fs.Setattr("d/"+n, Set{Mode: ptr[uint32](0o666)}) }},
		{"names", 4, 0, func(fs FS, n string) error { _, err := fs.Names("d"); return err }},
	} {
		for _, cl := range classes {
			list = append(list, Case{"dirperm/" + k.what + " by " + cl.name, CapUsers | k.needs, func(c *C) {
				c.dir("d", 0o777)
				c.dir("o", 0o777)
				c.ok(c.Setattr("d", Set{UID: &alice.UID, GID: &alice.GID}))
				for bits := range uint32(8) {
					name := fmt.Sprint("f", bits)
					for _, p := range []string{"d/" + name, "o/" + name} {
						c.file(p, "x")
						c.ok(c.Setattr(p, Set{UID: &cl.user.UID}))
						c.ok(c.Setattr(p, Set{Mode: ptr[uint32](0o666)}))
					}
					c.dir("d/"+name+"d", 0o777)
					// The bits of the other classes are the opposite: only one's own count.
					mode := 0o777&^(7<<cl.shift)&^(bits*0o111) | bits<<cl.shift
					c.ok(c.Setattr("d", Set{Mode: &mode}))
					c.may(k.call(c.As(cl.user), name), bits&k.bits == k.bits, EACCES)
					c.ok(c.Setattr("d", Set{Mode: ptr[uint32](0o777)}))
				}
			}})
		}
		list = append(list, Case{"dirperm/" + k.what + " by root", k.needs, func(c *C) {
			c.dir("d", 0o777)
			c.dir("o", 0o777)
			for _, p := range []string{"d/f", "o/f"} {
				c.file(p, "x")
			}
			c.dir("d/fd", 0)
			c.ok(c.Setattr("d", Set{Mode: ptr[uint32](0)}))
			c.ok(k.call(c.FS, "f"))
		}})
	}
	return list
}

// filePermCases try what reads or writes a file by each class of users and each of its bits.
func filePermCases() []Case {
	var list []Case
	for _, k := range []struct {
		what  string
		bits  uint32
		needs Caps
		call  func(fs FS) error
	}{
		{"read", 4, 0, func(fs FS) error { _, err := fs.Read("f", 0, 1); return err }},
		{"write", 2, 0, func(fs FS) error { return fs.Write("f", 0, []byte("x")) }},
		{"truncate", 2, 0, func(fs FS) error { return fs.Setattr("f", Set{Size: ptr[uint64](4)}) }},
		{"set times to now", 2, CapNow, func(fs FS) error { return fs.Setattr("f", Set{AtimeNow: true, MtimeNow: true}) }},
	} {
		for _, cl := range classes {
			list = append(list, Case{"fileperm/" + k.what + " by " + cl.name, CapUsers | k.needs, func(c *C) {
				c.file("f", "content")
				c.ok(c.Setattr("f", Set{UID: &alice.UID, GID: &alice.GID}))
				for bits := range uint32(8) {
					mode := 0o777&^(7<<cl.shift)&^(bits*0o111) | bits<<cl.shift
					c.ok(c.Setattr("f", Set{Mode: &mode}))
					allowed := bits&k.bits == k.bits
					switch {
					case cl.name == "owner" && (c.can(CapStateless) || k.needs == CapNow):
						allowed = true // RFC 1813 section 4.4; futimens(2)
					case k.what == "read" && bits&Exec != 0 && c.can(CapStateless):
						allowed = true // it is run by who may not read it (section 4.4)
					}
					c.may(k.call(c.As(cl.user)), allowed, EACCES)
				}
			}})
		}
		list = append(list, Case{"fileperm/" + k.what + " by root", k.needs, func(c *C) {
			c.file("f", "content")
			c.ok(c.Setattr("f", Set{UID: &alice.UID, Mode: ptr[uint32](0)}))
			c.ok(k.call(c.FS))
		}})
	}
	return list
}

// accessCases ask what is allowed.
func accessCases() []Case {
	var list []Case
	for _, it := range []thing{aFile, anEmptyDir} {
		for _, cl := range classes {
			list = append(list, Case{"access/a " + it.name + " by " + cl.name, CapUsers | CapAccess, func(c *C) {
				it.make(c, "it")
				c.ok(c.Setattr("it", Set{UID: &alice.UID, GID: &alice.GID}))
				for bits := range uint32(8) {
					mode := 0o777&^(7<<cl.shift)&^(bits*0o111) | bits<<cl.shift
					c.ok(c.Setattr("it", Set{Mode: &mode}))
					got, err := c.As(cl.user).Access("it", AllAccess)
					c.ok(err)
					if it.dir && bits&(WriteBit|Exec) == WriteBit {
						// The mode says so, but nothing can be changed without searching: servers differ.
						got |= WriteBit
					}
					same(c, fmt.Sprintf("access with mode %03o", mode), got, bits)
				}
			}})
		}
		list = append(list, Case{"access/a " + it.name + " by root", CapAccess, func(c *C) {
			it.make(c, "it")
			for _, mode := range []uint32{0, 0o600, 0o100, 0o010, 0o001, 0o777} {
				c.ok(c.Setattr("it", Set{Mode: &mode}))
				got, err := c.Access("it", AllAccess)
				c.ok(err)
				want := uint32(AllAccess)
				if !it.dir && mode&0o111 == 0 {
					want &^= Exec
				}
				same(c, fmt.Sprintf("access with mode %03o", mode), got, want)
			}
		}})
	}
	return list
}
