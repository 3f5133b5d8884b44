package repair

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/dchest/siphash"

	"pmemfs/pmemfs/internal/layout"
)

// Names go where their hash says: 128 keys for each hash, and no name twice.
func TestHashed(t *testing.T) {
	keys := [2]uint64{1, 2}
	name := func(i int) []byte { return fmt.Appendf(nil, "name %d", i) }
	base := func(i int) uint64 { return layout.KeyBase(siphash.Hash(keys[0], keys[1], name(i))) }
	var h hashed
	for _, x := range []struct {
		name, key uint64
		want      int
	}{
		{0, base(0) + 5, asItWas}, {0, base(0), duplicate}, {1, base(0), moved}, {1, base(1) + 1, duplicate}, {2, base(2), asItWas},
	} {
		if got := h.insert(keys, name(int(x.name)), record{key: x.key}); got != x.want {
			t.Errorf("name %d at %#x: %d, expected %d", x.name, x.key, got, x.want)
		}
	}
	for k := base(3); k <= layout.KeyLast(base(3)); k++ { // as if so many names had this hash
		h.keys[k] = fmt.Appendf(nil, "other %d", k)
	}
	if got := h.insert(keys, name(3), record{key: base(3)}); got != duplicate {
		t.Errorf("a name too many: %d", got)
	}
	last := uint64(0)
	for _, r := range h.sorted() {
		if r.key <= last {
			t.Errorf("key %#x behind %#x", r.key, last)
		}
		last = r.key
	}
	if len(h.list) != 3 {
		t.Errorf("%d records", len(h.list))
	}
}

func TestBitset(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const size = 400
	for range 3000 {
		var plain [size]bool
		s := newBitset(size)
		for range rng.IntN(4) {
			start := rng.IntN(size)
			n := rng.IntN(size-start) / (1 + rng.IntN(50))
			s.add(uint64(start), uint64(n))
			for i := range n {
				plain[start+i] = true
			}
		}
		start := rng.IntN(size)
		n, want := rng.IntN(size-start), false
		for i := range n {
			want = want || plain[start+i]
		}
		if got := s.any(uint64(start), uint64(n)); got != want {
			t.Fatalf("%d from %d: %v", n, start, got)
		}
	}
}
