package nfs3

import (
	"bytes"
	"encoding/binary"
	"hash"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/filedata"
	"pmemfs/server/handle"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// call is one call on its way through the server. It is used again for others.
type call struct {
	s    *Server
	next *call // that the same connection keeps for another server
	p    *procedure
	r    *rpc.Request
	e    *rpc.Encoder
	d    rpc.Decoder // of the arguments

	raw  [2][]byte        // handles as sent
	h    [2]pmemfs.Handle // and what they name
	n    int              // how many of h count
	exp  *export.Export
	cred pmemfs.Cred
	call pmemfs.Call // what the call asks of the engine, and learns
	late pmemfs.Attr // see post

	known [2]known // handles seen lately, one for each argument

	reader filedata.Reader

	refused    bool // for now: see rpc.Request.Crowded
	replay     bool // an earlier incarnation of the server has carried it out
	madeBefore pmemfs.Handle
	hash       hash.Hash // for key
	place      drcPlace
	scratch    [64]byte
}

func (c *call) begin(p *procedure, r *rpc.Request, e *rpc.Encoder) {
	c.p, c.r, c.e = p, r, e
	c.d = *rpc.NewDecoder(r.Args)
	c.call.Reset()
	c.call.NoWait = !r.MayWait
	c.n, c.replay, c.exp = 0, false, nil
	c.refused = r.Crowded && c.s.shares(r)
}

// end lets go of what belongs to the request.
func (c *call) end() {
	c.p, c.r, c.e, c.exp = nil, nil, nil, nil
	c.d = rpc.Decoder{}
	c.raw = [2][]byte{}
	c.cred = pmemfs.Cred{}
}

// fh reads handle argument i.
func (c *call) fh(i int) { c.raw[i] = c.d.Opaque(nfswire.HandleMax) }

// name reads a filename3 of any length: too long a one is an error of NFS, not of XDR.
func (c *call) name() []byte {
	name := c.d.Opaque(len(c.r.Args))
	if c.r.Counted.Name == nil {
		c.r.Counted.Name = name
	}
	return name
}

// admit finds out what files the first n handles name, by the rules of which export, and whom the caller is taken for.
// The caller's arguments have all been read.
func (c *call) admit(n int) nfswire.Status {
	if c.refused {
		return nfswire.ErrJukebox
	}
	set := c.s.exports.Load()
	for i := range n {
		k := &c.known[i]
		if !k.is(c.raw[i], set) {
			if err := k.learn(c.raw[i], set, &c.s.handles); err != nil {
				return c.handleStatus(i, err)
			}
		}
		h, exp := k.h, k.exp
		switch {
		case i > 0 && exp != c.exp:
			return nfswire.ErrXDev // RFC 1813 sections 3.3.14 and 3.3.15
		case !exp.AllowsOn(c.r.Remote, c.r.Local):
			return nfswire.ErrAcces
		case !exp.Offers(h):
			return nfswire.ErrStale
		}
		c.h[i], c.exp, c.n = h, exp, i+1
		c.r.Counted.Export = exp.Counted()
	}
	c.r.Counted.File = c.h[0].FileID()
	c.exp.Bound(&c.call)
	sys := &c.r.Sys
	c.cred = c.exp.Cred(export.Caller{Anonymous: c.r.CredFlavor != rpc.AuthSys, UID: sys.UID, GID: sys.GID, Groups: sys.Groups})
	if c.p.changes && c.exp.ReadOnly {
		return nfswire.ErrROFS
	}
	return nfswire.OK
}

// known is a handle that was found good lately, as clients go on with the file, or in the directory, that they were at.
type known struct {
	raw [handleBytes]byte
	set *export.Set // in which it was
	h   pmemfs.Handle
	exp *export.Export
}

// is reports whether raw is the handle that is known. How long it takes does not tell which byte differs.
func (k *known) is(raw []byte, set *export.Set) bool {
	if len(raw) != handleBytes || k.set != set {
		return false
	}
	le := binary.LittleEndian
	var diff uint64
	for i := 0; i < handleBytes; i += 8 {
		diff |= le.Uint64(raw[i:]) ^ le.Uint64(k.raw[i:])
	}
	return diff == 0
}

// learn decodes a handle. Its errors are those of the handle, and ErrStale for a genuine one of an export that is no more.
func (k *known) learn(raw []byte, set *export.Set, codec *handle.Codec) error {
	k.set = nil
	id, h, err := codec.Decode(raw)
	if err != nil {
		return err
	}
	exp := set.ByID(id)
	if exp == nil {
		return nfswire.ErrStale
	}
	copy(k.raw[:], raw)
	k.set, k.h, k.exp = set, h, exp
	return nil
}

// vetName checks a name to be looked up, made or removed (RFC 1813 section 3.2: what a name may be is the server's).
func vetName(name []byte) nfswire.Status {
	switch {
	case len(name) > nfswire.NameMax:
		return nfswire.ErrNameTooLong
	case len(name) == 0 || bytes.IndexByte(name, '/') >= 0 || bytes.IndexByte(name, 0) >= 0:
		return nfswire.ErrInval
	}
	return nfswire.OK
}

// wait is the status of a call for which the engine would have had to wait. Nothing has happened and nothing is answered: the
// transport serves the call once more, beside the others, where it may wait.
const wait nfswire.Status = 1<<32 - 1

// status maps an error of the engine.
func (c *call) status(err error) nfswire.Status {
	if err == nil {
		return nfswire.OK
	}
	if err == error(pmemfs.ErrWouldBlock) && c.call.NoWait {
		return wait
	}
	return nfswire.StatusOf(err)
}

// put appends the status and reports whether it is OK.
func (c *call) put(st nfswire.Status) bool {
	c.r.Counted.Status = traffic.Status(st)
	c.e.Uint32(uint32(st))
	return st == nfswire.OK
}

// post returns the attributes after the call of the file that handle i names: what the engine has seen, or, where it was not
// asked, what they are now. nil if there are none to be had, or the caller may not know.
func (c *call) post(i int) *pmemfs.Attr {
	if i >= c.n {
		return nil
	}
	if c.call.WCC[i].HasPost {
		return &c.call.WCC[i].Post
	}
	a, err := c.s.eng.Getattr(nil, c.h[i])
	if err != nil {
		return nil
	}
	c.late = a
	return &c.late
}

// putPost appends post_op_attr of handle i.
func (c *call) putPost(i int) { nfswire.PutPostOp(c.e, c.s.fsid, c.post(i)) }

// putWcc appends wcc_data of handle i (RFC 1813 section 2.6). What a call has looked at and not changed was before as it is
// after, so a call that fails behind that has both.
func (c *call) putWcc(i int) {
	var pre *pmemfs.Attr
	if i < c.n {
		pre = c.call.WCC[i].PreOp()
	}
	nfswire.PutWcc(c.e, c.s.fsid, pre, c.post(i))
}

// putHandle appends nfs_fh3.
func (c *call) putHandle(h pmemfs.Handle) {
	c.e.Uint32(handleBytes)
	c.s.handles.Append(c.e.Extend(handleBytes)[:0], c.exp.ID(), h)
}
