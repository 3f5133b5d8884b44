package recovery_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/recovery"
	"pmemfs/pmemfs/internal/tree"
)

const (
	mediumBlocks = layout.MinBlocks
	owner        = 77
)

// lap is how many of the operations that record makes first fill the ring: 3,000 bytes and the headers, in whole lines.
const lap = layout.MinRingBlocks * layout.BlockSize / 3136

// history is a medium before some operations and after each of them.
type history struct {
	super  layout.Superblock
	before []byte      // in place, nothing of the window
	after  []byte      // ring and blocks after all operations
	ends   []uint64    // ring position behind each record
	roots  []tree.Root // of the tree that they grow
	keys   []int       // how many keys it has
	free   []uint64    // blocks
}

// record runs n operations that insert into a tree and returns what happened. skew moves where in the ring they lie.
func record(t testing.TB, n, skew int) *history {
	t.Helper()
	m := alloctest.New(t, mediumBlocks, false)
	for range skew {
		m.Do(t, func(op *alloc.Op) error { op.Tx.Data(layout.BlockOffset(900), make([]byte, 3000)); return nil })
	}
	if err := m.J.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	h := &history{super: m.Super, before: bytes.Clone(m.Region.Bytes())}
	root := tree.Root{}
	for i := range n {
		m.Do(t, func(op *alloc.Op) error {
			tr := tree.Tree{J: m.J, Op: op, Kind: layout.TreeDir, Owner: owner, Root: root}
			err := tr.Insert(uint64(i+1), bytes.Repeat([]byte{byte(i)}, 300))
			root = tr.Root
			return err
		})
		h.ends = append(h.ends, m.J.Appended())
		h.roots, h.keys, h.free = append(h.roots, root), append(h.keys, i+1), append(h.free, uint64(m.J.Counts().Free))
	}
	h.after = bytes.Clone(m.Region.Bytes())
	return h
}

// ring returns a medium on which the records are durable and of the stores in place a seeded part of the lines.
func (h *history) ring(seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := bytes.Clone(h.before)
	from, to := h.super.RingOffset(), h.super.RingOffset()+h.super.RingBytes()
	copy(out[from:to], h.after[from:to])
	for off := int(to); off < len(out); off += layout.LineSize {
		if rng.IntN(2) == 0 {
			copy(out[off:off+layout.LineSize], h.after[off:])
		}
	}
	return out
}

func load(t *testing.T, medium []byte) *pmem.Region {
	t.Helper()
	region, err := pmem.NewMemory(int64(len(medium)), pmem.Volatile)
	if err != nil {
		t.Fatal(err)
	}
	region.Write(0, medium)
	t.Cleanup(func() {
		if err := region.Close(); err != nil {
			t.Error(err)
		}
	})
	return region
}

// verify recovers a medium and compares it with the state after the first n operations.
func (h *history) verify(t *testing.T, region *pmem.Region, n int, what string) {
	t.Helper()
	st, err := recovery.Run(region, &h.super)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	j := journal.New(region, st, journal.Options{NoBackground: true})
	defer j.Close()
	if n == 0 {
		return
	}
	tr := tree.Tree{J: j, Kind: layout.TreeDir, Owner: owner, Root: h.roots[n-1]}
	var c tree.Cursor
	keys := 0
	for err = tr.SeekGE(&c, 0); err == nil && c.Valid(); err = tr.Next(&c) {
		if want := bytes.Repeat([]byte{byte(keys)}, 300); !bytes.Equal(c.Payload(), want) {
			t.Fatalf("%s: key %d has another payload", what, c.Key())
		}
		keys++
	}
	if err != nil || keys != h.keys[n-1] {
		t.Fatalf("%s: %d keys, expected %d: %v", what, keys, h.keys[n-1], err)
	}
	used := uint64(layout.BitmapUsed(region.Bytes()[layout.BlockOffset(1):layout.BlockOffset(2)]))
	if got := uint64(j.Counts().Free); got != h.free[n-1] || got != h.super.Blocks-used {
		t.Fatalf("%s: %d blocks free, expected %d; the bitmap has %d used", what, got, h.free[n-1], used)
	}
}
