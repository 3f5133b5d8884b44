package nfs3

import (
	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// create makes a file in one step, in all three modes (RFC 1813 section 3.3.8).
func (c *call) create() rpc.Result {
	c.fh(0)
	name := c.name()
	var o pmemfs.CreateOptions
	switch c.d.Uint32() {
	case nfswire.CreateUnchecked:
		o.Mode = pmemfs.Unchecked
		nfswire.DecodeSattr(&c.d, &o.Attr)
	case nfswire.CreateGuarded:
		o.Mode = pmemfs.Guarded
		nfswire.DecodeSattr(&c.d, &o.Attr)
	case nfswire.CreateExclusive:
		// The client sends the attributes with a SETATTR afterwards; until then the file is its owner's alone.
		o.Mode, o.Verifier = pmemfs.Exclusive, c.d.Uint64()
		o.Attr = pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o600}
	default:
		return rpc.GarbageArgs
	}
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	return c.made(c.admitName(name), func() (pmemfs.Attr, error) { return c.s.eng.Create(&c.cred, &c.call, c.h[0], name, &o) })
}

// mkdir : RFC 1813 section 3.3.9.
func (c *call) mkdir() rpc.Result {
	c.fh(0)
	name := c.name()
	var set pmemfs.SetAttr
	nfswire.DecodeSattr(&c.d, &set)
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	return c.made(c.admitName(name), func() (pmemfs.Attr, error) { return c.s.eng.Mkdir(&c.cred, &c.call, c.h[0], name, &set) })
}

// symlink : RFC 1813 section 3.3.10.
func (c *call) symlink() rpc.Result {
	c.fh(0)
	name := c.name()
	var set pmemfs.SetAttr
	nfswire.DecodeSattr(&c.d, &set)
	target := c.d.Opaque(len(c.r.Args))
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	return c.made(c.admitName(name), func() (pmemfs.Attr, error) { return c.s.eng.Symlink(&c.cred, &c.call, c.h[0], name, target, &set) })
}

// mknod makes devices, sockets and FIFOs (RFC 1813 section 3.3.11).
func (c *call) mknod() rpc.Result {
	c.fh(0)
	name := c.name()
	var set pmemfs.SetAttr
	var major, minor uint32
	var typ pmemfs.FileType
	switch kind := c.d.Uint32(); kind {
	case nfswire.TypeBlock, nfswire.TypeChar:
		typ = pmemfs.TypeBlock
		if kind == nfswire.TypeChar {
			typ = pmemfs.TypeChar
		}
		nfswire.DecodeSattr(&c.d, &set)
		major, minor = c.d.Uint32(), c.d.Uint32()
	case nfswire.TypeSocket, nfswire.TypeFIFO:
		typ = pmemfs.TypeSocket
		if kind == nfswire.TypeFIFO {
			typ = pmemfs.TypeFIFO
		}
		nfswire.DecodeSattr(&c.d, &set)
	}
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admitName(name)
	if st == nfswire.OK && typ == 0 {
		st = nfswire.ErrBadType
	}
	return c.made(st, func() (pmemfs.Attr, error) {
		return c.s.eng.Mknod(&c.cred, &c.call, c.h[0], name, typ, major, minor, &set)
	})
}

// admitName is admit for a directory and a name in it.
func (c *call) admitName(name []byte) nfswire.Status {
	if st := c.admit(1); st != nfswire.OK {
		return st
	}
	return vetName(name)
}

// made makes an object, if nothing has been said against it and it was not made before, and appends the reply that all
// procedures share that do.
func (c *call) made(st nfswire.Status, create func() (pmemfs.Attr, error)) rpc.Result {
	var a pmemfs.Attr
	if st == nfswire.OK && !c.replayed(&a) {
		var err error
		a, err = create()
		st = c.status(err)
	}
	if st == wait {
		return rpc.Wait
	}
	if c.put(st) {
		c.e.Bool(true)
		c.putHandle(a.Handle)
		after := &a
		if a.Type == 0 {
			after = nil // see replayed
		}
		nfswire.PutPostOp(c.e, c.s.fsid, after)
	}
	c.putWcc(0)
	return rpc.Success
}
