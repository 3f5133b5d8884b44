package inode_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
)

func free(m *alloctest.Medium, table *inode.Table, id identity) error {
	return m.Try(func(op *alloc.Op) error {
		in, err := table.Edit(op, id.ino)
		if err != nil {
			return err
		}
		return table.Free(op, in)
	})
}

// TestGrowth makes more inodes than one inode group holds; every number is new and every inode readable.
func TestGrowth(t *testing.T) {
	m, table := open(t, 8192)
	const count = layout.GroupBits + 3000
	seen := map[uint64]uint64{}
	for len(seen) < count {
		ids, err := create(m, table, 40)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if seen[id.ino] != 0 || id.ino <= layout.RootIno {
				t.Fatalf("number %d again", id.ino)
			}
			seen[id.ino] = id.gen
		}
	}
	capacity, err := table.Capacity()
	if err != nil || capacity != m.A.Inodes.Limit() || capacity < count {
		t.Errorf("capacity %d, limit %d, %v", capacity, m.A.Inodes.Limit(), err)
	}
	again, err := inode.Open(m.A, alloctest.Boot)
	if err != nil {
		t.Fatal(err)
	}
	for ino, gen := range seen {
		in, err := again.Get(nil, ino, gen)
		if err != nil || in.Ino() != ino {
			t.Fatalf("inode %d: %v", ino, err)
		}
	}
	for _, ino := range []uint64{capacity, capacity + 1, 2 * layout.GroupBits, 1 << 40, 1 << 56, 1<<64 - 1} {
		if _, err := again.View(nil, ino); !errors.Is(err, inode.ErrStale) {
			t.Errorf("number %d: %v", ino, err)
		}
	}
	bitmap, err := again.GroupBitmap(1)
	if err != nil || !layout.BitmapIs(m.Region.Bytes()[layout.BlockOffset(bitmap):], layout.KindInodes, 1) {
		t.Errorf("second inode group at block %d: %v", bitmap, err)
	}
	if _, err := again.GroupBitmap(2); !errors.Is(err, layout.ErrDamaged) {
		t.Errorf("an inode group that is not there: %v", err)
	}
}

// TestGenerations reuses numbers many times: no pair comes twice, and old handles are stale.
func TestGenerations(t *testing.T) {
	m, table := open(t, 2048)
	rng := rand.New(rand.NewPCG(1, 0))
	seen, live := map[identity]bool{}, map[identity]bool{}
	reused := map[uint64]bool{}
	for range 3000 {
		if len(live) > 30 || len(live) > 0 && rng.IntN(2) == 0 {
			for id := range live {
				if err := free(m, table, id); err != nil {
					t.Fatal(err)
				}
				delete(live, id)
				break
			}
			continue
		}
		ids, err := create(m, table, 1)
		if err != nil {
			t.Fatal(err)
		}
		for old := range seen {
			if old.ino == ids[0].ino {
				reused[old.ino] = true
			}
		}
		if seen[ids[0]] {
			t.Fatalf("%+v again", ids[0])
		}
		seen[ids[0]], live[ids[0]] = true, true
	}
	for id := range seen {
		_, err := table.Get(nil, id.ino, id.gen)
		if live[id] && err != nil || !live[id] && !errors.Is(err, inode.ErrStale) {
			t.Errorf("%+v, alive %v: %v", id, live[id], err)
		}
	}
	if len(reused) == 0 {
		t.Error("no number was used twice, so nothing was tested")
	}
	m.Verify(t)
}

// TestForged asks for what no handle can name.
func TestForged(t *testing.T) {
	m, table := open(t, 2048)
	ids, err := create(m, table, 1)
	if err != nil {
		t.Fatal(err)
	}
	id := ids[0]
	for _, f := range []identity{
		{0, 0}, {0, 1}, {layout.InodeFileIno, 1}, {layout.OrphanIno, 1}, {15, 0}, {id.ino, id.gen + 1}, {id.ino, 0}, {id.ino + 1, id.gen}, {255, 1}, {256, 1}, {1 << 63, 1},
	} {
		if _, err := table.Get(nil, f.ino, f.gen); !errors.Is(err, inode.ErrStale) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if _, err := table.Get(nil, id.ino, id.gen); err != nil {
		t.Errorf("a good handle: %v", err)
	}
	off, err := table.Offset(id.ino)
	if err != nil {
		t.Fatal(err)
	}
	m.Region.Bytes()[off+100] ^= 1
	if _, err := table.Get(nil, id.ino, id.gen); !errors.Is(err, layout.ErrDamaged) {
		t.Errorf("a damaged inode: %v", err)
	}
}

// TestGrowFull has no block left for the inode file to grow.
func TestGrowFull(t *testing.T) {
	m, table := open(t, layout.MinBlocks)
	for {
		err := m.Try(func(op *alloc.Op) error { _, err := op.AllocBlocks(0, 1000, false); return err })
		if errors.Is(err, alloc.ErrNoSpace) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	made := 0
	for ; ; made++ {
		_, err := create(m, table, 1)
		if errors.Is(err, alloc.ErrNoSpace) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if made != 256-layout.RootIno-1 {
		t.Errorf("%d inodes made", made)
	}
	m.Verify(t)
}

// TestGrowConcurrent grows from many goroutines.
func TestGrowConcurrent(t *testing.T) {
	m, table := open(t, 4096)
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 400 {
				ids, err := create(m, table, 1)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if seen[ids[0].ino] {
					t.Errorf("number %d twice", ids[0].ino)
				}
				seen[ids[0].ino] = true
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	if c := m.J.Counts(); c.Inodes != int64(len(seen))+layout.RootIno+1 {
		t.Errorf("the journal counts %d inodes, %d were made", c.Inodes, len(seen))
	}
}
