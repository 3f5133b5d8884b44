package nfs3

import (
	"encoding/binary"

	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
)

const (
	ioBytes    = 1 << 20  // of data in one READ or WRITE, as FSINFO says
	largeBytes = 64 << 10 // of data for which a READ needs memory that it had better not ask for in vain
)

// read fills the reply straight from the medium (RFC 1813 section 3.3.6).
func (c *call) read() bool {
	c.fh(0)
	off, count := c.d.Uint64(), c.d.Uint32()
	if !c.d.Done() {
		return false
	}
	if st := c.admit(1); st != nfswire.OK {
		c.put(st)
		c.putPost(0)
		return true
	}
	n := c.fits(off, count)
	const head = 4 + nfswire.PostOpBytes + 3*4 // status, attributes, count, eof, length
	at := c.e.Len()
	c.e.Grow(head + n + 3)
	b := c.e.Extend(head + n)
	n, eof, err := c.s.eng.Read(&c.cred, c.h[0], b[head:], off)
	if st := c.status(err); st != nfswire.OK || c.again {
		c.e.Truncate(at)
		c.put(st)
		c.putPost(0)
		return true
	}
	be := binary.BigEndian
	be.PutUint32(b, uint32(nfswire.OK))
	nfswire.FillPostOp(b[4:], c.s.fsid, &c.call.Saw[0].After)
	rest := b[4+nfswire.PostOpBytes:]
	be.PutUint32(rest, uint32(n))
	be.PutUint32(rest[4:], 0)
	if eof {
		be.PutUint32(rest[4:], 1)
	}
	be.PutUint32(rest[8:], uint32(n))
	c.e.Truncate(at + head + n)
	c.e.Pad(n)
	return true
}

// fits returns how many bytes to make room for. A large READ of a small file is cut to the file. A large READ may hold up the calls behind
// it rather than run beside them, which would take a large buffer more.
func (c *call) fits(off uint64, count uint32) int {
	n := min(count, ioBytes)
	if n <= largeBytes {
		return int(n)
	}
	c.call.NoWait = false
	a, err := c.s.eng.Getattr(c.h[0])
	if err != nil || off >= a.Size {
		return 0
	}
	return int(min(uint64(n), a.Size-off))
}

// write : RFC 1813 section 3.3.7. The answer says how durable the data is, which may be more than was asked for.
func (c *call) write() bool {
	c.fh(0)
	off, count, how := c.d.Uint64(), c.d.Uint32(), c.d.Uint32()
	data := c.d.Opaque(len(c.r.Args))
	if !c.d.Done() || how > nfswire.FileSync {
		return false
	}
	st := c.admit(1)
	if st == nfswire.OK && uint64(count) != uint64(len(data)) {
		st = nfswire.ErrInval
	}
	n, stable := 0, true
	if st == nfswire.OK {
		var err error
		if n, stable, err = c.store(data, off, how); err != nil && n == 0 {
			st = c.status(err) // what was written before an error is answered; the client learns of it with the rest
		}
	}
	ok := c.put(st)
	c.putWcc(0)
	if !ok {
		return true
	}
	c.e.Uint32(uint32(n))
	if stable {
		c.e.Uint32(nfswire.FileSync)
	} else {
		c.e.Uint32(nfswire.Unstable)
	}
	c.e.Uint64(c.s.eng.Verifier())
	return true
}

func (c *call) store(data []byte, off uint64, how uint32) (n int, stable bool, err error) {
	n, _, err = c.s.eng.Write(&c.cred, c.h[0], data, off)
	return n, true, err
}

// commit : RFC 1813 section 3.3.21.
func (c *call) commit() bool {
	c.fh(0)
	off, count := c.d.Uint64(), c.d.Uint32()
	if !c.d.Done() {
		return false
	}
	st := c.admit(1)
	if st == nfswire.OK {
		st = c.status(c.settle(off, count))
	}
	ok := c.put(st)
	c.putWcc(0)
	if ok {
		c.e.Uint64(c.s.eng.Verifier())
	}
	return true
}

func (c *call) settle(uint64, uint32) error { return c.s.eng.Sync(c.h[0]) }

var _ = pmemfs.ErrIO
