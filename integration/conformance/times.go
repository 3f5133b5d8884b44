package conformance

import "time"

// timed is a call, and which times of which files it changes: "m", "c", "mc", or "" for none.
type timed struct {
	name  string
	needs Caps
	// The call finds file f (with content "content" and a second name g where links can be), directory d with file d/f
	// and empty directory d/e, and symbolic link l.
	call func(c *C) error
	fail []Errno // that the call has to fail with
	want map[string]string
}

var timedCalls = []timed{
	{"create", 0, func(c *C) error { return c.Create("d/new", How{Mode: 0o600}) }, nil, map[string]string{"d": "mc", "f": "", "d/f": ""}},
	{"create refused", 0, func(c *C) error { return c.Create("d/f", How{}) }, []Errno{EEXIST}, map[string]string{"d": "", "d/f": ""}},
	{"take", 0, func(c *C) error { return c.Create("d/f", How{Existing: Take}) }, nil, map[string]string{"d": "", "d/f": ""}},
	{"take and truncate", 0, func(c *C) error { return c.Create("d/f", How{Existing: Take, Size: ptr[uint64](0)}) }, nil,
		map[string]string{"d": "", "d/f": "mc"}},
	{"mkdir", 0, func(c *C) error { return c.Mkdir("d/new", 0o700) }, nil, map[string]string{"d": "mc", ".": ""}},
	{"mkdir refused", 0, func(c *C) error { return c.Mkdir("d/e", 0o700) }, []Errno{EEXIST}, map[string]string{"d": "", "d/e": ""}},
	{"symlink", 0, func(c *C) error { return c.Symlink("t", "d/new") }, nil, map[string]string{"d": "mc"}},
	{"mknod", CapNodes, func(c *C) error { return c.Mknod("d/new", FIFO, 0o600, 0, 0) }, nil, map[string]string{"d": "mc"}},
	{"link", CapLinks, func(c *C) error { return c.Link("f", "d/new") }, nil, map[string]string{"d": "mc", "f": "c", ".": ""}},
	{"link refused", CapLinks, func(c *C) error { return c.Link("f", "d/f") }, []Errno{EEXIST}, map[string]string{"d": "", "f": ""}},
	{"unlink", 0, func(c *C) error { return c.Unlink("d/f") }, nil, map[string]string{"d": "mc", ".": ""}},
	{"unlink of one name of two", CapLinks, func(c *C) error { return c.Unlink("g") }, nil, map[string]string{".": "mc", "f": "c"}},
	{"unlink refused", 0, func(c *C) error { return c.Unlink("d/none") }, []Errno{ENOENT}, map[string]string{"d": ""}},
	{"rmdir", 0, func(c *C) error { return c.Rmdir("d/e") }, nil, map[string]string{"d": "mc", ".": ""}},
	{"rmdir refused", 0, func(c *C) error { return c.Rmdir("d") }, []Errno{ENOTEMPTY, EEXIST}, map[string]string{"d": "", ".": ""}},
	{"rename here", 0, func(c *C) error { return c.Rename("d/f", "d/new") }, nil, map[string]string{"d": "mc", ".": ""}},
	{"rename elsewhere", 0, func(c *C) error { return c.Rename("d/f", "d/e/new") }, nil, map[string]string{"d": "mc", "d/e": "mc", ".": ""}},
	{"rename of one name of two over a file", CapLinks, func(c *C) error { return c.Rename("d/f", "g") }, nil,
		map[string]string{"d": "mc", ".": "mc", "f": "c"}},
	{"rename refused", 0, func(c *C) error { return c.Rename("d", "d/e/d") }, []Errno{EINVAL}, map[string]string{"d": "", "d/e": "", ".": ""}},
	{"rename onto itself", 0, func(c *C) error { return c.Rename("d/f", "d/f") }, nil, map[string]string{"d": "", "d/f": ""}},
	{"write", 0, func(c *C) error { return c.Write("f", 3, []byte("x")) }, nil, map[string]string{"f": "mc", ".": ""}},
	{"write beyond the end", 0, func(c *C) error { return c.Write("f", 300000, []byte("x")) }, nil, map[string]string{"f": "mc"}},
	{"write of nothing", 0, func(c *C) error { return c.Write("f", 3, nil) }, nil, map[string]string{"f": ""}},
	{"large write", 0, func(c *C) error { return c.Write("f", 0, fill(100000, 1)) }, nil, map[string]string{"f": "mc"}},
	{"truncate down", 0, func(c *C) error { return c.Setattr("f", Set{Size: ptr[uint64](3)}) }, nil, map[string]string{"f": "mc", ".": ""}},
	{"truncate up", 0, func(c *C) error { return c.Setattr("f", Set{Size: ptr[uint64](1 << 20)}) }, nil, map[string]string{"f": "mc"}},
	{"chmod", 0, func(c *C) error { return c.Setattr("f", Set{Mode: ptr[uint32](0o600)}) }, nil, map[string]string{"f": "c", ".": ""}},
	{"chmod of a directory", 0, func(c *C) error { return c.Setattr("d", Set{Mode: ptr[uint32](0o700)}) }, nil, map[string]string{"d": "c", ".": ""}},
	{"chown", 0, func(c *C) error { return c.Setattr("f", Set{UID: &alice.UID, GID: &alice.GID}) }, nil, map[string]string{"f": "c", ".": ""}},
	{"setting mtime", 0, func(c *C) error { return c.Setattr("f", Set{Atime: ptr[int64](7e9), Mtime: ptr[int64](7e9)}) }, nil,
		map[string]string{"f": "mc", ".": ""}},
	{"setting atime", 0, func(c *C) error { return c.Setattr("f", Set{Atime: ptr[int64](7e9)}) }, nil, map[string]string{"f": "c", ".": ""}},
	{"read", 0, func(c *C) error { _, err := c.Read("f", 0, 10); return err }, nil, map[string]string{"f": "", ".": ""}},
	{"names", 0, func(c *C) error { _, err := c.Names("d"); return err }, nil, map[string]string{"d": "", ".": ""}},
	{"readlink", 0, func(c *C) error { _, err := c.Readlink("l"); return err }, nil, map[string]string{"l": "", ".": ""}},
	{"access", CapAccess, func(c *C) error { _, err := c.Access("f", AllAccess); return err }, nil, map[string]string{"f": ""}},
	{"getattr", 0, func(c *C) error { _, err := c.Getattr("d/f"); return err }, nil, map[string]string{"d": "", "d/f": ""}},
}

// timeCases say which calls change which times, and what times can be set to.
func timeCases() []Case {
	var list []Case
	for _, k := range timedCalls {
		list = append(list, Case{"time/" + k.name, k.needs, func(c *C) { runTimed(c, &k) }})
	}
	return append(list, setTimeCases()...)
}

func runTimed(c *C, k *timed) {
	c.file("f", "content")
	if c.can(CapLinks) {
		c.ok(c.Link("f", "g"))
	}
	c.dir("d", 0o755)
	c.dir("d/e", 0o755)
	c.file("d/f", "content")
	c.ok(c.Symlink("f", "l"))
	before := make(map[string]Attr)
	for path := range k.want {
		before[path] = c.attr(path)
	}
	tick()
	if err := k.call(c); k.fail != nil {
		c.fails(err, k.fail...)
	} else {
		c.ok(err)
	}
	for path, want := range k.want {
		was, is, got := before[path], c.attr(path), ""
		if is.Mtime != was.Mtime {
			got += "m"
		}
		if is.Ctime != was.Ctime {
			got += "c"
		}
		if got != want {
			c.fault("changed %q of %s, want %q", got, path, want)
		}
		if is.Ctime < was.Ctime {
			c.fault("ctime of %s went back by %v", path, time.Duration(was.Ctime-is.Ctime))
		}
	}
}

// setTimeCases set times.
func setTimeCases() []Case {
	list := []Case{
		{"time/of a new file", 0, func(c *C) {
			c.dir("d", 0o755)
			c.ok(c.Create("d/f", How{Mode: 0o600}))
			f, d := c.attr("d/f"), c.attr("d")
			same(c, "mtime", f.Mtime, f.Ctime)
			same(c, "atime", f.Atime, f.Ctime)
			same(c, "mtime of the parent", d.Mtime, d.Ctime)
			if off := time.Duration(f.Mtime - time.Now().UnixNano()).Abs(); off > time.Hour {
				c.fault("made %v from now", off)
			}
		}},
		{"time/mtime in the future does not stick", 0, func(c *C) {
			c.file("f", "content")
			future := time.Now().Add(1000 * time.Hour).UnixNano()
			c.ok(c.Setattr("f", Set{Atime: &future, Mtime: &future}))
			same(c, "mtime", c.attr("f").Mtime, future)
			if c.attr("f").Ctime > time.Now().Add(time.Hour).UnixNano() {
				c.fault("ctime went along")
			}
			c.ok(c.Write("f", 0, []byte("x")))
			if c.attr("f").Mtime > time.Now().Add(time.Hour).UnixNano() {
				c.fault("a write left mtime in the future")
			}
		}},
		{"time/one alone", 0, func(c *C) {
			c.file("f", "content")
			before := c.attr("f")
			c.ok(c.Setattr("f", Set{Mtime: ptr[int64](1e18)}))
			same(c, "atime", c.attr("f").Atime, before.Atime)
			c.ok(c.Setattr("f", Set{Atime: ptr[int64](2e18)}))
			same(c, "mtime", c.attr("f").Mtime, 1e18)
			same(c, "atime", c.attr("f").Atime, 2e18)
		}},
		{"time/now", CapNow, func(c *C) {
			c.file("f", "content")
			c.ok(c.Setattr("f", Set{Atime: ptr[int64](1e9), Mtime: ptr[int64](1e9)}))
			c.ok(c.Setattr("f", Set{AtimeNow: true, MtimeNow: true}))
			a := c.attr("f")
			same(c, "mtime", a.Mtime, a.Atime)
			if off := time.Duration(a.Mtime - time.Now().UnixNano()).Abs(); off > time.Hour {
				c.fault("%v from now", off)
			}
		}},
		{"time/of a directory", 0, func(c *C) {
			c.dir("d", 0o755)
			c.ok(c.Setattr("d", Set{Atime: ptr[int64](5e9), Mtime: ptr[int64](6e9)}))
			same(c, "mtime", c.attr("d").Mtime, 6e9)
			same(c, "atime", c.attr("d").Atime, 5e9)
		}},
		{"time/of a symbolic link", CapSetLink, func(c *C) {
			c.file("f", "content")
			c.ok(c.Symlink("f", "l"))
			before := c.attr("f")
			c.ok(c.Setattr("l", Set{Atime: ptr[int64](5e9), Mtime: ptr[int64](6e9)}))
			same(c, "mtime", c.attr("l").Mtime, 6e9)
			same(c, "mtime of the target", c.attr("f").Mtime, before.Mtime)
		}},
	}
	for what, t := range map[string]int64{
		"second 0": 0, "second 1": 1e9, "1 ns": 1e18 + 1, "999,999,999 ns": 1e18 + 999999999, "2038": (1<<31 - 1) * 1e9, "after 2038": 1 << 31 * 1e9,
		"2106": (1<<32 - 1) * 1e9, "2100 and 123,456,789 ns": 4102444800*1e9 + 123456789,
	} {
		list = append(list, Case{"time/exactly " + what, CapExact, func(c *C) {
			c.file("f", "content")
			c.ok(c.Setattr("f", Set{Atime: &t, Mtime: &t}))
			same(c, "mtime", c.attr("f").Mtime, t)
			same(c, "atime", c.attr("f").Atime, t)
		}})
	}
	sortCases(list)
	return list
}
