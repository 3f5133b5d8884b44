package conformance

import (
	"fmt"
	"strings"
)

// nameCases try what a name may be.
func nameCases() []Case {
	all := make([]byte, 0, 256)
	for b := 1; b < 256; b++ {
		if b != '/' && string(rune(b)) != Slash && string(rune(b)) != Empty {
			all = append(all, byte(b))
		}
	}
	var list []Case
	for what, name := range map[string]string{
		"one byte": "a", "255 bytes": strings.Repeat("x", 255), "254 bytes": strings.Repeat("y", 254), "not UTF-8": "\xff\xfe\x80\xc3",
		"all bytes": string(all[:200]), "the other bytes": string(all[200:]), "spaces": "  ", "line break": "a\nb", "dash": "-rf", "three dots": "...",
		"dot first": ".hidden", "macOS": "._file", "backslash": `a\b`, "four-byte UTF-8": strings.Repeat("\U0001F600", 63), "colon": "a:b*?<>|",
		"trailing dot": "a.", "emoji and combining": "e\u0301",
	} {
		list = append(list, Case{"name/" + what, 0, func(c *C) {
			c.file(name, "content")
			c.holds(name, "content")
			c.names(".", name)
			c.ok(c.Rename(name, "plain"))
			c.gone(name)
			c.ok(c.Rename("plain", name))
			c.holds(name, "content")
			c.dir("d", 0o755)
			c.dir("d/"+name, 0o755)
			c.file("d/"+name+"/"+name, "x")
			c.names("d/"+name, name)
			c.ok(c.Unlink("d/" + name + "/" + name))
			c.ok(c.Rmdir("d/" + name))
			c.ok(c.Symlink("t", "d/"+name))
			c.ok(c.Unlink("d/" + name))
			c.ok(c.Unlink(name))
			c.names(".", "d")
		}})
	}
	sortCases(list)
	return append(list, manyNames()...)
}

// manyNames are about names that are alike, and many of them.
func manyNames() []Case {
	return []Case{
		{"name/case counts", 0, func(c *C) {
			c.file("Name", "upper")
			c.gone("name")
			c.file("name", "lower")
			c.holds("Name", "upper")
		}},
		{"name/composition counts", 0, func(c *C) {
			c.file("\u00e9", "composed")
			c.file("e\u0301", "decomposed")
			c.holds("\u00e9", "composed")
			c.names(".", "\u00e9", "e\u0301")
		}},
		{"name/1000 entries", 0, func(c *C) {
			var want []string
			for i := range 1000 {
				name := fmt.Sprintf("file-%04d", i)
				c.ok(c.Create(name, How{Mode: 0o644}))
				want = append(want, name)
			}
			c.names(".", want...)
			for i := 0; i < 1000; i += 2 {
				c.ok(c.Unlink(want[i]))
			}
			var left []string
			for i := 1; i < 1000; i += 2 {
				left = append(left, want[i])
				_, err := c.Getattr(want[i])
				c.ok(err)
			}
			c.names(".", left...)
		}},
		{"name/100 directories", 0, func(c *C) {
			before := c.attr(".").Nlink
			var want []string
			for i := range 100 {
				name := fmt.Sprintf("dir-%d", i)
				c.ok(c.Mkdir(name, 0o755))
				want = append(want, name)
			}
			same(c, "links of the parent", c.attr(".").Nlink, before+100)
			c.names(".", want...)
			for _, name := range want {
				c.ok(c.Rmdir(name))
			}
			same(c, "links of the parent", c.attr(".").Nlink, before)
		}},
	}
}

// dotCases try "." and ".." as last names.
func dotCases() []Case {
	list := []Case{
		{"dot/getattr", 0, func(c *C) {
			c.dir("d", 0o755)
			c.dir("d/e", 0o755)
			same(c, "number of .", c.attr("d/.").Ino, c.attr("d").Ino)
			same(c, "number of ..", c.attr("d/e/..").Ino, c.attr("d").Ino)
			same(c, "type of ..", c.attr("d/..").Type, Dir)
		}},
		{"dot/. needs the permission to search", CapUsers | CapDots, func(c *C) {
			c.dir("d", 0o766)
			_, err := c.As(bob).Getattr("d/.")
			c.fails(err, EACCES)
			c.ok(c.Setattr("d", Set{Mode: ptr[uint32](0o711)}))
			_, err = c.As(bob).Getattr("d/.")
			c.ok(err)
		}},
		{"dot/.. needs the permission to search", CapUsers | CapDots, func(c *C) {
			c.dir("d", 0o766)
			_, err := c.As(bob).Getattr("d/..")
			c.fails(err, EACCES)
			c.ok(c.Setattr("d", Set{Mode: ptr[uint32](0o711)}))
			_, err = c.As(bob).Getattr("d/..")
			c.ok(err)
		}},
		{"dot/not listed as files", 0, func(c *C) {
			c.dir("d", 0o755)
			c.names("d")
		}},
	}
	for _, o := range ops {
		var allowed []Errno
		switch {
		case o.makes && o.name != "rename to":
			allowed = []Errno{EEXIST, EINVAL, EISDIR, ENOENT}
		case o.name == "rename to", o.name == "rename from":
			allowed = []Errno{EINVAL, EBUSY, EEXIST, EISDIR, ENOTEMPTY}
		case o.name == "unlink", o.name == "rmdir":
			allowed = []Errno{EINVAL, EISDIR, EPERM, ENOTEMPTY, EEXIST, EBUSY}
		default:
			continue
		}
		for _, dot := range []string{".", ".."} {
			list = append(list, Case{"dot/" + o.name + " " + dot, o.needs | CapDots, func(c *C) {
				aFile.make(c, spare)
				c.dir("d", 0o755)
				c.dir("d/e", 0o755)
				before := c.attr("d/e")
				c.fails(o.call(c.FS, "d/e/"+dot), allowed...)
				same(c, "attributes", c.attr("d/e"), before)
				c.names(".", spare, "d")
				c.names("d", "e")
			}})
		}
	}
	return list
}
