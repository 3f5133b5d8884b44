package rpc

import (
	"sync"

	"pmemfs/server/traffic"
)

// Sizes of buffers, in bytes. A connection has none while it is idle, a work set while it works, and large ones, for which it needs a
// large slot, while records or replies are big. A call that waits has a buffer for its record and one for its reply.
const (
	smallBytes = 128 << 10
	largeBytes = 1<<20 + 2*smallBytes // a record or reply of 1 MiB of data, and what comes with it

	shortBytes = 8 << 10  // a short record or reply of a call that waits
	blockBytes = 72 << 10 // a record with a WRITE of 64 KiB
)

// buffer is a piece of memory.
type buffer struct {
	b    []byte
	from *shelf // where it goes back to; nil for one that does not
}

// workSet is the memory with which a connection works: what it reads and what it answers. It costs workBytes.
type workSet struct {
	in, out buffer
	calls   traffic.Batch // whose replies are in out
}

const workBytes = 2 * smallBytes

func newWorkSet() *workSet {
	b := make([]byte, workBytes)
	return &workSet{in: buffer{b: b[:smallBytes:smallBytes]}, out: buffer{b: b[smallBytes:]}}
}

// shelf keeps free buffers of one size. There are never more than have been in use at once, for which somebody has taken a share of a ration; a
// sync.Pool may have more, and says nothing of when it gives them up.
type shelf struct {
	size int
	mu   sync.Mutex // a leaf
	free []*buffer
	low  int // the fewest free ones since the last look
}

// shelves, by size.
var shelves = [...]*shelf{{size: shortBytes}, {size: blockBytes}, {size: smallBytes}, {size: largeBytes}}

// shelfFor finds the smallest size that is enough; nil if none is.
func shelfFor(n int) *shelf {
	for _, s := range shelves {
		if n <= s.size {
			return s
		}
	}
	return nil
}

// classOf is how much memory a buffer of n bytes takes.
func classOf(n int) int64 {
	if s := shelfFor(n); s != nil {
		return int64(s.size)
	}
	return int64(n)
}

// getBuffer returns a buffer of at least n bytes with undefined content.
func getBuffer(n int) *buffer {
	s := shelfFor(n)
	if s == nil {
		return &buffer{b: make([]byte, n)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.free) - 1
	if last < 0 {
		s.low = 0
		return &buffer{b: make([]byte, s.size), from: s}
	}
	b := s.free[last]
	s.free[last] = nil
	s.free = s.free[:last]
	s.low = min(s.low, last)
	return b
}

// putBuffer gives a buffer back; nil is none.
func putBuffer(b *buffer) {
	if b == nil || b.from == nil {
		return
	}
	b.from.mu.Lock()
	defer b.from.mu.Unlock()
	b.from.free = append(b.from.free, b)
}

// trim gives up what has been of no use since the last time.
func (s *shelf) trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free, s.low = trimmed(s.free, s.low)
}

// trimmed is a list of what is free without the low that were always there.
func trimmed[T any](free []*T, low int) (rest []*T, next int) {
	keep := len(free) - min(low, len(free))
	clear(free[keep:])
	return free[:keep], keep
}
