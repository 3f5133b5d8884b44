package ninep

import (
	"cmp"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/server/export"
	"pmemfs/server/rpc"
	"pmemfs/server/share"
)

// Limits bound what clients can make a server hold. A zero field means the default. What all sessions have is shared by client address
// (share.Pool).
type Limits struct {
	Fids        int // of all sessions; 4,194,304, which take about 1 GiB. Linux has one for each file that it has cached.
	SessionFids int // of one; 2,097,152
	XattrBytes  int // of attributes that are being read or written, in all sessions; 64 MiB
	LockWaits   int // requests for locks of one session that wait; 32
	AllWaits    int // of all sessions; 1,024
	Lockers     int // owners of locks that fids remember, of all sessions; 65,536, as many as there can be locks
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Fids:        cmp.Or(l.Fids, 1<<22),
		SessionFids: cmp.Or(l.SessionFids, 1<<21),
		XattrBytes:  cmp.Or(l.XattrBytes, 64<<20),
		LockWaits:   cmp.Or(l.LockWaits, 32),
		AllWaits:    cmp.Or(l.AllWaits, 1024),
		Lockers:     cmp.Or(l.Lockers, 1<<16),
	}
}

// Config is what a Server needs.
type Config struct {
	Images []Image      // no two exports of which have the same name
	Logger *slog.Logger // nil for none
	Limits Limits
	// MessageMax is the longest message in bytes, which the transport has to take.
	MessageMax int
	// Users knows the machine's users; nil for those of its files.
	Users Users
}

// Server answers 9P from the engines of the images of a server.
type Server struct {
	images  []*image
	exports export.Tables // of images
	log     *slog.Logger
	limits  Limits
	msize   uint32
	users   Users
	cheap   bool // no change waits for a system call
	costly  bool // each change does, and all in the same room
	calls   sync.Pool

	sessions   atomic.Uint64 // how many there have been
	fids       *share.Pool
	xattrBytes *share.Pool
	lockWaits  *share.Pool
	lockers    *share.Pool
}

// New returns a server. The engines stay the caller's to close, after the last session has ended.
func New(c Config) *Server {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	if c.Users == nil {
		c.Users = systemUsers{}
	}
	limits := c.Limits.withDefaults()
	s := &Server{
		log: c.Logger, limits: limits, msize: uint32(max(c.MessageMax, msizeMin)), users: c.Users, cheap: true, costly: true,
		fids: share.New(int64(limits.Fids)), xattrBytes: share.New(int64(limits.XattrBytes)),
		lockWaits: share.New(int64(limits.AllWaits)), lockers: share.New(int64(limits.Lockers)),
	}
	for i := range c.Images {
		m := newImage(&c.Images[i])
		s.images, s.exports = append(s.images, m), append(s.exports, m.exports)
		s.cheap, s.costly = s.cheap && m.cheap, !m.cheap && len(c.Images) == 1 && m.room == nil
	}
	s.calls.New = func() any { return s.newCall() }
	return s
}

// Session is what the transport has for each connection.
func (s *Server) Session(_, remote netip.AddrPort) rpc.Session {
	client := "unix"
	if remote.IsValid() {
		client = share.Key(remote.Addr()).String()
	}
	return &session{srv: s, remote: remote, client: client, id: s.sessions.Add(1), own: s.newCall(), stopped: make(chan struct{})}
}

// gracePoll is how often a request that waits for the end of the grace looks for it.
const gracePoll = 100 * time.Millisecond

// message is one of the requests.
type message struct {
	// serve decodes the request and appends the answer's fields.
	serve   func(*call) errno
	changes bool // may wait for the medium
	waits   bool // always answered beside the others
}

// noMessage is what is none of the requests.
var noMessage message

var messages = [128]message{
	tVersion:     {serve: (*call).version},
	tAuth:        {serve: (*call).auth},
	tAttach:      {serve: (*call).attach, waits: true},
	tFlush:       {serve: (*call).flush},
	tWalk:        {serve: (*call).walk},
	tClunk:       {serve: (*call).clunk},
	tRemove:      {serve: (*call).remove, changes: true},
	tGetattr:     {serve: (*call).getattr},
	tSetattr:     {serve: (*call).setattr, changes: true},
	tStatfs:      {serve: (*call).statfs},
	tLopen:       {serve: (*call).lopen, changes: true},
	tLcreate:     {serve: (*call).lcreate, changes: true},
	tRead:        {serve: (*call).readData},
	tWrite:       {serve: (*call).writeData, changes: true},
	tFsync:       {serve: (*call).fsync, changes: true},
	tReaddir:     {serve: (*call).readdir},
	tReadlink:    {serve: (*call).readlink},
	tMkdir:       {serve: (*call).mkdir, changes: true},
	tSymlink:     {serve: (*call).symlink, changes: true},
	tMknod:       {serve: (*call).mknod, changes: true},
	tLink:        {serve: (*call).link, changes: true},
	tRename:      {serve: (*call).rename, changes: true},
	tRenameat:    {serve: (*call).renameat, changes: true},
	tUnlinkat:    {serve: (*call).unlinkat, changes: true},
	tXattrwalk:   {serve: (*call).xattrwalk},
	tXattrcreate: {serve: (*call).xattrcreate},
	tLock:        {serve: (*call).lock, waits: true},
	tGetlock:     {serve: (*call).getlock, waits: true},
}
