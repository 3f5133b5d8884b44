package ninep

import (
	"bytes"
	"slices"
	"sync"

	"pmemfs/pmemfs"
)

// xattr is an attribute, or the list of their names, that a fid reads; or an attribute that it writes, which is set when the fid is
// given up and all of it has been written.
type xattr struct {
	reserved int64 // bytes, of what all sessions may have

	setting bool
	name    []byte
	flags   pmemfs.XattrFlags
	remove  bool
	size    int // of what is to be written

	mu    sync.Mutex // a leaf
	value []byte
}

const xattrMax = 64 << 10 // of a value, in bytes

// Flags of setxattr(2) on Linux.
const (
	xattrCreateOnly  = 1
	xattrReplaceOnly = 2
)

// listMax bounds the names of the attributes of a file, as listxattr(2) does.
const listMax = 64 << 10

// newXattr returns the state of a fid like f for an attribute of n bytes, or nil when its client has its share of such bytes.
func (s *Server) newXattr(f *fid, n int) *xattr {
	const own = 256 // about what there is beside the value
	reserved := int64(n) + own
	if !s.xattrBytes.Take(f.user.client, reserved) {
		return nil
	}
	return &xattr{reserved: reserved}
}

// mayXattr is the rule for names: what Linux has a name space for, and the server can vouch for. Trusted and security attributes are
// root's; capabilities of files would have to go when somebody writes to the file, and the engine knows nothing of them.
func (c *call) mayXattr(name []byte, change bool) errno {
	switch {
	case bytes.HasPrefix(name, []byte("user.")):
		return ok
	case bytes.HasPrefix(name, []byte("trusted.")):
		if c.cred.UID == 0 {
			return ok
		}
		if change {
			return ePerm
		}
		return eNoData
	case string(name) == "security.capability":
	case bytes.HasPrefix(name, []byte("security.")):
		if change && c.cred.UID != 0 {
			return ePerm
		}
		return ok
	case string(name) == "system.posix_acl_access", string(name) == "system.posix_acl_default":
		return ok
	}
	return eNotSupp
}

// xattrwalk makes a fid of an attribute, or without a name of the list of names, each with a zero behind it, and tells how long that is.
func (c *call) xattrwalk() errno {
	id, newID, name := c.d.u32(), c.d.u32(), c.name()
	if !c.d.done() {
		return eProto
	}
	f, no := c.use(id)
	switch {
	case no != ok:
		return no
	case f.xattr != nil:
		return eBadF
	}
	value, no := c.xattrOf(f, name)
	if no != ok {
		return no
	}
	x := c.s.srv.newXattr(f, len(value))
	if x == nil {
		return eNoMem
	}
	x.value = value
	to := f.clone()
	to.xattr = x
	if no := c.assign(id, newID, f, to); no != ok {
		return no
	}
	put64(c.e, uint64(len(value)))
	return ok
}

// xattrOf reads what a fid of an attribute is about.
func (c *call) xattrOf(f *fid, name []byte) ([]byte, errno) {
	if len(name) > 0 {
		if no := c.mayXattr(name, false); no != ok {
			return nil, no
		}
		value, err := c.img.eng.GetXattr(&c.cred, &c.call, f.h, name)
		return value, c.status(err)
	}
	names, err := c.img.eng.ListXattr(&c.cred, &c.call, f.h)
	if err != nil {
		return nil, c.status(err)
	}
	slices.SortFunc(names, bytes.Compare)
	var list []byte
	for _, n := range names {
		if c.mayXattr(n, false) == ok {
			list = append(append(list, n...), 0)
		}
	}
	if len(list) > listMax {
		return nil, eTooBig
	}
	return list, ok
}

// xattrcreate makes a fid one by which an attribute is written. No bytes for what must be there remove it: so Linux does that.
func (c *call) xattrcreate() errno {
	id, name, size, flags := c.d.u32(), c.name(), c.d.u64(), c.d.u32()
	if !c.d.done() {
		return eProto
	}
	f, no := c.change(id)
	if no == ok {
		no = c.mayXattr(name, true)
	}
	switch {
	case no != ok:
		return no
	case f.open, f.xattr != nil:
		return eBadF
	case len(name) > pmemfs.NameMax:
		return eRange
	case size > xattrMax:
		return eTooBig
	case flags&^(xattrCreateOnly|xattrReplaceOnly) != 0, flags == xattrCreateOnly|xattrReplaceOnly:
		return eInval
	case bytes.HasPrefix(name, []byte("user.")) && f.typ != pmemfs.TypeRegular && f.typ != pmemfs.TypeDir:
		return ePerm // xattr(7)
	}
	x := c.s.srv.newXattr(f, int(size))
	if x == nil {
		return eNoMem
	}
	x.setting, x.name, x.size = true, bytes.Clone(name), int(size)
	switch flags {
	case xattrCreateOnly:
		x.flags = pmemfs.XattrCreate
	case xattrReplaceOnly:
		x.flags, x.remove = pmemfs.XattrReplace, size == 0
	}
	to := f.clone()
	to.xattr = x
	return c.assign(id, id, f, to)
}

func (c *call) readXattr(f *fid, off uint64, n int) errno {
	x := f.xattr
	if x.setting {
		return eBadF
	}
	rest := x.value[min(off, uint64(len(x.value))):]
	rest = rest[:min(n, len(rest))]
	b := c.e.Extend(4 + len(rest))
	le.PutUint32(b, uint32(len(rest)))
	copy(b[4:], rest)
	return ok
}

// writeXattr takes a piece of an attribute, each where the one before ends.
func (c *call) writeXattr(f *fid, off uint64, data []byte) errno {
	x := f.xattr
	if !x.setting {
		return eBadF
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case off != uint64(len(x.value)):
		return eInval
	case len(data) > x.size-len(x.value):
		return eNoSpace
	}
	x.value = append(x.value, data...)
	put32(c.e, uint32(len(data)))
	return ok
}

// setXattr sets the attribute that a fid was to write, unless the fid must not be used any more. Durable on return.
func (c *call) setXattr(f *fid) error {
	if no := c.by(f); no != ok {
		return no
	}
	x := f.xattr
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case c.exp.ReadOnly:
		return eROFS
	case len(x.value) != x.size:
		return eInval
	case x.remove:
		return c.img.eng.RemoveXattr(&c.cred, &c.call, f.h, x.name)
	}
	return c.img.eng.SetXattr(&c.cred, &c.call, f.h, x.name, x.value, x.flags)
}
