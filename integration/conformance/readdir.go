package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// pageBytes are sizes of pages: what one entry needs in any protocol, a little more, and much.
var pageBytes = []int{600, 1000, 4096, 65536}

// page lists a piece of directory "d".
func (c *C) page(cookie uint64, bytes int) ([]Entry, bool) {
	entries, eof, err := c.FS.(Pager).Page("d", cookie, bytes)
	c.ok(err)
	if len(entries) == 0 && !eof {
		c.fault("a page of %d bytes has nothing and is not the end", bytes)
		panic(errGiveUp)
	}
	return entries, eof
}

// list reads all of directory "d" in pages and calls f after each.
func (c *C) list(bytes int, f func(page []Entry)) []Entry {
	var all []Entry
	for cookie := uint64(0); ; {
		entries, eof := c.page(cookie, bytes)
		all = append(all, entries...)
		if len(all) > 100000 {
			c.fault("the listing does not end")
			panic(errGiveUp)
		}
		if f != nil {
			f(entries)
		}
		if eof {
			return all
		}
		cookie = entries[len(entries)-1].Cookie
	}
}

// fillDir makes n files in a new directory "d".
func (c *C) fillDir(n int) []string {
	c.dir("d", 0o755)
	var names []string
	for i := range n {
		name := fmt.Sprintf("entry-%03d", i)
		c.ok(c.Create("d/"+name, How{Mode: 0o600}))
		names = append(names, name)
	}
	return names
}

// once demands that each of some names is listed exactly once, and nothing else but what may be.
func (c *C) once(got []Entry, must []string, may ...string) {
	count := make(map[string]int)
	for _, e := range got {
		count[e.Name]++
	}
	for _, name := range must {
		if count[name] != 1 {
			c.fault("%s is listed %d times", name, count[name])
		}
		delete(count, name)
	}
	for name, n := range count {
		if n > 1 || name != "." && name != ".." && !slices.Contains(may, name) {
			c.fault("%s is listed %d times", name, n)
		}
	}
}

// readdirCases list directories in pieces, which change meanwhile.
func readdirCases() []Case {
	var list []Case
	for _, bytes := range pageBytes {
		add := func(what string, run func(c *C)) {
			list = append(list, Case{fmt.Sprintf("readdir/%s, pages of %d", what, bytes), CapPages, run})
		}
		add("all", func(c *C) {
			names := c.fillDir(200)
			c.once(c.list(bytes, nil), names)
		})
		add("empty", func(c *C) {
			c.dir("d", 0o755)
			c.once(c.list(bytes, nil), nil)
		})
		add("removal of what was listed", func(c *C) {
			names := c.fillDir(150)
			c.once(c.list(bytes, func(page []Entry) {
				for _, e := range page {
					if e.Name != "." && e.Name != ".." {
						c.ok(c.Unlink("d/" + e.Name))
					}
				}
			}), names)
			c.names("d")
		})
		add("removal of what comes next", func(c *C) {
			names := c.fillDir(150)
			var seen []string
			gone := map[string]bool{}
			got := c.list(bytes, func(page []Entry) {
				for _, e := range page {
					seen = append(seen, e.Name)
				}
				for _, name := range names {
					if !slices.Contains(seen, name) && !gone[name] && len(gone) < 60 {
						c.ok(c.Unlink("d/" + name))
						gone[name] = true
						break
					}
				}
			})
			var left []string
			for _, name := range names {
				if !gone[name] {
					left = append(left, name)
				}
			}
			c.once(got, left)
		})
		add("additions", func(c *C) {
			names := c.fillDir(150)
			var added []string
			c.once(c.list(bytes, func([]Entry) {
				if len(added) < 100 {
					name := fmt.Sprintf("added-%d", len(added))
					c.ok(c.Create("d/"+name, How{Mode: 0o600}))
					added = append(added, name)
				}
			}), names, firstMany("added-", 100)...)
		})
		add("renames", func(c *C) {
			names := c.fillDir(150)
			i := 0
			c.once(c.list(bytes, func([]Entry) {
				if i < 50 {
					c.ok(c.Rename("d/"+names[i], fmt.Sprintf("d/renamed-%d", i)))
					i++
				}
			}), names[50:], append(firstMany("renamed-", 50), names[:50]...)...)
		})
	}
	return append(list, cookieCases()...)
}

func firstMany(prefix string, n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprint(prefix, i))
	}
	return list
}

// cookieCases are about positions in a listing, and what an entry says.
func cookieCases() []Case { return append(placeInListing(), entriesSay()...) }

// placeInListing are about cookies.
func placeInListing() []Case {
	return []Case{
		{"readdir/from every cookie", CapPages, func(c *C) {
			c.fillDir(60)
			all := c.list(65536, nil)
			for i, e := range all {
				if i == len(all)-1 {
					break
				}
				rest, _ := c.page(e.Cookie, 65536)
				if len(rest) != len(all)-i-1 || rest[0] != all[i+1] {
					c.fault("after entry %d of %d come %d", i, len(all), len(rest))
				}
			}
			rest, eof := c.page(all[len(all)-1].Cookie, 65536)
			same(c, "entries after the last", len(rest), 0)
			same(c, "end", eof, true)
		}},
		{"readdir/cookies stay while others go", CapPages, func(c *C) {
			names := c.fillDir(100)
			all := c.list(65536, nil)
			for i := 0; i < 100; i += 2 {
				c.ok(c.Unlink("d/" + names[i]))
			}
			position := make(map[string]uint64)
			for _, e := range all {
				position[e.Name] = e.Cookie
			}
			for _, f := range c.list(1000, nil) {
				same(c, "cookie of "+f.Name, f.Cookie, position[f.Name])
			}
		}},
		{"readdir/cookie of an entry that is gone", CapPages, func(c *C) {
			c.fillDir(50)
			all := c.list(65536, nil)
			mid := len(all) / 2
			c.ok(c.Unlink("d/" + all[mid].Name))
			rest, _ := c.page(all[mid].Cookie, 65536)
			same(c, "entries left", len(rest), len(all)-mid-1)
		}},
	}
}

// entriesSay are about what is listed.
func entriesSay() []Case {
	return []Case{
		{"readdir/numbers", CapPages, func(c *C) {
			names := c.fillDir(20)
			c.dir("d/sub", 0o755)
			c.ok(c.Symlink("t", "d/link"))
			all := c.list(65536, nil)
			c.once(all, append(names, "sub", "link"))
			for _, e := range all {
				path := "d/" + e.Name
				same(c, "number of "+e.Name, e.Ino, c.attr(path).Ino)
			}
		}},
		{"readdir/dots", CapPages | CapDots, func(c *C) {
			c.fillDir(3)
			dots := 0
			for _, e := range c.list(65536, nil) {
				if e.Name == "." || e.Name == ".." {
					dots++
				}
			}
			same(c, "dots", dots, 2)
		}},
		{"readdir/long names", CapPages, func(c *C) {
			c.dir("d", 0o755)
			var names []string
			for i := range 30 {
				names = append(names, fmt.Sprintf("%03d", i)+strings.Repeat("n", 252))
				c.ok(c.Create("d/"+names[i], How{}))
			}
			c.once(c.list(600, nil), names)
		}},
		{"readdir/page too small for an entry", CapPages | CapStateless, func(c *C) {
			c.dir("d", 0o755)
			c.ok(c.Create("d/"+strings.Repeat("n", 255), How{}))
			all := c.list(65536, nil)
			_, _, err := c.FS.(Pager).Page("d", all[len(all)-2].Cookie, 160)
			c.fails(err, EINVAL)
		}},
		{"readdir/mass removal by restarting", CapPages, func(c *C) {
			c.fillDir(120)
			for range 200 {
				entries, _ := c.page(0, 1000)
				removed := 0
				for _, e := range entries {
					if e.Name != "." && e.Name != ".." {
						c.ok(c.Unlink("d/" + e.Name))
						removed++
					}
				}
				if removed == 0 {
					break
				}
			}
			c.names("d")
			c.ok(c.Rmdir("d"))
		}},
		{"readdir/files made and removed do not linger", 0, func(c *C) {
			c.dir("d", 0o755)
			for i := range 40 {
				c.ok(c.Create(fmt.Sprintf("d/%d", i), How{}))
				if i > 0 {
					c.ok(c.Unlink(fmt.Sprintf("d/%d", i-1)))
				}
				c.names("d", fmt.Sprint(i))
			}
		}},
	}
}
