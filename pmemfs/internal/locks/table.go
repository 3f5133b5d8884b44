package locks

import (
	"errors"
	"math"
	"sync/atomic"

	"pmemfs/pmemfs/internal/critical"
)

// EOF as the last byte of a range means that it has no end.
const EOF = math.MaxUint64

var (
	// ErrConflict is returned when another owner has a lock or reservation in the way.
	ErrConflict = errors.New("locked by another owner")
	// ErrDeadlock is returned for a request that would wait for itself.
	ErrDeadlock = errors.New("lock would never be granted")
	// ErrFull is returned when the client has as many locks as it may.
	ErrFull = errors.New("too many locks")
	// ErrGone is what a waiting request ends with when its file is removed or its client's locks are dropped.
	ErrGone = errors.New("lock request was dropped")
)

// Owner is who holds a lock: a client, by which locks are counted and dropped, and one of its users.
type Owner struct{ Client, ID string }

// Lock is a lock that is held or asked for.
type Lock struct {
	Owner      Owner
	Exclusive  bool
	Start, End uint64 // first and last byte
	Tag        string // for whoever meets the lock; no part of its identity
}

// Limits bound a table. A zero field means the default. Of each, a client may have no more than are left over.
type Limits struct {
	Units     int // of all; 65,536
	FileLocks int // locks of one file, and reservations; 16,384
	Waits     int // requests that wait in all; 4,096
	FileWaits int // requests that wait for one file; 1,024
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		v   *int
		def int
	}{{&l.Units, 1 << 16}, {&l.FileLocks, 1 << 14}, {&l.Waits, 1 << 12}, {&l.FileWaits, 1 << 10}} {
		if *f.v <= 0 {
			*f.v = f.def
		}
	}
	return l
}

// Table is the locks of one filesystem.
type Table struct {
	limits Limits
	busy   atomic.Int64 // files in the table, to be read without the lock

	mu      critical.Mutex
	files   map[uint64]*file
	owners  map[Owner]*owner
	clients map[string]*client
	units   int
	waits   int

	fired     []func() // to be called when mu is released
	disturbed []*file  // in which a request may have become ready
	left      int      // of searchMax
}

// file is a file with locks, requests or reservations.
type file struct {
	ino    uint64
	held   []*held    // ascending by start; those of one owner do not overlap, and touch only in different modes
	queue  []*request // oldest first
	shares []*share
}

type held struct {
	own        *owner
	start, end uint64
	exclusive  bool
	gone       bool // about to be taken out
	tag        string
}

type request struct {
	held   // what is asked for
	f      *file
	done   func(error)
	queued bool
}

// owner is an Owner as long as it has anything.
type owner struct {
	name  Owner
	c     *client
	uses  int // locks, requests and reservations
	waits []*request
}

// client is what the owners of one client have together.
type client struct{ units, waits, owners int }

// New returns an empty table.
func New(l Limits) *Table {
	t := &Table{limits: l.withDefaults(), files: map[uint64]*file{}, owners: map[Owner]*owner{}, clients: map[string]*client{}}
	t.mu.Name("locks of files", 1)
	return t
}

// lock takes mu for one call.
func (t *Table) lock() {
	t.mu.Lock()
	t.left = searchMax
}

// unlock grants what the call has made possible, releases mu and tells those who wait.
func (t *Table) unlock() {
	t.grantDisturbed()
	t.verify()
	fired := t.fired
	t.fired = nil
	t.mu.Unlock()
	for _, f := range fired {
		f()
	}
}

// file returns the entry of a file, which is made if there is none. The caller calls tidy when it is done.
func (t *Table) file(ino uint64) *file {
	f := t.files[ino]
	if f == nil {
		f = &file{ino: ino}
		t.files[ino] = f
		t.busy.Add(1)
	}
	return f
}

// tidy forgets a file that has nothing left.
func (t *Table) tidy(f *file) {
	if len(f.held)+len(f.queue)+len(f.shares) == 0 && t.files[f.ino] == f {
		delete(t.files, f.ino)
		t.busy.Add(-1)
	}
}

// owner returns the entry of an owner, which is made if there is none. The caller calls release when it is done with it.
func (t *Table) owner(name Owner) *owner {
	o := t.owners[name]
	if o == nil {
		c := t.clients[name.Client]
		if c == nil {
			c = new(client)
			t.clients[name.Client] = c
		}
		c.owners++
		o = &owner{name: name, c: c}
		t.owners[name] = o
	}
	return o
}

// release forgets an owner that has nothing left.
func (t *Table) release(o *owner) {
	if o.uses > 0 || t.owners[o.name] != o {
		return
	}
	delete(t.owners, o.name)
	if o.c.owners--; o.c.owners == 0 {
		delete(t.clients, o.name.Client)
	}
}

// unitBytes is how many bytes of names cost a unit.
const unitBytes = 64

// units is what a lock, or a reservation, of an owner costs.
func units(o *owner, tag string) int {
	return 1 + (len(o.name.Client)+len(o.name.ID)+len(tag))/unitBytes
}

// affords reports whether the client of o may have n units more.
func (t *Table) affords(o *owner, n int) bool { return t.units+o.c.units+2*n <= t.limits.Units }

// pay counts units of an owner; uses is by how many things it has more.
func (t *Table) pay(o *owner, n, uses int) {
	t.units += n
	o.c.units += n
	o.uses += uses
}
