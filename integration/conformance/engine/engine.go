// Package engine makes pmemfs's engine a target of the conformance suite.
//
// Concurrency and durability: as of package conformance.
package engine

import (
	"errors"

	"pmemfs/integration/conformance"
	"pmemfs/pmemfs"
)

// Caps are what the engine's calls can express.
const Caps = conformance.CapUsers | conformance.CapLinks | conformance.CapNodes | conformance.CapOpen | conformance.CapStale |
	conformance.CapGuard | conformance.CapVerifier | conformance.CapPages | conformance.CapWcc | conformance.CapDots | conformance.CapRaw |
	conformance.CapStateless | conformance.CapKinds | conformance.CapParents | conformance.CapMany | conformance.CapNow |
	conformance.CapAccess | conformance.CapStatfs | conformance.CapSetLink | conformance.CapUsed | conformance.CapSpecial | conformance.CapExact |
	conformance.CapACL | conformance.CapSnapshots

// New returns an engine as a conformance.FS of the superuser: paths are walked as the user.
func New(eng *pmemfs.FS) conformance.FS { return &engineFS{eng: eng, base: eng.Root()} }

// engineFS is the engine as a conformance.FS: paths are walked as the user.
type engineFS struct {
	eng  *pmemfs.FS
	base pmemfs.Handle
	dir  []string // from base
	user conformance.User
	wcc  []conformance.Wcc
}

func (f *engineFS) cred() *pmemfs.Cred {
	return &pmemfs.Cred{UID: f.user.UID, GID: f.user.GID, Groups: f.user.Groups}
}

// call is a call whose snapshots are below where the target begins.
func (f *engineFS) call() *pmemfs.Call { return &pmemfs.Call{Top: f.base} }

// keep keeps the pre-op and post-op attributes of n files.
func (f *engineFS) keep(call *pmemfs.Call, n int) {
	f.wcc = nil
	for _, w := range call.WCC[:n] {
		f.wcc = append(f.wcc, conformance.Wcc{HasBefore: w.HasPre, Size: w.Pre.Size, Mtime: w.Pre.Mtime, Ctime: w.Pre.Ctime,
			HasAfter: w.HasPost, After: Attr(w.Post)})
	}
}

// LastWcc implements conformance.Witness.
func (f *engineFS) LastWcc() []conformance.Wcc { return f.wcc }

func (f *engineFS) walk(names []string) (pmemfs.Handle, error) {
	h := f.base
	for _, name := range append(f.dir[:len(f.dir):len(f.dir)], names...) {
		a, err := f.eng.Lookup(f.cred(), f.call(), h, []byte(name))
		if err != nil {
			return h, engineError(err)
		}
		h = a.Handle
	}
	return h, nil
}

func (f *engineFS) find(path string) (pmemfs.Handle, error) {
	return f.walk(conformance.PathNames(path))
}

// in leads to the directory of a path.
func (f *engineFS) in(path string) (pmemfs.Handle, []byte, error) {
	dir, name := conformance.LastName(path)
	h, err := f.walk(dir)
	return h, []byte(name), err
}

// engineError takes the errno out of an error.
func engineError(err error) error {
	var e *pmemfs.Error
	if errors.As(err, &e) {
		return e.Errno()
	}
	return err
}

// As implements conformance.FS.
func (f *engineFS) As(u conformance.User) conformance.FS {
	return &engineFS{eng: f.eng, base: f.base, dir: f.dir, user: u}
}

// At implements conformance.FS.
func (f *engineFS) At(dir string) conformance.FS {
	return &engineFS{eng: f.eng, base: f.base, dir: append(f.dir[:len(f.dir):len(f.dir)], conformance.PathNames(dir)...), user: f.user}
}

// Attr turns the engine's attributes into the suite's.
func Attr(a pmemfs.Attr) conformance.Attr {
	return conformance.Attr{Type: conformance.Type(a.Type), Mode: a.Mode, Nlink: a.Nlink, UID: a.UID, GID: a.GID, Size: a.Size, Used: a.Used,
		Major: a.Major, Minor: a.Minor, Atime: a.Atime, Mtime: a.Mtime, Ctime: a.Ctime, Ino: a.Handle.FileID()}
}

func engineSet(s conformance.Set) pmemfs.SetAttr {
	var e pmemfs.SetAttr
	put32 := func(bit pmemfs.SetMask, to *uint32, from *uint32) {
		if from != nil {
			e.Mask, *to = e.Mask|bit, *from
		}
	}
	put64 := func(bit pmemfs.SetMask, to *int64, from *int64) {
		if from != nil {
			e.Mask, *to = e.Mask|bit, *from
		}
	}
	put32(pmemfs.SetMode, &e.Mode, s.Mode)
	put32(pmemfs.SetUID, &e.UID, s.UID)
	put32(pmemfs.SetGID, &e.GID, s.GID)
	put64(pmemfs.SetAtime, &e.Atime, s.Atime)
	put64(pmemfs.SetMtime, &e.Mtime, s.Mtime)
	put64(pmemfs.SetGuard, &e.GuardCtime, s.Guard)
	if s.Size != nil {
		e.Mask, e.Size = e.Mask|pmemfs.SetSize, *s.Size
	}
	if s.AtimeNow {
		e.Mask |= pmemfs.SetAtimeNow
	}
	if s.MtimeNow {
		e.Mask |= pmemfs.SetMtimeNow
	}
	return e
}

// Getattr implements conformance.FS.
func (f *engineFS) Getattr(path string) (conformance.Attr, error) {
	h, err := f.find(path)
	if err != nil {
		return conformance.Attr{}, err
	}
	a, err := f.eng.Getattr(nil, h)
	return Attr(a), engineError(err)
}

// Setattr implements conformance.FS.
func (f *engineFS) Setattr(path string, s conformance.Set) error {
	h, err := f.find(path)
	if err != nil {
		return err
	}
	return f.setattr(h, s)
}

func (f *engineFS) setattr(h pmemfs.Handle, s conformance.Set) error {
	e, call := engineSet(s), f.call()
	_, err := f.eng.Setattr(f.cred(), call, h, &e)
	f.keep(call, 1)
	return engineError(err)
}

// Access implements conformance.FS.
func (f *engineFS) Access(path string, want uint32) (uint32, error) {
	h, err := f.find(path)
	if err != nil {
		return 0, err
	}
	got, err := f.eng.Access(f.cred(), nil, h, want)
	return got, engineError(err)
}

// Readlink implements conformance.FS.
func (f *engineFS) Readlink(path string) (string, error) {
	h, err := f.find(path)
	if err != nil {
		return "", err
	}
	b, err := f.eng.Readlink(nil, h)
	return string(b), engineError(err)
}

// Read implements conformance.FS.
func (f *engineFS) Read(path string, off uint64, n int) ([]byte, error) {
	h, err := f.find(path)
	if err != nil {
		return nil, err
	}
	return f.read(h, off, n)
}

func (f *engineFS) read(h pmemfs.Handle, off uint64, n int) ([]byte, error) {
	p := make([]byte, n)
	n, _, err := f.eng.Read(f.cred(), nil, h, p, off)
	return p[:n], engineError(err)
}

// Write implements conformance.FS.
func (f *engineFS) Write(path string, off uint64, data []byte) error {
	h, err := f.find(path)
	if err != nil {
		return err
	}
	return f.write(h, off, data)
}

func (f *engineFS) write(h pmemfs.Handle, off uint64, data []byte) error {
	call := f.call()
	_, _, err := f.eng.Write(f.cred(), call, h, data, off)
	f.keep(call, 1)
	return engineError(err)
}

// Create implements conformance.FS.
func (f *engineFS) Create(path string, how conformance.How) error {
	o := pmemfs.CreateOptions{Mode: map[conformance.Existing]pmemfs.CreateMode{conformance.Refuse: pmemfs.Guarded,
		conformance.Take: pmemfs.Unchecked, conformance.ByVerifier: pmemfs.Exclusive}[how.Existing], Verifier: how.Verifier}
	if how.Existing != conformance.ByVerifier {
		o.Attr = engineSet(conformance.Set{Mode: &how.Mode, Size: how.Size})
	}
	return f.inDir(path, func(c *pmemfs.Cred, call *pmemfs.Call, dir pmemfs.Handle, name []byte) error {
		_, err := f.eng.Create(c, call, dir, name, &o)
		return err
	})
}

// inDir makes a call on a directory and a name.
func (f *engineFS) inDir(path string, do func(c *pmemfs.Cred, call *pmemfs.Call, dir pmemfs.Handle, name []byte) error) error {
	dir, name, err := f.in(path)
	if err != nil {
		return err
	}
	call := f.call()
	err = do(f.cred(), call, dir, name)
	f.keep(call, 1)
	return engineError(err)
}

// Mkdir implements conformance.FS.
func (f *engineFS) Mkdir(path string, mode uint32) error {
	return f.inDir(path, func(c *pmemfs.Cred, call *pmemfs.Call, dir pmemfs.Handle, name []byte) error {
		_, err := f.eng.Mkdir(c, call, dir, name, &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: mode})
		return err
	})
}

// Symlink implements conformance.FS.
func (f *engineFS) Symlink(target, path string) error {
	return f.inDir(path, func(c *pmemfs.Cred, call *pmemfs.Call, dir pmemfs.Handle, name []byte) error {
		_, err := f.eng.Symlink(c, call, dir, name, []byte(target), &pmemfs.SetAttr{})
		return err
	})
}

// Mknod implements conformance.FS.
func (f *engineFS) Mknod(path string, typ conformance.Type, mode, major, minor uint32) error {
	return f.inDir(path, func(c *pmemfs.Cred, call *pmemfs.Call, dir pmemfs.Handle, name []byte) error {
		_, err := f.eng.Mknod(c, call, dir, name, pmemfs.FileType(typ), major, minor, &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: mode})
		return err
	})
}

// Unlink implements conformance.FS.
func (f *engineFS) Unlink(path string) error { return f.inDir(path, f.eng.Unlink) }

// Rmdir implements conformance.FS.
func (f *engineFS) Rmdir(path string) error { return f.inDir(path, f.eng.Rmdir) }

// Rename implements conformance.FS.
func (f *engineFS) Rename(from, to string) error {
	dir, name, err := f.in(from)
	if err != nil {
		return err
	}
	dir2, name2, err := f.in(to)
	if err != nil {
		return err
	}
	call := f.call()
	err = f.eng.Rename(f.cred(), call, dir, name, dir2, name2, 0)
	f.keep(call, 2)
	return engineError(err)
}

// Link implements conformance.FS.
func (f *engineFS) Link(old, path string) error {
	h, err := f.find(old)
	if err != nil {
		return err
	}
	dir, name, err := f.in(path)
	if err != nil {
		return err
	}
	call := f.call()
	_, err = f.eng.Link(f.cred(), call, h, dir, name)
	f.keep(call, 2)
	return engineError(err)
}

// Names implements conformance.FS.
func (f *engineFS) Names(path string) (names []string, err error) {
	h, err := f.find(path)
	if err != nil {
		return nil, err
	}
	err = f.eng.Readdir(f.cred(), f.call(), h, 0, false, func(d *pmemfs.DirEntry) bool {
		if n := string(d.Name); n != "." && n != ".." {
			names = append(names, n)
		}
		return true
	})
	return names, engineError(err)
}

// Page takes 24 bytes and the name for the size of an entry.
func (f *engineFS) Page(path string, cookie uint64, bytes int) (entries []conformance.Entry, eof bool, err error) {
	h, err := f.find(path)
	if err != nil {
		return nil, false, err
	}
	eof = true
	err = f.eng.Readdir(f.cred(), f.call(), h, cookie, false, func(d *pmemfs.DirEntry) bool {
		if bytes -= 24 + len(d.Name); bytes < 0 {
			eof = false
			return false
		}
		entries = append(entries, conformance.Entry{Name: string(d.Name), Ino: d.FileID(), Cookie: d.Cookie})
		return true
	})
	if err == nil && !eof && len(entries) == 0 {
		err = conformance.EINVAL
	}
	return entries, eof, engineError(err)
}

// Statfs implements conformance.FS.
func (f *engineFS) Statfs() (conformance.Statfs, error) {
	s, err := f.eng.Statfs()
	return conformance.Statfs{Total: s.TotalBytes, Free: s.FreeBytes, Avail: s.AvailBytes, Files: s.TotalFiles, FreeFiles: s.FreeFiles,
		NameMax: s.NameMax}, engineError(err)
}

// Open implements conformance.FS.
func (f *engineFS) Open(path string) (conformance.File, error) {
	h, err := f.find(path)
	if err != nil {
		return nil, err
	}
	return &engineFile{f, h}, nil
}

// engineFile is a handle.
type engineFile struct {
	fs *engineFS
	h  pmemfs.Handle
}

// Getattr implements conformance.File.
func (o *engineFile) Getattr() (conformance.Attr, error) {
	a, err := o.fs.eng.Getattr(nil, o.h)
	return Attr(a), engineError(err)
}

// Setattr implements conformance.File.
func (o *engineFile) Setattr(s conformance.Set) error { return o.fs.setattr(o.h, s) }

// Read implements conformance.File.
func (o *engineFile) Read(off uint64, n int) ([]byte, error) { return o.fs.read(o.h, off, n) }

// Write implements conformance.File.
func (o *engineFile) Write(off uint64, data []byte) error { return o.fs.write(o.h, off, data) }

// Close implements conformance.File.
func (o *engineFile) Close() error { return nil }
