package pmemfs

import (
	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/invariants"
)

// stripeCount is a power of two. Inodes that share a stripe share a lock, so memory does not grow with files.
const stripeCount = 2048

type stripe struct {
	critical.Latch
	_ [8]byte // one line each
}

// read takes the stripe to read. It returns false rather than wait, unless wait says so.
func (s *stripe) read(wait bool) bool {
	if wait {
		s.RLock()
		return true
	}
	return s.TryRLock()
}

// stripes are the inode locks.
type stripes [stripeCount]stripe

func stripeOf(ino uint64) int { return int((ino * 0x9e3779b97f4a7c15) >> 53) }

func (s *stripes) of(ino uint64) *stripe { return &s[stripeOf(ino)] }

// nameLocks names the locks of the filesystem itself, for builds that time them.
func (fs *FS) nameLocks() {
	for i := range fs.gates {
		fs.gates[i].Name("gate", gateCount)
	}
	for i := range fs.stripes {
		fs.stripes[i].Name("stripe", stripeCount)
	}
	fs.renameMu.Name("rename", 1)
	fs.growMu.Name("growth", 1)
	fs.orphanMu.Name("orphan index", 1)
	fs.refsMu.Name("open files", 1)
	fs.deferred.mu.Name("deferred orphans", 1)
	fs.walker.mu.Name("walk for quotas", 1)
	fs.walker.setMu.Name("quotas of trees", 1)
}

// waited is how often readers and writers have waited for a stripe.
func (s *stripes) waited() (readers, writers uint64) {
	for i := range s {
		r, w := critical.WaitedFor(&s[i].Latch)
		readers += r
		writers += w
	}
	return readers, writers
}

// quiesce waits until everybody who holds a stripe now has let go of it. The caller holds none.
func (s *stripes) quiesce() {
	for i := range s {
		func() {
			s[i].Lock()
			defer s[i].Unlock() // to have had it is all
		}()
	}
}

// lockSet is the exclusive hold of the stripes of a few inodes.
type lockSet struct {
	s   *stripes
	idx [6]int // four that lock takes, and two that try adds
	n   int
}

// lock takes the stripes of the given inodes, at most four, exclusively, in ascending order, each once.
func (s *stripes) lock(inos ...uint64) (set lockSet) {
	set.lock(s, inos...)
	return set
}

func (l *lockSet) lock(s *stripes, inos ...uint64) {
	invariants.Check(l.n == 0, "stripes %v are held already", l.idx)
	l.s = s
	for _, ino := range inos {
		l.insert(stripeOf(ino))
	}
	for i := range l.n {
		invariants.Check(i == 0 || l.idx[i-1] < l.idx[i], "stripes %v out of order", l.idx)
		s[l.idx[i]].Lock()
	}
}

func (l *lockSet) insert(x int) {
	at := l.n
	for i := range l.n {
		if l.idx[i] == x {
			return
		}
		if l.idx[i] > x {
			at = i
			break
		}
	}
	copy(l.idx[at+1:l.n+1], l.idx[at:l.n])
	l.idx[at] = x
	l.n++
}

func (l *lockSet) unlock() {
	for i := l.n - 1; i >= 0; i-- {
		l.s[l.idx[i]].Unlock()
	}
	l.n = 0
}

// try adds the stripe of one more inode without waiting, since it is out of order. False means that it is taken.
func (l *lockSet) try(ino uint64) bool {
	x := stripeOf(ino)
	for _, have := range l.idx[:l.n] {
		if have == x {
			return true
		}
	}
	if !l.s[x].TryLock() {
		return false
	}
	l.idx[l.n] = x
	l.n++
	return true
}
