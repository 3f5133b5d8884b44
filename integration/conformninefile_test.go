package integration

import (
	"golang.org/x/sys/unix"

	"pmemfs/integration/conformance"
	"pmemfs/server/ninetest"
)

// nineFile is a fid.
type nineFile struct {
	f   nineFS
	fid uint32
}

// Getattr implements conformance.File.
func (o nineFile) Getattr() (conformance.Attr, error) {
	a, err := o.f.c.Getattr(o.fid)
	return conformance.Attr{
		Type: conformance.Type(a.Mode >> 12), Mode: a.Mode & 0o7777, Nlink: uint32(a.Nlink), UID: a.UID, GID: a.GID, Size: a.Size, Used: a.Blocks * 512,
		Major: unix.Major(a.Rdev), Minor: unix.Minor(a.Rdev), Atime: a.Atime, Mtime: a.Mtime, Ctime: a.Ctime, Ino: a.Qid.Path, FSID: 1,
	}, err
}

// Setattr implements conformance.File, in one request.
func (o nineFile) Setattr(s conformance.Set) error {
	var valid, mode, uid, gid uint32
	var size uint64
	for i, field := range []struct{ from, to *uint32 }{{s.Mode, &mode}, {s.UID, &uid}, {s.GID, &gid}} {
		if field.from != nil {
			*field.to = *field.from
			valid |= 1 << i
		}
	}
	if s.Size != nil {
		size = *s.Size
		valid |= 1 << 3
	}
	var times [4]uint64 // seconds and nanoseconds of each
	for i, t := range []struct {
		at  *int64
		now bool
	}{{s.Atime, s.AtimeNow}, {s.Mtime, s.MtimeNow}} {
		if t.now {
			valid |= 1 << (4 + i)
		} else if t.at != nil {
			ts := unix.NsecToTimespec(*t.at)
			times[2*i], times[2*i+1] = uint64(ts.Sec), uint64(ts.Nsec)
			valid |= 1<<(4+i) | 1<<(7+i)
		}
	}
	return o.f.c.Do(ninetest.Setattr, o.fid, valid, mode, uid, gid, size, times[0], times[1], times[2], times[3])
}

// Read implements conformance.File.
func (o nineFile) Read(off uint64, n int) (data []byte, err error) {
	for len(data) < n {
		piece, err := o.f.c.Read(o.fid, off+uint64(len(data)), uint32(min(n-len(data), 1<<19)))
		if err != nil {
			return nil, err
		}
		if len(piece) == 0 {
			break
		}
		data = append(data, piece...)
	}
	if n == 0 {
		_, err = o.f.c.Read(o.fid, off, 0)
	}
	return data, err
}

// Write implements conformance.File.
func (o nineFile) Write(off uint64, data []byte) error {
	for first := true; first || len(data) > 0; first = false {
		n, err := o.f.c.Write(o.fid, off, data[:min(len(data), 1<<19)])
		if err != nil {
			return err
		}
		off, data = off+uint64(n), data[n:]
	}
	return nil
}

// Close implements conformance.File.
func (o nineFile) Close() error { return o.f.clunk(o.fid, nil) }

// ACL implements conformance.Lister.
func (f nineFS) ACL(path string, def bool) (list []conformance.Rule, err error) {
	err = f.on(path, func(fid uint32) error {
		value := f.fid()
		a, err := f.c.Call(ninetest.Xattrwalk, fid, value, conformance.ACLAttribute(def))
		if err == unix.ENODATA {
			return nil
		}
		if err != nil {
			return err
		}
		b, err := f.c.Read(value, 0, uint32(a.Uint64()))
		if err := f.clunk(value, err); err != nil {
			return err
		}
		list = conformance.DecodeACL(b)
		return nil
	})
	return conformance.WithoutMode(list), err
}

// SetACL implements conformance.Lister. An attribute of no bytes is one that is removed.
func (f nineFS) SetACL(path string, def bool, list []conformance.Rule) error {
	var b []byte
	if list != nil {
		b = conformance.EncodeACL(list)
	}
	fid, err := f.walk(conformance.PathNames(path))
	if err != nil {
		return err
	}
	err = f.c.Do(ninetest.Xattrcreate, fid, conformance.ACLAttribute(def), uint64(len(b)), uint32(0))
	if err == nil && len(b) > 0 {
		_, err = f.c.Write(fid, 0, b)
	}
	return f.clunk(fid, err)
}
