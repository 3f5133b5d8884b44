package conformance

import (
	"fmt"
	"strings"
)

// renameMatrix renames every kind of file to every kind of name, in one directory and between two.
func renameMatrix() []Case {
	none := thing{"nothing", 0, false, func(*C, string) {}}
	var list []Case
	for _, from := range things {
		for _, to := range append([]thing{none}, things...) {
			for _, dst := range []string{"to", "d/to"} {
				where := " here"
				if dst != "to" {
					where = " elsewhere"
				}
				list = append(list, Case{"rename/a " + from.name + " over a " + to.name + where, from.needs | to.needs, func(c *C) {
					c.dir("d", 0o755)
					from.make(c, "from")
					to.make(c, dst)
					renameOne(c, from, to, dst)
				}})
			}
		}
	}
	return list
}

// renameOne renames "from" and demands what POSIX says, with nothing half done.
func renameOne(c *C, from, to thing, dst string) {
	src, here, there := c.attr("from"), c.attr("."), c.attr("d")
	var refusal []Errno
	exists := to.name != "nothing"
	switch {
	case exists && from.dir && !to.dir:
		refusal = []Errno{ENOTDIR, EEXIST} // RFC 1813 section 3.3.14 has EXIST for kinds that do not go together
	case exists && !from.dir && to.dir:
		refusal = []Errno{EISDIR, EEXIST, ENOTEMPTY}
	case to.name == aFullDir.name:
		refusal = []Errno{ENOTEMPTY, EEXIST}
	}
	var old Attr
	if exists {
		old = c.attr(dst)
	}
	err := c.Rename("from", dst)
	if refusal != nil {
		c.fails(err, refusal...)
		same(c, "number of the source", c.attr("from").Ino, src.Ino)
		same(c, "number of the target", c.attr(dst).Ino, old.Ino)
		same(c, "links of the source's parent", c.attr(".").Nlink, here.Nlink)
		same(c, "links of the target's parent", c.attr("d").Nlink, there.Nlink)
		return
	}
	c.ok(err)
	c.gone("from")
	got := c.attr(dst)
	same(c, "what has the name", [3]uint64{got.Ino, got.Size, uint64(got.Nlink)}, [3]uint64{src.Ino, src.Size, uint64(src.Nlink)})
	if from.dir && dst != "to" {
		here.Nlink--
		there.Nlink++
		same(c, "number of ..", c.attr(dst+"/..").Ino, there.Ino)
	}
	if to.dir {
		if dst == "to" {
			here.Nlink--
		} else {
			there.Nlink--
		}
	}
	same(c, "links of the source's parent", c.attr(".").Nlink, here.Nlink)
	same(c, "links of the target's parent", c.attr("d").Nlink, there.Nlink)
}

// renameCases are the corners of rename.
func renameCases() []Case { return append(renameCorners(), renameSeries()...) }

// renameCorners are renames that POSIX has a rule for.
func renameCorners() []Case {
	return []Case{
		{"rename/onto itself", 0, func(c *C) {
			c.file("f", "content")
			c.dir("d", 0o755)
			c.ok(c.Rename("f", "f"))
			c.ok(c.Rename("d", "d"))
			c.holds("f", "content")
			c.names(".", "f", "d")
		}},
		{"rename/onto another name of the same file", CapLinks, func(c *C) {
			c.file("a", "content")
			c.dir("d", 0o755)
			c.ok(c.Link("a", "b"))
			c.ok(c.Link("a", "d/c"))
			c.ok(c.Rename("a", "b"))
			c.ok(c.Rename("b", "d/c"))
			c.names(".", "a", "b", "d") // rename(2): nothing happens
			c.names("d", "c")
			same(c, "links", c.attr("a").Nlink, 3)
		}},
		{"rename/into its own child", 0, func(c *C) {
			c.dir("a", 0o755)
			c.dir("a/b", 0o755)
			c.dir("a/b/c", 0o755)
			for _, to := range []string{"a/a", "a/b/a", "a/b/c/a"} {
				c.fails(c.Rename("a", to), EINVAL)
			}
			c.fails(c.Rename("a", "a/b"), EINVAL)
			c.fails(c.Rename("a", "a/b/c"), EINVAL)
			c.names(".", "a")
			c.names("a", "b")
			c.names("a/b", "c")
			c.names("a/b/c")
		}},
		{"rename/over its own ancestor", 0, func(c *C) {
			c.dir("a", 0o755)
			c.dir("a/b", 0o755)
			c.file("a/b/f", "x")
			c.fails(c.Rename("a/b", "a"), ENOTEMPTY, EEXIST, EINVAL)
			c.fails(c.Rename("a/b/f", "a"), EISDIR, EEXIST, ENOTEMPTY, EINVAL)
			c.fails(c.Rename("a/b/f", "a/b"), EISDIR, EEXIST, ENOTEMPTY, EINVAL)
			c.holds("a/b/f", "x")
		}},
		{"rename/missing source leaves the target", 0, func(c *C) {
			c.file("f", "content")
			c.fails(c.Rename("none", "f"), ENOENT)
			c.holds("f", "content")
			c.names(".", "f")
		}},
		{"rename/missing source in a directory that is not there", CapParents, func(c *C) {
			c.file("f", "content")
			c.fails(c.Rename("none/x", "g"), ENOENT)
			c.fails(c.Rename("f", "none/x"), ENOENT)
			c.fails(c.Rename("f/x", "g"), ENOTDIR)
			c.names(".", "f")
		}},
	}
}

// renameSeries rename again and again, and say what stays.
func renameSeries() []Case {
	return []Case{
		{"rename/keeps the file", CapUsers, func(c *C) {
			c.ok(c.As(alice).Create("f", How{Mode: 0o4640}))
			c.ok(c.As(alice).Write("f", 5000, []byte("x")))
			before := c.attr("f")
			c.dir("d", 0o777)
			c.ok(c.As(alice).Rename("f", "d/g"))
			after := c.attr("d/g")
			after.Ctime, before.Ctime = 0, 0 // may change (POSIX) or not
			same(c, "attributes", after, before)
		}},
		{"rename/300 times", 0, func(c *C) {
			c.file("f0", "content")
			for i := range 300 {
				c.ok(c.Rename(fmt.Sprintf("f%d", i), fmt.Sprintf("f%d", i+1)))
			}
			c.names(".", "f300")
			c.holds("f300", "content")
		}},
		{"rename/replaced content", 0, func(c *C) {
			for i := range 20 {
				text := strings.Repeat(fmt.Sprint(i), 1000*i)
				c.file("new", text)
				c.ok(c.Rename("new", "f"))
				c.holds("f", text)
			}
			c.names(".", "f")
		}},
		{"rename/deep directory", 0, func(c *C) {
			c.dir("a", 0o755)
			c.dir("b", 0o755)
			c.dir("a/x", 0o755)
			c.dir("a/x/y", 0o755)
			c.file("a/x/y/f", "content")
			c.ok(c.Rename("a/x", "b/x"))
			c.holds("b/x/y/f", "content")
			c.ok(c.Rename("b", "a/b"))
			c.holds("a/b/x/y/f", "content")
			same(c, "number of ..", c.attr("a/b/..").Ino, c.attr("a").Ino)
			c.fails(c.Rename("a", "a/b/x/y/a"), EINVAL)
			c.names(".", "a")
		}},
		{"rename/exchange of parent and child by steps", 0, func(c *C) {
			c.dir("a", 0o755)
			c.dir("a/b", 0o755)
			c.ok(c.Rename("a/b", "b"))
			c.ok(c.Rename("a", "b/a"))
			c.names(".", "b")
			c.names("b", "a")
			same(c, "links", c.attr("b").Nlink, 3)
			same(c, "links", c.attr("b/a").Nlink, 2)
		}},
	}
}
