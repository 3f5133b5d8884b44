package nfs3

import (
	"encoding/binary"

	"pmemfs/server/filedata"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

const ioBytes = 1 << 20 // of data in one READ or WRITE, as FSINFO says

// read : RFC 1813 section 3.3.6.
func (c *call) read() rpc.Result {
	c.fh(0)
	off, count := c.d.Uint64(), c.d.Uint32()
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admit(1)
	if st == nfswire.OK {
		q := filedata.Read{Request: c.r, Encoder: c.e, Cred: &c.cred, Call: &c.call, File: c.h[0], Offset: off, Bytes: int(min(count, ioBytes))}
		head, n, eof, err := c.reader.Read(&q)
		if err == nil {
			if head != nil {
				c.fillRead(head, n, eof)
				c.e.Pad(n)
			}
			return rpc.Success
		}
		st = c.status(err)
	}
	if st == wait {
		return rpc.Wait
	}
	c.put(st)
	c.putPost(0)
	return rpc.Success
}

const readHead = 4 + nfswire.PostOpBytes + 3*4 // status, attributes, count, eof, length

// fillRead writes what comes before the data of a READ to b.
func (c *call) fillRead(b []byte, n int, eof bool) {
	be := binary.BigEndian
	be.PutUint32(b, uint32(nfswire.OK))
	nfswire.FillPostOp(b[4:], c.s.fsid, &c.call.WCC[0].Post)
	rest := b[4+nfswire.PostOpBytes:]
	be.PutUint32(rest, uint32(n))
	be.PutUint32(rest[4:], 0)
	if eof {
		be.PutUint32(rest[4:], 1)
	}
	be.PutUint32(rest[8:], uint32(n))
}

// write : RFC 1813 section 3.3.7. The answer says how durable the data is, which may be more than was asked for.
func (c *call) write() rpc.Result {
	c.fh(0)
	off, count, how := c.d.Uint64(), c.d.Uint32(), c.d.Uint32()
	data := c.d.Opaque(len(c.r.Args))
	if !c.d.Done() || how > nfswire.FileSync {
		return rpc.GarbageArgs
	}
	st := c.admit(1)
	if st == nfswire.OK && uint64(count) != uint64(len(data)) {
		st = nfswire.ErrInval
	}
	n, stable := 0, true
	// The verifier from before: if data is lost from now on, this answer has another one than COMMIT's, and the client
	// writes again.
	verifier := c.s.eng.Verifier()
	if st == nfswire.OK {
		var err error
		if n, stable, err = c.store(data, off, how); err != nil && n == 0 {
			st = c.status(err) // what was written before an error is answered; the client learns of it with the rest
		}
	}
	if st == wait {
		return rpc.Wait
	}
	ok := c.put(st)
	c.putWcc(0)
	if !ok {
		return rpc.Success
	}
	c.e.Uint32(uint32(n))
	if stable {
		c.e.Uint32(nfswire.FileSync)
	} else {
		c.e.Uint32(nfswire.Unstable)
	}
	c.e.Uint64(verifier)
	return rpc.Success
}

// store writes as durably as was asked for, or more so.
func (c *call) store(data []byte, off uint64, how uint32) (n int, stable bool, err error) {
	if how == nfswire.Unstable {
		n, stable, _, err = c.s.eng.WriteUnstable(&c.cred, &c.call, c.h[0], data, off)
		return n, stable, err
	}
	n, _, err = c.s.eng.Write(&c.cred, &c.call, c.h[0], data, off)
	return n, true, err
}

// commit : RFC 1813 section 3.3.21.
func (c *call) commit() rpc.Result {
	c.fh(0)
	off, count := c.d.Uint64(), c.d.Uint32()
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admit(1)
	if st == nfswire.OK {
		st = c.status(c.s.eng.Commit(&c.call, c.h[0], off, uint64(count)))
	}
	if st == wait {
		return rpc.Wait
	}
	ok := c.put(st)
	c.putWcc(0)
	if ok {
		c.e.Uint64(c.s.eng.Verifier())
	}
	return rpc.Success
}
