package pmemfs

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// newSumMutant is newMutant with checksums of data.
func newSumMutant(t testing.TB) *mutant {
	s := operateOn(t, memFSWith(t, layout.MinBlocks*layout.BlockSize, true), 150, 120, false)
	return &mutant{healthy: s, busy: metadata(s), medium: append([]byte{}, s.medium...)}
}

// FuzzScrub scrubs mutated images. What cannot be opened is none of its business.
func FuzzScrub(f *testing.F) {
	testpart.NotRace(f)
	m := newSumMutant(f)
	seeds(f)
	f.Fuzz(func(t *testing.T, program []byte) { fuzzScrub(t, m, program) })
}

// fuzzScrub scrubs the image that a program makes: that must end, without a panic, whatever there is.
func fuzzScrub(t *testing.T, m *mutant, program []byte) (opened, found bool) {
	defer m.restore()
	medium := m.run(program)
	if len(medium) < layout.BlockSize {
		return false, false
	}
	bounded(t, func() {
		region := memoryOf(t, medium)
		fs, err := mount(region, Options{NoBackground: true})
		if err != nil {
			if err := region.Close(); err != nil {
				t.Error(err)
			}
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), fuzzTimeMax/2)
		defer cancel()
		start := time.Now()
		r, err := fs.Scrub(ctx, ScrubOptions{})
		if ctx.Err() != nil {
			t.Errorf("it goes on after %v", time.Since(start))
		}
		opened, found = true, err != nil || !r.Clean()
		ignore(0, fs.Close())
	})
	return opened, found
}

// TestScrubHostile scrubs images whose metadata is damaged at random, with checksums that are right.
func TestScrubHostile(t *testing.T) {
	m := newSumMutant(t)
	opened, found := 0, 0
	for seed := range uint64(200) {
		o, f := fuzzScrub(t, m, randomProgram(rand.New(rand.NewPCG(seed, 15))))
		if o {
			opened++
		}
		if f {
			found++
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if opened < 60 || found < 20 {
		t.Errorf("%d images were opened, in %d something was found", opened, found)
	}
}
