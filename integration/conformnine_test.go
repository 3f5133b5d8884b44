package integration

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"pmemfs/integration/conformance"
	"pmemfs/server/ninetest"
)

// nineCaps are what 9P can express. It has no question about permissions, and opens every file before it is read.
const nineCaps = conformance.CapUsers | conformance.CapLinks | conformance.CapNodes | conformance.CapOpen | conformance.CapPages |
	conformance.CapDots | conformance.CapRaw | conformance.CapOpenCheck | conformance.CapKinds | conformance.CapParents | conformance.CapMany |
	conformance.CapNow | conformance.CapStatfs | conformance.CapSetLink | conformance.CapUsed | conformance.CapExact | conformance.CapACL

// nineFaults are what a server of 9P has to do otherwise.
var nineFaults = map[string]string{
	"fileperm/read by owner":               "what may be executed may be opened for reading, as a kernel does to execute it",
	"fileperm/read by group":               "the same",
	"fileperm/read by supplementary group": "the same",
	"fileperm/read by others":              "the same",
	"acl/set-id bits":                      "a user is in all groups that the server knows of, not in those of a process",
}

// nineTarget runs the suite through a client that checks nothing itself, as a kernel does.
func nineTarget(t *testing.T, done func(conformance.Outcome)) {
	server, _, socket := serveNineP(t, "--durability", "process", "--9p-users", suiteUsersFolder(t))
	c, err := ninetest.Dial("unix", socket)
	if err == nil {
		err = c.Begin(1<<20, 0, "/", 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	conformance.Run(nineFS{&nineSession{c: c, roots: map[uint32]uint32{0: 0}, next: 1}, conformance.User{}, nil}, nineCaps|conformance.CapSnapshots, done, servedSnapshotCases(t, server)...)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// nineSession is one connection, on which each user has attached.
type nineSession struct {
	c     *ninetest.Client
	roots map[uint32]uint32 // fid by user
	next  uint32            // fid
}

func (s *nineSession) fid() uint32 {
	s.next++
	return s.next
}

// nineFS is the filesystem as a user of the session sees it.
type nineFS struct {
	*nineSession
	user conformance.User
	base []string
}

// As implements conformance.FS.
func (f nineFS) As(u conformance.User) conformance.FS { return nineFS{f.nineSession, u, f.base} }

// At implements conformance.FS.
func (f nineFS) At(dir string) conformance.FS {
	return nineFS{f.nineSession, f.user, append(slices.Clone(f.base), conformance.PathNames(dir)...)}
}

// walk goes name by name, as kernels do, so that what is in the way is an error of its own.
func (f nineFS) walk(names []string) (fid uint32, err error) {
	root, attached := f.roots[f.user.UID]
	if !attached {
		root = f.fid()
		if err := f.c.Attach(root, "/", f.user.UID); err != nil {
			return 0, err
		}
		f.roots[f.user.UID] = root
	}
	fid = f.fid()
	if _, err := f.c.Walk(root, fid); err != nil {
		return 0, err
	}
	for _, name := range slices.Concat(f.base, names) {
		if _, err := f.c.Walk(fid, fid, name); err != nil {
			return 0, f.clunk(fid, err)
		}
	}
	return fid, nil
}

// clunk gives a fid up, after what was done with it.
func (f nineFS) clunk(fid uint32, err error) error {
	if clunked := f.c.Do(ninetest.Clunk, fid); err == nil {
		return clunked
	}
	return err
}

// on does something with the file at a path.
func (f nineFS) on(path string, do func(fid uint32) error) error {
	fid, err := f.walk(conformance.PathNames(path))
	if err != nil {
		return err
	}
	return f.clunk(fid, do(fid))
}

// in does something with a name in the directory at a path.
func (f nineFS) in(path string, do func(fid uint32, name string) error) error {
	dir, name := conformance.LastName(path)
	fid, err := f.walk(dir)
	if err != nil {
		return err
	}
	return f.clunk(fid, do(fid, name))
}

// Getattr implements conformance.FS.
func (f nineFS) Getattr(path string) (a conformance.Attr, err error) {
	err = f.on(path, func(fid uint32) error {
		a, err = nineFile{f, fid}.Getattr()
		return err
	})
	return a, err
}

// Setattr implements conformance.FS.
func (f nineFS) Setattr(path string, s conformance.Set) error {
	return f.on(path, func(fid uint32) error { return nineFile{f, fid}.Setattr(s) })
}

// Access implements conformance.FS, which the protocol cannot.
func (f nineFS) Access(string, uint32) (uint32, error) { return 0, syscall.ENOSYS }

// Readlink implements conformance.FS.
func (f nineFS) Readlink(path string) (target string, err error) {
	err = f.on(path, func(fid uint32) error {
		a, err := f.c.Call(ninetest.Readlink, fid)
		if err != nil {
			return err
		}
		target = a.String()
		return a.Done()
	})
	return target, err
}

// Read implements conformance.FS.
func (f nineFS) Read(path string, off uint64, n int) (data []byte, err error) {
	err = f.on(path, func(fid uint32) error {
		if err := f.c.Open(fid, unix.O_RDONLY); err != nil {
			return err
		}
		data, err = nineFile{f, fid}.Read(off, n)
		return err
	})
	return data, err
}

// Write implements conformance.FS.
func (f nineFS) Write(path string, off uint64, data []byte) error {
	return f.on(path, func(fid uint32) error {
		if err := f.c.Open(fid, unix.O_WRONLY); err != nil {
			return err
		}
		return nineFile{f, fid}.Write(off, data)
	})
}

// Create implements conformance.FS.
func (f nineFS) Create(path string, how conformance.How) error {
	return f.in(path, func(fid uint32, name string) error {
		flags := uint32(unix.O_WRONLY | unix.O_CREAT)
		if how.Existing == conformance.Refuse {
			flags |= unix.O_EXCL
		}
		if how.Size != nil {
			flags |= unix.O_TRUNC
		}
		return f.c.Create(fid, name, flags, how.Mode, f.user.GID)
	})
}

// Mkdir implements conformance.FS.
func (f nineFS) Mkdir(path string, mode uint32) error {
	return f.in(path, func(fid uint32, name string) error {
		_, err := f.c.Made(ninetest.Mkdir, fid, name, mode, f.user.GID)
		return err
	})
}

// Symlink implements conformance.FS.
func (f nineFS) Symlink(target, path string) error {
	return f.in(path, func(fid uint32, name string) error {
		_, err := f.c.Made(ninetest.Symlink, fid, name, target, f.user.GID)
		return err
	})
}

// Mknod implements conformance.FS.
func (f nineFS) Mknod(path string, t conformance.Type, mode, major, minor uint32) error {
	return f.in(path, func(fid uint32, name string) error {
		_, err := f.c.Made(ninetest.Mknod, fid, name, uint32(t)<<12|mode, major, minor, f.user.GID)
		return err
	})
}

// Unlink implements conformance.FS.
func (f nineFS) Unlink(path string) error {
	return f.in(path, func(fid uint32, name string) error { return f.c.Do(ninetest.Unlinkat, fid, name, uint32(0)) })
}

// Rmdir implements conformance.FS.
func (f nineFS) Rmdir(path string) error {
	return f.in(path, func(fid uint32, name string) error {
		return f.c.Do(ninetest.Unlinkat, fid, name, uint32(unix.AT_REMOVEDIR))
	})
}

// Rename implements conformance.FS.
func (f nineFS) Rename(from, to string) error {
	return f.in(from, func(dir uint32, old string) error {
		return f.in(to, func(fid uint32, name string) error { return f.c.Do(ninetest.Renameat, dir, old, fid, name) })
	})
}

// Link implements conformance.FS.
func (f nineFS) Link(old, path string) error {
	return f.on(old, func(file uint32) error {
		return f.in(path, func(fid uint32, name string) error { return f.c.Do(ninetest.Link, fid, file, name) })
	})
}

// Names implements conformance.FS.
func (f nineFS) Names(path string) (names []string, err error) {
	for cookie := uint64(0); ; {
		list, eof, err := f.Page(path, cookie, 64<<10)
		if err != nil || eof {
			return names, err
		}
		for _, e := range list {
			if cookie = e.Cookie; e.Name != "." && e.Name != ".." {
				names = append(names, e.Name)
			}
		}
	}
}

// Page implements conformance.Pager.
func (f nineFS) Page(path string, cookie uint64, bytes int) (list []conformance.Entry, eof bool, err error) {
	err = f.on(path, func(fid uint32) error {
		if err := f.c.Open(fid, unix.O_RDONLY|unix.O_DIRECTORY); err != nil {
			return err
		}
		entries, err := f.c.Readdir(fid, cookie, uint32(bytes))
		for _, e := range entries {
			list = append(list, conformance.Entry{Name: e.Name, Ino: e.Qid.Path, Cookie: e.Offset})
		}
		return err
	})
	return list, len(list) == 0, err
}

// Statfs implements conformance.FS.
func (f nineFS) Statfs() (s conformance.Statfs, err error) {
	a, err := f.c.Call(ninetest.Statfs, f.roots[0])
	if err != nil {
		return s, err
	}
	a.Uint32()
	unit := uint64(a.Uint32())
	s.Total, s.Free, s.Avail = a.Uint64()*unit, a.Uint64()*unit, a.Uint64()*unit
	s.Files, s.FreeFiles = a.Uint64(), a.Uint64()
	a.Uint64()
	s.NameMax = a.Uint32()
	return s, a.Done()
}

// Open implements conformance.FS.
func (f nineFS) Open(path string) (conformance.File, error) {
	fid, err := f.walk(conformance.PathNames(path))
	if err != nil {
		return nil, err
	}
	err = f.c.Open(fid, unix.O_RDWR)
	if errors.Is(err, unix.EROFS) { // what a snapshot has
		err = f.c.Open(fid, unix.O_RDONLY)
	}
	if err != nil {
		return nil, f.clunk(fid, err)
	}
	return nineFile{f, fid}, nil
}
