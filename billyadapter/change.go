package billyadapter

import (
	"io/fs"
	"time"

	"pmemfs/pmemfs"
)

// Chmod sets permissions, setuid, setgid and sticky of name, following a final link.
//
// Errors: path errors; EPERM unless the caller owns the file; change errors.
func (f *FS) Chmod(name string, mode fs.FileMode) error {
	return f.change("chmod", name, true, &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: PosixMode(mode)})
}

// Chown sets the owner and group of name, following a final link; -1 leaves one as it is.
//
// Errors: path errors; EPERM unless the caller may give the file away; change errors.
func (f *FS) Chown(name string, uid, gid int) error { return f.chown("chown", name, true, uid, gid) }

// Lchown is Chown for a link itself.
//
// Errors: those of Chown.
func (f *FS) Lchown(name string, uid, gid int) error { return f.chown("lchown", name, false, uid, gid) }

func (f *FS) chown(op, name string, follow bool, uid, gid int) error {
	const maxID = 1<<32 - 1
	if uid < -1 || int64(uid) > maxID || gid < -1 || int64(gid) > maxID {
		return pathError(op, name, pmemfs.ErrInvalid)
	}
	var s pmemfs.SetAttr
	if uid >= 0 {
		s.Mask, s.UID = s.Mask|pmemfs.SetUID, uint32(uid)
	}
	if gid >= 0 {
		s.Mask, s.GID = s.Mask|pmemfs.SetGID, uint32(gid)
	}
	return f.change(op, name, follow, &s)
}

// Chtimes sets the times of last access and change of name, to the nanosecond, following a final link; a zero time
// leaves one as it is.
//
// Errors: path errors; EPERM unless the caller owns the file; change errors.
func (f *FS) Chtimes(name string, atime, mtime time.Time) error {
	var s pmemfs.SetAttr
	if !atime.IsZero() {
		s.Mask, s.Atime = s.Mask|pmemfs.SetAtime, atime.UnixNano()
	}
	if !mtime.IsZero() {
		s.Mask, s.Mtime = s.Mask|pmemfs.SetMtime, mtime.UnixNano()
	}
	return f.change("chtimes", name, true, &s)
}

// change applies s in one atomic, durable step.
func (f *FS) change(op, name string, follow bool, s *pmemfs.SetAttr) error {
	if f.ro {
		return pathError(op, name, pmemfs.ErrReadOnly)
	}
	loc, err := f.find(name, follow)
	if err == nil && s.Mask != 0 {
		_, err = f.eng.Setattr(&f.cred, nil, loc.attr.Handle, s)
	}
	return pathError(op, name, err)
}
