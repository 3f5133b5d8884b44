package conformance

// QuotaCases are what a filesystem does at the quota of a directory tree. limit gives a directory, by its path from where the target begins, a
// quota of bytes and of files, 0 for none; the directory counts as a file of it.
func QuotaCases(limit func(path string, bytes, files uint64) error) []Case {
	tree := func(c *C, bytes, files uint64) {
		c.dir("d", 0o777)
		c.ok(limit(c.path+"/d", bytes, files))
	}
	return []Case{
		{"quota/bytes", 0, func(c *C) {
			tree(c, 64<<10, 0)
			c.file("d/f", "")
			c.ok(c.Write("d/f", 0, make([]byte, 32<<10)))
			c.fails(c.Write("d/f", 32<<10, make([]byte, 64<<10)), EDQUOT)
			c.ok(c.Write("d/f", 0, make([]byte, 32<<10)))
			c.file("out", "")
			c.ok(c.Write("out", 0, make([]byte, 128<<10)))
			c.ok(c.Setattr("d/f", Set{Size: ptr[uint64](100)}))
			c.file("d/g", "")
			c.ok(c.Write("d/g", 0, make([]byte, 48<<10)))
		}},
		{"quota/files", 0, func(c *C) {
			tree(c, 0, 3)
			c.file("d/f", "content")
			c.dir("d/e", 0o755)
			c.fails(c.Create("d/e/g", How{Mode: 0o644}), EDQUOT)
			c.fails(c.Mkdir("d/h", 0o755), EDQUOT)
			c.fails(c.Symlink("f", "d/l"), EDQUOT)
			c.ok(c.Rename("d/f", "d/e/f"))
			c.ok(c.Unlink("d/e/f"))
			c.file("d/g", "content")
			c.names("d", "e", "g")
		}},
		{"quota/renames across its border", 0, func(c *C) {
			tree(c, 1<<20, 0)
			c.file("in", "content of in")
			c.file("d/out", "content of out")
			c.dir("dir", 0o755)
			c.dir("d/dir", 0o755)
			c.fails(c.Rename("in", "d/in"), EXDEV)
			c.fails(c.Rename("d/out", "out"), EXDEV)
			c.fails(c.Rename("in", "d/out"), EXDEV)
			c.fails(c.Rename("dir", "d/dir"), EXDEV)
			c.fails(c.Rename("d/dir", "other"), EXDEV)
			c.ok(c.Rename("d/out", "d/dir/out"))
			c.ok(c.Rename("d", "moved"))
			c.holds("moved/dir/out", "content of out")
			c.holds("in", "content of in")
		}},
		{"quota/links across its border", CapLinks, func(c *C) {
			tree(c, 1<<20, 0)
			c.file("in", "content")
			c.file("d/out", "content")
			c.fails(c.Link("in", "d/in"), EXDEV)
			c.fails(c.Link("d/out", "out"), EXDEV)
			c.ok(c.Link("d/out", "d/too"))
			c.names("d", "out", "too")
		}},
		{"quota/owners", CapUsers, func(c *C) {
			tree(c, 16<<10, 0)
			c.file("d/f", "")
			c.ok(c.Setattr("d/f", Set{Mode: ptr[uint32](0o666)}))
			c.fails(c.As(alice).Write("d/f", 0, make([]byte, 32<<10)), EDQUOT)
			c.ok(c.As(bob).Write("d/f", 0, make([]byte, 8<<10)))
		}},
	}
}
