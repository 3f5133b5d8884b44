package hostdir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"pmemfs/archive/tarball"
)

// level is a directory that is being filled; it gets its attributes when that is over.
type level struct {
	dir   *os.File
	name  string
	entry *tarball.Entry
}

// Unpacker fills a folder of the host. It is a Sink.
type Unpacker struct {
	Force bool // what is there, and is no directory, is replaced
	// Note is told what of a file could not be had here: an owner, a device. It may be nil.
	Note func(name, text string)

	path   string
	parent *os.File // of the top
	base   string   // its name there
	levels []level
	file   *os.File // the regular file that is being written
	entry  *tarball.Entry
	parts  []tarball.Extent // of it, still to be written
	temp   string           // its name meanwhile
}

// NewUnpacker makes a tree at path: its top, ".", is to be there afterwards. Its directory must exist.
//
// Errors: what the system said.
func NewUnpacker(path string) (*Unpacker, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	u := &Unpacker{path: path, base: filepath.Base(abs), temp: ".pmemfs-get-" + rand.Text()}
	if u.base == "/" {
		u.base = "."
	}
	u.parent, err = os.Open(filepath.Dir(abs))
	return u, err
}

// wrap says of an error which file it is about.
func (u *Unpacker) wrap(e *tarball.Entry, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%q: %w", tarball.Short(filepath.Join(u.path, e.Name)), err)
}

// parts splits a name, and refuses one that leads elsewhere.
func parts(name string) ([]string, error) {
	var list []string
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			return nil, errors.New("the name has .., and would lead out of the folder")
		default:
			list = append(list, part)
		}
	}
	return list, nil
}

// Begin makes a file.
//
// Errors: one that names the file here, and wraps the cause.
func (u *Unpacker) Begin(e *tarball.Entry) error {
	if err := u.end(); err != nil {
		return err
	}
	return u.wrap(e, u.begin(e))
}

func (u *Unpacker) begin(e *tarball.Entry) error {
	names, err := parts(e.Name)
	if err != nil {
		return err
	}
	dir, name := u.parent, u.base
	if len(names) > 0 {
		if err := u.enter(names[:len(names)-1]); err != nil {
			return err
		}
		dir, name = u.levels[len(u.levels)-1].dir, names[len(names)-1]
	} else if err := u.leave(0); err != nil {
		return err
	}
	if e.Type == tarball.Dir {
		return u.dirEntry(e, dir, name)
	}
	var st unix.Stat_t
	switch err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case errors.Is(err, unix.ENOENT):
	case err != nil:
		return err
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return unix.EISDIR
	case !u.Force:
		return fmt.Errorf("%w: --force replaces it", os.ErrExist)
	}
	return u.make(e, dir, name)
}

// make makes what is no directory, under another name first.
func (u *Unpacker) make(e *tarball.Entry, dir *os.File, name string) error {
	fd := int(dir.Fd())
	var err error
	switch e.Type {
	case tarball.Regular:
		var f int
		if f, err = unix.Openat(fd, u.temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600); err == nil {
			u.file, u.entry, u.parts = os.NewFile(uintptr(f), name), e, slices.Clone(e.Extents())
			return nil // end does the rest
		}
	case tarball.Link:
		err = u.link(e, dir)
	case tarball.Symlink:
		err = unix.Symlinkat(e.Target, fd, u.temp)
	default:
		err = makeNode(dir, u.temp, e)
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOTSUP) {
			u.note(e, "it is a device, and only root makes one: left out")
			return nil
		}
	}
	if err == nil && e.Type != tarball.Link {
		err = u.dress(e, dir, u.temp)
	}
	if err == nil {
		err = unix.Renameat(fd, u.temp, fd, name)
	}
	return u.cleanUp(dir, err)
}

// cleanUp takes away what a failure, or a rename of two names of one file, has left.
func (u *Unpacker) cleanUp(dir *os.File, err error) error {
	if uerr := unix.Unlinkat(int(dir.Fd()), u.temp, 0); uerr != nil && !errors.Is(uerr, unix.ENOENT) {
		return errors.Join(err, uerr)
	}
	return err
}

func (u *Unpacker) note(e *tarball.Entry, text string) {
	if u.Note != nil {
		u.Note(e.Name, text)
	}
}

// link gives another name to a file of this tree.
func (u *Unpacker) link(e *tarball.Entry, dir *os.File) error {
	names, err := parts(e.Target)
	if err != nil || len(names) == 0 {
		return fmt.Errorf("a link to %q: %w", tarball.Short(e.Target), errors.Join(err, unix.EINVAL))
	}
	at := u.levels[0].dir
	for _, name := range names[:len(names)-1] {
		next, err := openDir(at, name)
		if at != u.levels[0].dir {
			err = errors.Join(err, at.Close())
		}
		if err != nil {
			return err
		}
		at = next
	}
	err = unix.Linkat(int(at.Fd()), names[len(names)-1], int(dir.Fd()), u.temp, 0)
	if at != u.levels[0].dir {
		err = errors.Join(err, at.Close())
	}
	return err
}

func openDir(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		err = fmt.Errorf("the name leads through %q, which is no directory here: %w", tarball.Short(name), err)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// enter makes the directory of some names the one that is filled.
func (u *Unpacker) enter(names []string) error {
	if len(u.levels) == 0 {
		return errors.New("it comes before the directory that it is in")
	}
	same := 0
	for same < len(names) && same+1 < len(u.levels) && u.levels[same+1].name == names[same] {
		same++
	}
	if err := u.leave(same + 1); err != nil {
		return err
	}
	for _, name := range names[same:] {
		d, err := openDir(u.levels[len(u.levels)-1].dir, name)
		if err != nil {
			return err
		}
		u.levels = append(u.levels, level{d, name, nil})
	}
	return nil
}

// dirEntry makes a directory, or takes the one that is there.
func (u *Unpacker) dirEntry(e *tarball.Entry, dir *os.File, name string) error {
	err := unix.Mkdirat(int(dir.Fd()), name, 0o700)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	d, err := openDir(dir, name)
	if err == nil {
		u.levels = append(u.levels, level{d, name, e})
	}
	return err
}

// leave ends the filling of all but so many directories.
func (u *Unpacker) leave(keep int) error {
	var err error
	for len(u.levels) > keep {
		l := u.levels[len(u.levels)-1]
		u.levels = u.levels[:len(u.levels)-1]
		parent := u.parent
		name := u.base
		if n := len(u.levels); n > 0 {
			parent, name = u.levels[n-1].dir, l.name
		}
		if l.entry != nil && err == nil {
			err = u.wrap(l.entry, u.dress(l.entry, parent, name))
		}
		err = errors.Join(err, l.dir.Close())
	}
	return err
}

// Write writes data of the file.
func (u *Unpacker) Write(b []byte) (int, error) {
	all := len(b)
	for len(b) > 0 {
		if len(u.parts) == 0 {
			return all - len(b), errors.New("more data than the file has")
		}
		x := &u.parts[0]
		p := b[:min(uint64(len(b)), x.Len)]
		if _, err := u.file.WriteAt(p, int64(x.Off)); err != nil {
			return all - len(b), u.wrap(u.entry, err)
		}
		x.Off, x.Len, b = x.Off+uint64(len(p)), x.Len-uint64(len(p)), b[len(p):]
		if x.Len == 0 {
			u.parts = u.parts[1:]
		}
	}
	return all, nil
}

// end gives the regular file that was written its attributes and its name.
func (u *Unpacker) end() error {
	if u.file == nil {
		return nil
	}
	f, e, dir, name := u.file, u.entry, u.parent, u.base
	if names, err := parts(e.Name); err == nil && len(names) > 0 {
		dir, name = u.levels[len(u.levels)-1].dir, names[len(names)-1]
	}
	u.file = nil
	err := f.Truncate(int64(e.Size))
	err = errors.Join(err, f.Close())
	if err == nil {
		err = u.dress(e, dir, u.temp)
	}
	if err == nil {
		err = unix.Renameat(int(dir.Fd()), u.temp, int(dir.Fd()), name)
	}
	return u.wrap(e, u.cleanUp(dir, err))
}

// dress gives a file its attributes, as far as the user may: owner first, since that takes set-id bits away, times last.
func (u *Unpacker) dress(e *tarball.Entry, dir *os.File, name string) error {
	fd, mode := int(dir.Fd()), e.Mode
	switch err := unix.Fchownat(fd, name, int(e.UID), int(e.GID), unix.AT_SYMLINK_NOFOLLOW); {
	case errors.Is(err, unix.EPERM):
		mode &^= unix.S_ISUID | unix.S_ISGID // they would be somebody else's
	case err != nil:
		return err
	}
	for _, x := range e.Xattrs {
		if err := setXattr(dir, name, x); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOTSUP) {
			u.note(e, fmt.Sprintf("extended attribute %q: %v", tarball.Short(x.Name), err))
		} else if err != nil {
			return fmt.Errorf("extended attribute %q: %w", tarball.Short(x.Name), err)
		}
	}
	if e.Type != tarball.Symlink {
		if err := unix.Fchmodat(fd, name, mode, 0); err != nil {
			return err
		}
	}
	atime := e.Atime
	if !e.HasAtime {
		atime = e.Mtime
	}
	return unix.UtimesNanoAt(fd, name, []unix.Timespec{unix.NsecToTimespec(atime), unix.NsecToTimespec(e.Mtime)}, unix.AT_SYMLINK_NOFOLLOW)
}

// Abort gives a tree up: what was not whole is removed, what was stays.
func (u *Unpacker) Abort() error {
	var err error
	if u.file != nil {
		dir := u.parent
		if n := len(u.levels); n > 0 {
			dir = u.levels[n-1].dir
		}
		err = errors.Join(u.file.Close(), u.cleanUp(dir, nil))
		u.file = nil
	}
	return errors.Join(err, u.leave(0), u.parent.Close())
}

// Close ends the tree.
func (u *Unpacker) Close() error {
	return errors.Join(u.end(), u.leave(0), u.parent.Close())
}
