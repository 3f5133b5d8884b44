package pmemfs

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
)

// scrubEdited opens an image with edits as FuzzCheck makes them, and scrubs it: that must end, without a panic, whatever
// there is. What the edits did not let be opened is none of its business.
func scrubEdited(t *testing.T, healthy *surgery, busy []uint64, edits []byte) (opened, found bool) {
	t.Helper()
	medium := append([]byte{}, healthy.medium...)
	for ; len(edits) >= 8; edits = edits[8:] {
		b := busy[int(binary.LittleEndian.Uint16(edits))%len(busy)]
		damageBlock(medium[layout.BlockOffset(b):][:layout.BlockSize], edits)
	}
	region := memoryOf(t, medium)
	fs, err := mount(region, Options{NoBackground: true})
	if err != nil {
		if err := region.Close(); err != nil {
			t.Error(err)
		}
		return false, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := fs.Scrub(ctx, ScrubOptions{})
	if ctx.Err() != nil {
		t.Error("it does not come to an end")
	}
	_ = fs.Close() // what is damaged may keep it from being closed in order
	return true, err != nil || !r.Clean()
}

// FuzzScrub scrubs damaged images.
func FuzzScrub(f *testing.F) {
	healthy := operateWith(f, false, true)
	busy := metadata(healthy)
	f.Add([]byte{0, 0, 40, 0, 1, 1, 2, 3})
	f.Add([]byte{9, 0, 136, 2, 3, 1, 0, 0})
	f.Fuzz(func(t *testing.T, edits []byte) {
		if len(edits) <= 4096 {
			scrubEdited(t, healthy, busy, edits)
		}
	})
}

// TestScrubHostile scrubs images whose metadata is damaged at random, with checksums that are right.
func TestScrubHostile(t *testing.T) {
	healthy := operateWith(t, false, true)
	busy := metadata(healthy)
	opened, found := 0, 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 15))
		edits := make([]byte, 8*(1+rng.IntN(6)))
		for i := range edits {
			edits[i] = byte(rng.Uint32())
		}
		for i := 2; i < len(edits); i += 8 { // most of what matters is in the first half kilobyte
			if rng.IntN(2) == 0 {
				edits[i+1] &= 1
			}
		}
		o, f := scrubEdited(t, healthy, busy, edits)
		if o {
			opened++
		}
		if f {
			found++
		}
		if t.Failed() {
			t.Fatalf("seed %d: edits %v", seed, edits)
		}
	}
	if opened < 100 || found < 50 {
		t.Errorf("%d images were opened, in %d something was found", opened, found)
	}
}
