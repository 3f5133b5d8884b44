package conformance

import "strings"

// thing is a kind of file that a name may have, for cases that try all of them.
type thing struct {
	name  string
	needs Caps
	dir   bool
	make  func(c *C, path string)
}

var (
	aFile      = thing{"file", 0, false, func(c *C, p string) { c.file(p, "content of "+p) }}
	anEmptyDir = thing{"empty directory", 0, true, func(c *C, p string) { c.dir(p, 0o755) }}
	aFullDir   = thing{"full directory", 0, true, func(c *C, p string) {
		c.dir(p, 0o755)
		c.file(p+"/inside", "x")
	}}
	aLink = thing{"symbolic link", 0, false, func(c *C, p string) { c.ok(c.Symlink("nowhere", p)) }}
	aFIFO = thing{"FIFO", CapNodes, false, func(c *C, p string) { c.ok(c.Mknod(p, FIFO, 0o644, 0, 0)) }}
)

var things = []thing{aFile, anEmptyDir, aFullDir, aLink, aFIFO}

// op is one call on a path, for cases that try it in all circumstances.
type op struct {
	name  string
	needs Caps
	makes bool // the last name is to be made: it need not exist
	call  func(fs FS, path string) error
}

// spare is a file that ops which need a second name take; see C.spare.
const spare = "spare"

// ops are all calls on a path, the spare file being there.
var ops = []op{
	{"getattr", 0, false, func(fs FS, p string) error { _, err := fs.Getattr(p); return err }},
	{"chmod", 0, false, func(fs FS, p string) error { return fs.Setattr(p, Set{Mode: ptr[uint32](0o600)}) }},
	{"truncate", 0, false, func(fs FS, p string) error { return fs.Setattr(p, Set{Size: ptr[uint64](0)}) }},
	{"utimes", 0, false, func(fs FS, p string) error { return fs.Setattr(p, Set{Atime: ptr[int64](5e9), Mtime: ptr[int64](6e9)}) }},
	{"access", CapAccess, false, func(fs FS, p string) error { _, err := fs.Access(p, AllAccess); return err }},
	{"readlink", 0, false, func(fs FS, p string) error { _, err := fs.Readlink(p); return err }},
	{"read", 0, false, func(fs FS, p string) error { _, err := fs.Read(p, 0, 10); return err }},
	{"write", 0, false, func(fs FS, p string) error { return fs.Write(p, 0, []byte("x")) }},
	{"names", 0, false, func(fs FS, p string) error { _, err := fs.Names(p); return err }},
	{"unlink", 0, false, func(fs FS, p string) error { return fs.Unlink(p) }},
	{"rmdir", 0, false, func(fs FS, p string) error { return fs.Rmdir(p) }},
	{"rename from", 0, false, func(fs FS, p string) error { return fs.Rename(p, "moved") }},
	{"link from", CapLinks, false, func(fs FS, p string) error { return fs.Link(p, "linked") }},
	{"create", 0, true, func(fs FS, p string) error { return fs.Create(p, How{Mode: 0o644}) }},
	{"create or take", 0, true, func(fs FS, p string) error { return fs.Create(p, How{Mode: 0o644, Existing: Take}) }},
	{"mkdir", 0, true, func(fs FS, p string) error { return fs.Mkdir(p, 0o755) }},
	{"symlink", 0, true, func(fs FS, p string) error { return fs.Symlink("target", p) }},
	{"mknod", CapNodes, true, func(fs FS, p string) error { return fs.Mknod(p, FIFO, 0o644, 0, 0) }},
	{"rename to", 0, true, func(fs FS, p string) error { return fs.Rename(spare, p) }},
	{"link to", CapLinks, true, func(fs FS, p string) error { return fs.Link(spare, p) }},
}

// errorCases try every call with a path that leads nowhere.
func errorCases() []Case {
	var list []Case
	long := strings.Repeat("n", 256)
	for _, o := range ops {
		bad := func(what, path string, needs Caps, allowed ...Errno) {
			list = append(list, Case{"error/" + o.name + "/" + what, o.needs | needs, func(c *C) {
				aFile.make(c, spare)
				aFile.make(c, "file")
				c.ok(c.Symlink("nowhere", "dangling"))
				before := c.attr(".")
				c.fails(o.call(c.FS, path), allowed...)
				same(c, "mtime of the directory", c.attr(".").Mtime, before.Mtime)
				c.names(".", spare, "file", "dangling")
			}})
		}
		if !o.makes {
			bad("missing", "none", 0, ENOENT)
		}
		bad("parent missing", "none/x", CapParents, ENOENT)
		bad("parent is a file", "file/x", 0, ENOTDIR)
		bad("parent dangles", "dangling/x", CapParents, ENOENT, ENOTDIR, ELOOP)
		bad("name too long", long, 0, ENAMETOOLONG)
		bad("parent's name too long", long+"/x", CapParents, ENAMETOOLONG)
		bad("NUL in the name", "a\x00b", CapRaw, EINVAL, ENOENT, EACCES)
		bad("slash in the name", "file"+Slash+"x", CapRaw, EINVAL, ENOENT, EACCES)
		bad("empty name", Empty, CapRaw, EINVAL, ENOENT, EACCES)
		list = append(list, Case{"error/" + o.name + "/parent closed", o.needs | CapUsers, func(c *C) {
			aFile.make(c, spare)
			c.ok(c.Setattr(spare, Set{UID: &bob.UID}))
			c.dir("closed", 0o766)
			aFile.make(c, "closed/file")
			name := "closed/file"
			if o.makes {
				name = "closed/new"
			}
			c.fails(o.call(c.As(bob), name), EACCES)
			c.names("closed", "file")
		}})
	}
	return append(list, typeErrors()...)
}

// typeErrors try calls on files of a type that they are not for.
func typeErrors() []Case {
	byName := make(map[string]op)
	for _, o := range ops {
		byName[o.name] = o
	}
	var list []Case
	for _, e := range []struct {
		op      string
		on      thing
		needs   Caps
		allowed []Errno
	}{
		{"unlink", anEmptyDir, CapKinds, []Errno{EISDIR, EPERM}},
		{"unlink", aFullDir, CapKinds, []Errno{EISDIR, EPERM}},
		{"rmdir", aFile, CapKinds, []Errno{ENOTDIR}},
		{"rmdir", aLink, CapKinds, []Errno{ENOTDIR}},
		{"rmdir", aFIFO, CapKinds, []Errno{ENOTDIR}},
		{"rmdir", aFullDir, 0, []Errno{ENOTEMPTY, EEXIST}},
		{"readlink", aFile, 0, []Errno{EINVAL}},
		{"readlink", anEmptyDir, 0, []Errno{EINVAL}},
		{"readlink", aFIFO, 0, []Errno{EINVAL}},
		{"read", anEmptyDir, 0, []Errno{EISDIR, EINVAL}},
		{"read", aLink, CapSpecial, []Errno{EINVAL, ELOOP}},
		{"read", aFIFO, CapSpecial, []Errno{EINVAL}},
		{"write", anEmptyDir, 0, []Errno{EISDIR, EINVAL}},
		{"write", aLink, CapSpecial, []Errno{EINVAL, ELOOP}},
		{"write", aFIFO, CapSpecial, []Errno{EINVAL}},
		{"truncate", anEmptyDir, 0, []Errno{EISDIR, EINVAL}},
		{"truncate", aLink, CapSpecial, []Errno{EINVAL}},
		{"truncate", aFIFO, CapSpecial, []Errno{EINVAL}},
		{"names", aFile, 0, []Errno{ENOTDIR}},
		{"names", aLink, CapSpecial, []Errno{ENOTDIR, ELOOP}},
		{"names", aFIFO, 0, []Errno{ENOTDIR}},
		{"link from", anEmptyDir, 0, []Errno{EPERM, EISDIR}},
		{"link from", aFullDir, 0, []Errno{EPERM, EISDIR}},
	} {
		o := byName[e.op]
		list = append(list, Case{"error/" + o.name + "/on a " + e.on.name, o.needs | e.on.needs | e.needs, func(c *C) {
			e.on.make(c, "it")
			before := c.attr("it")
			c.fails(o.call(c.FS, "it"), e.allowed...)
			same(c, "attributes", c.attr("it"), before)
			c.names(".", "it")
		}})
	}
	return list
}
