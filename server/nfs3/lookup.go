package nfs3

import (
	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// lookup : RFC 1813 section 3.3.3.
func (c *call) lookup() rpc.Result {
	c.fh(0)
	name := c.name()
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admit(1)
	if st == nfswire.OK {
		st = vetName(name)
	}
	var a pmemfs.Attr
	if st == nfswire.OK {
		var err error
		a, err = c.s.eng.Lookup(&c.cred, &c.call, c.h[0], name)
		st = c.status(err)
	}
	if st == wait {
		return rpc.Wait
	}
	if c.put(st) {
		c.putHandle(a.Handle)
		nfswire.PutPostOp(c.e, c.s.fsid, &a)
	}
	c.putPost(0)
	return rpc.Success
}

// readlink : RFC 1813 section 3.3.5.
func (c *call) readlink() rpc.Result {
	c.fh(0)
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admit(1)
	var target []byte
	if st == nfswire.OK {
		var err error
		target, err = c.s.eng.Readlink(&c.call, c.h[0])
		st = c.status(err)
	}
	if st == wait {
		return rpc.Wait
	}
	c.put(st)
	c.putPost(0)
	if st == nfswire.OK {
		c.e.Opaque(target)
	}
	return rpc.Success
}
