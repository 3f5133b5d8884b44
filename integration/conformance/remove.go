package conformance

import "fmt"

// removeCases take names away.
func removeCases() []Case {
	var list []Case
	for _, it := range things {
		list = append(list, Case{"remove/a " + it.name, it.needs, func(c *C) {
			it.make(c, "it")
			aFile.make(c, "other")
			before := c.attr(".")
			if it.name == aFullDir.name {
				c.fails(c.Rmdir("it"), ENOTEMPTY, EEXIST)
				c.names("it", "inside")
				c.ok(c.Unlink("it/inside"))
			}
			links := before.Nlink
			if it.dir {
				c.ok(c.Rmdir("it"))
				links--
			} else {
				c.ok(c.Unlink("it"))
			}
			c.gone("it")
			c.names(".", "other")
			same(c, "links of the parent", c.attr(".").Nlink, links)
			c.fails(c.Unlink("it"), ENOENT)
			c.fails(c.Rmdir("it"), ENOENT)
			c.holds("other", "content of other")
		}})
	}
	for _, it := range things {
		list = append(list, Case{"remove/directory with a " + it.name, it.needs, func(c *C) {
			c.dir("d", 0o755)
			it.make(c, "d/it")
			c.fails(c.Rmdir("d"), ENOTEMPTY, EEXIST)
			c.names("d", "it")
		}})
	}
	return append(list, []Case{
		{"remove/link leaves its target", 0, func(c *C) {
			c.file("f", "content")
			c.ok(c.Symlink("f", "l"))
			c.ok(c.Unlink("l"))
			c.holds("f", "content")
			c.dir("d", 0o755)
			c.ok(c.Symlink("d", "l"))
			c.ok(c.Unlink("l"))
			c.names(".", "d", "f")
		}},
		{"remove/file of mode 0", CapUsers, func(c *C) {
			c.file("f", "content")
			c.ok(c.Setattr("f", Set{Mode: ptr[uint32](0), UID: &bob.UID}))
			c.ok(c.As(alice).Unlink("f"))
			c.dir("d", 0)
			c.ok(c.As(alice).Rmdir("d"))
			c.names(".")
		}},
		{"remove/emptied directory", 0, func(c *C) {
			c.dir("d", 0o755)
			for i := range 60 {
				c.ok(c.Create(fmt.Sprintf("d/%d", i), How{Mode: 0o600}))
			}
			for i := range 60 {
				c.fails(c.Rmdir("d"), ENOTEMPTY, EEXIST)
				c.ok(c.Unlink(fmt.Sprintf("d/%d", i)))
			}
			c.ok(c.Rmdir("d"))
			c.gone("d")
		}},
		{"remove/content does not come back", 0, func(c *C) {
			secret := string(fill(40000, 1))
			for i := range 5 {
				c.file("f", secret)
				c.ok(c.Unlink("f"))
				c.ok(c.Create("f", How{Mode: 0o600}))
				c.ok(c.Setattr("f", Set{Size: ptr[uint64](40000)}))
				c.holds("f", string(make([]byte, 40000)))
				c.ok(c.Unlink("f"))
				same(c, "round", i, i)
			}
		}},
	}...)
}

// linkCases give files more names.
func linkCases() []Case {
	return []Case{
		{"link/two names", CapLinks, func(c *C) {
			c.file("a", "content")
			c.ok(c.Link("a", "b"))
			same(c, "attributes", c.attr("a"), c.attr("b"))
			same(c, "links", c.attr("a").Nlink, 2)
			c.ok(c.Write("b", 0, []byte("CONTENT")))
			c.holds("a", "CONTENT")
			c.ok(c.Setattr("a", Set{Mode: ptr[uint32](0o600)}))
			same(c, "mode", c.attr("b").Mode, 0o600)
			c.ok(c.Unlink("a"))
			same(c, "links", c.attr("b").Nlink, 1)
			c.holds("b", "CONTENT")
			c.names(".", "b")
		}},
		{"link/100 names", CapLinks, func(c *C) {
			c.file("f", "content")
			c.dir("d", 0o755)
			for i := range 100 {
				c.ok(c.Link("f", fmt.Sprintf("d/%d", i)))
				same(c, "links", c.attr("f").Nlink, uint32(i+2))
			}
			c.ok(c.Unlink("f"))
			for i := range 99 {
				c.ok(c.Unlink(fmt.Sprintf("d/%d", i)))
			}
			same(c, "links", c.attr("d/99").Nlink, 1)
			c.holds("d/99", "content")
		}},
		{"link/to a symbolic link", CapLinks, func(c *C) {
			c.file("f", "content")
			c.ok(c.Symlink("f", "l"))
			c.ok(c.Link("l", "m"))
			same(c, "type", c.attr("m").Type, Symlink)
			same(c, "number", c.attr("m").Ino, c.attr("l").Ino)
			same(c, "links of the file", c.attr("f").Nlink, 1)
		}},
		{"link/to a FIFO", CapLinks | CapNodes, func(c *C) {
			aFIFO.make(c, "p")
			c.ok(c.Link("p", "q"))
			same(c, "attributes", c.attr("q"), c.attr("p"))
			same(c, "links", c.attr("q").Nlink, 2)
		}},
		{"link/onto itself", CapLinks, func(c *C) {
			c.file("f", "content")
			c.fails(c.Link("f", "f"), EEXIST)
			same(c, "links", c.attr("f").Nlink, 1)
		}},
		{"link/into a directory that may not be written", CapLinks | CapUsers, func(c *C) {
			c.ok(c.As(alice).Create("f", How{Mode: 0o644}))
			c.dir("d", 0o755)
			c.fails(c.As(alice).Link("f", "d/g"), EACCES)
			same(c, "links", c.attr("f").Nlink, 1)
		}},
		{"link/renamed over", CapLinks, func(c *C) {
			c.file("a", "content")
			c.ok(c.Link("a", "b"))
			c.file("new", "new")
			c.ok(c.Rename("new", "b"))
			same(c, "links", c.attr("a").Nlink, 1)
			c.holds("a", "content")
			c.holds("b", "new")
		}},
	}
}

// fill makes n bytes that depend on seed and repeat with no small period.
func fill(n int, seed uint32) []byte {
	b := make([]byte, n)
	for i := range b {
		seed = seed*1664525 + 1013904223
		b[i] = byte(seed >> 24)
	}
	return b
}
