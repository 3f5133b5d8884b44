package nfs3

import (
	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
)

// lookup : RFC 1813 section 3.3.3.
func (c *call) lookup() bool {
	c.fh(0)
	name := c.name()
	if !c.d.Done() {
		return false
	}
	st := c.admit(1)
	if st == nfswire.OK {
		st = vetName(name)
	}
	var a pmemfs.Attr
	if st == nfswire.OK {
		var err error
		c.call.Within[0] = c.exp.Within()
		a, err = c.s.eng.Lookup(&c.cred, c.h[0], name)
		st = c.status(err)
	}
	if c.put(st) && !c.again {
		c.putHandle(a.Handle)
		nfswire.PutPostOp(c.e, c.s.fsid, &a)
	}
	c.putPost(0)
	return true
}

// readlink : RFC 1813 section 3.3.5.
func (c *call) readlink() bool {
	c.fh(0)
	if !c.d.Done() {
		return false
	}
	st := c.admit(1)
	var target []byte
	if st == nfswire.OK {
		var err error
		target, err = c.s.eng.Readlink(&c.cred, c.h[0])
		st = c.status(err)
	}
	c.put(st)
	c.putPost(0)
	if st == nfswire.OK {
		c.e.Opaque(target)
	}
	return true
}
