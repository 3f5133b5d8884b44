package nfs3

import (
	"encoding/binary"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

const (
	readdirBytes   = 64 << 10 // of one reply, whatever more a client asks for
	entryBytes     = 4 + 8 + 8
	plusBytes      = nfswire.PostOpBytes + 4 + 4 + handleBytes
	listEndBytes   = 4 + 4 // the end of the list, and eof
	listBeginBytes = nfswire.PostOpBytes + 8
)

// readdir is READDIR and READDIRPLUS (RFC 1813 sections 3.3.16 and 3.3.17). Cookies are keys of the directory, which keep their meaning
// as long as the name exists, across changes and restarts; so no state is kept, and the verifier never changes.
//
// dircount of READDIRPLUS bounds the names alone and is only a hint, which clients have set far too low for years; maxcount is
// what counts.
func (c *call) readdir() rpc.Result {
	plus := c.r.Proc == nfswire.ProcReaddirPlus
	c.fh(0)
	cookie, verf, count := c.d.Uint64(), c.d.Uint64(), c.d.Uint32()
	if plus {
		count = c.d.Uint32()
	}
	if !c.d.Done() {
		return rpc.GarbageArgs
	}
	st := c.admit(1)
	if st == nfswire.OK && cookie != 0 && verf != 0 {
		st = nfswire.ErrBadCookie // not a verifier of this server
	}
	if st == nfswire.OK {
		at := c.e.Len()
		c.e.Grow(4 + readdirBytes)
		if st = c.list(cookie, int(min(count, readdirBytes)), plus); st == nfswire.OK {
			return rpc.Success
		}
		c.e.Truncate(at)
	}
	if st == wait {
		return rpc.Wait
	}
	c.put(st)
	c.putPost(0)
	return rpc.Success
}

// list appends the status and as many entries as fit in budget bytes after it.
func (c *call) list(cookie uint64, budget int, plus bool) nfswire.Status {
	if budget < listBeginBytes+listEndBytes {
		return nfswire.ErrTooSmall
	}
	c.put(nfswire.OK)
	start := c.e.Len()
	c.e.Extend(nfswire.PostOpBytes) // filled in when the directory has been read
	c.e.Uint64(0)                   // the verifier
	l := lister{c: c, plus: plus, end: start + budget - listEndBytes}
	eof, err := l.run(cookie)
	if st := c.status(err); st != nfswire.OK {
		return st
	}
	if c.e.Len() == start+listBeginBytes && !eof {
		return nfswire.ErrTooSmall
	}
	dir := c.post(0)
	if dir == nil {
		return nfswire.ErrStale // removed meanwhile
	}
	nfswire.FillPostOp(c.e.Bytes()[start:], c.s.fsid, dir)
	c.e.Bool(false)
	c.e.Bool(eof)
	return nfswire.OK
}

// lister appends entries.
type lister struct {
	c    *call
	plus bool
	end  int // of the reply's length
	cut  export.Cut
}

func (l *lister) run(cookie uint64) (eof bool, err error) {
	eof = true
	err = l.c.s.eng.Readdir(&l.c.cred, &l.c.call, l.c.h[0], l.c.exp.Key(cookie), l.plus, func(d *pmemfs.DirEntry) bool {
		if !l.entry(d) {
			eof = false
			return false
		}
		return true
	})
	return eof, err
}

// entry appends entry3 or entryplus3; false if it does not fit.
func (l *lister) entry(d *pmemfs.DirEntry) bool {
	c := l.c
	size := entryBytes + rpc.OpaqueLen(len(d.Name))
	if l.plus {
		size += plusBytes
	}
	d.Cookie = c.exp.Offset(d.Cookie)
	end := l.cut.Before(d.Cookie, c.e.Len())
	if c.e.Len()+size > l.end {
		c.e.Truncate(end)
		return false
	}
	c.e.Uint32(1)
	c.e.Uint64(d.FileID())
	c.e.Opaque(d.Name)
	c.e.Uint64(d.Cookie)
	if !l.plus {
		return true
	}
	if !d.HasAttr {
		c.e.Uint64(0) // neither attributes nor a handle
		return true
	}
	b := c.e.Extend(plusBytes)
	nfswire.FillPostOp(b, c.s.fsid, &d.Attr)
	binary.BigEndian.PutUint32(b[nfswire.PostOpBytes:], 1)
	binary.BigEndian.PutUint32(b[nfswire.PostOpBytes+4:], handleBytes)
	c.s.handles.Append(b[nfswire.PostOpBytes+8:][:0], c.exp.ID(), d.Attr.Handle)
	return true
}
