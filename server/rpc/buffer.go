package rpc

import "sync"

// Sizes of pooled buffers, in bytes. A connection has none while it is idle, small ones while it works, and large ones,
// for which it needs one of the server's large slots, while records or replies are big.
const (
	smallBytes = 128 << 10
	largeBytes = 1<<20 + 2*smallBytes // a record or reply of 1 MiB of data, and what comes with it
)

// buffer is a pooled piece of memory: smallBytes or largeBytes, or more, then not from a pool.
type buffer struct{ b []byte }

var (
	smallPool = sync.Pool{New: func() any { return &buffer{make([]byte, smallBytes)} }}
	largePool = sync.Pool{New: func() any { return &buffer{make([]byte, largeBytes)} }}
)

// getBuffer returns a buffer of at least n bytes with undefined content.
func getBuffer(n int) *buffer {
	switch {
	case n <= smallBytes:
		return smallPool.Get().(*buffer)
	case n <= largeBytes:
		return largePool.Get().(*buffer)
	}
	return &buffer{make([]byte, n)}
}

// putBuffer gives a buffer back; nil is none.
func putBuffer(b *buffer) {
	switch {
	case b == nil:
	case cap(b.b) == smallBytes:
		smallPool.Put(b)
	case cap(b.b) == largeBytes:
		largePool.Put(b)
	}
}
