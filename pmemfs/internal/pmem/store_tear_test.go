//go:build !race

package pmem

import (
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

// TestWordsDoNotTear stores two patterns in turn at every alignment and length while another goroutine loads
// aligned words: a word that is half of each was not stored at once. It races on purpose, hence the build tag.
func TestWordsDoNotTear(t *testing.T) {
	const size = 128
	r := memory(t, size, Volatile)
	patterns := [2][]byte{make([]byte, size), make([]byte, size)}
	for i := range size {
		patterns[1][i] = 0xFF
	}
	var stop atomic.Bool
	var torn atomic.Uint64
	var wg sync.WaitGroup
	// Words that a store covers in part only may hold both, so that the reader is told which are whole.
	var from, to atomic.Int64
	wg.Go(func() {
		for !stop.Load() {
			lo, hi := from.Load(), to.Load()
			for i := lo; i < hi; i += wordSize {
				w := atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.mem[i])))
				if w != 0 && w != ^uint64(0) && from.Load() == lo && to.Load() == hi {
					torn.Store(w)
				}
			}
		}
	})
	for off := int64(0); off < 16; off++ {
		for n := int64(8); n <= 100; n++ {
			from.Store(size)
			to.Store(0)
			r.Zero(0, size)
			to.Store((off + n) &^ (wordSize - 1))
			from.Store((off + wordSize - 1) &^ (wordSize - 1))
			for i := range 100 {
				r.Write(off, patterns[i%2][:n])
			}
			r.Zero(off, n)
		}
	}
	stop.Store(true)
	wg.Wait()
	if w := torn.Load(); w != 0 {
		t.Errorf("a reader saw the torn word %#x", w)
	}
}
