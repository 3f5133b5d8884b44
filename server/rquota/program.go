// Package rquota is the remote quota protocol, versions 1 and 2 (rquota.x, as Linux, the BSDs and Solaris have it): how quota(1) on a client
// sees what a user or a group uses of an image, and may. Which image that is the path of an export says.
//
// Version 1 asks for users alone, version 2 for groups too. What they are told is the account of the whole image, whichever of its exports
// they name: a limit of a directory tree shows in df.
//
// # Who learns what
//
// A host that the export does not admit learns nothing, not even whether there is such an export. A user learns of the own account and of
// those of the own groups, root of all, as the export squashes them: who is taken for another is told of the other's.
//
// Nothing can be set: the protocol has no more than a number to say that root is asking, and pmemfs quota does it on the server.
//
// # Concurrency and durability
//
// A Server answers any number of calls at once, has no lock of its own, and changes nothing.
package rquota

import (
	"errors"
	"math"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// Number is the RPC program number of the remote quota protocol.
const Number = 100011

const pathMax = 1024 // RQ_PATHLEN

// Procedures, the same in both versions.
const (
	procNull           = 0
	procGetQuota       = 1
	procGetActiveQuota = 2
	procSetQuota       = 3
	procSetActiveQuota = 4
)

// Types of version 2, as Linux has them.
const (
	typeUser  = 0
	typeGroup = 1
)

// Values of gqr_status and sqr_status.
const (
	statusOK      = 1
	statusNoQuota = 2
	statusPerm    = 3
)

// Image is what has quotas: one of those of a server.
type Image struct {
	Engine  *pmemfs.FS
	Exports *export.Table
}

// Server answers for the images of a server.
type Server struct {
	images  []Image
	exports export.Tables
}

// New returns a server of images, no two exports of which have the same name. The engines stay the caller's to close, after the last call has
// been answered.
func New(images ...Image) *Server {
	s := &Server{images: images}
	for i := range images {
		s.exports = append(s.exports, images[i].Exports)
	}
	return s
}

// Program is the server as the transport knows it.
func (s *Server) Program() rpc.Program {
	return rpc.Program{Number: Number, Low: 1, High: 2, Datagrams: true, Counted: traffic.RQuota, Serve: s.serve}
}

// question is what a client wants to know: whose account, on which export.
type question struct {
	path string
	typ  uint32
	id   uint32
}

// serve answers one call.
func (s *Server) serve(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	switch r.Proc {
	case procNull:
		return rpc.Success
	case procGetQuota, procGetActiveQuota:
	case procSetQuota, procSetActiveQuota:
		fail(r, e, statusPerm)
		return rpc.Success
	default:
		return rpc.ProcUnavail
	}
	d := rpc.NewDecoder(r.Args)
	q := question{path: string(d.Opaque(pathMax))}
	if r.Vers > 1 {
		q.typ = d.Uint32()
	}
	q.id = d.Uint32()
	switch {
	case !d.Done():
		return rpc.GarbageArgs
	case r.CredFlavor != rpc.AuthSys && r.CredFlavor != rpc.AuthNone:
		return rpc.Reject(rpc.AuthTooWeak)
	case !r.MayWait:
		return rpc.Wait // an account may have to be read
	}
	s.answer(r, &q, e)
	return rpc.Success
}

// answer writes getquota_rslt.
func (s *Server) answer(r *rpc.Request, q *question, e *rpc.Encoder) {
	eng, kind, id := s.account(r, q)
	if eng == nil {
		fail(r, e, statusPerm)
		return
	}
	a, err := eng.QuotaOf(kind, id)
	if errors.Is(err, pmemfs.ErrNotExist) {
		if st, serr := eng.QuotaStatus(); serr == nil && st.On {
			err = nil // an account that nothing was charged to yet
		}
	}
	if err != nil || a.Damaged {
		fail(r, e, statusNoQuota)
		return
	}
	e.Uint32(statusOK)
	put(e, &a)
}

// fail writes a status that is not followed by anything.
func fail(r *rpc.Request, e *rpc.Encoder, status uint32) {
	e.Uint32(status)
	r.Counted.Status = traffic.Status(status)
}

// account says whose account a client may be told of, and in which image it is; nil if it may not.
func (s *Server) account(r *rpc.Request, q *question) (eng *pmemfs.FS, kind pmemfs.QuotaKind, id uint32) {
	n, x, _ := s.exports.ByPath(q.path)
	if x == nil || !x.Allows(r.Remote) {
		return nil, 0, 0
	}
	r.Counted.Export = x.Counted()
	eng = s.images[n].Engine
	caller := export.Caller{Anonymous: r.CredFlavor != rpc.AuthSys, UID: r.Sys.UID, GID: r.Sys.GID, Groups: r.Sys.Groups}
	own := q.typ == typeUser && !caller.Anonymous && caller.UID == q.id
	c := x.Cred(caller)
	switch {
	case q.typ == typeUser && (own || c.UID == q.id):
		return eng, pmemfs.QuotaUser, c.UID
	case q.typ == typeUser && c.UID == 0:
		return eng, pmemfs.QuotaUser, q.id
	case q.typ == typeGroup && (c.UID == 0 || member(&c, q.id)):
		return eng, pmemfs.QuotaGroup, q.id
	}
	return nil, 0, 0
}

func member(c *pmemfs.Cred, gid uint32) bool {
	for _, g := range c.Groups {
		if g == gid {
			return true
		}
	}
	return c.GID == gid
}

// put writes struct rquota. Its numbers of blocks have 32 bits: the blocks are as large as they have to be for that.
func put(e *rpc.Encoder, a *pmemfs.Quota) {
	block := uint64(4096)
	for max(a.HardBytes, a.SoftBytes, a.UsedBytes)/block > math.MaxInt32 && block < 1<<30 {
		block *= 2
	}
	e.Uint32(uint32(block))
	e.Bool(true)
	for _, bytes := range [...]uint64{a.HardBytes, a.SoftBytes, a.UsedBytes} {
		e.Uint32(low(bytes/block + (bytes%block+block-1)/block))
	}
	for _, files := range [...]uint64{a.HardFiles, a.SoftFiles, a.UsedFiles} {
		e.Uint32(low(files))
	}
	bytes, files := a.Left()
	e.Uint32(seconds(bytes))
	e.Uint32(seconds(files))
}

// low returns a number in 32 bits, the largest one for what does not fit.
func low(v uint64) uint32 { return uint32(min(v, math.MaxUint32)) }

// seconds returns a time in seconds: 1 for one that is over, since a client takes 0 for none.
func seconds(left time.Duration) uint32 {
	if left == 0 {
		return 0
	}
	return low(uint64(max(left/time.Second, 1)))
}
