package conformance

import (
	"fmt"
	"slices"
)

// createCases make files, with names that are free and names that are not.
func createCases() []Case {
	return slices.Concat(newCases(), takeCases(), verifierCases(), placeCases(), existsCases(), createModes())
}

// newCases make what is not there.
func newCases() []Case {
	return []Case{
		{"create/file", CapUsers, func(c *C) {
			c.ok(c.As(alice).Create("f", How{Mode: 0o640}))
			a := c.attr("f")
			want := Attr{Type: Regular, Mode: 0o640, Nlink: 1, UID: alice.UID, GID: alice.GID}
			same(c, "attributes", Attr{Type: a.Type, Mode: a.Mode, Nlink: a.Nlink, UID: a.UID, GID: a.GID, Size: a.Size}, want)
		}},
		{"create/directory", CapUsers, func(c *C) {
			before := c.attr(".")
			c.ok(c.As(bob).Mkdir("d", 0o750))
			a := c.attr("d")
			want := Attr{Type: Dir, Mode: 0o750, Nlink: 2, UID: bob.UID, GID: bob.GID}
			same(c, "attributes", Attr{Type: a.Type, Mode: a.Mode, Nlink: a.Nlink, UID: a.UID, GID: a.GID}, want)
			same(c, "links of the parent", c.attr(".").Nlink, before.Nlink+1)
			c.names("d")
		}},
		{"create/large ids", CapUsers, func(c *C) {
			c.ok(c.As(most).Create("f", How{Mode: 0o600}))
			a := c.attr("f")
			same(c, "owner", [2]uint32{a.UID, a.GID}, [2]uint32{most.UID, most.GID})
			c.ok(c.As(most).Write("f", 0, []byte("x")))
		}},
	}
}

// takeCases make what may be there, which is kept (RFC 1813 section 3.3.8, UNCHECKED).
func takeCases() []Case {
	return []Case{
		{"create/take keeps content and mode", 0, func(c *C) {
			c.file("f", "content")
			before := c.attr("f")
			c.ok(c.Create("f", How{Mode: 0o600, Existing: Take}))
			same(c, "attributes", c.attr("f"), before)
			c.holds("f", "content")
		}},
		{"create/take truncates if told", 0, func(c *C) {
			c.file("f", "content")
			before := c.attr("f")
			c.ok(c.Create("f", How{Mode: 0o600, Existing: Take, Size: ptr[uint64](0)}))
			c.holds("f", "")
			same(c, "mode", c.attr("f").Mode, before.Mode)
			same(c, "number", c.attr("f").Ino, before.Ino)
		}},
		{"create/take of another's file needs no permission without a size", CapUsers | CapStateless, func(c *C) {
			c.file("f", "content")
			c.ok(c.As(bob).Create("f", How{Mode: 0o600, Existing: Take}))
			c.fails(c.As(bob).Create("f", How{Mode: 0o600, Existing: Take, Size: ptr[uint64](0)}), EACCES)
			c.holds("f", "content")
		}},
		{"create/with a size", CapStateless, func(c *C) {
			c.ok(c.Create("f", How{Mode: 0o600, Size: ptr[uint64](10000)}))
			c.holds("f", string(make([]byte, 10000)))
		}},
	}
}

// verifierCases make files exclusively (EXCLUSIVE).
func verifierCases() []Case {
	return []Case{
		{"create/verifier", CapVerifier, func(c *C) {
			c.ok(c.Create("f", How{Existing: ByVerifier, Verifier: 1 << 63}))
			before := c.attr("f")
			c.ok(c.Create("f", How{Existing: ByVerifier, Verifier: 1 << 63}))
			same(c, "number", c.attr("f").Ino, before.Ino)
			c.fails(c.Create("f", How{Existing: ByVerifier, Verifier: 1<<63 + 1}), EEXIST)
			c.fails(c.Create("f", How{Existing: ByVerifier}), EEXIST)
			c.fails(c.Create("f", How{}), EEXIST)
			c.names(".", "f")
		}},
		{"create/verifier on a file made otherwise", CapVerifier, func(c *C) {
			c.file("f", "content")
			c.fails(c.Create("f", How{Existing: ByVerifier}), EEXIST)
			c.fails(c.Create("f", How{Existing: ByVerifier, Verifier: 7}), EEXIST)
			c.holds("f", "content")
		}},
		{"create/verifier on a directory", CapVerifier, func(c *C) {
			c.dir("d", 0o755)
			c.fails(c.Create("d", How{Existing: ByVerifier, Verifier: 7}), EEXIST)
		}},
		{"create/verifier by another user", CapVerifier | CapUsers, func(c *C) {
			c.ok(c.As(alice).Create("f", How{Existing: ByVerifier, Verifier: 7}))
			c.ok(c.As(alice).Setattr("f", Set{Mode: ptr[uint32](0o640)}))
			same(c, "owner", c.attr("f").UID, alice.UID)
			same(c, "mode", c.attr("f").Mode, 0o640)
		}},
	}
}

// placeCases make files again, far down, and in setgid directories.
func placeCases() []Case {
	return []Case{
		{"create/again after removal", 0, func(c *C) {
			for i := range 20 {
				c.file("f", fmt.Sprint(i))
				c.holds("f", fmt.Sprint(i))
				c.ok(c.Unlink("f"))
				c.gone("f")
			}
			c.names(".")
		}},
		{"create/deep", 0, func(c *C) {
			path := "d"
			for range 40 {
				c.dir(path, 0o755)
				path += "/d"
			}
			c.file(path, "deep")
			c.holds(path, "deep")
		}},
		{"create/in a setgid directory", CapUsers, func(c *C) {
			c.dir("d", 0o2777)
			c.ok(c.Setattr("d", Set{GID: &bob.GID}))
			c.ok(c.Setattr("d", Set{Mode: ptr[uint32](0o2777)}))
			c.ok(c.As(alice).Create("d/f", How{Mode: 0o644}))
			c.ok(c.As(alice).Mkdir("d/d", 0o755))
			c.ok(c.As(alice).Symlink("t", "d/l"))
			for _, name := range []string{"d/f", "d/d", "d/l"} {
				same(c, "group of "+name, c.attr(name).GID, bob.GID)
			}
			same(c, "mode of the directory", c.attr("d/d").Mode, 0o2755)
			same(c, "mode of the file", c.attr("d/f").Mode, 0o644)
		}},
		{"create/setgid for a group that is not one's own", CapUsers, func(c *C) {
			c.dir("d", 0o2777)
			c.ok(c.Setattr("d", Set{GID: &bob.GID}))
			c.ok(c.Setattr("d", Set{Mode: ptr[uint32](0o2777)}))
			c.ok(c.As(alice).Create("d/f", How{Mode: 0o2755}))
			same(c, "mode", c.attr("d/f").Mode, 0o755)
		}},
	}
}

// existsCases try to make what is there.
func existsCases() []Case {
	var list []Case
	for _, o := range ops {
		if !o.makes || o.name == "rename to" {
			continue
		}
		for _, it := range things {
			allowed := []Errno{EEXIST}
			needs := o.needs | it.needs
			if o.name == "create or take" {
				if !it.dir && it.name != aLink.name {
					continue // a file is taken; what a FIFO does depends on who opens it
				}
				allowed = []Errno{EEXIST, EISDIR, ELOOP, EINVAL}
				if it.name == aLink.name {
					needs |= CapSpecial
				}
			}
			list = append(list, Case{"exists/" + o.name + "/a " + it.name, needs, func(c *C) {
				aFile.make(c, spare)
				it.make(c, "it")
				before := c.attr("it")
				c.fails(o.call(c.FS, "it"), allowed...)
				same(c, "attributes", c.attr("it"), before)
				same(c, "links of the other file", c.attr(spare).Nlink, 1)
			}})
		}
	}
	return list
}

// createModes make files and directories of every kind of mode.
func createModes() []Case {
	var list []Case
	for _, mode := range []uint32{0, 0o400, 0o111, 0o644, 0o777, 0o1644, 0o2755, 0o4755, 0o7777} {
		list = append(list, Case{fmt.Sprintf("create/mode %04o", mode), 0, func(c *C) {
			c.ok(c.Create("f", How{Mode: mode}))
			same(c, "mode of the file", c.attr("f").Mode, mode)
			c.ok(c.Setattr("f", Set{Mode: ptr[uint32](0o600)}))
			c.ok(c.Setattr("f", Set{Mode: &mode}))
			same(c, "mode after chmod", c.attr("f").Mode, mode)
			c.ok(c.Mkdir("d", 0o700))
			c.ok(c.Setattr("d", Set{Mode: &mode}))
			same(c, "mode of the directory", c.attr("d").Mode, mode)
		}})
	}
	return list
}
