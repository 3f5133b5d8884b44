package nfs3

import (
	"pmemfs/pmemfs"
	"pmemfs/server/handle"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

const handleBytes = handle.Bytes

// null does nothing (RFC 1813 section 3.3.0).
func (c *call) null() rpc.Result {
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	return rpc.Success
}

// getattr : RFC 1813 section 3.3.1.
func (c *call) getattr() rpc.Result {
	c.fh(0)
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admit(1)
	if st == nfswire.OK {
		_, err := c.s.eng.Getattr(&c.call, c.h[0])
		st = c.status(err)
	}
	if st == wait {
		return rpc.Wait
	}
	if c.put(st) {
		nfswire.PutFattr(c.e, c.s.fsid, &c.call.WCC[0].Post) // which spares a copy
	}
	return rpc.Success
}

// setattr changes all attributes at once, if the guard allows (RFC 1813 section 3.3.2).
func (c *call) setattr() rpc.Result {
	c.fh(0)
	var set pmemfs.SetAttr
	nfswire.DecodeSattr(&c.d, &set)
	if c.d.Bool() {
		set.Mask |= pmemfs.SetGuard
		set.GuardCtime = nfswire.DecodeTime(&c.d)
	}
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admit(1)
	if st == nfswire.OK && !c.replayed(nil) {
		_, err := c.s.eng.Setattr(&c.cred, &c.call, c.h[0], &set)
		st = c.status(err)
	}
	if st == wait {
		return rpc.Wait
	}
	c.put(st)
	c.putWcc(0)
	return rpc.Success
}

// access : RFC 1813 section 3.3.4. The truth is what the operation itself would say: to change a directory one has to be
// able to search it as well.
func (c *call) access() rpc.Result {
	c.fh(0)
	want := c.d.Uint32()
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admit(1)
	var got uint32
	if st == nfswire.OK {
		var err error
		got, err = c.s.eng.Access(&c.cred, &c.call, c.h[0], pmemfs.AccessRead|pmemfs.AccessWrite|pmemfs.AccessExec|pmemfs.AccessChange)
		st = c.status(err)
	}
	if st == wait {
		return rpc.Wait
	}
	c.put(st)
	a := c.post(0)
	nfswire.PutPostOp(c.e, c.s.fsid, a)
	if st == nfswire.OK {
		c.e.Uint32(c.granted(a, got) & want)
	}
	return rpc.Success
}

// granted are the bits of ACCESS that the engine's permission bits amount to.
func (c *call) granted(a *pmemfs.Attr, got uint32) (bits uint32) {
	dir := a.Type == pmemfs.TypeDir
	if got&pmemfs.AccessRead != 0 {
		bits |= nfswire.AccessRead
	}
	if got&pmemfs.AccessExec != 0 {
		if dir {
			bits |= nfswire.AccessLookup
		} else {
			bits |= nfswire.AccessExecute
		}
	}
	switch {
	case c.exp.ReadOnly:
	case !dir && got&pmemfs.AccessWrite != 0:
		bits |= nfswire.AccessModify | nfswire.AccessExtend
	case dir && got&pmemfs.AccessChange != 0:
		bits |= nfswire.AccessModify | nfswire.AccessExtend | nfswire.AccessDelete
	}
	return bits
}
