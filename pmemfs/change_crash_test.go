package pmemfs

import (
	"math/rand/v2"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// powerCut returns a medium that a power cut may leave now: of each line that was stored to and not fenced, the old or
// the new content, as the seed says.
func powerCut(fs *FS, sure []byte, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 2))
	now, out := fs.region.Bytes(), append([]byte{}, sure...)
	for off := 0; off < len(now); off += layout.LineSize {
		if line := now[off : off+layout.LineSize]; string(line) != string(out[off:off+layout.LineSize]) && rng.IntN(2) == 0 {
			copy(out[off:], line)
		}
	}
	return out
}

// TestModel runs random operations with every kind of restart between them.
func TestModel(t *testing.T) {
	testpart.NotRace(t)
	t.Parallel()
	bothWays(t, func(t *testing.T, sums bool) {
		for seed := range uint64(4) {
			runModel(t, seed, 2000, sums)
		}
	})
}

// bothWays runs a test without and with checksums of data.
func bothWays(t *testing.T, f func(t *testing.T, sums bool)) {
	t.Run("plain", func(t *testing.T) { f(t, false) })
	t.Run("sums", func(t *testing.T) { f(t, true) })
}

func runModel(t *testing.T, seed uint64, steps int, sums bool) {
	fs := memFSWith(t, 40<<20, sums)
	m := newModel(t, fs, seed)
	defer func() {
		if t.Failed() {
			t.Logf("replay: runModel(t, %d, %d, %v)", seed, steps, sums)
		}
	}()
	sure := shadowMedium(fs)
	for i := range steps {
		m.step()
		if i%100 == 99 {
			medium := powerCut(m.fs, sure, seed<<32+uint64(i))
			checkMedium(t, medium)
			cut := mountBytes(t, medium)
			m.verify(cut)
			checkFS(t, cut)
			closeFS(t, cut)
		}
		if i%1000 == 999 { // a kill: what the process stored is there
			m.verify(m.fs)
			next := mountBytes(t, m.fs.region.Bytes())
			closeFS(t, m.fs)
			m.fs = next
			sure = shadowMedium(next)
		}
	}
	m.verify(m.fs)
	checkFS(t, m.fs)
	closeFS(t, m.fs)
}
