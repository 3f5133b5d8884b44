package ninep

import (
	"pmemfs/pmemfs"
	"pmemfs/server/export"
)

const (
	entryBytes   = qidBytes + 8 + 1 + 2 // and the name
	readdirBytes = 64 << 10             // of one answer, whatever more a client asks for
)

// readdir lists a directory from an offset on. Offsets are of keys of the directory, which keep their meaning as long as the name exists,
// across changes and restarts; so no state is kept. An answer without entries is the end.
func (c *call) readdir() errno {
	id, off, count := c.d.u32(), c.d.u64(), c.d.u32()
	if !c.d.done() {
		return eProto
	}
	f, no := c.use(id)
	switch {
	case no != ok:
		return no
	case !f.read:
		return eBadF
	case f.typ != pmemfs.TypeDir:
		return eNotDir
	}
	c.call.Open = true
	c.within(f)
	room := int(min(count, c.s.msize.Load()-readHead, readdirBytes))
	c.e.Grow(4 + room)
	at := c.e.Len()
	c.e.Extend(4) // how many bytes follow: filled in when they are there
	full := false
	var cut export.Cut
	err := c.img.eng.Readdir(&c.cred, &c.call, f.h, c.exp.Key(off), false, func(d *pmemfs.DirEntry) bool {
		d.Cookie = c.exp.Offset(d.Cookie)
		end := cut.Before(d.Cookie, c.e.Len())
		if c.e.Len()-at-4+entryBytes+len(d.Name) > room {
			full = true
			c.e.Truncate(end)
			return false
		}
		c.putEntry(d)
		return true
	})
	n := c.e.Len() - at - 4
	switch {
	case err != nil:
		return c.inDir(err)
	case full && n == 0:
		return eInval // it would look like the end
	case n == 0 && c.removed(f):
		return eNoEnt
	}
	le.PutUint32(c.e.Bytes()[at:], uint32(n))
	return ok
}

// removed reports whether the directory of a fid has no name any more.
func (c *call) removed(f *fid) bool {
	a, err := c.img.eng.Getattr(nil, f.h)
	return err == nil && a.Nlink == 0
}

// putEntry appends an entry.
func (c *call) putEntry(d *pmemfs.DirEntry) {
	b := c.e.Extend(entryBytes + len(d.Name))
	b[0] = qidType(d.Type)
	le.PutUint32(b[1:], 0) // no version: that would take a look at each file, and clients use the path alone
	le.PutUint64(b[5:], d.FileID())
	le.PutUint64(b[qidBytes:], d.Cookie)
	b[qidBytes+8] = byte(d.Type)
	le.PutUint16(b[qidBytes+9:], uint16(len(d.Name)))
	copy(b[entryBytes:], d.Name)
}
