package billyadapter

import (
	"cmp"
	"io/fs"
	"slices"

	"pmemfs/pmemfs"
)

// ReadDir lists a directory sorted by name, with "." and ".." left out. It needs memory for all entries: ReadDirFunc is
// for directories of any size.
//
// Errors: path errors; ENOTDIR.
func (f *FS) ReadDir(name string) ([]fs.FileInfo, error) {
	infos, err := f.list(name)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	out := make([]fs.FileInfo, len(infos))
	for i, info := range infos {
		out[i] = info
	}
	return out, nil
}

func (f *FS) list(name string) ([]*FileInfo, error) {
	loc, err := f.find(name, true)
	if err != nil {
		return nil, err
	}
	var infos []*FileInfo
	err = f.stream(loc.attr.Handle, 0, func(e *pmemfs.DirEntry) bool {
		infos = append(infos, NewFileInfo(string(e.Name), e.Attr))
		return true
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(infos, func(a, b *FileInfo) int { return cmp.Compare(a.name, b.name) })
	return infos, nil
}

// ReadDirFunc calls fn for each entry after cookie (0 for the start) in the directory's own order, until fn returns
// false. The entry is valid during the call only; its Cookie resumes after it, also after a restart. Entries added or
// removed meanwhile may or may not be seen; all others are seen exactly once.
//
// Errors: path errors; ENOTDIR.
func (f *FS) ReadDirFunc(name string, cookie uint64, fn func(*pmemfs.DirEntry) bool) error {
	loc, err := f.find(name, true)
	if err != nil {
		return pathError("readdir", name, err)
	}
	return pathError("readdir", name, f.stream(loc.attr.Handle, cookie, fn))
}

// stream reads a directory without its dot entries, with attributes.
func (f *FS) stream(dir pmemfs.Handle, cookie uint64, fn func(*pmemfs.DirEntry) bool) error {
	var failed error
	err := f.eng.Readdir(&f.cred, nil, dir, cookie, true, func(e *pmemfs.DirEntry) bool {
		if n := string(e.Name); n == "." || n == ".." {
			return true
		}
		if !e.HasAttr {
			// The engine could not give them with the name: the entry is damaged, say so rather than invent.
			failed = pmemfs.ErrIO
			return false
		}
		return fn(e)
	})
	if err != nil {
		return err
	}
	return failed
}

// Mkdir makes one directory; its parent must exist.
//
// Errors: path errors; EEXIST; change errors.
func (f *FS) Mkdir(name string, perm fs.FileMode) error {
	if f.ro {
		return pathError("mkdir", name, pmemfs.ErrReadOnly)
	}
	w := walk{fs: f}
	loc, err := w.run(name)
	if err == nil && loc.exists {
		err = pmemfs.ErrExist
	}
	if err == nil {
		_, err = f.eng.Mkdir(&f.cred, nil, loc.dir, loc.name, f.newAttr(perm))
	}
	return pathError("mkdir", name, err)
}

// MkdirAll makes a directory and all its missing parents with perm less the umask. Each step is durable by itself.
//
// Errors: path errors; ENOTDIR if something else has the name; change errors.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error {
	w := walk{fs: f, follow: true, makeAll: true, perm: perm}
	loc, err := w.run(name)
	if err == nil && loc.attr.Type != pmemfs.TypeDir {
		err = pmemfs.ErrNotDir
	}
	return pathError("mkdir", name, err)
}
