package pmemfs

import (
	"flag"
	"math/rand/v2"
	"testing"

	"pmemfs/pmemfs/testpart"
)

var (
	programs    = flag.Int("programs", 200, "damaged images that TestDamagePrograms repairs and opens")
	programSeed = flag.Uint64("programseed", 1, "seed of the first of them; each has the next one")
)

// TestDamagePrograms is the fuzz targets' loop with programs that a seed makes, of steps that make sense: it finds in seconds
// what a fuzzer that knows nothing of the steps finds in hours.
func TestDamagePrograms(t *testing.T) {
	testpart.NotRace(t)
	m := [2]*mutant{newMutant(t, false), newMutant(t, true)}
	for i := range *programs {
		seed := *programSeed + uint64(i)
		rng := rand.New(rand.NewPCG(seed, 0))
		program := randomProgram(rng)
		t.Run("", func(t *testing.T) {
			fuzzCheck(t, m[rng.IntN(2)], program)
			fuzzRepair(t, m[rng.IntN(2)], program, rng.IntN(8) == 0)
			fuzzOpen(t, m[rng.IntN(2)], program)
			if t.Failed() {
				t.Logf("again with -run TestDamagePrograms -programseed %d -programs 1", seed)
			}
		})
	}
}

// randomProgram returns one to sixteen steps, often on the same blocks and with small values.
func randomProgram(rng *rand.Rand) []byte {
	program := make([]byte, mutationSize*(1+rng.IntN(1+rng.IntN(16))))
	for i := range program {
		program[i] = byte(rng.Uint32())
	}
	for p := program; len(p) > 0; p = p[mutationSize:] {
		if rng.IntN(2) == 0 {
			clear(p[9+rng.IntN(7) : 16])
		}
		if rng.IntN(3) == 0 {
			p[3] = 0
			p[2] %= 40
		}
		if rng.IntN(3) == 0 {
			p[5] = 0
		}
	}
	return program
}
