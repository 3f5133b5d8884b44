package billyadapter

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/go-git/go-billy/v5"

	"pmemfs/pmemfs"
)

const (
	maxLinks     = 40   // symbolic links followed in one walk; Linux's own limit
	maxPathBytes = 4096 // of an argument, as PATH_MAX
)

// cleanPath returns name relative to the root, cleaned: "." for the root itself. A name whose ".." lead above
// the root is billy.ErrCrossedBoundary.
func cleanPath(name string) (string, error) {
	if len(name) > maxPathBytes {
		return "", pmemfs.ErrNameTooLong
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", pmemfs.ErrInvalid
	}
	c := path.Clean(strings.TrimLeft(name, "/"))
	if c == ".." || strings.HasPrefix(c, "../") {
		return "", billy.ErrCrossedBoundary
	}
	return c, nil
}

// resolved is what a path leads to: an object, or a name in a directory that an object may get.
type resolved struct {
	dir    pmemfs.Handle // the directory that holds name; zero for the root
	name   []byte        // nil for the root, or after a final ".."
	attr   pmemfs.Attr   // of the object, if exists
	exists bool
}

// walk resolves one path. It is used once.
type walk struct {
	fs          *FS
	follow      bool        // follow a link in the last component
	makeParents bool        // make missing directories before the last component
	makeAll     bool        // and the last component too, as a directory
	perm        fs.FileMode // of directories made

	stack []pmemfs.Attr // the directories from the root to the current one
	todo  []string
	links int
}

// run walks to name. A missing last component is not an error: exists is false and dir and name say where it would be.
func (w *walk) run(name string) (resolved, error) {
	clean, err := cleanPath(name)
	if err != nil {
		return resolved{}, err
	}
	root, err := w.fs.rootAttr(w.makeAll || w.makeParents)
	if err != nil {
		return resolved{}, err
	}
	w.stack = []pmemfs.Attr{root}
	w.push(clean)
	loc := resolved{attr: root, exists: true}
	for len(w.todo) > 0 {
		comp := w.todo[0]
		w.todo = w.todo[1:]
		if loc, err = w.step(comp); err != nil {
			return resolved{}, err
		}
	}
	return loc, nil
}

// push puts the components of p before what is still to be walked.
func (w *walk) push(p string) {
	var comps []string
	for c := range strings.SplitSeq(p, "/") {
		if c != "" && c != "." {
			comps = append(comps, c)
		}
	}
	w.todo = append(comps, w.todo...)
}

func (w *walk) top() pmemfs.Attr { return w.stack[len(w.stack)-1] }

// step walks one component from the directory on top of the stack.
func (w *walk) step(comp string) (resolved, error) {
	if comp == ".." {
		if len(w.stack) == 1 {
			return resolved{}, billy.ErrCrossedBoundary
		}
		w.stack = w.stack[:len(w.stack)-1]
		return resolved{attr: w.top(), exists: true}, nil
	}
	last := len(w.todo) == 0
	dir, name := w.top().Handle, []byte(comp)
	attr, err := w.fs.eng.Lookup(&w.fs.cred, nil, dir, name)
	if errors.Is(err, pmemfs.ErrNotExist) {
		switch {
		case w.makeAll || w.makeParents && !last:
			attr, err = w.mkdir(dir, name)
		case last:
			return resolved{dir: dir, name: name}, nil
		}
	}
	if err != nil {
		return resolved{}, err
	}
	if attr.Type == pmemfs.TypeSymlink && (w.follow || !last) {
		return w.link(attr)
	}
	if !last {
		if attr.Type != pmemfs.TypeDir {
			return resolved{}, pmemfs.ErrNotDir
		}
		w.stack = append(w.stack, attr)
	}
	return resolved{dir: dir, name: name, attr: attr, exists: true}, nil
}

// link replaces a symbolic link by its target.
func (w *walk) link(attr pmemfs.Attr) (resolved, error) {
	if w.links++; w.links > maxLinks {
		return resolved{}, syscall.ELOOP
	}
	target, err := w.fs.eng.Readlink(nil, attr.Handle)
	if err != nil {
		return resolved{}, err
	}
	if len(target) == 0 {
		return resolved{}, pmemfs.ErrNotExist
	}
	if target[0] == '/' {
		w.stack = w.stack[:1]
	}
	w.push(string(target))
	return resolved{attr: w.top(), exists: true}, nil
}

// mkdir makes one missing directory; losing a race to another maker is as good.
func (w *walk) mkdir(dir pmemfs.Handle, name []byte) (pmemfs.Attr, error) {
	if w.fs.ro {
		return pmemfs.Attr{}, pmemfs.ErrReadOnly
	}
	attr, err := w.fs.eng.Mkdir(&w.fs.cred, nil, dir, name, w.fs.newAttr(w.perm))
	if errors.Is(err, pmemfs.ErrExist) {
		return w.fs.eng.Lookup(&w.fs.cred, nil, dir, name)
	}
	return attr, err
}

// newAttr is the initial mode of something created with perm.
func (f *FS) newAttr(perm fs.FileMode) *pmemfs.SetAttr {
	return &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: PosixMode(perm &^ f.umask)}
}

// find walks to something that must exist.
func (f *FS) find(name string, follow bool) (resolved, error) {
	w := walk{fs: f, follow: follow}
	loc, err := w.run(name)
	if err == nil && !loc.exists {
		err = pmemfs.ErrNotExist
	}
	return loc, err
}

// resolveNew resolves a name that is to be made or replaced, without following a link there, making its parents.
func (f *FS) resolveNew(name string) (resolved, error) {
	w := walk{fs: f, makeParents: true, perm: 0o777}
	return w.run(name)
}

// entry walks to a directory entry that must exist and is not the root.
func (f *FS) entry(name string) (resolved, error) {
	loc, err := f.find(name, false)
	if err == nil && loc.name == nil {
		err = pmemfs.ErrBusy
	}
	return loc, err
}

// errno reduces an engine error to its errno, so that os.IsNotExist and its kind recognise it.
func errno(err error) error {
	var e *pmemfs.Error
	if errors.As(err, &e) {
		return e.Errno()
	}
	return err
}

func pathError(op, name string, err error) error {
	if err == nil || err == billy.ErrCrossedBoundary {
		return err
	}
	return &fs.PathError{Op: op, Path: name, Err: errno(err)}
}
