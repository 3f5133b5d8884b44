package ninep

import (
	"errors"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/filedata"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// call is one request on its way through the server. It is used again for others.
type call struct {
	s *session
	p *pending // nil for one that is answered in place
	r *rpc.Request
	e *rpc.Encoder
	d decoder

	m      *message
	used   [2]*fid // the request's uses of fids
	n      int     // how many
	img    *image
	exp    *export.Export
	cred   pmemfs.Cred
	call   pmemfs.Call // what the request asks of the engine, and learns
	groups []uint32    // what cred.Groups may point to
	reader filedata.Reader
}

func (s *Server) newCall() *call {
	return &call{reader: filedata.Reader{Logger: s.log, HeadBytes: countBytes, FillHead: fillCount}}
}

// serve answers a request, or returns rpc.Wait: then nothing has happened. p is nil for a request that is answered in place.
func (c *call) serve(s *session, p *pending, r *rpc.Request, e *rpc.Encoder, m *message) rpc.Result {
	c.begin(s, p, r, e, m)
	defer c.end()
	return c.run(kind(r.Record[0]), le.Uint16(r.Record[1:]))
}

func (c *call) begin(s *session, p *pending, r *rpc.Request, e *rpc.Encoder, m *message) {
	c.s, c.p, c.r, c.e, c.m = s, p, r, e, m
	c.d = decoder{b: r.Record[headBytes:]}
	c.call.Reset()
	c.call.NoWait = !r.MayWait
	c.n, c.img, c.exp = 0, nil, nil
}

// end lets go of what belongs to the request.
func (c *call) end() {
	for i := range c.n {
		if err := c.s.srv.unuse(c.used[i]); err != nil {
			c.s.srv.log.Error("an open file could not be closed", "client", c.s.client, "error", err)
		}
		c.used[i] = nil
	}
	c.s, c.p, c.r, c.e, c.m, c.img, c.exp, c.n = nil, nil, nil, nil, nil, nil, nil, 0
	c.d, c.cred = decoder{}, pmemfs.Cred{}
}

// run answers the request, or returns rpc.Wait.
func (c *call) run(k kind, tag uint16) rpc.Result {
	b := c.e.Extend(headBytes)
	b[0] = byte(k + 1)
	le.PutUint16(b[1:], tag)
	msize := c.s.msize.Load()
	var no errno
	switch {
	case c.m.serve == nil:
		no = eNotSupp
	case k == tVersion:
		no = c.m.serve(c)
	case msize == 0:
		no = eProto // before Tversion nothing means anything
	case lengthBytes+len(c.r.Record) > int(msize):
		no = eMsgSize
	default:
		no = c.m.serve(c)
	}
	if no == wait {
		c.r.Room = c.img.room
		return rpc.Wait
	}
	if no == ok && k != tVersion && c.e.Len() > int(msize) {
		no = eMsgSize
	}
	if no != ok {
		c.e.Truncate(lengthBytes)
		answerError(c.e, tag, no)
	}
	c.r.Counted.Status = traffic.Status(no)
	return rpc.Success
}

// answerError appends Rlerror.
func answerError(e *rpc.Encoder, tag uint16, no errno) {
	b := e.Extend(headBytes + 4)
	b[0] = byte(rLerror)
	le.PutUint16(b[1:], tag)
	le.PutUint32(b[headBytes:], uint32(no))
}

// wait is the outcome of a request for which the engine would have had to wait. Nothing has happened and nothing is answered: the
// transport serves the request once more, beside the others, where it may wait.
const wait errno = 1<<32 - 1

// status maps an error of the engine.
func (c *call) status(err error) errno {
	if err == nil {
		return ok
	}
	if err == error(pmemfs.ErrWouldBlock) && c.call.NoWait {
		return wait
	}
	return errnoOf(err)
}

// name reads a name. Whoever observes the call is told the first one.
func (c *call) name() []byte {
	name := c.d.str()
	if c.r.Counted.Name == nil {
		c.r.Counted.Name = name
	}
	return name
}

// fid finds the fid with a number, nil if there is none, and has it until the request ends. The fields of the request have all been read.
func (c *call) fid(id uint32) *fid {
	f := c.s.table.get(id)
	if f != nil {
		c.used[c.n] = f
		c.n++
	}
	return f
}

// use finds the fid with a number, and out by which rules and for whom it is used. A fid that must not be used comes with the error.
func (c *call) use(id uint32) (*fid, errno) {
	f := c.fid(id)
	if f == nil {
		return nil, eBadF
	}
	return f, c.by(f)
}

// by finds out by which rules and for whom a fid of the request is used.
func (c *call) by(f *fid) errno {
	exp := f.img.exports.Load().ByID(f.exp)
	switch {
	case exp == nil:
		return eStale
	case !exp.Allows(c.s.remote):
		return eAccess
	case !exp.Offers(f.h):
		return eStale
	case c.n == 1:
		c.img, c.exp = f.img, exp
		c.r.Counted.Export, c.r.Counted.File, c.r.Counted.User = exp.Counted(), f.h.FileID(), f.user.uid
		exp.Bound(&c.call)
		c.as(f.user)
	case f.img != c.img || f.exp != c.exp.ID():
		return eXDev
	}
	if c.m.changes && !f.img.cheap && c.call.NoWait {
		return wait // of which image it is, is known here
	}
	return ok
}

// change is use for a request that changes something. An attribute is read, written and given up, and nothing else.
func (c *call) change(id uint32) (*fid, errno) {
	f, no := c.use(id)
	switch {
	case no != ok:
	case f.xattr != nil:
		no = eBadF
	case c.exp.ReadOnly:
		no = eROFS
	}
	return f, no
}

// inDir is status for a request about a name in the directory of a fid: a directory that has been removed has none, as Linux shows it.
func (c *call) inDir(err error) errno {
	if errors.Is(err, pmemfs.ErrStale) {
		return eNoEnt
	}
	return c.status(err)
}

// changeBoth is change for two fids.
func (c *call) changeBoth(id, other uint32) (f, g *fid, no errno) {
	if f, no = c.change(id); no == ok {
		g, no = c.change(other)
	}
	return f, g, no
}

// as makes the call one of a user, as the export has it.
func (c *call) as(u *owner) {
	c.groups = append(c.groups[:0], u.groups...) // which Cred changes
	c.cred = c.exp.Cred(export.Caller{Anonymous: u.anonymous, UID: u.uid, GID: u.gid, Groups: c.groups})
}

// withGroup makes a group the one of what the call makes: that of the client's process, which is believed as its user is.
func (c *call) withGroup(f *fid, gid uint32) {
	if gid == noUID || f.user.anonymous {
		return
	}
	c.groups = append(append(c.groups[:0], f.user.groups...), f.user.gid)
	c.cred = c.exp.Cred(export.Caller{UID: f.user.uid, GID: gid, Groups: c.groups})
}
