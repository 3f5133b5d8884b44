package nfs3

import (
	"encoding/binary"

	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

const (
	ioBytes    = 1 << 20  // of data in one READ or WRITE, as FSINFO says
	largeBytes = 64 << 10 // of data for which a READ needs memory that it had better not ask for in vain

	// directBytes is from how much data on a READ is sent from the medium: for less, the system call costs more than the copy.
	directBytes = 32 << 10
)

// read : RFC 1813 section 3.3.6.
func (c *call) read() rpc.Result {
	c.fh(0)
	off, count := c.d.Uint64(), c.d.Uint32()
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admit(1)
	if count > largeBytes {
		// It may hold up the calls behind it rather than run beside them, which would take a large buffer more.
		c.call.NoWait = false
	}
	if st == nfswire.OK && count >= directBytes && c.r.TryDirect() {
		var out bool
		if st, out = c.readDirect(off, min(count, ioBytes)); out {
			return rpc.Success
		}
	}
	if st == nfswire.OK {
		st = c.readCopy(off, count)
	}
	switch st {
	case nfswire.OK:
	case wait:
		return rpc.Wait
	default:
		c.put(st)
		c.putPost(0)
	}
	return rpc.Success
}

const readHead = 4 + nfswire.PostOpBytes + 3*4 // status, attributes, count, eof, length

// fillRead writes what comes before the data of a READ to b.
func (c *call) fillRead(b []byte, n int, eof bool) {
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
}

// readDirect sends the data from where it lies on the medium to the socket. out says that the reply has gone, or the connection with
// it: when memory turns out to be bad after the reply has begun there is no way back. The client asks again, and from then on data is
// copied first.
func (c *call) readDirect(off uint64, count uint32) (st nfswire.Status, out bool) {
	if c.s.copies.Load() {
		c.r.EndDirect(c.e)
		return nfswire.OK, false
	}
	begun, err := c.s.eng.ReadTo(&c.cred, c.h[0], int(count), off, &c.direct)
	if begun && err != nil {
		c.s.copies.Store(true) // before the connection ends: the client may ask again at once
	}
	if out = c.r.EndDirect(c.e); out && err != nil {
		c.s.log.Error("bad memory in the middle of a reply: the connection is closed, and the client will ask again", "inode", c.h[0].Ino, "err", err)
	}
	return c.status(err), out
}

func (c *call) sendDirect(parts [][]byte, n int, eof bool) {
	c.fillRead(c.e.Extend(readHead), n, eof)
	c.r.Direct(c.e, parts, n)
}

// readCopy appends a reply with a copy of the data, unless it returns another status than OK.
func (c *call) readCopy(off uint64, count uint32) nfswire.Status {
	n := c.fits(off, count)
	at := c.e.Len()
	c.e.Grow(readHead + n + 3)
	b := c.e.Extend(readHead + n)
	n, eof, err := c.s.eng.Read(&c.cred, c.h[0], b[readHead:], off)
	if st := c.status(err); st != nfswire.OK {
		c.e.Truncate(at)
		return st
	}
	c.fillRead(b, n, eof)
	c.e.Truncate(at + readHead + n)
	c.e.Pad(n)
	return nfswire.OK
}

// fits returns how many bytes to make room for: a large READ of a small file is cut to the file.
func (c *call) fits(off uint64, count uint32) int {
	n := min(count, ioBytes)
	if n <= largeBytes {
		return int(n)
	}
	a, err := c.s.eng.Getattr(c.h[0])
	if err != nil || off >= a.Size {
		return 0
	}
	return int(min(uint64(n), a.Size-off))
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
		n, stable, _, err = c.s.eng.WriteUnstable(&c.cred, c.h[0], data, off)
		return n, stable, err
	}
	n, _, err = c.s.eng.Write(&c.cred, c.h[0], data, off)
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
		st = c.status(c.s.eng.Commit(&c.cred, c.h[0], off, uint64(count)))
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
