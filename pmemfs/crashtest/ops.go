package crashtest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/layout"
)

// An Op is one operation of a workload, as it is written in a replay line: a verb and its arguments.
type Op struct {
	Verb string
	Path string // of the object
	To   string // second path
	A, B int64  // numbers, as the verb needs them
}

// String returns the operation as text.
func (o Op) String() string {
	s := o.Verb
	for _, p := range []string{o.Path, o.To} {
		switch {
		case len(p) > 40:
			s += fmt.Sprintf(" %.8s..(%d)", p, len(p))
		case p != "":
			s += " " + p
		}
	}
	if o.A != 0 || o.B != 0 {
		s += fmt.Sprintf(" %d %d", o.A, o.B)
	}
	return s
}

// full reports whether an operation was refused for want of space, or because of a quota.
func full(err error) bool {
	return errors.Is(err, pmemfs.ErrNoSpace) || errors.Is(err, pmemfs.ErrQuota)
}

// A world runs operations on a filesystem.
type world struct {
	fs   *pmemfs.FS
	held []pmemfs.Handle // open and perhaps nameless
	call pmemfs.Call     // of the operation under way
}

// as returns who does the operation under way: somebody with all permissions.
func (w *world) as() *pmemfs.Cred { return &pmemfs.Cred{} }

// find returns the handle of a path such as "a/b"; "" is the root.
func (w *world) find(path string) (pmemfs.Handle, error) {
	h := w.fs.Root()
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		a, err := w.fs.Lookup(root, nil, h, []byte(name))
		if err != nil {
			return h, err
		}
		h = a.Handle
	}
	return h, nil
}

// parent returns the directory of a path, and the last name.
func (w *world) parent(path string) (pmemfs.Handle, []byte, error) {
	i := strings.LastIndexByte(path, '/')
	h, err := w.find(path[:max(i, 0)])
	return h, []byte(path[i+1:]), err
}

// fill returns n bytes that say who wrote them: no line of them is like another.
func fill(n int64, seed int64) []byte {
	p := make([]byte, n)
	x := uint64(seed)*0x9e3779b97f4a7c15 + 1
	for i := range p {
		if i%8 == 0 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		p[i] = byte(x>>(i%8*8)) | 1
	}
	return p
}

// do runs one operation. Errors of the operation itself are as a user sees them.
func (w *world) do(o Op) error {
	if f := namespace[o.Verb]; f != nil {
		d, name, err := w.parent(o.Path)
		if err != nil {
			return err
		}
		return f(w, o, d, name)
	}
	switch o.Verb {
	case "sync":
		return w.fs.SyncAll()
	case "grow":
		return w.grow(o.A)
	case "release":
		return w.release()
	case "putvalue":
		return w.fs.PutValue(o.Path, fill(o.A, o.A+5))
	case "deletevalue":
		return w.fs.DeleteValue(o.Path)
	case "snapshot":
		_, err := w.fs.CreateSnapshot(o.Path, "made by "+o.String())
		return err
	case "unsnapshot":
		return w.fs.DeleteSnapshot(o.Path)
	case "rollback":
		return w.fs.RollbackSnapshot(o.Path, o.A == forced)
	case "pin":
		return w.fs.HoldSnapshot(o.Path, "pinned")
	case "unpin":
		return w.fs.ReleaseSnapshot(o.Path, "pinned")
	case "quotaon":
		return w.fs.EnableQuotas()
	case "limit": // user A to B bytes
		return w.fs.SetQuota(pmemfs.QuotaUser, uint32(o.A), pmemfs.QuotaLimits{HardBytes: uint64(o.B)})
	}
	h, err := w.find(o.Path)
	if err != nil {
		return err
	}
	return objects[o.Verb](w, o, h)
}

// grow makes the filesystem so many blocks large.
func (w *world) grow(blocks int64) error {
	_, err := w.fs.Grow(context.Background(), blocks<<layout.BlockShift, pmemfs.GrowOptions{})
	return err
}

// namespace are the operations that concern a name.
var namespace = map[string]func(w *world, o Op, d pmemfs.Handle, name []byte) error{
	"create": func(w *world, o Op, d pmemfs.Handle, name []byte) error {
		_, err := w.fs.Create(w.as(), &w.call, d, name, &pmemfs.CreateOptions{Mode: pmemfs.Guarded, Attr: pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o640}})
		return err
	},
	"mkdir": func(w *world, o Op, d pmemfs.Handle, name []byte) error {
		_, err := w.fs.Mkdir(w.as(), &w.call, d, name, nil)
		return err
	},
	"mknod": func(w *world, o Op, d pmemfs.Handle, name []byte) error {
		_, err := w.fs.Mknod(w.as(), &w.call, d, name, pmemfs.TypeChar, 5, 1, nil)
		return err
	},
	"symlink": func(w *world, o Op, d pmemfs.Handle, name []byte) error {
		_, err := w.fs.Symlink(w.as(), &w.call, d, name, fill(o.A, 3), nil)
		return err
	},
	"link": func(w *world, o Op, d pmemfs.Handle, name []byte) error {
		h, err := w.find(o.To)
		if err != nil {
			return err
		}
		_, err = w.fs.Link(w.as(), &w.call, h, d, name)
		return err
	},
	"unlink": func(w *world, o Op, d pmemfs.Handle, name []byte) error { return w.fs.Unlink(w.as(), &w.call, d, name) },
	"rmdir":  func(w *world, o Op, d pmemfs.Handle, name []byte) error { return w.fs.Rmdir(w.as(), &w.call, d, name) },
	"rename": func(w *world, o Op, d pmemfs.Handle, name []byte) error {
		to, toName, err := w.parent(o.To)
		if err != nil {
			return err
		}
		return w.fs.Rename(w.as(), &w.call, d, name, to, toName, pmemfs.RenameFlags(o.A))
	},
}

// objects are the operations that concern a file.
var objects = map[string]func(w *world, o Op, h pmemfs.Handle) error{
	"write": func(w *world, o Op, h pmemfs.Handle) error { // A bytes at offset B
		_, _, err := w.fs.Write(w.as(), &w.call, h, fill(o.A, o.A+o.B), uint64(o.B))
		return err
	},
	"append": func(w *world, o Op, h pmemfs.Handle) error {
		a, err := w.fs.Getattr(nil, h)
		if err == nil {
			_, _, err = w.fs.Write(w.as(), &w.call, h, fill(o.A, o.A+int64(a.Size)), a.Size)
		}
		return err
	},
	"truncate": func(w *world, o Op, h pmemfs.Handle) error {
		_, err := w.fs.Setattr(w.as(), &w.call, h, &pmemfs.SetAttr{Mask: pmemfs.SetSize, Size: uint64(o.A)})
		return err
	},
	"chmod": func(w *world, o Op, h pmemfs.Handle) error {
		_, err := w.fs.Setattr(w.as(), &w.call, h, &pmemfs.SetAttr{
			Mask: pmemfs.SetMode | pmemfs.SetUID | pmemfs.SetGID | pmemfs.SetMtime, Mode: uint32(o.A) & 0o7777, UID: uint32(o.B), GID: 7, Mtime: someDate,
		})
		return err
	},
	"allocate": func(w *world, o Op, h pmemfs.Handle) error {
		return w.fs.Allocate(w.as(), &w.call, h, uint64(o.B), uint64(o.A), o.B%2 == 0)
	},
	"punch": func(w *world, o Op, h pmemfs.Handle) error {
		return w.fs.PunchHole(w.as(), &w.call, h, uint64(o.B), uint64(o.A))
	},
	"setxattr": func(w *world, o Op, h pmemfs.Handle) error {
		return w.fs.SetXattr(w.as(), &w.call, h, xattrName(o), fill(o.A, o.A+9), 0)
	},
	"removexattr": func(w *world, o Op, h pmemfs.Handle) error { return w.fs.RemoveXattr(w.as(), &w.call, h, xattrName(o)) },
	"acl": func(w *world, o Op, h pmemfs.Handle) error { // B says which lists, A which they are to be
		acls := pmemfs.ACLs{}
		if o.A != 0 {
			acls = pmemfs.ACLs{Access: someACL(o.A), Default: someACL(o.A)}
		}
		return w.fs.SetACLs(w.as(), &w.call, h, acls, pmemfs.ACLKind(o.B))
	},
	"tree": func(w *world, o Op, h pmemfs.Handle) error { // a quota of A bytes and B files
		_, err := w.fs.SetTreeQuota(h, pmemfs.QuotaLimits{HardBytes: uint64(o.A), HardFiles: uint64(o.B)})
		return err
	},
	"untree": func(w *world, o Op, h pmemfs.Handle) error {
		q, err := w.fs.TreeQuota(h)
		if err == nil && q.Dir != h {
			err = pmemfs.ErrNotExist
		}
		if err == nil {
			err = w.fs.RemoveTreeQuota(q.ID)
		}
		return err
	},
	"hold": func(w *world, o Op, h pmemfs.Handle) error {
		err := w.fs.Hold(h)
		if err == nil {
			w.held = append(w.held, h)
		}
		return err
	},
}

func xattrName(o Op) []byte { return fmt.Appendf(nil, "user.x%d", o.B) }

// release lets go of all held files: those without a name end now.
func (w *world) release() error {
	var err error
	for _, h := range w.held {
		err = errors.Join(err, w.fs.Release(h))
	}
	w.held = nil
	return err
}
