package nfs3

import (
	"cmp"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/dchest/siphash"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/filedata"
	"pmemfs/server/handle"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// Config is what a Server needs.
type Config struct {
	Engine  *pmemfs.FS
	Exports *export.Table
	Logger  *slog.Logger // nil for none
	Room    *rpc.Room    // in which calls wait; nil for none of its own
}

// Server answers NFS calls from one engine.
type Server struct {
	eng     *pmemfs.FS
	exports *export.Table
	log     *slog.Logger
	handles handle.Codec
	fsid    uint64
	cheap   bool // a change does not wait for a system call
	room    *rpc.Room
	drc     *drc
	calls   sync.Pool
	// siblings are the numbers of the filesystems that are served at the same address, where they are several.
	siblings []uint64
	copies   atomic.Bool // a READ has met bad memory in the middle of its reply: see filedata.Reader
}

// New returns a server. The engine stays the caller's to close, after the last call has been answered.
func New(c Config) *Server {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	s := &Server{
		eng: c.Engine, exports: c.Exports, log: c.Logger, room: c.Room, handles: handle.New(c.Engine),
		cheap: c.Engine.CheapFence(), drc: newDRC(c.Engine.RequestNotes()),
	}
	s.fsid = s.handles.FSID()
	secret := c.Engine.HandleKey() // the image's: a key means the same in every incarnation of the server
	s.calls.New = func() any {
		c := &call{s: s, hash: siphash.New128(secret[:])}
		c.reader = filedata.Reader{Engine: s.eng, Logger: s.log, HeadBytes: readHead, FillHead: c.fillRead, Retries: &s.copies}
		return c
	}
	return s
}

// Program is what the transport serves.
func (s *Server) Program() rpc.Program {
	return rpc.Program{Number: nfswire.ProgNFS, Low: nfswire.Version, High: nfswire.Version, Counted: traffic.NFS3, Serve: s.serve}
}

// procedure is one of the 22, or of those of NFSACL.
type procedure struct {
	// serve decodes the arguments and appends the results. It returns rpc.Success, rpc.GarbageArgs or rpc.Wait.
	serve   func(*call) rpc.Result
	changes bool // refused on a read-only export; may wait for the medium
	cached  bool // not to be carried out twice: goes through the duplicate request cache
}

var procedures = [nfswire.ProcCount]procedure{
	nfswire.ProcNull:        {serve: (*call).null},
	nfswire.ProcGetattr:     {serve: (*call).getattr},
	nfswire.ProcSetattr:     {serve: (*call).setattr, changes: true, cached: true},
	nfswire.ProcLookup:      {serve: (*call).lookup},
	nfswire.ProcAccess:      {serve: (*call).access},
	nfswire.ProcReadlink:    {serve: (*call).readlink},
	nfswire.ProcRead:        {serve: (*call).read},
	nfswire.ProcWrite:       {serve: (*call).write, changes: true},
	nfswire.ProcCreate:      {serve: (*call).create, changes: true, cached: true},
	nfswire.ProcMkdir:       {serve: (*call).mkdir, changes: true, cached: true},
	nfswire.ProcSymlink:     {serve: (*call).symlink, changes: true, cached: true},
	nfswire.ProcMknod:       {serve: (*call).mknod, changes: true, cached: true},
	nfswire.ProcRemove:      {serve: (*call).remove, changes: true, cached: true},
	nfswire.ProcRmdir:       {serve: (*call).remove, changes: true, cached: true},
	nfswire.ProcRename:      {serve: (*call).rename, changes: true, cached: true},
	nfswire.ProcLink:        {serve: (*call).link, changes: true, cached: true},
	nfswire.ProcReaddir:     {serve: (*call).readdir},
	nfswire.ProcReaddirPlus: {serve: (*call).readdir},
	nfswire.ProcFsstat:      {serve: (*call).fsstat},
	nfswire.ProcFsinfo:      {serve: (*call).fsinfo},
	nfswire.ProcPathconf:    {serve: (*call).pathconf},
	nfswire.ProcCommit:      {serve: (*call).commit, changes: true},
}

// serve answers one call.
func (s *Server) serve(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	if r.Proc >= nfswire.ProcCount {
		return rpc.ProcUnavail
	}
	return s.answer(&procedures[r.Proc], r, e)
}

// answer answers one call of a procedure.
func (s *Server) answer(p *procedure, r *rpc.Request, e *rpc.Encoder) rpc.Result {
	if p.changes && !s.cheap && !r.MayWait {
		r.Room = s.room
		return rpc.Wait
	}
	// A connection keeps its call for the next; calls beside it, few as they are, take one from the pool.
	c, own := s.own(r)
	if !own {
		c = s.calls.Get().(*call)
		if !r.MayWait {
			c.keep(r)
			own = true
		}
	}
	c.begin(p, r, e)
	var result rpc.Result
	if p.cached && !c.refused {
		result = c.serveThroughDRC()
	} else {
		result = c.p.serve(c)
	}
	c.end()
	if result == rpc.Wait {
		r.Room = s.room
	}
	if !own {
		s.calls.Put(c)
	}
	return result
}
