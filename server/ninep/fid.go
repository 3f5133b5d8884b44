package ninep

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"pmemfs/pmemfs"
	"pmemfs/server/rpc"
)

// owner is whom a client says that a fid is used by.
type owner struct {
	client    netip.Addr // that says so, which what it holds is counted by
	anonymous bool       // it has not said
	uid, gid  uint32
	groups    []uint32
}

// fid is a file that a client has a number for. But for what has a lock of its own, it never changes once it is in a session's
// table: what opens a file or goes elsewhere puts another fid there. So requests that are under way keep theirs.
type fid struct {
	uses        atomic.Int32 // by the table, and by requests
	user        *owner
	img         *image
	exp         uint32 // the export's ID
	root        pmemfs.Handle
	h           pmemfs.Handle
	typ         pmemfs.FileType
	open        bool // and held in the engine
	read, write bool // what it was opened for
	append      bool // and only at the end

	xattr *xattr // in place of the file's data

	mu      sync.Mutex // a leaf; guards what follows
	lockers []pmemfs.LockOwner
	named   bool          // dir and name say by which name the file was found, for Tremove and Trename
	dir     pmemfs.Handle // which may not be its name any more
	name    []byte        // keeps its memory when the fid is used again
}

// lockersMax is how many owners of locks a fid remembers. What others have goes with the session.
const lockersMax = 64

var fids = sync.Pool{New: func() any { return new(fid) }}

// newFid returns a fid for the same user and export as f, of another file. Its caller has its one use.
func newFid(f *fid, h pmemfs.Handle, t pmemfs.FileType) *fid {
	n := fids.Get().(*fid)
	n.uses.Store(1)
	n.user, n.img, n.exp, n.root, n.h, n.typ = f.user, f.img, f.exp, f.root, h, t
	return n
}

// clone returns a fid of the same file that is not open.
func (f *fid) clone() *fid {
	n := newFid(f, f.h, f.typ)
	f.mu.Lock()
	defer f.mu.Unlock()
	n.named, n.dir, n.name = f.named, f.dir, append(n.name[:0], f.name...)
	return n
}

// called notes by which name the file was found, or has been given.
func (f *fid) called(dir pmemfs.Handle, name []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.named, f.dir, f.name = true, dir, append(f.name[:0], name...)
}

// foundAs returns by which name the file was found.
func (f *fid) foundAs() (dir pmemfs.Handle, name []byte, named bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dir, bytes.Clone(f.name), f.named
}

// locked notes that an owner has locked the file of a fid.
func (s *Server) locked(f *fid, o pmemfs.LockOwner) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.lockers) >= lockersMax || slices.Contains(f.lockers, o) {
		return
	}
	if !s.lockers.Take(f.user.client, 1) {
		return
	}
	f.lockers = append(f.lockers, o)
}

// free gives a fid up that nobody uses: an open file is closed. Durable on return.
func (s *Server) free(f *fid) error {
	var err error
	for _, o := range f.lockers {
		f.img.eng.ReleaseLocks(f.h, o)
	}
	if n := len(f.lockers); n > 0 {
		s.lockers.Give(f.user.client, int64(n))
	}
	if f.open {
		err = f.img.eng.Release(f.h)
	}
	if f.xattr != nil {
		s.xattrBytes.Give(f.user.client, f.xattr.reserved)
	}
	f.user, f.img, f.named, f.open, f.read, f.write, f.append, f.xattr, f.lockers = nil, nil, false, false, false, false, false, nil, nil
	fids.Put(f)
	return err
}

// unuse ends one use of a fid.
func (s *Server) unuse(f *fid) error {
	if f.uses.Add(-1) > 0 {
		return nil
	}
	return s.free(f)
}

// table is the fids of a session.
type table struct {
	mu    sync.Mutex
	fids  map[uint32]*fid
	spare int64 // how many more there may be: taken of what all sessions have, and not used
}

// get returns a fid, with a use for the caller; nil if there is none.
func (t *table) get(id uint32) *fid {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.fids[id]
	if f != nil {
		f.uses.Add(1)
	}
	return f
}

// costly reports whether to give up a fid may change something on the medium, and returns the room of calls for that.
func (t *table) costly(id uint32) (room *rpc.Room, yes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.fids[id]
	if f == nil || f.img.cheap || !f.open && f.xattr == nil {
		return nil, false
	}
	return f.img.room, true
}

// has reports whether a number is taken.
func (t *table) has(id uint32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fids[id] != nil
}

// len is how many fids there are.
func (t *table) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.fids)
}

// take removes a fid, and gives the table's use of it to the caller. If only is not nil it must be that one.
func (t *table) take(id uint32, only *fid) *fid {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.fids[id]
	if f == nil || only != nil && f != only {
		return nil
	}
	delete(t.fids, id)
	return f
}

// takeAll removes every fid, and returns also how many the session has taken of what all have.
func (t *table) takeAll() (all map[uint32]*fid, taken int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, taken = t.fids, int64(len(t.fids))+t.spare
	t.fids, t.spare = nil, 0
	return all, taken
}

// fidsAtOnce is how many fids a session takes at once of what all have, so that few requests meet there.
const fidsAtOnce = 16

// room takes a fid of what all sessions have. table.mu is held.
func (s *session) room() bool {
	t, all := &s.table, s.srv.fids
	switch client := s.remote.Addr(); {
	case t.spare > 0:
	case all.Take(client, fidsAtOnce):
		t.spare = fidsAtOnce
	case all.Take(client, 1):
		t.spare = 1
	default:
		return false
	}
	t.spare--
	return true
}

// leave gives back what room has taken.
func (s *session) leave() {
	t := &s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.spare++; t.spare > 2*fidsAtOnce {
		s.srv.fids.Give(s.remote.Addr(), fidsAtOnce)
		t.spare -= fidsAtOnce
	}
}

// add puts a new fid into the table, which gets the caller's use of it.
func (s *session) add(id uint32, f *fid) errno {
	t := &s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case id == noFid || t.fids[id] != nil:
		return eBadF
	case len(t.fids) >= s.srv.limits.SessionFids, !s.room():
		return eMFile
	}
	if t.fids == nil {
		t.fids = make(map[uint32]*fid)
	}
	t.fids[id] = f
	return ok
}

// replace puts a fid where old was, which keeps the uses that requests have of it. eBusy means that another request has been
// faster.
func (s *session) replace(id uint32, old, f *fid) errno {
	t := &s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fids[id] != old {
		return eBusy
	}
	t.fids[id] = f
	old.uses.Add(-1) // not the last: the caller has one
	return ok
}

// remove takes a fid out of the table and gives up the table's use. It returns eBadF if there is none.
func (s *session) remove(id uint32, only *fid) error {
	f := s.table.take(id, only)
	if f == nil {
		return eBadF
	}
	s.leave()
	return s.srv.unuse(f)
}
