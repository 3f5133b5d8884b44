package nfs3

import (
	"math"

	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// about is the frame of the procedures that tell of the filesystem: a handle, its attributes. Unless it returns OK, the call has its result.
func (c *call) about() (nfswire.Status, rpc.Result) {
	c.fh(0)
	if !c.d.Done() {
		return nfswire.ErrInval, rpc.GarbageArgs
	}
	st := c.admit(1)
	if st == nfswire.OK {
		_, err := c.s.eng.Getattr(&c.call, c.h[0])
		st = c.status(err)
	}
	if st == wait {
		return st, rpc.Wait
	}
	c.put(st)
	c.putPost(0)
	return st, rpc.Success
}

// fsstat : RFC 1813 section 3.3.18.
func (c *call) fsstat() rpc.Result {
	at := c.e.Len()
	status, result := c.about()
	if status != nfswire.OK {
		return result
	}
	st, err := c.s.eng.StatfsAt(c.h[0])
	if err != nil {
		c.e.Truncate(at)
		c.put(c.status(err))
		c.putPost(0)
		return rpc.Success
	}
	for _, v := range [...]uint64{st.TotalBytes, st.FreeBytes, st.AvailBytes, st.TotalFiles, st.FreeFiles, st.FreeFiles} {
		c.e.Uint64(v)
	}
	c.e.Uint32(0) // invarsec: it changes all the time
	return rpc.Success
}

// fsinfo : RFC 1813 section 3.3.19.
func (c *call) fsinfo() rpc.Result {
	st, result := c.about()
	if st != nfswire.OK {
		return result
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
	return rpc.Success
}

// pathconf : RFC 1813 section 3.3.20.
func (c *call) pathconf() rpc.Result {
	st, result := c.about()
	if st != nfswire.OK {
		return result
	}
	c.e.Uint32(math.MaxInt32) // linkmax
	c.e.Uint32(pmemfs.NameMax)
	c.e.Bool(true)  // no_trunc
	c.e.Bool(true)  // chown_restricted
	c.e.Bool(false) // case_insensitive
	c.e.Bool(true)  // case_preserving
	return rpc.Success
}
