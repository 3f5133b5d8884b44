package conformance

import (
	"bytes"
	"fmt"
	"strings"
)

// open opens a file that must be there.
func (c *C) open(path string) File {
	f, err := c.Open(path)
	c.ok(err)
	return f
}

// lives demands that an open file whose last name is gone is what the target says it is: stale, or alive with its content.
func (c *C) lives(f File, content string) {
	_, err := f.Getattr()
	if c.can(CapStale) {
		c.fails(err, ESTALE)
		_, err = f.Read(0, 10)
		c.fails(err, ESTALE)
		c.fails(f.Write(0, []byte("x")), ESTALE)
		c.fails(f.Setattr(Set{Mode: ptr[uint32](0)}), ESTALE)
		return
	}
	c.ok(err)
	got, err := f.Read(0, len(content)+10)
	c.ok(err)
	same(c, "content", string(got), content)
}

// comesToHave demands that a directory comes to have exactly some entries: a kernel that keeps an open file of a server under another
// name removes that in the background.
func (c *C) comesToHave(path string, want ...string) {
	for range 100 {
		if got, err := c.Names(path); err != nil || len(got) == len(want) {
			break
		}
		tick()
	}
	c.names(path, want...)
}

// openCases follow files through what happens to their names.
func openCases() []Case { return append(nameless(), through()...) }

// nameless follow files whose names go.
func nameless() []Case {
	return []Case{
		{"open/unlinked", CapOpen, func(c *C) {
			c.file("f", "content")
			f := c.open("f")
			c.ok(c.Unlink("f"))
			c.lives(f, "content")
			c.file("f", "another")
			c.lives(f, "content")
			c.holds("f", "another")
			c.ok(f.Close())
			c.comesToHave(".", "f")
		}},
		{"open/renamed", CapOpen, func(c *C) {
			c.file("f", "content")
			c.dir("d", 0o755)
			f := c.open("f")
			before, err := f.Getattr()
			c.ok(err)
			c.ok(c.Rename("f", "d/g"))
			after, err := f.Getattr()
			c.ok(err)
			same(c, "number", after.Ino, before.Ino)
			c.ok(f.Write(0, []byte("CON")))
			c.ok(f.Close())
			c.holds("d/g", "CONtent")
		}},
		{"open/replaced by rename", CapOpen, func(c *C) {
			c.file("f", "old")
			c.file("g", "new")
			f := c.open("f")
			c.ok(c.Rename("g", "f"))
			c.lives(f, "old")
			c.holds("f", "new")
			c.ok(f.Close())
		}},
		{"open/one of two names gone", CapOpen | CapLinks, func(c *C) {
			c.file("f", "content")
			c.ok(c.Link("f", "g"))
			f := c.open("f")
			c.ok(c.Unlink("f"))
			a, err := f.Getattr()
			c.ok(err)
			same(c, "links", a.Nlink, 1)
			c.ok(f.Write(0, []byte("C")))
			c.ok(f.Close())
			c.holds("g", "Content")
		}},
		{"open/removed directory", CapOpen | CapStale, func(c *C) {
			c.dir("d", 0o755)
			d := c.open("d")
			c.ok(c.Rmdir("d"))
			_, err := d.Getattr()
			c.fails(err, ESTALE)
			c.dir("d", 0o755)
			_, err = d.Getattr()
			c.fails(err, ESTALE)
		}},
		{"open/numbers are not used again in disguise", CapOpen | CapStale, func(c *C) {
			var old []File
			for i := range 50 {
				name := fmt.Sprint("f", i)
				c.file(name, "content")
				old = append(old, c.open(name))
				c.ok(c.Unlink(name))
			}
			for i := range 50 {
				c.file(fmt.Sprint("g", i), "other")
			}
			for _, f := range old {
				_, err := f.Getattr()
				c.fails(err, ESTALE)
			}
		}},
	}
}

// through read and change files that are open.
func through() []Case {
	return []Case{
		{"open/changed through", CapOpen, func(c *C) {
			c.file("f", "content")
			f := c.open("f")
			c.ok(f.Setattr(Set{Size: ptr[uint64](3)}))
			c.ok(f.Setattr(Set{Mode: ptr[uint32](0o600)}))
			c.ok(f.Write(5, []byte("x")))
			got, err := f.Read(0, 100)
			c.ok(err)
			c.ok(f.Close())
			same(c, "content", string(got), "con\x00\x00x")
			c.holds("f", "con\x00\x00x")
			same(c, "mode", c.attr("f").Mode, 0o600)
		}},
		{"open/two see each other", CapOpen, func(c *C) {
			c.file("f", "")
			a, b := c.open("f"), c.open("f")
			for i := range 20 {
				data := fill(3000, uint32(i))
				c.ok(a.Write(uint64(i*3000), data))
				got, err := b.Read(uint64(i*3000), 3000)
				c.ok(err)
				if !bytes.Equal(got, data) {
					c.fault("piece %d came back otherwise", i)
				}
			}
			c.ok(a.Close())
			c.ok(b.Close())
		}},
		{"open/truncated under it", CapOpen, func(c *C) {
			c.file("f", strings.Repeat("x", 10000))
			f := c.open("f")
			c.ok(c.Setattr("f", Set{Size: ptr[uint64](10)}))
			got, err := f.Read(5, 100)
			c.ok(err)
			same(c, "content", string(got), "xxxxx")
			got, err = f.Read(5000, 100)
			c.ok(err)
			same(c, "content beyond", string(got), "")
			c.ok(f.Close())
		}},
	}
}

// symlinkCases make and read symbolic links.
func symlinkCases() []Case {
	var list []Case
	for what, target := range map[string]string{
		"short": "a", "59 bytes": strings.Repeat("t", 59), "60 bytes": strings.Repeat("t", 60), "255 bytes": strings.Repeat("t", 255),
		"1023 bytes": strings.Repeat("t/", 511) + "t", "4000 bytes": strings.Repeat("t/", 2000), "4095 bytes": strings.Repeat("t", 4095),
		"absolute": "/nowhere/at/all", "slashes": "a//b/", "not UTF-8": "\xff\xfe\x01", "dots": "../../..", "space": " ", "line break": "a\nb",
	} {
		list = append(list, Case{"symlink/" + what, 0, func(c *C) {
			c.ok(c.Symlink(target, "l"))
			got, err := c.Readlink("l")
			c.ok(err)
			same(c, "target", got, target)
			a := c.attr("l")
			same(c, "type", a.Type, Symlink)
			same(c, "size", a.Size, uint64(len(target)))
			same(c, "links", a.Nlink, 1)
			c.ok(c.Rename("l", "m"))
			got, err = c.Readlink("m")
			c.ok(err)
			same(c, "target", got, target)
		}})
	}
	sortCases(list)
	return append(list, []Case{
		{"symlink/too long", 0, func(c *C) {
			c.fails(c.Symlink(strings.Repeat("t", 4096), "l"), ENAMETOOLONG)
			c.names(".")
		}},
		{"symlink/empty", 0, func(c *C) {
			c.fails(c.Symlink("", "l"), ENOENT, EINVAL)
			c.names(".")
		}},
		{"symlink/NUL in the target", CapRaw, func(c *C) {
			c.fails(c.Symlink("a\x00b", "l"), EINVAL)
			c.names(".")
		}},
		{"symlink/to itself", 0, func(c *C) {
			c.ok(c.Symlink("l", "l"))
			same(c, "type", c.attr("l").Type, Symlink)
			c.ok(c.Unlink("l"))
		}},
		{"symlink/read by anybody", CapUsers, func(c *C) {
			c.ok(c.As(alice).Symlink("target", "l"))
			got, err := c.As(bob).Readlink("l")
			c.ok(err)
			same(c, "target", got, "target")
			same(c, "owner", c.attr("l").UID, alice.UID)
		}},
	}...)
}
