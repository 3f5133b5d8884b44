package ninep

import (
	"pmemfs/pmemfs"
	"pmemfs/server/filedata"
)

// readData is Tread, of a file or an attribute.
func (c *call) readData() errno {
	id, off, count := c.d.u32(), c.d.u64(), c.d.u32()
	if !c.d.done() {
		return eProto
	}
	f, no := c.use(id)
	if no != ok {
		return no
	}
	n := int(min(count, c.s.msize.Load()-readHead))
	switch {
	case f.xattr != nil:
		return c.readXattr(f, off, n)
	case f.open && f.typ == pmemfs.TypeDir:
		return eIsDir
	case !f.read:
		return eBadF
	}
	c.call.Open = true
	q := filedata.Read{Request: c.r, Encoder: c.e, Cred: &c.cred, Call: &c.call, File: f.h, Offset: off, Bytes: n}
	c.reader.Engine = c.img.eng
	head, n, eof, err := c.reader.Read(&q)
	if head != nil {
		fillCount(head, n, eof)
	}
	return c.status(err)
}

const countBytes = 4 // of data, in front of it

func fillCount(b []byte, n int, _ bool) { le.PutUint32(b, uint32(n)) }

// writeData is Twrite, of a file or an attribute. The data of a file is durable when it is answered. It goes to the end of a file that was opened
// for appending, whatever the offset, which is where the client believes the end to be.
func (c *call) writeData() errno {
	id, off, count := c.d.u32(), c.d.u64(), c.d.u32()
	data := c.d.b
	if c.d.failed || uint64(count) != uint64(len(data)) {
		return eProto
	}
	f, no := c.use(id)
	switch {
	case no != ok:
		return no
	case f.xattr != nil:
		return c.writeXattr(f, off, data)
	case c.exp.ReadOnly:
		return eROFS
	case !f.write:
		return eBadF
	}
	c.call.Open = true
	var n int
	var err error
	if f.append && !(f.read && c.s.writesBack()) {
		n, _, err = c.img.eng.Append(&c.cred, &c.call, f.h, data)
	} else {
		n, _, err = c.img.eng.Write(&c.cred, &c.call, f.h, data, off)
	}
	if err != nil && n == 0 {
		return c.status(err)
	}
	put32(c.e, uint32(n)) // of what is behind, the client learns the error with the rest
	return ok
}

// fsync answers when all of a file is durable, as it is in any case but for what another protocol has buffered. A client of
// old does not say whether it wants the attributes too: they always are.
func (c *call) fsync() errno {
	id := c.d.u32()
	if !c.d.failed && len(c.d.b) > 0 {
		c.d.u32()
	}
	if !c.d.done() {
		return eProto
	}
	f, no := c.use(id)
	if no != ok {
		return no
	}
	return c.status(c.img.eng.Sync(f.h))
}
