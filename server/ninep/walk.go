package ninep

import (
	"errors"

	"pmemfs/pmemfs"
)

// walk leads from one file to another, and gives that a fid (walk(5)). When the first name is not there it fails; when a later one is not,
// the answer tells how far it came, and there is no new fid.
func (c *call) walk() errno {
	id, newID, n := c.d.u32(), c.d.u32(), int(c.d.u16())
	if n > walkMax {
		return eInval
	}
	var names [walkMax][]byte
	for i := range n {
		names[i] = c.name()
	}
	if !c.d.done() {
		return eProto
	}
	f, no := c.use(id)
	switch {
	case no != ok:
		return no
	case f.xattr != nil, newID != id && (newID == noFid || c.s.table.has(newID)):
		return eBadF
	case newID == id && f.open:
		return eBusy
	}
	count := c.e.Extend(2)
	le.PutUint16(count, uint16(n))
	at, dir, typ := f.h, f.h, f.typ
	for i := range n {
		a, err := c.find(f, at, names[i])
		if err != nil {
			no := c.inDir(err)
			if no == wait || i == 0 {
				return no
			}
			le.PutUint16(c.e.Bytes()[lengthBytes+headBytes:], uint16(i))
			return ok
		}
		dir, at, typ = at, a.Handle, a.Type
		putQid(c.e, &a)
	}
	var to *fid
	if n == 0 {
		to = f.clone()
	} else {
		to = newFid(f, at, typ)
		if last := names[n-1]; string(last) != "." && string(last) != ".." {
			to.called(dir, last)
		}
	}
	return c.assign(id, newID, f, to)
}

// assign gives the fid to a number: a new one, or that of f.
func (c *call) assign(id, newID uint32, f, to *fid) errno {
	var no errno
	if newID == id {
		no = c.s.replace(id, f, to)
	} else {
		no = c.s.add(newID, to)
	}
	if no != ok {
		return errnoOf(errors.Join(no, c.s.srv.unuse(to)))
	}
	return ok
}

// find looks a name up. At the directory that was attached to, and where the export ends, ".." is the directory itself.
func (c *call) find(f *fid, dir pmemfs.Handle, name []byte) (pmemfs.Attr, error) {
	c.within(f)
	return c.img.eng.Lookup(&c.cred, &c.call, dir, name)
}

// within bounds ".." for a call on a fid.
func (c *call) within(f *fid) {
	if f.root != c.img.eng.Root() {
		c.call.Within[1] = f.root
	}
}

// clunk gives a fid up, whatever has become of its export. An attribute that was written is set now.
func (c *call) clunk() errno {
	id := c.d.u32()
	if !c.d.done() {
		return eProto
	}
	f := c.fid(id)
	if f == nil {
		return eBadF
	}
	var err error
	if f.xattr != nil && f.xattr.setting {
		err = c.setXattr(f)
	}
	return errnoOf(errors.Join(err, c.s.remove(id, f)))
}

// remove removes the file by the name by which its fid was found, if it still has that, and in any case gives the fid up (remove(5)).
func (c *call) remove() errno {
	id := c.d.u32()
	if !c.d.done() {
		return eProto
	}
	f, no := c.change(id)
	if f == nil {
		return no
	}
	if no == ok {
		no = c.removeFile(f)
	}
	if no == wait {
		return no
	}
	if err := c.s.remove(id, f); no == ok {
		no = errnoOf(err)
	}
	return no
}

func (c *call) removeFile(f *fid) errno {
	dir, name, no := c.nameOf(f)
	if no != ok {
		return no
	}
	if f.typ == pmemfs.TypeDir {
		return c.status(c.img.eng.Rmdir(&c.cred, &c.call, dir, name))
	}
	return c.status(c.img.eng.Unlink(&c.cred, &c.call, dir, name))
}

// nameOf returns the name by which a fid was found, and makes the call one that is about no other file: that may have got the name since.
func (c *call) nameOf(f *fid) (dir pmemfs.Handle, name []byte, no errno) {
	dir, name, named := f.foundAs()
	if !named {
		return dir, nil, eBusy // where the client has attached, or got by ".."
	}
	c.call.Expected = f.h
	return dir, name, ok
}
