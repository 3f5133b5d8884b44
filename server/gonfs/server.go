package gonfs

import (
	"cmp"
	"log/slog"
	"sync"

	nfs "github.com/willscott/go-nfs"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// workersDefault is how many calls are inside go-nfs at once unless Config says otherwise.
const workersDefault = 32

// Config is what a Server needs.
type Config struct {
	Engine  *pmemfs.FS
	Exports *export.Table
	Logger  *slog.Logger // nil for none
	Workers int          // calls inside go-nfs at once; 0 for 32
}

// Server answers NFS calls from one engine through go-nfs.
type Server struct {
	eng     *pmemfs.FS
	exports *export.Table
	log     *slog.Logger
	handles handle.Codec
	workers *pool
}

var quietGoNFS sync.Once

// New returns a server. The engine stays the caller's to close, after Close.
func New(c Config) *Server {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	c.Workers = cmp.Or(c.Workers, workersDefault)
	// go-nfs's logger is global and prints what clients do wrong to standard error. This package logs for itself.
	quietGoNFS.Do(func() { nfs.Log.SetLevel(nfs.PanicLevel) })
	s := &Server{eng: c.Engine, exports: c.Exports, log: c.Logger, handles: handle.New(c.Engine)}
	s.workers = newPool(s, c.Workers)
	return s
}

// Program is what the transport serves.
func (s *Server) Program() rpc.Program {
	return rpc.Program{Number: nfswire.ProgNFS, Low: nfswire.Version, High: nfswire.Version, Counted: traffic.NFS3, Serve: s.serve}
}

// Close ends go-nfs, when no call is in progress any more.
func (s *Server) Close() { s.workers.close() }
