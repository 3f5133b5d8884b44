package gonfs

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime/debug"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// procedure says how one NFS procedure is read, answered and, when it fails, refused.
type procedure struct {
	args    string // shape of the arguments: see args.decode
	failure string // of a refusal after the status: a post_op_attr, w wcc_data, each of the next handle
	changes bool   // refused on a read-only export
	// answer writes the reply after the status and returns nil, or returns why not. Without it go-nfs does the work,
	// and its reply has this shape after the status:
	answer func(*Server, *request, *rpc.Encoder) error
	reply  string // F fattr3, H nfs_fh3, a post_op_attr, w wcc_data; what follows is left as it is
}

var procedures = [...]procedure{
	nfswire.ProcNull:        {},
	nfswire.ProcGetattr:     {args: "h", reply: "F"},
	nfswire.ProcSetattr:     {args: "hsg", failure: "w", changes: true, answer: (*Server).setattr},
	nfswire.ProcLookup:      {args: "hn", failure: "a", reply: "Haa"},
	nfswire.ProcAccess:      {args: "hc", failure: "a", answer: (*Server).access},
	nfswire.ProcReadlink:    {args: "h", failure: "a", reply: "a"},
	nfswire.ProcRead:        {args: "hoc", failure: "a", reply: "a"},
	nfswire.ProcWrite:       {args: "hoctD", failure: "w", changes: true, reply: "w"},
	nfswire.ProcCreate:      {args: "hnC", failure: "w", changes: true, answer: (*Server).create},
	nfswire.ProcMkdir:       {args: "hns", failure: "w", changes: true, answer: (*Server).mkdir},
	nfswire.ProcSymlink:     {args: "hnsD", failure: "w", changes: true, answer: (*Server).symlink},
	nfswire.ProcMknod:       {args: "hnM", failure: "w", changes: true, answer: (*Server).mknod},
	nfswire.ProcRemove:      {args: "hn", failure: "w", changes: true, reply: "w"},
	nfswire.ProcRmdir:       {args: "hn", failure: "w", changes: true, reply: "w"},
	nfswire.ProcRename:      {args: "hnhn", failure: "ww", changes: true, reply: "ww"},
	nfswire.ProcLink:        {args: "hhn", failure: "aw", changes: true, answer: (*Server).link},
	nfswire.ProcReaddir:     {args: "hovc", failure: "a", answer: (*Server).readdir},
	nfswire.ProcReaddirPlus: {args: "hovcx", failure: "a", answer: (*Server).readdirPlus},
	nfswire.ProcFsstat:      {args: "h", failure: "a", answer: (*Server).fsstat},
	nfswire.ProcFsinfo:      {args: "h", failure: "a", answer: (*Server).fsinfo},
	nfswire.ProcPathconf:    {args: "h", failure: "a", answer: (*Server).pathconf},
	nfswire.ProcCommit:      {args: "hoc", failure: "w", answer: (*Server).commit},
}

// serve answers one call. As go-nfs takes its time, all calls run beside their connection.
func (s *Server) serve(req *rpc.Request, e *rpc.Encoder) rpc.Result {
	if !req.MayWait {
		return rpc.Wait
	}
	if req.Proc >= uint32(len(procedures)) {
		return rpc.ProcUnavail
	}
	r := &request{call: req.Call, remote: req.Remote, local: req.Local, at: e.Len(), record: append(make([]byte, markBytes, markBytes+len(req.Record)), req.Record...)}
	p := &procedures[req.Proc]
	if !r.args.decode(p.args, req.Args) {
		return rpc.GarbageArgs
	}
	if req.Proc == nfswire.ProcNull {
		return s.viaGoNFS(r, p, e)
	}
	result := s.carryOut(r, p, &req.Sys, e)
	if r.exp != nil {
		req.Counted.Export = r.exp.Counted()
	}
	if result == rpc.Success {
		req.Counted.Status = traffic.Status(binary.BigEndian.Uint32(e.Bytes()[r.at:]))
	}
	return result
}

// carryOut answers a call that begins with a handle, and whose reply begins with a status.
func (s *Server) carryOut(r *request, p *procedure, sys *rpc.SysCred, e *rpc.Encoder) rpc.Result {
	if st := s.admit(r, p, sys); st != nfswire.OK {
		return s.refuse(r, p, st, e)
	}
	if p.answer == nil {
		return s.viaGoNFS(r, p, e)
	}
	e.Uint32(uint32(nfswire.OK))
	if err := p.answer(s, r, e); err != nil {
		return s.refuse(r, p, statusOf(err), e)
	}
	return rpc.Success
}

// admit finds out what and whom a request is about and whether it may go on.
func (s *Server) admit(r *request, p *procedure, sys *rpc.SysCred) status {
	a, set := &r.args, s.exports.Load()
	for i, raw := range a.raw[:a.nh] {
		id, h, err := s.handles.Decode(raw)
		if err != nil {
			return statusOf(err)
		}
		exp := set.ByID(id)
		if exp == nil {
			return nfswire.ErrStale // it was exported once
		}
		if !exp.Offers(h) {
			return nfswire.ErrStale
		}
		if i > 0 && exp != r.exp {
			return nfswire.ErrXDev
		}
		a.handles[i], r.exp = h, exp
	}
	if !r.exp.AllowsOn(r.remote, r.local) {
		return nfswire.ErrAcces
	}
	r.cred = credential(r, sys)
	r.within = pmemfs.Call{}
	r.exp.Bound(&r.within)
	if p.changes && r.exp.ReadOnly {
		return nfswire.ErrROFS
	}
	if st := r.vetNames(); st != nfswire.OK {
		return st
	}
	return r.vetData()
}

// credential is whom the caller is taken for on the request's export.
func credential(r *request, sys *rpc.SysCred) pmemfs.Cred {
	if r.call.CredFlavor == rpc.AuthNone {
		return r.exp.Cred(export.Caller{Anonymous: true})
	}
	return r.exp.Cred(export.Caller{UID: sys.UID, GID: sys.GID, Groups: sys.Groups})
}

// vetData checks READ and WRITE and rewrites what go-nfs would trip over: it takes an offset for signed, and allocates
// whatever count a READ names.
func (r *request) vetData() status {
	a := &r.args
	switch r.call.Proc {
	case nfswire.ProcRead:
		at := r.call.ArgsOffset + markBytes + rpc.OpaqueLen(len(a.raw[0]))
		a.offset = min(a.offset, math.MaxInt64-ioBytes) // beyond any file
		a.count = min(a.count, ioBytes)
		binary.BigEndian.PutUint64(r.record[at:], a.offset)
		binary.BigEndian.PutUint32(r.record[at+8:], a.count)
	case nfswire.ProcWrite:
		switch {
		case uint64(a.count) != uint64(len(a.data)):
			return nfswire.ErrInval
		case a.offset > math.MaxInt64-uint64(a.count):
			return nfswire.ErrFBig
		}
	}
	return nfswire.OK
}

// refuse replies with a status and whatever attributes can still be had: macOS wants them on a failed ACCESS too.
func (s *Server) refuse(r *request, p *procedure, st status, e *rpc.Encoder) rpc.Result {
	e.Truncate(r.at)
	e.Uint32(uint32(st))
	for i, letter := range p.failure {
		a := s.attrOf(r.args.handles[i])
		if letter == 'w' {
			putWcc(e, s.handles.FSID(), nil, a)
		} else {
			nfswire.PutPostOp(e, s.handles.FSID(), a)
		}
	}
	return rpc.Success
}

// attrOf returns a file's attributes, or nil if there are none to be had.
func (s *Server) attrOf(h pmemfs.Handle) *pmemfs.Attr {
	if h == (pmemfs.Handle{}) {
		return nil
	}
	a, err := s.eng.Getattr(nil, h)
	if err != nil {
		return nil
	}
	return &a
}

// viaGoNFS has a worker answer and mends what it says.
func (s *Server) viaGoNFS(r *request, p *procedure, e *rpc.Encoder) rpc.Result {
	raw, err := s.workers.do(r)
	if err != nil {
		s.log.Error("go-nfs did not answer", "error", err, "prog", r.call.Prog, "proc", r.call.Proc)
		return rpc.SystemErr
	}
	body, ok := replyBody(raw, r.call.XID)
	switch {
	case !ok:
		return rpc.SystemErr
	case r.call.Proc == nfswire.ProcNull:
		return rpc.Success
	}
	return s.mend(r, p, body, e)
}

// replyBody returns what follows the header of an accepted, successful reply.
func replyBody(raw []byte, xid uint32) ([]byte, bool) {
	d := rpc.NewDecoder(raw)
	d.Uint32()                                                                          // the record mark
	for _, want := range [...]uint32{xid, 1, 0, rpc.AuthNone, 0, uint32(rpc.Success)} { // a reply, accepted; an empty verifier
		if d.Uint32() != want || !d.OK() {
			return nil, false
		}
	}
	return d.Rest(), true
}

const markBytes = 4

func (s *Server) panicked(r *request, p any) {
	s.log.Error("panic while serving a call in go-nfs", "panic", fmt.Sprint(p), "proc", r.call.Proc, "client", r.remote,
		"stack", string(debug.Stack()))
}
