package gonfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"runtime/debug"

	"pmemfs/pmemfs"
	"pmemfs/server/rpc"
)

const (
	progNFS  = 100003
	version3 = 3
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
	procNull:        {},
	procGetattr:     {args: "h", reply: "F"},
	procSetattr:     {args: "hsg", failure: "w", changes: true, answer: (*Server).setattr},
	procLookup:      {args: "hn", failure: "a", reply: "Haa"},
	procAccess:      {args: "hc", failure: "a", answer: (*Server).access},
	procReadlink:    {args: "h", failure: "a", reply: "a"},
	procRead:        {args: "hoc", failure: "a", reply: "a"},
	procWrite:       {args: "hoctD", failure: "w", changes: true, reply: "w"},
	procCreate:      {args: "hnC", failure: "w", changes: true, answer: (*Server).create},
	procMkdir:       {args: "hns", failure: "w", changes: true, answer: (*Server).mkdir},
	procSymlink:     {args: "hnsD", failure: "w", changes: true, answer: (*Server).symlink},
	procMknod:       {args: "hnM", failure: "w", changes: true, answer: (*Server).mknod},
	procRemove:      {args: "hn", failure: "w", changes: true, reply: "w"},
	procRmdir:       {args: "hn", failure: "w", changes: true, reply: "w"},
	procRename:      {args: "hnhn", failure: "ww", changes: true, reply: "ww"},
	procLink:        {args: "hhn", failure: "aw", changes: true, answer: (*Server).link},
	procReaddir:     {args: "hovc", failure: "a", answer: (*Server).readdir},
	procReaddirPlus: {args: "hovcx", failure: "a", answer: (*Server).readdirPlus},
	procFsstat:      {args: "h", failure: "a", answer: (*Server).fsstat},
	procFsinfo:      {args: "h", failure: "a", answer: (*Server).fsinfo},
	procPathconf:    {args: "h", failure: "a", answer: (*Server).pathconf},
	procCommit:      {args: "hoc", failure: "w", answer: (*Server).commit},
}

// serve turns one call into its reply. Whatever goes wrong, the process goes on.
func (s *Server) serve(r *request) (reply []byte) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(r, p)
			reply = rpc.NewReply(r.call.XID, rpc.SystemErr).Finish()
		}
	}()
	c := &r.call
	if c.RPCVersion != rpc.Version {
		return rpc.NewVersionDenied(c.XID).Finish()
	}
	switch {
	case c.Prog == s.mounts.Number:
		return s.serveMount(r)
	case c.Prog != progNFS:
		return rpc.NewReply(c.XID, rpc.ProgUnavail).Finish()
	case c.Vers != version3:
		return rpc.NewMismatch(c.XID, version3, version3).Finish()
	case c.CredFlavor != rpc.AuthNone && c.CredFlavor != rpc.AuthSys:
		return rpc.NewAuthDenied(c.XID, rpc.AuthTooWeak).Finish()
	}
	return s.serveNFS(r)
}

// serveMount has the MOUNT program answer.
func (s *Server) serveMount(r *request) []byte {
	p, c := &s.mounts, &r.call
	if c.Vers < p.Low || c.Vers > p.High {
		return rpc.NewMismatch(c.XID, p.Low, p.High).Finish()
	}
	e := rpc.NewReply(c.XID, rpc.Success)
	switch result := p.Serve(&rpc.Request{Call: *c, Remote: r.remote, MayWait: true}, e); result {
	case rpc.Success:
		return e.Finish()
	case rpc.Reject(rpc.AuthBadCred):
		return rpc.NewAuthDenied(c.XID, rpc.AuthBadCred).Finish()
	case rpc.Reject(rpc.AuthTooWeak):
		return rpc.NewAuthDenied(c.XID, rpc.AuthTooWeak).Finish()
	default:
		return rpc.NewReply(c.XID, result).Finish()
	}
}

func (s *Server) serveNFS(r *request) []byte {
	if r.call.Proc >= uint32(len(procedures)) {
		return rpc.NewReply(r.call.XID, rpc.ProcUnavail).Finish()
	}
	p := &procedures[r.call.Proc]
	if !r.args.decode(p.args, r.call.Args) {
		return rpc.NewReply(r.call.XID, rpc.GarbageArgs).Finish()
	}
	if r.call.Proc == procNull {
		return s.viaGoNFS(r, p)
	}
	switch st, denied := s.admit(r, p); {
	case denied:
		return rpc.NewAuthDenied(r.call.XID, rpc.AuthBadCred).Finish()
	case st != nfsOK:
		return s.refuse(r, p, st)
	}
	if p.answer == nil {
		return s.viaGoNFS(r, p)
	}
	e := rpc.NewReply(r.call.XID, rpc.Success)
	e.Uint32(uint32(nfsOK))
	if err := p.answer(s, r, e); err != nil {
		return s.refuse(r, p, statusOf(err))
	}
	return e.Finish()
}

// admit finds out what and whom a request is about and whether it may go on.
func (s *Server) admit(r *request, p *procedure) (st status, denied bool) {
	a, set := &r.args, s.exports.Load()
	for i, raw := range a.raw[:a.nh] {
		id, h, err := s.handles.Decode(raw)
		if err != nil {
			return handleStatus(err), false
		}
		exp := set.ByID(id)
		if exp == nil {
			return nfsErrStale, false // it was exported once
		}
		if i > 0 && exp != r.exp {
			return nfsErrXDev, false
		}
		a.handles[i], r.exp = h, exp
	}
	if !r.exp.Allows(r.remote) {
		return nfsErrAcces, false
	}
	var ok bool
	if r.cred, ok = s.credential(r); !ok {
		return 0, true
	}
	if p.changes && r.exp.ReadOnly {
		return nfsErrROFS, false
	}
	if st := r.vetNames(); st != nfsOK {
		return st, false
	}
	return r.vetData(), false
}

// credential is whom the caller is taken for on the request's export.
func (s *Server) credential(r *request) (pmemfs.Cred, bool) {
	if r.call.CredFlavor == rpc.AuthNone {
		return r.exp.Anon(), true
	}
	c, ok := rpc.ParseSys(r.call.CredBody)
	if !ok {
		return pmemfs.Cred{}, false
	}
	cred := pmemfs.Cred{UID: c.UID, GID: c.GID, Groups: c.Groups}
	r.exp.Squash(&cred)
	return cred, true
}

// vetData checks READ and WRITE and rewrites what go-nfs would trip over: it takes an offset for signed, and allocates
// whatever count a READ names.
func (r *request) vetData() status {
	a := &r.args
	switch r.call.Proc {
	case procRead:
		at := r.call.ArgsOffset + markBytes + rpc.OpaqueLen(len(a.raw[0]))
		a.offset = min(a.offset, math.MaxInt64-ioBytes) // beyond any file
		a.count = min(a.count, ioBytes)
		binary.BigEndian.PutUint64(r.record[at:], a.offset)
		binary.BigEndian.PutUint32(r.record[at+8:], a.count)
	case procWrite:
		switch {
		case uint64(a.count) != uint64(len(a.data)):
			return nfsErrInval
		case a.offset > math.MaxInt64-uint64(a.count):
			return nfsErrFBig
		}
	}
	return nfsOK
}

const markBytes = 4

// refuse is a reply with a status and whatever attributes can still be had: macOS wants them on a failed ACCESS too.
func (s *Server) refuse(r *request, p *procedure, st status) []byte {
	e := rpc.NewReply(r.call.XID, rpc.Success)
	e.Uint32(uint32(st))
	for i, letter := range p.failure {
		a := s.attrOf(r.args.handles[i])
		if letter == 'w' {
			putWcc(e, s.handles.FSID(), nil, a)
		} else {
			putPostOp(e, s.handles.FSID(), a)
		}
	}
	return e.Finish()
}

// attrOf returns a file's attributes, or nil if there are none to be had.
func (s *Server) attrOf(h pmemfs.Handle) *pmemfs.Attr {
	if h == (pmemfs.Handle{}) {
		return nil
	}
	a, err := s.eng.Getattr(h)
	if err != nil {
		return nil
	}
	return &a
}

// viaGoNFS has a worker answer and mends what it says.
func (s *Server) viaGoNFS(r *request, p *procedure) []byte {
	raw, err := s.workers.do(r)
	if err != nil {
		s.log.Error("go-nfs did not answer", "err", err, "prog", r.call.Prog, "proc", r.call.Proc)
		return rpc.NewReply(r.call.XID, rpc.SystemErr).Finish()
	}
	body, ok := replyBody(raw, r.call.XID)
	if !ok {
		return rpc.NewReply(r.call.XID, rpc.SystemErr).Finish()
	}
	if p == nil || r.call.Proc == procNull {
		return raw
	}
	return s.mend(r, p, body)
}

// replyBody returns what follows the header of an accepted, successful reply.
func replyBody(raw []byte, xid uint32) ([]byte, bool) {
	want := rpc.NewReply(xid, rpc.Success).Bytes()[markBytes:]
	if len(raw) < markBytes+rpc.ReplyHeaderBytes || !bytes.Equal(raw[markBytes:markBytes+rpc.ReplyHeaderBytes], want) {
		return nil, false
	}
	return raw[markBytes+rpc.ReplyHeaderBytes:], true
}

func (s *Server) panicked(r *request, p any) {
	s.log.Error("panic while serving a request", "panic", fmt.Sprint(p), "prog", r.call.Prog, "proc", r.call.Proc,
		"client", r.remote, "stack", string(debug.Stack()))
}
