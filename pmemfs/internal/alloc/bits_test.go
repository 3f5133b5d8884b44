package alloc_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/layout"
)

// owners says which blocks are taken; a block that is handed out twice is an error.
type owners struct {
	mu    sync.Mutex
	taken map[uint64]bool
}

func (o *owners) add(r alloc.Run, limit uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for b := r.Start; b < r.Start+r.Len; b++ {
		if o.taken[b] || b >= limit || b%layout.GroupBlocks == 0 {
			return fmt.Errorf("block %d of %+v is not free", b, r)
		}
		o.taken[b] = true
	}
	return nil
}

func (o *owners) drop(r alloc.Run) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for b := r.Start; b < r.Start+r.Len; b++ {
		delete(o.taken, b)
	}
}

// churn takes and gives back runs, some operations aborted.
func churn(m *alloctest.Medium, o *owners, seed uint64, steps int) (mine []alloc.Run, err error) {
	rng := rand.New(rand.NewPCG(seed, 1))
	aborted := errors.New("aborted")
	for step := range steps {
		fail := rng.IntN(5) == 0
		if rng.IntN(2) == 0 || len(mine) == 0 {
			want := 1 + rng.Uint64N(1<<rng.IntN(9))
			var r alloc.Run
			err := m.Try(func(op *alloc.Op) (err error) {
				if r, err = op.AllocBlocks(rng.Uint64N(m.Super.Blocks), want, rng.IntN(4) == 0); err == nil && fail {
					err = aborted
				}
				return err
			})
			switch {
			case err == nil:
				if r.Len == 0 || r.Len > want {
					return mine, fmt.Errorf("seed %d step %d: wanted %d, got %+v", seed, step, want, r)
				}
				if err := o.add(r, m.Super.Blocks-1); err != nil {
					return mine, fmt.Errorf("seed %d step %d: %w", seed, step, err)
				}
				mine = append(mine, r)
			case err != aborted && !errors.Is(err, alloc.ErrNoSpace):
				return mine, err
			}
			continue
		}
		i := rng.IntN(len(mine))
		r := mine[i]
		// The owner forgets first: once the free is committed, a checkpoint may hand the blocks to another goroutine.
		if !fail {
			o.drop(r)
			mine[i] = mine[len(mine)-1]
			mine = mine[:len(mine)-1]
		}
		err := m.Try(func(op *alloc.Op) error {
			if err := op.FreeBlocks(r.Start, r.Len); err != nil || !fail {
				return err
			}
			return aborted
		})
		if err != nil && err != aborted {
			return mine, err
		}
	}
	return mine, nil
}

// TestAllocConcurrent churns with eight goroutines, also with room for the pictures of only two groups.
func TestAllocConcurrent(t *testing.T) {
	for _, loaded := range []int64{8192, 1} {
		alloc.SetMaxLoaded(t, loaded)
		m := alloctest.New(t, 2*layout.GroupBlocks+1000, true)
		o := &owners{taken: map[uint64]bool{}}
		before := m.Used()
		var wg sync.WaitGroup
		left := make([][]alloc.Run, 8)
		for g := range left {
			wg.Add(1)
			go func() {
				defer wg.Done()
				var err error
				if left[g], err = churn(m, o, uint64(g), 600); err != nil {
					t.Error(err)
				}
			}()
		}
		wg.Wait()
		m.Verify(t)
		for b := range o.taken {
			bitmap := m.Region.Bytes()[layout.BlockOffset(layout.BitmapBlock(b/layout.GroupBlocks)):]
			if !layout.BitmapTest(bitmap, int(b%layout.GroupBlocks)) {
				t.Errorf("block %d is taken and not set", b)
			}
		}
		if got := m.Used() - before; got != uint64(len(o.taken)) {
			t.Errorf("%d blocks set, %d taken", got, len(o.taken))
		}
		for _, runs := range left {
			for _, r := range runs {
				if err := give(m, r); err != nil {
					t.Fatal(err)
				}
			}
		}
		m.Verify(t)
		if m.Used() != before {
			t.Errorf("%d blocks are lost", m.Used()-before)
		}
		if loaded == 1 && m.A.Blocks.Loaded() > 5 {
			t.Errorf("%d groups are loaded", m.A.Blocks.Loaded())
		}
	}
}

// TestQuarantine frees a block: it must not come again before a checkpoint has passed.
func TestQuarantine(t *testing.T) {
	m := alloctest.New(t, 2048, false)
	r, err := take(m, 1500, 10, false)
	if err != nil || r != (alloc.Run{Start: 1500, Len: 10}) {
		t.Fatalf("%+v, %v", r, err)
	}
	avail := m.A.Blocks.Avail()
	if err := give(m, r); err != nil {
		t.Fatal(err)
	}
	if got := m.A.Blocks.Quarantined(); got != 10 || m.A.Blocks.Avail() != avail {
		t.Errorf("%d in quarantine, %d available, expected 10 and %d", got, m.A.Blocks.Avail(), avail)
	}
	if again, err := take(m, 1500, 10, false); err != nil || again.Start >= 1490 && again.Start <= 1510 {
		t.Errorf("in quarantine, and handed out: %+v, %v", again, err)
	}
	if err := m.J.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if got := m.A.Blocks.Quarantined(); got != 0 {
		t.Errorf("%d in quarantine after a checkpoint", got)
	}
	if again, err := take(m, 1500, 10, false); err != nil || again.Start != 1500 {
		t.Errorf("after the checkpoint: %+v, %v", again, err)
	}
	m.Verify(t)
}

// TestQuarantineOrder lets a checkpoint pass the record before the one that frees: the blocks stay.
func TestQuarantineOrder(t *testing.T) {
	m := alloctest.New(t, 2048, false)
	r, err := take(m, 1500, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	op := m.A.Begin()
	defer op.Done()
	if err := op.FreeBlocks(r.Start, 1); err != nil {
		t.Fatal(err)
	}
	if err := m.J.Checkpoint(); err != nil { // the free is not committed yet
		t.Fatal(err)
	}
	if other, err := take(m, 1500, 1, false); err != nil || other.Start == 1500 {
		t.Errorf("a block whose free is not committed is handed out: %+v, %v", other, err)
	}
	if err := op.Commit(); err != nil {
		t.Fatal(err)
	}
	if other, err := take(m, 1500, 1, false); err != nil || other.Start == 1500 {
		t.Errorf("a block whose free is in the window is handed out: %+v, %v", other, err)
	}
	m.Verify(t)
}

// TestReserve fills a medium: ordinary operations leave the reserve, those that free may use it, and all of it comes back
// any number of times.
func TestReserve(t *testing.T) {
	m := alloctest.New(t, 4096, false)
	before, reserve := m.Used(), m.A.EmergencyReserve()
	if reserve != alloc.ReserveBlocks {
		t.Fatalf("%d in reserve", reserve)
	}
	for round := range 3 {
		var runs []alloc.Run
		for {
			r, err := take(m, 0, 100, false)
			if errors.Is(err, alloc.ErrNoSpace) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			runs = append(runs, r)
		}
		if got := m.A.Blocks.Avail(); got != reserve {
			t.Errorf("round %d: %d blocks left, expected the reserve of %d", round, got, reserve)
		}
		m.Do(t, func(op *alloc.Op) error {
			op.Frees = true
			for range reserve {
				r, err := op.AllocBlocks(0, 1, false)
				if err != nil {
					return err
				}
				runs = append(runs, r)
			}
			if _, err := op.AllocBlocks(0, 1, false); !errors.Is(err, alloc.ErrNoSpace) {
				t.Errorf("round %d: more than all: %v", round, err)
			}
			return nil
		})
		if m.Used() != m.Super.Blocks {
			t.Errorf("round %d: %d of %d blocks used", round, m.Used(), m.Super.Blocks)
		}
		for _, r := range runs {
			if err := give(m, r); err != nil {
				t.Fatal(err)
			}
		}
		// All of it is in quarantine: the next allocation has to checkpoint by itself.
		r, err := take(m, 0, 1, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := give(m, r); err != nil {
			t.Fatal(err)
		}
		m.Verify(t)
		if m.Used() != before {
			t.Errorf("round %d: %d blocks lost", round, m.Used()-before)
		}
	}
}

// TestGroupEdges takes runs up to the edge of a group and frees one over it.
func TestGroupEdges(t *testing.T) {
	m := alloctest.New(t, 3*layout.GroupBlocks, false)
	edge := uint64(layout.GroupBlocks)
	r, err := take(m, edge-10, 100, false)
	if err != nil || r != (alloc.Run{Start: edge - 10, Len: 10}) {
		t.Fatalf("up to the edge: %+v, %v", r, err)
	}
	if r, err = take(m, edge+1, layout.GroupBlocks*2, false); err != nil || r != (alloc.Run{Start: edge + 1, Len: layout.ExtentMaxLen}) {
		t.Fatalf("a whole group: %+v, %v", r, err)
	}
	used := m.Used()
	m.Do(t, func(op *alloc.Op) error {
		return errors.Join(op.FreeBlocks(edge-10, 10), op.FreeBlocks(edge+1, layout.ExtentMaxLen))
	})
	if got := used - m.Used(); got != 10+layout.ExtentMaxLen {
		t.Errorf("%d blocks freed", got)
	}
	last := m.Super.Blocks - 2
	if r, err = take(m, last, 5, false); err != nil || r != (alloc.Run{Start: last, Len: 1}) {
		t.Fatalf("the last block: %+v, %v", r, err)
	}
	if r, err = take(m, m.Super.Blocks+5, 5, false); err != nil || r.Len != 5 {
		t.Fatalf("a goal behind the end: %+v, %v", r, err)
	}
	m.Verify(t)
}

// TestAligned asks for large runs, which begin at multiples of 2 MiB as long as there are any.
func TestAligned(t *testing.T) {
	m := alloctest.New(t, 2*layout.GroupBlocks, false)
	if _, err := take(m, 600, 1, false); err != nil { // spoils a huge page
		t.Fatal(err)
	}
	aligned := 0
	for {
		r, err := take(m, 0, 300, true)
		if errors.Is(err, alloc.ErrNoSpace) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if r.Start%layout.HugeBlocks == 0 {
			aligned++
			if r.Len != 300 {
				t.Errorf("aligned and short: %+v", r)
			}
		}
	}
	// Of 126 huge pages, those with the metadata, the spoiled one and those with a bitmap or the backup are not empty.
	if aligned < 120 {
		t.Errorf("%d aligned runs", aligned)
	}
	m.Verify(t)
}

// TestInodes takes all inode numbers, gives them back, and takes them again.
func TestInodes(t *testing.T) {
	m := alloctest.New(t, 2048, false)
	free := m.A.Inodes.Avail()
	for range 2 {
		seen := map[uint64]bool{}
		for range free {
			m.Do(t, func(op *alloc.Op) error {
				ino, err := op.ReserveInode()
				if err != nil {
					return err
				}
				if seen[ino] || ino <= layout.RootIno {
					t.Errorf("number %d is not free", ino)
				}
				seen[ino] = true
				return op.LogInode(ino)
			})
		}
		err := m.Try(func(op *alloc.Op) error { _, err := op.ReserveInode(); return err })
		if !errors.Is(err, alloc.ErrNoSpace) {
			t.Errorf("one more than all: %v", err)
		}
		m.Verify(t)
		for ino := range seen {
			m.Do(t, func(op *alloc.Op) error { return op.FreeInode(ino) })
		}
		m.Verify(t)
	}
}

// TestGrow raises the limit beside allocations that load and drop the last group: no bit may get lost, and nobody may
// wait for ever.
func TestGrow(t *testing.T) {
	alloc.SetMaxLoaded(t, 1)
	for round := range 10 {
		m := alloctest.New(t, layout.GroupBlocks+6000, false)
		const start = layout.GroupBlocks + 100
		free := func(limit uint64) int64 { return int64(limit - m.Used() + 1) } // the backup is behind all limits here
		b := alloc.NewBits(m.J, layout.KindBlocks, start, uint64(free(start)), func(g uint64) (uint64, error) { return layout.BitmapBlock(g), nil })
		var wg sync.WaitGroup
		for g := range uint64(4) {
			wg.Add(1)
			go func() {
				defer wg.Done()
				rng := rand.New(rand.NewPCG(uint64(round), g))
				for range 1000 {
					r, err := b.Reserve(rng.Uint64N(b.Limit()), 1+rng.Uint64N(20), false)
					if err != nil {
						t.Error(err)
						return
					}
					if r.Len > 0 {
						b.Unreserve(r)
					}
				}
			}()
		}
		for limit := uint64(start + 50); limit < start+5000; limit += 50 {
			b.SetLimit(limit)
			b.AddAvail(50)
		}
		wg.Wait()
		if b.Avail() != free(b.Limit()) {
			t.Fatalf("round %d: %d available, expected %d", round, b.Avail(), free(b.Limit()))
		}
		for b.Avail() > 0 {
			r, err := b.Reserve(0, layout.GroupBits, false)
			if err != nil || r.Len == 0 {
				t.Fatalf("round %d: %d available and none to be had: %v", round, b.Avail(), err)
			}
		}
	}
}
