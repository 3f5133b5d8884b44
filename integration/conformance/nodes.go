package conformance

import "fmt"

// nodeCases make special files.
func nodeCases() []Case {
	var list []Case
	for _, k := range []struct {
		what         string
		typ          Type
		major, minor uint32
	}{
		{"FIFO", FIFO, 0, 0}, {"socket", Socket, 0, 0}, {"character device", Char, 1, 3}, {"block device", Block, 7, 200},
		{"character device of large numbers", Char, 4095, 1<<20 - 1}, {"block device 259:65537", Block, 259, 65537},
	} {
		list = append(list, Case{"node/" + k.what, CapNodes, func(c *C) {
			c.ok(c.Mknod("n", k.typ, 0o640, k.major, k.minor))
			check := func(path string) {
				a := c.attr(path)
				same(c, "type", a.Type, k.typ)
				same(c, "mode", a.Mode, 0o640)
				same(c, "device", [2]uint32{a.Major, a.Minor}, [2]uint32{k.major, k.minor})
				same(c, "links and size", [2]uint64{uint64(a.Nlink), a.Size}, [2]uint64{1, 0})
			}
			check("n")
			c.ok(c.Rename("n", "m"))
			check("m")
			c.names(".", "m")
			c.ok(c.Unlink("m"))
			c.names(".")
		}})
	}
	for _, k := range []struct {
		what    string
		typ     Type
		allowed bool
	}{{"FIFO", FIFO, true}, {"socket", Socket, true}, {"character device", Char, false}, {"block device", Block, false}} {
		list = append(list, Case{"node/" + k.what + " by a user", CapNodes | CapUsers, func(c *C) {
			c.may(c.As(alice).Mknod("n", k.typ, 0o600, 1, 3), k.allowed, EPERM)
			if k.allowed {
				same(c, "owner", c.attr("n").UID, alice.UID)
			} else {
				c.names(".")
			}
		}})
	}
	for _, t := range []Type{Regular, Dir, Symlink, 0, 15} {
		list = append(list, Case{fmt.Sprintf("node/of type %d", t), CapNodes | CapStateless, func(c *C) {
			c.fails(c.Mknod("n", t, 0o600, 0, 0), EINVAL, EOPNOTSUPP)
			c.names(".")
		}})
	}
	return list
}

// statfsCases ask for the size of the filesystem.
func statfsCases() []Case {
	sizes := func(c *C) Statfs {
		s, err := c.Statfs()
		c.ok(err)
		return s
	}
	return []Case{
		{"statfs/makes sense", CapStatfs, func(c *C) {
			s := sizes(c)
			if s.Total == 0 || s.Free > s.Total || s.Avail > s.Free || s.FreeFiles > s.Files || s.FreeFiles == 0 {
				c.fault("%+v", s)
			}
			if s.NameMax != 0 {
				same(c, "longest name", s.NameMax, 255)
			}
		}},
		{"statfs/follows what is written", CapStatfs, func(c *C) {
			before := sizes(c)
			c.file("f", "")
			c.ok(c.Write("f", 0, fill(8<<20, 1)))
			full := sizes(c)
			if taken := int64(before.Free) - int64(full.Free); taken < 8<<20 || taken > 9<<20 {
				c.fault("8 MiB take %d bytes", taken)
			}
			c.ok(c.Unlink("f"))
			if kept := int64(before.Free) - int64(sizes(c).Free); kept > 1<<20 {
				c.fault("a file that is gone takes %d bytes", kept)
			}
			same(c, "total", sizes(c).Total, before.Total)
		}},
		{"statfs/used space of a file", CapUsed, func(c *C) {
			c.file("f", "")
			c.ok(c.Write("f", 0, fill(1<<20, 1)))
			if used := c.attr("f").Used; used < 1<<20 || used > 1<<20+64<<10 {
				c.fault("1 MiB takes %d bytes", used)
			}
		}},
	}
}

// wccCases demand that a target says what a call did to the files it was about.
func wccCases() []Case {
	var list []Case
	for _, k := range []struct {
		what  string
		needs Caps
		// call finds file f, directory d with file d/f and empty directory d/e.
		call  func(fs FS) error
		fail  []Errno
		about []string // the files that its handles name, in order
		after []bool   // whether each changes, and so has to be described before, too
	}{
		{"create", 0, func(fs FS) error { return fs.Create("d/new", How{}) }, nil, []string{"d"}, []bool{true}},
		{"create refused", 0, func(fs FS) error { return fs.Create("d/f", How{}) }, []Errno{EEXIST}, []string{"d"}, []bool{false}},
		{"mkdir", 0, func(fs FS) error { return fs.Mkdir("d/new", 0o755) }, nil, []string{"d"}, []bool{true}},
		{"mkdir refused", 0, func(fs FS) error { return fs.Mkdir("d/f", 0o755) }, []Errno{EEXIST}, []string{"d"}, []bool{false}},
		{"symlink", 0, func(fs FS) error { return fs.Symlink("t", "d/new") }, nil, []string{"d"}, []bool{true}},
		{"mknod", 0, func(fs FS) error { return fs.Mknod("d/new", FIFO, 0o600, 0, 0) }, nil, []string{"d"}, []bool{true}},
		{"unlink", 0, func(fs FS) error { return fs.Unlink("d/f") }, nil, []string{"d"}, []bool{true}},
		{"unlink refused", 0, func(fs FS) error { return fs.Unlink("d/none") }, []Errno{ENOENT}, []string{"d"}, []bool{false}},
		{"rmdir", 0, func(fs FS) error { return fs.Rmdir("d/e") }, nil, []string{"d"}, []bool{true}},
		{"rmdir refused", 0, func(fs FS) error { return fs.Rmdir("d/f") }, []Errno{ENOTDIR}, []string{"d"}, []bool{false}},
		{"rename", 0, func(fs FS) error { return fs.Rename("d/f", "d/e/f") }, nil, []string{"d", "d/e"}, []bool{true, true}},
		{"rename refused", 0, func(fs FS) error { return fs.Rename("d/none", "d/e/f") }, []Errno{ENOENT}, []string{"d", "d/e"}, []bool{false, false}},
		{"link", 0, func(fs FS) error { return fs.Link("f", "d/new") }, nil, []string{"f", "d"}, []bool{false, true}}, // LINK has no wcc_data for the file
		{"link refused", 0, func(fs FS) error { return fs.Link("f", "d/f") }, []Errno{EEXIST}, []string{"f", "d"}, []bool{false, false}},
		{"write", 0, func(fs FS) error { return fs.Write("f", 3, []byte("longer than before")) }, nil, []string{"f"}, []bool{true}},
		{"setattr", 0, func(fs FS) error { return fs.Setattr("f", Set{Mode: ptr[uint32](0o600)}) }, nil, []string{"f"}, []bool{true}},
		{"truncate", 0, func(fs FS) error { return fs.Setattr("f", Set{Size: ptr[uint64](1)}) }, nil, []string{"f"}, []bool{true}},
		{"setattr refused", 0, func(fs FS) error { return fs.Setattr("f", Set{Mode: ptr[uint32](0), Guard: ptr[int64](1)}) }, []Errno{EAGAIN}, []string{"f"}, []bool{false}},
	} {
		list = append(list, Case{"wcc/" + k.what, CapWcc | k.needs, func(c *C) {
			c.file("f", "content")
			c.dir("d", 0o755)
			c.dir("d/e", 0o755)
			c.file("d/f", "content")
			var before []Attr
			for _, path := range k.about {
				before = append(before, c.attr(path))
			}
			if err := k.call(c.FS); k.fail != nil {
				c.fails(err, k.fail...)
			} else {
				c.ok(err)
			}
			wcc := c.FS.(Witness).LastWcc()
			if len(wcc) != len(k.about) {
				c.fault("attributes of %d files, want %d", len(wcc), len(k.about))
				return
			}
			for i, path := range k.about {
				checkWcc(c, path, wcc[i], before[i], k.after[i])
			}
		}})
	}
	return list
}

// checkWcc compares what was said about a file with what it was and is.
func checkWcc(c *C, path string, w Wcc, before Attr, changes bool) {
	if !w.HasAfter {
		c.fault("no attributes of %s after", path)
	} else {
		same(c, "what was said of "+path+" after", w.After, c.attr(path))
	}
	if w.HasBefore {
		same(c, "what was said of "+path+" before", [3]int64{int64(w.Size), w.Mtime, w.Ctime}, [3]int64{int64(before.Size), before.Mtime, before.Ctime})
	} else if changes {
		c.fault("nothing is said of %s before", path)
	}
}
