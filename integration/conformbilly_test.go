package integration

import (
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"pmemfs/billyadapter"
	"pmemfs/integration/conformance"
	"pmemfs/integration/conformance/engine"
	"pmemfs/pmemfs"
	"pmemfs/pmemfs/pmemfstest"
)

// billyCaps are what billy and the adapter's additions to it can express. Paths are cleaned there before anything is looked
// up, missing parents are made, and there is one Remove for everything.
const billyCaps = conformance.CapUsers | conformance.CapLinks | conformance.CapNodes | conformance.CapOpen | conformance.CapOpenCheck |
	conformance.CapPages | conformance.CapStatfs | conformance.CapUsed | conformance.CapExact

// billyTarget runs the suite on the adapter.
func billyTarget(t *testing.T, done func(conformance.Outcome)) {
	eng, err := pmemfs.OpenMemory(256<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conformance.Run(billyFS{fs: billyadapter.New(eng, pmemfs.Cred{}, billyadapter.WithUmask(0))}, billyCaps, done, slices.Concat(quotaCases(eng), snapshotCases(eng, nil))...)
	pmemfstest.CheckFS(t, eng)
	if err := eng.Close(); err != nil {
		t.Error(err)
	}
}

// billyFS is the adapter as a conformance.FS.
type billyFS struct {
	fs   *billyadapter.FS
	base string
}

func (f billyFS) path(name string) string { return f.base + "/" + name }

func (f billyFS) As(u conformance.User) conformance.FS {
	return billyFS{f.fs.WithCred(pmemfs.Cred{UID: u.UID, GID: u.GID, Groups: u.Groups}), f.base}
}

func (f billyFS) At(dir string) conformance.FS { return billyFS{f.fs, f.path(dir)} }

func (f billyFS) Getattr(path string) (conformance.Attr, error) {
	info, err := f.fs.Lstat(f.path(path))
	if err != nil {
		return conformance.Attr{}, err
	}
	return engine.Attr(info.(*billyadapter.FileInfo).Attr()), nil
}

func (f billyFS) Setattr(path string, s conformance.Set) error {
	name := f.path(path)
	if s.UID != nil || s.GID != nil {
		if err := f.fs.Lchown(name, idOrKeep(s.UID), idOrKeep(s.GID)); err != nil {
			return err
		}
	}
	if s.Mode != nil {
		if err := f.fs.Chmod(name, billyadapter.GoMode(0, *s.Mode)); err != nil {
			return err
		}
	}
	if s.Size != nil {
		return f.with(path, os.O_WRONLY, func(o *billyadapter.File) error { return o.Truncate(int64(*s.Size)) })
	}
	if s.Atime != nil || s.Mtime != nil {
		return f.fs.Chtimes(name, timeOrKeep(s.Atime), timeOrKeep(s.Mtime))
	}
	return nil
}

func idOrKeep(id *uint32) int {
	if id == nil {
		return -1
	}
	return int(*id)
}

func timeOrKeep(t *int64) time.Time {
	if t == nil {
		return time.Time{}
	}
	return time.Unix(0, *t)
}

// with opens a file for one call.
func (f billyFS) with(path string, flag int, call func(*billyadapter.File) error) error {
	file, err := f.fs.OpenFile(f.path(path), flag, 0)
	if err != nil {
		return err
	}
	return errors.Join(call(file.(*billyadapter.File)), file.Close())
}

// Access is not in billy.
func (f billyFS) Access(string, uint32) (uint32, error) { return 0, conformance.EOPNOTSUPP }

func (f billyFS) Readlink(path string) (string, error) { return f.fs.Readlink(f.path(path)) }

func (f billyFS) Read(path string, off uint64, n int) (data []byte, err error) {
	err = f.with(path, os.O_RDONLY, func(o *billyadapter.File) error {
		data, err = readAt(o, off, n)
		return err
	})
	return data, err
}

func readAt(o io.ReaderAt, off uint64, n int) ([]byte, error) {
	data := make([]byte, n)
	n, err := o.ReadAt(data, int64(off))
	if err == io.EOF {
		err = nil
	}
	return data[:n], err
}

func (f billyFS) Write(path string, off uint64, data []byte) error {
	return f.with(path, os.O_WRONLY, func(o *billyadapter.File) error {
		_, err := o.WriteAt(data, int64(off))
		return err
	})
}

func (f billyFS) Create(path string, how conformance.How) error {
	flag := os.O_WRONLY | os.O_CREATE
	if how.Existing == conformance.Refuse {
		flag |= os.O_EXCL
	}
	if how.Size != nil {
		flag |= os.O_TRUNC
	}
	file, err := f.fs.OpenFile(f.path(path), flag, billyadapter.GoMode(0, how.Mode))
	if err != nil {
		return err
	}
	return file.Close()
}

func (f billyFS) Mkdir(path string, mode uint32) error {
	return f.fs.Mkdir(f.path(path), billyadapter.GoMode(0, mode))
}

func (f billyFS) Symlink(target, path string) error { return f.fs.Symlink(target, f.path(path)) }

func (f billyFS) Mknod(path string, t conformance.Type, mode, major, minor uint32) error {
	return f.fs.Mknod(f.path(path), billyadapter.GoMode(pmemfs.FileType(t), mode), major, minor)
}

func (f billyFS) Unlink(path string) error     { return f.fs.Remove(f.path(path)) }
func (f billyFS) Rmdir(path string) error      { return f.fs.Remove(f.path(path)) }
func (f billyFS) Rename(from, to string) error { return f.fs.Rename(f.path(from), f.path(to)) }
func (f billyFS) Link(old, path string) error  { return f.fs.Link(f.path(old), f.path(path)) }

func (f billyFS) Names(path string) (names []string, err error) {
	infos, err := f.fs.ReadDir(f.path(path))
	for _, info := range infos {
		names = append(names, info.Name())
	}
	return names, err
}

// Page takes 24 bytes and the name for the size of an entry.
func (f billyFS) Page(path string, cookie uint64, bytes int) (entries []conformance.Entry, eof bool, err error) {
	eof = true
	err = f.fs.ReadDirFunc(f.path(path), cookie, func(d *pmemfs.DirEntry) bool {
		if bytes -= 24 + len(d.Name); bytes < 0 {
			eof = false
			return false
		}
		entries = append(entries, conformance.Entry{Name: string(d.Name), Ino: d.Ino, Cookie: d.Cookie})
		return true
	})
	return entries, eof, err
}

func (f billyFS) Statfs() (conformance.Statfs, error) {
	s, err := f.fs.Statfs()
	return conformance.Statfs{Total: s.TotalBytes, Free: s.FreeBytes, Avail: s.AvailBytes, Files: s.TotalFiles, FreeFiles: s.FreeFiles,
		NameMax: s.NameMax}, err
}

func (f billyFS) Open(path string) (conformance.File, error) {
	file, err := f.fs.OpenFile(f.path(path), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &billyFile{f.At(path).(billyFS), file.(*billyadapter.File)}, nil
}

// billyFile is an open file, and where it was opened: billy changes modes by path only.
type billyFile struct {
	at   billyFS
	file *billyadapter.File
}

func (o *billyFile) Getattr() (conformance.Attr, error) {
	info, err := o.file.Stat()
	if err != nil {
		return conformance.Attr{}, err
	}
	return engine.Attr(info.(*billyadapter.FileInfo).Attr()), nil
}

func (o *billyFile) Setattr(s conformance.Set) error {
	if s.Size != nil {
		return o.file.Truncate(int64(*s.Size))
	}
	return o.at.fs.Chmod(o.at.base, billyadapter.GoMode(0, *s.Mode))
}

func (o *billyFile) Read(off uint64, n int) ([]byte, error) { return readAt(o.file, off, n) }

func (o *billyFile) Write(off uint64, data []byte) error {
	_, err := o.file.WriteAt(data, int64(off))
	return err
}

func (o *billyFile) Close() error { return o.file.Close() }
