package pmemfs

import (
	"math/rand/v2"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// newSnapMutant makes the smallest image with snapshots.
func newSnapMutant(t testing.TB, replay bool) *mutant {
	fs := memFS(t, layout.MinBlocks*layout.BlockSize)
	s := operateThen(t, fs, 150, 130, replay, (*builder).snapshots)
	return &mutant{healthy: s, busy: metadata(s), medium: append([]byte{}, s.medium...)}
}

// TestSnapshotDamagePrograms is TestDamagePrograms on images with snapshots.
func TestSnapshotDamagePrograms(t *testing.T) {
	testpart.NotRace(t)
	m := [2]*mutant{newSnapMutant(t, false), newSnapMutant(t, true)}
	for i := range *programs {
		seed := *programSeed + uint64(i)
		rng := rand.New(rand.NewPCG(seed, 7))
		program := randomProgram(rng)
		t.Run("", func(t *testing.T) {
			fuzzCheck(t, m[rng.IntN(2)], program)
			fuzzRepair(t, m[rng.IntN(2)], program, rng.IntN(8) == 0)
			fuzzOpen(t, m[rng.IntN(2)], program)
			if t.Failed() {
				t.Logf("again with -run TestSnapshotDamagePrograms -programseed %d -programs 1", seed)
			}
		})
	}
}

// FuzzSnapshotImages checks, repairs and opens mutated images that have snapshots.
func FuzzSnapshotImages(f *testing.F) {
	testpart.NotRace(f)
	m := [2]*mutant{newSnapMutant(f, false), newSnapMutant(f, true)}
	seeds(f)
	f.Fuzz(func(t *testing.T, program []byte) {
		fuzzCheck(t, m[len(program)%2], program)
		fuzzRepair(t, m[len(program)%2], program, len(program) > 0 && program[0]%8 == 0)
		fuzzOpen(t, m[len(program)%2], program)
	})
}
