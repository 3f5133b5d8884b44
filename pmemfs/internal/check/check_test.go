package check

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/dchest/siphash"

	"pmemfs/pmemfs/internal/layout"
)

func TestSip(t *testing.T) {
	p := make([]byte, 15)
	for i := range p {
		p[i] = byte(i)
	}
	// The example of the paper's appendix A.
	if got := sip(0x0706050403020100, 0x0f0e0d0c0b0a0908, p); got != 0xa129ca6149be45e5 {
		t.Errorf("%#x", got)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
		k0, k1 := rng.Uint64(), rng.Uint64()
		if got, want := sip(k0, k1, p), siphash.Hash(k0, k1, p); got != want {
			t.Errorf("%d bytes: %#x, want %#x", n, got, want)
		}
	}
}

func TestBitset(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const size = 500
	for range 2000 {
		var plain [size]int
		s := newBitset(size)
		for range 5 {
			start := uint64(rng.IntN(size))
			n := uint64(rng.IntN(size - int(start) + 1))
			again := map[uint64]bool{}
			s.add(start, n, func(from, n uint64) {
				if again[from-1] || again[from+n] {
					t.Fatal("runs that touch")
				}
				for i := from; i < from+n; i++ {
					again[i] = true
				}
			})
			for i := start; i < start+n; i++ {
				if again[i] != (plain[i] > 0) {
					t.Fatalf("bit %d", i)
				}
				plain[i]++
			}
		}
		for i := range uint64(size) {
			if s.has(i) != (plain[i] > 0) {
				t.Fatalf("bit %d", i)
			}
		}
	}
}

// What is no image of this format is an error, not a report.
func TestRunRefuses(t *testing.T) {
	if _, err := Run(nil, nil); !errors.Is(err, layout.ErrNotImage) {
		t.Error(err)
	}
	b := make([]byte, 8<<20)
	if _, err := Run(b, nil); !errors.Is(err, layout.ErrNotImage) {
		t.Error(err)
	}
	for _, sb := range []layout.Superblock{{Incompat: 1 << 63}, {ROCompat: 1 << 63}} {
		sb.Blocks, sb.RingBlocks, sb.Backup, sb.InodeBoot = 2048, layout.MinRingBlocks, 2047, 1000
		layout.EncodeSuperblock(b, &sb)
		if _, err := Run(b, nil); !errors.Is(err, layout.ErrVersion) {
			t.Error(err)
		}
	}
}

func TestReportIsBounded(t *testing.T) {
	c := &checker{report: &Report{}}
	for range MaxFaults + 5 {
		c.fault(Superblock, 1, "object", "this", "that")
	}
	if r := c.report; len(r.Faults) != MaxFaults || r.Suppressed != 5 || r.Clean() {
		t.Errorf("%d kept, %d suppressed", len(r.Faults), r.Suppressed)
	}
	if s := c.report.Faults[0].String(); s != "offset 1: object: expected this, found that" {
		t.Error(s)
	}
}
