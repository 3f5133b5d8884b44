package pmem

import (
	"math/rand/v2"
	"testing"
)

// TestChangedWords compares the instructions of this processor with plain Go, and both with what was changed.
func TestChangedWords(t *testing.T) {
	t.Logf("compares whole lines: %v", cpuCanCompare)
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 20000 {
		size := LineSize * (1 + rng.IntN(CompareMax/LineSize))
		a, b := make([]byte, size+8)[rng.IntN(8):][:size], make([]byte, size)
		for i := range a {
			a[i] = byte(rng.Uint32())
		}
		copy(b, a)
		var want uint64
		for range rng.IntN(6) {
			i := rng.IntN(size)
			b[i] ^= 1 << rng.IntN(8)
			want |= 1 << (i / wordSize)
		}
		for i := 0; i < size; i += wordSize { // two changes may have undone each other
			if string(a[i:i+wordSize]) == string(b[i:i+wordSize]) {
				want &^= 1 << (i / wordSize)
			}
		}
		if got, plain := ChangedWords(a, b), changedWordsGo(a, b); got != want || plain != want {
			t.Fatalf("%d bytes: %#x, in Go %#x, want %#x", size, got, plain, want)
		}
	}
	if got := ChangedWords(nil, nil); got != 0 {
		t.Errorf("nothing: %#x", got)
	}
}
