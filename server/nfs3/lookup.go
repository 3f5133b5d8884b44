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
		a, err = c.find(name)
		st = c.status(err)
	}
	if c.put(st) && !c.again {
		c.putHandle(a.Handle)
		nfswire.PutPostOp(c.e, c.s.fsid, &a)
	}
	c.putPost(0)
	return true
}

// find looks a name up. The parent of an export's root is the root, as at the root of a filesystem; and a directory that has
// been moved out of the export's subtree has no parent to be seen.
func (c *call) find(name []byte) (pmemfs.Attr, error) {
	if string(name) != ".." {
		return c.s.eng.Lookup(&c.cred, c.h[0], name)
	}
	if c.isRoot(c.h[0]) {
		name = dot
	}
	a, err := c.s.eng.Lookup(&c.cred, c.h[0], name)
	if err == nil && !c.within(a.Handle) {
		return a, nfswire.ErrNoEnt
	}
	return a, err
}

var (
	dot    = []byte(".")
	dotDot = []byte("..")
)

// depthMax bounds how far within looks up. A chain of directories may be longer; below that it is taken to lead nowhere.
const depthMax = 1 << 16

// within reports whether a directory is below the root of the call's export, or that root itself.
func (c *call) within(h pmemfs.Handle) bool {
	if c.exp.Subtree == "/" {
		return true
	}
	var superuser pmemfs.Cred
	for range depthMax {
		if c.isRoot(h) {
			return true
		}
		a, err := c.s.eng.Lookup(&superuser, h, dotDot)
		if err != nil || a.Handle == h { // the root of the filesystem is its own parent
			return false
		}
		h = a.Handle
	}
	return false
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
