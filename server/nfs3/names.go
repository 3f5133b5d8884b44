package nfs3

import (
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// remove is REMOVE and RMDIR (RFC 1813 sections 3.3.12 and 3.3.13).
func (c *call) remove() rpc.Result {
	c.fh(0)
	name := c.name()
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admitName(name)
	switch {
	case st != nfswire.OK || c.replayed(nil):
	case c.r.Proc == nfswire.ProcRemove:
		st = c.status(c.s.eng.Unlink(&c.cred, &c.call, c.h[0], name))
	case string(name) == "..":
		st = nfswire.ErrExist
	default:
		st = c.status(c.s.eng.Rmdir(&c.cred, &c.call, c.h[0], name))
	}
	if st == wait {
		return rpc.Wait
	}
	c.put(st)
	c.putWcc(0)
	return rpc.Success
}

// rename : RFC 1813 section 3.3.14.
func (c *call) rename() rpc.Result {
	c.fh(0)
	from := c.name()
	c.fh(1)
	to := c.name()
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admit(2)
	if st == nfswire.OK {
		st = vetName(from)
	}
	if st == nfswire.OK {
		st = vetName(to)
	}
	if st == nfswire.OK && !c.replayed(nil) {
		st = c.status(c.s.eng.Rename(&c.cred, &c.call, c.h[0], from, c.h[1], to, 0))
	}
	if st == wait {
		return rpc.Wait
	}
	c.put(st)
	c.putWcc(0)
	c.putWcc(1)
	return rpc.Success
}

// link : RFC 1813 section 3.3.15.
func (c *call) link() rpc.Result {
	c.fh(0)
	c.fh(1)
	name := c.name()
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admit(2)
	if st == nfswire.OK {
		st = vetName(name)
	}
	if st == nfswire.OK && !c.replayed(nil) {
		_, err := c.s.eng.Link(&c.cred, &c.call, c.h[0], c.h[1], name)
		st = c.status(err)
	}
	if st == wait {
		return rpc.Wait
	}
	c.put(st)
	c.putPost(0)
	c.putWcc(1)
	return rpc.Success
}
