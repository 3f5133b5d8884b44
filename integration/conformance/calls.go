package conformance

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Calls makes random calls. A call's result is text without times and numbers of files, which differ between filesystems.
type Calls struct {
	*rand.Rand
	kernel bool
}

// NewCalls returns the random calls of a seed. With kernel they are such that system calls of Linux and an NFS server agree:
// no call that only one of them has, and none on what a kernel follows or opens.
func NewCalls(seed uint64, kernel bool) *Calls {
	return &Calls{rand.New(rand.NewPCG(seed, 0)), kernel}
}

// IsError reports whether a result is an error of the filesystem.
func IsError(result string) bool { return strings.HasPrefix(result, "error ") }

// path is one of few, so that calls meet.
func (g *Calls) path() string {
	path := string(rune('a' + g.IntN(5)))
	for g.IntN(2) == 0 && len(path) < 7 {
		path += "/" + string(rune('a'+g.IntN(5)))
	}
	if g.IntN(60) == 0 {
		return path + "/" + strings.Repeat("n", 256)
	}
	return path
}

func (g *Calls) user() User {
	return []User{{}, {}, {UID: 1000, GID: 1000}, {UID: 1001, GID: 1001, Groups: []uint32{1000}}, {UID: 1002, GID: 1000}}[g.IntN(5)]
}

func (g *Calls) mode() uint32 {
	if g.kernel { // the owner may read and write, and who may execute may read: system calls are stricter than NFS there
		modes := []uint32{0o777, 0o777, 0o755, 0o775, 0o1777, 0o666, 0o4777, 0o4750, 0o766, 0o644, 0o700, 0o5770, 0o600, 0o622, 0o772, 0o757}
		return modes[g.IntN(len(modes))]
	}
	if g.IntN(8) == 0 {
		return g.Uint32N(0o10000)
	}
	return []uint32{0o777, 0o777, 0o755, 0o2775, 0o1777, 0o666}[g.IntN(6)]
}

// saying is a result as text.
func saying(value any, err error) string {
	var no Errno
	switch {
	case errors.As(err, &no):
		return fmt.Sprintf("error %d (%v)", int(no), no)
	case err != nil:
		return err.Error()
	}
	return fmt.Sprint("ok ", value)
}

// Next is a random call, and what it is.
func (g *Calls) Next() (string, func(FS) string) {
	a, b, u, mode := g.path(), g.path(), g.user(), g.mode()
	off, n, fill := uint64(g.IntN(12000)), 1+g.IntN(9000), byte(g.IntN(256))
	bare := func(what string, call func(fs FS) error) (string, func(FS) string) {
		return fmt.Sprintf("%s by %d", what, u.UID), func(fs FS) string { return saying("", call(fs.As(u))) }
	}
	switch g.IntN(20) {
	case 0, 1:
		how := How{Existing: Existing(g.IntN(3)), Mode: mode, Verifier: uint64(g.IntN(3))}
		if g.kernel {
			how.Existing = Refuse
		}
		if how.Existing != ByVerifier && !g.kernel && g.IntN(3) == 0 {
			how.Size = &off
		}
		return bare(fmt.Sprintf("create %q %+v", a, how), func(fs FS) error {
			err := fs.Create(a, how)
			if err == nil && how.Existing == ByVerifier {
				err = fs.Setattr(a, Set{Mode: &mode}) // it has none in the call: servers differ
			}
			return err
		})
	case 2, 3:
		if g.kernel {
			mode &= 0o1777
		}
		return bare(fmt.Sprintf("mkdir %q %o", a, mode), func(fs FS) error { return fs.Mkdir(a, mode) })
	case 4:
		if g.kernel {
			break
		}
		return bare(fmt.Sprintf("symlink %q", a), func(fs FS) error { return fs.Symlink(b, a) })
	case 5:
		typ := []Type{FIFO, Socket}[g.IntN(2)]
		return bare(fmt.Sprintf("mknod %q %d", a, typ), func(fs FS) error { return fs.Mknod(a, typ, mode, 1, 3) })
	case 6:
		return bare(fmt.Sprintf("unlink %q", a), func(fs FS) error { return fs.Unlink(a) })
	case 7:
		return bare(fmt.Sprintf("rmdir %q", a), func(fs FS) error { return fs.Rmdir(a) })
	case 8, 9, 10:
		return bare(fmt.Sprintf("rename %q to %q", a, b), func(fs FS) error { return fs.Rename(a, b) })
	case 11, 12:
		if g.kernel {
			u = User{} // a kernel may be told to be stricter with others (fs.protected_hardlinks)
		}
		return bare(fmt.Sprintf("link %q as %q", a, b), func(fs FS) error { return fs.Link(a, b) })
	case 13:
		data := slices.Repeat([]byte{fill}, n)
		return bare(fmt.Sprintf("write %d at %d of %q", n, off, a), func(fs FS) error { return fs.Write(a, off, data) })
	}
	return g.more(a, u, mode, off, n)
}

// more are calls that change attributes or nothing.
func (g *Calls) more(a string, u User, mode uint32, off uint64, n int) (string, func(FS) string) {
	who := fmt.Sprintf(" %q by %d", a, u.UID)
	switch g.IntN(6) {
	case 0:
		if g.kernel {
			set := g.oneOf(mode, off)
			return fmt.Sprintf("setattr %s", set.text()) + who, func(fs FS) string { return saying("", fs.As(u).Setattr(a, set)) }
		}
		set := Set{}
		if g.IntN(2) == 0 {
			set.Mode = &mode
		}
		if g.IntN(4) == 0 {
			set.UID = new([]uint32{0, 1000, 1001, 1002}[g.IntN(4)])
		}
		if g.IntN(4) == 0 {
			set.GID = new([]uint32{0, 1000, 1001}[g.IntN(3)])
		}
		if g.IntN(3) == 0 {
			set.Size = &off
		}
		set.AtimeNow, set.MtimeNow = g.IntN(4) == 0, g.IntN(4) == 0
		return fmt.Sprintf("setattr %s", set.text()) + who, func(fs FS) string { return saying("", fs.As(u).Setattr(a, set)) }
	case 1:
		return fmt.Sprintf("read %d at %d of", n, off) + who, func(fs FS) string {
			data, err := fs.As(u).Read(a, off, n)
			return saying(fmt.Sprintf("%d %x", len(data), data), err)
		}
	case 2:
		return "readlink" + who, func(fs FS) string { return saying(fs.As(u).Readlink(a)) }
	case 3:
		return "names" + who, func(fs FS) string {
			names, err := fs.As(u).Names(a)
			slices.Sort(names)
			return saying(names, err)
		}
	}
	return "getattr" + who, func(fs FS) string {
		attr, err := fs.As(u).Getattr(a)
		return saying(g.plain(attr), err)
	}
}

// oneOf is a change of one attribute, or of both times to now.
func (g *Calls) oneOf(mode uint32, off uint64) Set {
	switch g.IntN(6) {
	case 0:
		return Set{UID: new([]uint32{0, 1000, 1001, 1002}[g.IntN(4)])}
	case 1:
		return Set{GID: new([]uint32{0, 1000, 1001}[g.IntN(3)])}
	case 2:
		return Set{Size: &off}
	case 3:
		return Set{AtimeNow: true, MtimeNow: true}
	}
	return Set{Mode: &mode}
}

// text names what a change sets.
func (s *Set) text() string {
	text := fmt.Sprintf("now %v %v", s.AtimeNow, s.MtimeNow)
	for _, v := range []struct {
		name string
		to   *uint32
	}{{"mode", s.Mode}, {"uid", s.UID}, {"gid", s.GID}} {
		if v.to != nil {
			text += fmt.Sprintf(" %s %#o", v.name, *v.to)
		}
	}
	if s.Size != nil {
		text += fmt.Sprintf(" size %d", *s.Size)
	}
	return text
}

// plain is attributes without what differs between filesystems.
func (g *Calls) plain(a Attr) string {
	if g.kernel {
		a.Used = 0
		if a.Type == Dir {
			a.Size = 0
		}
	}
	return fmt.Sprintf("type %d mode %o links %d owner %d:%d size %d used %d device %d:%d", a.Type, a.Mode, a.Nlink, a.UID, a.GID, a.Size, a.Used,
		a.Major, a.Minor)
}

// Tree describes everything below a directory, content included.
func (g *Calls) Tree(fs FS, dir string) (string, error) {
	names, err := fs.Names(dir)
	if err != nil {
		return "", err
	}
	slices.Sort(names)
	var text strings.Builder
	for _, name := range names {
		path := dir + "/" + name
		a, err := fs.Getattr(path)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		content := ""
		switch a.Type {
		case Regular:
			data, err := fs.Read(path, 0, int(a.Size))
			content = saying(fmt.Sprintf("%x", data), err)
		case Symlink:
			content = saying(fs.Readlink(path))
		}
		fmt.Fprintf(&text, "%s %s %s\n", path, g.plain(a), content)
		if a.Type == Dir {
			below, err := g.Tree(fs, path)
			if err != nil {
				return "", err
			}
			text.WriteString(below)
		}
	}
	return text.String(), nil
}
