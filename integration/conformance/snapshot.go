package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// Snapshots makes snapshots of what a target shows, which has them in ".snapshots" of where it begins. Show, unless it is nil, makes that name
// be listed, not listed ("hidden"), or be no name at all ("visible", "hidden", "disabled").
type Snapshots struct {
	Create, Delete func(name string) error
	Show           func(how string) error
}

// SnapshotCases are what a filesystem does in a snapshot.
func SnapshotCases(s *Snapshots) []Case {
	list := []Case{
		{"snapshot/reading", 0, s.taken(func(c *C, then string) {
			c.ok(c.Write("f", 2, []byte("changed")))
			c.ok(c.Unlink("d/g"))
			c.file("d/new", "new")
			c.ok(c.Rename("d", "e"))
			c.ok(c.Unlink("l"))
			c.holds(then+"/f", "content of f")
			c.holds(then+"/d/g", "content of g")
			target, err := c.Readlink(then + "/l")
			c.ok(err)
			same(c, "the target of the link", target, "target")
			c.names(then, "d", "f", "l", "private")
			c.names(then+"/d", "g", "sub")
			c.gone(then + "/e")
			c.gone(then + "/d/new")
			_, err = c.Getattr(then + "/f/x")
			c.fails(err, ENOTDIR)
		})},
		{"snapshot/attributes", CapNow, s.attributes},
		{"snapshot/hard links", CapLinks, s.hardLinks},
		{"snapshot/many names", 0, s.manyNames},
		{"snapshot/changes", 0, s.taken(s.changes)},
		{"snapshot/changes of links", CapLinks, s.taken(func(c *C, then string) {
			c.fails(c.Link(then+"/f", then+"/h"), EROFS)
			c.fails(c.Link(then+"/f", "h"), EROFS, EXDEV)
			c.fails(c.Link("f", then+"/h"), EROFS, EXDEV)
			same(c, "the number of links", c.attr("f").Nlink, 1)
		})},
		{"snapshot/changes of special files", CapNodes, s.taken(func(c *C, then string) {
			c.fails(c.Mknod(then+"/p", FIFO, 0o644, 0, 0), EROFS)
		})},
		{"snapshot/changes of lists", CapACL, s.taken(func(c *C, then string) {
			c.fails(c.setACL(root, then+"/f", false, rules(0o640, 7, Rule{Tag: RuleUser, ID: 7, Perm: 4})), EROFS)
		})},
		{"snapshot/its own name", 0, s.taken(s.itself)},
		{"snapshot/..", CapDots, s.taken(s.upwards)},
		{"snapshot/names", 0, s.nameRules},
		{"snapshot/permissions of then", CapUsers, s.taken(s.permissions)},
		{"snapshot/deletion", 0, s.deletion},
		{"snapshot/deletion of what is open", CapOpen, s.deletionOpen},
	}
	if s.Show != nil {
		list = append(list, Case{"snapshot/visible, hidden, disabled", 0, s.taken(s.shown)})
	}
	for i := range list {
		list[i].Needs |= CapSnapshots
	}
	return list
}

// name is that of the snapshot of a case, and then is its directory in it.
func (s *Snapshots) name(c *C) (name, then string) {
	name = "of-" + strings.ReplaceAll(c.path, "/", "-")
	return name, "../.snapshots/" + name + "/" + c.path
}

// with makes a snapshot for as long as a case runs.
func (s *Snapshots) with(c *C, run func(then string)) {
	name, then := s.name(c)
	c.ok(s.Create(name))
	defer func() {
		if err := s.Delete(name); err != nil {
			c.fault("deleting %s: %v", name, err)
		}
	}()
	run(then)
}

// taken is a case that begins with a few files and a snapshot of them. then leads to them in it.
func (s *Snapshots) taken(run func(c *C, then string)) func(c *C) {
	return func(c *C) {
		c.file("f", "content of f")
		c.dir("d", 0o755)
		c.file("d/g", "content of g")
		c.dir("d/sub", 0o755)
		c.ok(c.Symlink("target", "l"))
		c.file("private", "content of private")
		c.ok(c.Setattr("private", Set{Mode: ptr[uint32](0o600)}))
		s.with(c, func(then string) { run(c, then) })
	}
}

// attributes are those of then, and no file of a snapshot can be taken for a live one.
func (s *Snapshots) attributes(c *C) {
	s.taken(func(c *C, then string) {
		before := make(map[string]Attr)
		names := []string{"f", "d", "d/g", "l", "private"}
		for _, name := range names {
			before[name] = c.attr(name)
		}
		tick()
		c.ok(c.Setattr("f", Set{Mode: ptr[uint32](0o711)}))
		c.ok(c.Setattr("private", Set{Size: ptr[uint64](3)}))
		c.ok(c.Setattr("d", Set{MtimeNow: true}))
		c.file("d/new", "")
		for _, name := range names {
			got, want := c.attr(then+"/"+name), before[name]
			if got.Ino == want.Ino && got.FSID == want.FSID {
				c.fault("%s is the live file", name)
			}
			got.Ino, got.FSID, got.Atime = want.Ino, want.FSID, want.Atime
			if !c.can(CapExact) {
				got.Mtime, got.Ctime = want.Mtime, want.Ctime
			}
			same(c, name, got, want)
		}
	})(c)
}

// hardLinks are one file in a snapshot, and not that of the live names.
func (s *Snapshots) hardLinks(c *C) {
	c.file("f", "content")
	c.ok(c.Link("f", "h"))
	s.with(c, func(then string) {
		c.ok(c.Unlink("h"))
		a, b := c.attr(then+"/f"), c.attr(then+"/h")
		same(c, "the file of the other name", b.Ino, a.Ino)
		same(c, "the number of links", a.Nlink, 2)
		same(c, "the number of live links", c.attr("f").Nlink, 1)
		if live := c.attr("f"); live.Ino == a.Ino && live.FSID == a.FSID {
			c.fault("it is the live file")
		}
	})
}

// manyNames are all listed, whatever becomes of the live directory.
func (s *Snapshots) manyNames(c *C) {
	const n = 300
	var names []string
	c.dir("d", 0o755)
	for i := range n {
		names = append(names, fmt.Sprintf("a name of some length, number %d", i))
		c.file("d/"+names[i], "")
	}
	s.with(c, func(then string) {
		for i := 0; i < n; i += 2 {
			c.ok(c.Unlink("d/" + names[i]))
			c.file(fmt.Sprintf("d/another %d", i), "")
		}
		c.names(then+"/d", slices.Clone(names)...)
		for i := 1; i < n; i += 2 {
			c.ok(c.Unlink("d/" + names[i]))
		}
		c.names(then+"/d", names...)
	})
}

// changes of every kind are refused.
func (s *Snapshots) changes(c *C, then string) {
	in := func(name string) string { return then + "/" + name }
	c.fails(c.Write(in("f"), 0, []byte("x")), EROFS)
	c.fails(c.Create(in("new"), How{Mode: 0o644}), EROFS)
	c.fails(c.Create(in("f"), How{Mode: 0o644}), EROFS, EEXIST)
	c.fails(c.Mkdir(in("new"), 0o755), EROFS)
	c.fails(c.Mkdir(in("d"), 0o755), EROFS, EEXIST)
	c.fails(c.Symlink("t", in("new")), EROFS)
	c.fails(c.Unlink(in("f")), EROFS)
	c.fails(c.Unlink(in("d/g")), EROFS)
	c.fails(c.Rmdir(in("d/sub")), EROFS)
	c.fails(c.Rmdir(in("d")), EROFS, ENOTEMPTY)
	for _, set := range []Set{{Mode: ptr[uint32](0o777)}, {UID: ptr[uint32](7)}, {GID: ptr[uint32](7)}, {Size: ptr[uint64](0)}, {Atime: ptr[int64](1e9), Mtime: ptr[int64](1e9)}} {
		c.fails(c.Setattr(in("f"), set), EROFS)
	}
	c.fails(c.Rename(in("f"), in("new")), EROFS)
	c.fails(c.Rename(in("d"), in("new")), EROFS)
	c.fails(c.Rename(in("f"), "new"), EROFS, EXDEV)
	c.fails(c.Rename("f", in("new")), EROFS, EXDEV)
	c.fails(c.Rename("f", in("f")), EROFS, EXDEV)
	c.holds("f", "content of f")
	c.holds(in("f"), "content of f")
	c.names(".", "d", "f", "l", "private")
	c.names(then, "d", "f", "l", "private")
	c.names(in("d"), "g", "sub")
}

// itself: the directory of snapshots, and a snapshot in it, cannot be made, removed or renamed as files are.
func (s *Snapshots) itself(c *C, _ string) {
	const dir = "../.snapshots"
	name, _ := s.name(c)
	one := dir + "/" + name
	refusals := []Errno{EROFS, EPERM, EBUSY, EACCES, EXDEV}
	c.fails(c.Mkdir(dir, 0o755), append(refusals, EEXIST)...)
	c.fails(c.Create(dir, How{Mode: 0o644}), append(refusals, EEXIST)...)
	c.fails(c.Symlink("t", dir), append(refusals, EEXIST)...)
	c.fails(c.Rmdir(dir), append(refusals, ENOTEMPTY)...)
	c.fails(c.Unlink(dir), append(refusals, EISDIR)...)
	c.fails(c.Rename(dir, "away"), refusals...)
	c.fails(c.Rename("d", dir), append(refusals, EEXIST, ENOTEMPTY)...)
	c.fails(c.Rename("f", dir), append(refusals, EEXIST, EISDIR)...)
	c.fails(c.Setattr(dir, Set{Mode: ptr[uint32](0o777)}), EROFS)
	c.fails(c.Mkdir(dir+"/another", 0o755), EROFS)
	c.fails(c.Create(dir+"/another", How{Mode: 0o644}), EROFS)
	c.fails(c.Rmdir(one), append(refusals, ENOTEMPTY)...)
	c.fails(c.Rename(one, dir+"/another"), EROFS)
	c.fails(c.Rename(one, "away"), refusals...)
	c.fails(c.Rename("d", dir+"/another"), refusals...)
	a := c.attr(dir)
	same(c, "its type", a.Type, Dir)
	same(c, "its mode", a.Mode, 0o555)
	names, err := c.Names(dir)
	c.ok(err)
	if !slices.Contains(names, name) || slices.Contains(names, "another") {
		c.fault("the snapshots are %q", names)
	}
	c.gone("away")
	c.gone(".snapshots") // which is in the directory where the target begins, and in no other
	c.holds("f", "content of f")
}

// upwards follows "..".
func (s *Snapshots) upwards(c *C, then string) {
	name, _ := s.name(c)
	one := "../.snapshots/" + name
	for path, is := range map[string]string{
		then + "/d/..": then, then + "/d/sub/..": then + "/d", then + "/d/sub/../..": then, then + "/..": one, then + "/.": then,
		one + "/..": "../.snapshots", one + "/../" + name: one, "../.snapshots/.": "../.snapshots", "../.snapshots/..": "..",
	} {
		same(c, path, c.attr(path).Ino, c.attr(is).Ino)
	}
	c.ok(c.Rename("d/sub", "sub"))
	same(c, "where it was", c.attr(then+"/d/sub/..").Ino, c.attr(then+"/d").Ino)
	same(c, "where it is", c.attr("sub/..").Ino, c.attr(".").Ino)
}

// nameRules are about what a snapshot may be called.
func (s *Snapshots) nameRules(c *C) {
	for _, bad := range []string{"", ".", "..", ".x", "-x", "a b", "a/b", "a@b", "a:b", "a\nb", "a\x7fb", "\xff", strings.Repeat("n", 256)} {
		if err := s.Create(bad); err == nil {
			c.fault("%.20q is a name", bad)
		}
	}
	name, _ := s.name(c)
	for _, good := range []string{name + "-ünï", name + ".x", name + "_-x", name + strings.Repeat("n", 255-len(name))} {
		c.ok(s.Create(good))
		if err := s.Create(good); err == nil {
			c.fault("%.20q is a name twice", good)
		}
		same(c, good, c.attr("../.snapshots/"+good).Type, Dir)
		c.ok(s.Delete(good))
		c.gone("../.snapshots/" + good)
	}
	if err := s.Delete(name); err == nil {
		c.fault("what is not there was deleted")
	}
	c.gone("../.snapshots/nothing")
}

// permissions are those of then.
func (s *Snapshots) permissions(c *C, then string) {
	c.ok(c.Setattr("private", Set{Mode: ptr[uint32](0o666)}))
	c.ok(c.Setattr("f", Set{Mode: ptr[uint32](0)}))
	_, err := c.As(bob).Read(then+"/private", 0, 10)
	c.fails(err, EACCES)
	_, err = c.As(bob).Read("private", 0, 10)
	c.ok(err)
	_, err = c.As(bob).Read(then+"/f", 0, 10)
	c.ok(err)
	_, err = c.As(bob).Read("f", 0, 10)
	c.fails(err, EACCES)
	_, err = c.As(bob).Names("../.snapshots")
	c.ok(err)
	c.fails(c.As(bob).Write(then+"/f", 0, []byte("x")), EROFS, EACCES)
}

// deletion takes the name away.
func (s *Snapshots) deletion(c *C) {
	c.file("f", "content")
	name, then := s.name(c)
	c.ok(s.Create(name))
	c.holds(then+"/f", "content")
	c.ok(c.Unlink("f"))
	c.holds(then+"/f", "content")
	c.ok(s.Delete(name))
	c.gone(then + "/f")
	c.gone("../.snapshots/" + name)
	c.ok(s.Create(name)) // another one
	c.gone(then + "/f")
	c.names(then)
	c.ok(s.Delete(name))
}

// deletionOpen makes what a client has of a snapshot stale.
func (s *Snapshots) deletionOpen(c *C) {
	c.file("f", "content")
	name, then := s.name(c)
	c.ok(s.Create(name))
	f, err := c.Open(then + "/f")
	c.ok(err)
	data, err := f.Read(0, 7)
	c.ok(err)
	same(c, "what was read", string(data), "content")
	c.ok(s.Delete(name))
	_, err = f.Read(0, 7)
	c.fails(err, ESTALE)
	_, err = f.Getattr()
	c.fails(err, ESTALE)
	c.ok(s.Create(name)) // another one, which has the file
	_, err = f.Read(0, 7)
	c.fails(err, ESTALE)
	c.ok(f.Close())
	c.ok(s.Delete(name))
	c.holds("f", "content")
}

// shown is about what the owner of the image lets clients see.
func (s *Snapshots) shown(c *C, then string) {
	defer func() {
		if err := s.Show("hidden"); err != nil {
			c.fault("hidden: %v", err)
		}
	}()
	for how, want := range map[string]struct{ listed, there bool }{"visible": {true, true}, "hidden": {false, true}, "disabled": {false, false}} {
		c.ok(s.Show(how))
		names, err := c.Names("..")
		c.ok(err)
		same(c, how+": listed", slices.Contains(names, ".snapshots"), want.listed)
		_, err = c.Getattr(then + "/f")
		c.may(err, want.there, ENOENT)
	}
}
