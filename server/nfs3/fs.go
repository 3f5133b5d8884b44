package nfs3

import (
	"math"

	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
)

// about is the frame of the procedures that tell of the filesystem: a handle, its attributes.
func (c *call) about() (ok, args bool) {
	c.fh(0)
	if !c.d.Done() {
		return false, false
	}
	st := c.admit(1)
	if st == nfswire.OK {
		st = c.status(c.s.eng.See(&c.call, c.h[0]))
	}
	ok = c.put(st)
	c.putPost(0)
	return ok && !c.again, true
}

// fsstat : RFC 1813 section 3.3.18.
func (c *call) fsstat() bool {
	at := c.e.Len()
	ok, args := c.about()
	if !ok {
		return args
	}
	st, err := c.s.eng.Statfs()
	if err != nil {
		c.e.Truncate(at)
		c.put(c.status(err))
		c.putPost(0)
		return true
	}
	for _, v := range [...]uint64{st.TotalBytes, st.FreeBytes, st.AvailBytes, st.TotalFiles, st.FreeFiles, st.FreeFiles} {
		c.e.Uint64(v)
	}
	c.e.Uint32(0) // invarsec: it changes all the time
	return true
}

// fsinfo : RFC 1813 section 3.3.19.
func (c *call) fsinfo() bool {
	ok, args := c.about()
	if !ok {
		return args
	}
	for range 2 { // rtmax, rtpref, rtmult; wtmax, wtpref, wtmult
		c.e.Uint32(ioBytes)
		c.e.Uint32(ioBytes)
		c.e.Uint32(4096)
	}
	c.e.Uint32(readdirBytes)  // dtpref
	c.e.Uint64(math.MaxInt64) // maxfilesize
	c.e.Uint32(0)             // time_delta: a nanosecond
	c.e.Uint32(1)
	c.e.Uint32(nfswire.FSFLink | nfswire.FSFSymlink | nfswire.FSFHomogeneous | nfswire.FSFCanSetTime)
	return true
}

// pathconf : RFC 1813 section 3.3.20.
func (c *call) pathconf() bool {
	ok, args := c.about()
	if !ok {
		return args
	}
	c.e.Uint32(math.MaxInt32) // linkmax
	c.e.Uint32(pmemfs.NameMax)
	c.e.Bool(true)  // no_trunc
	c.e.Bool(true)  // chown_restricted
	c.e.Bool(false) // case_insensitive
	c.e.Bool(true)  // case_preserving
	return true
}
