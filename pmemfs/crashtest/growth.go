package crashtest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// roomStart is an empty filesystem on the first blocks of a medium that is larger. Behind it is garbage.
func roomStart(blocks, medium uint64, d pmem.Domain, sums bool) (start, error) {
	return cached(fmt.Sprint("room ", blocks, medium, d, sums), func() (start, error) {
		region, err := pmem.NewMemory(layout.BlockOffset(medium), d)
		if err != nil {
			return start{}, err
		}
		defer region.Close()
		var key [32]byte
		key[0] = byte(blocks)
		err = formatRegion(region, pmemfs.FormatOptions{Size: layout.BlockOffset(blocks), DataChecksums: sums}, rand.NewChaCha8(key))
		s := start{medium: slices.Clone(region.Bytes()), domain: d, quiet: true}
		for b := blocks; b < medium; b++ {
			copy(s.medium[layout.BlockOffset(b):], fill(256, int64(b)))
		}
		return s, err
	})
}

// damagedFirst opens an image whose first superblock is damaged too.
func damagedFirst(region *pmem.Region) (*pmemfs.FS, error) {
	region.Write(40, []byte{0xff})
	return openRegion(region)
}

// damagedLater opens an image twice, and in between its first superblock is damaged: what the first open leaves must be enough for the second.
func damagedLater(region *pmem.Region) (*pmemfs.FS, error) {
	fs, err := openRegion(region)
	if err != nil {
		return nil, err
	}
	if err := fs.SyncAll(); err != nil {
		return nil, err
	}
	return damagedFirst(region)
}

// sizes are what an image has, what it gets, and what there is, in blocks.
var sizes = []struct {
	from, to, medium uint64
	sums             bool
}{
	{layout.MinBlocks, layout.MinBlocks + 500, layout.MinBlocks + 500, false},
	{layout.MinBlocks, layout.MinBlocks + 1, layout.MinBlocks + 700, true},
	{layout.GroupBlocks - 30, layout.GroupBlocks + 50, layout.GroupBlocks + 50, false},
	{layout.GroupBlocks - 1, layout.GroupBlocks + layout.SumBlocks + 2, layout.GroupBlocks + 900, true},
	{layout.GroupBlocks, layout.GroupBlocks + 2, layout.GroupBlocks + 2, false},
	{layout.GroupBlocks - 20, layout.GroupBlocks, layout.GroupBlocks + 1, false},
}

// growTrace makes an image larger, once and again, with operations before, between and behind: on a medium that is as large already, so
// that all of it is stores. The seed says which sizes, which domain, and whether the first superblock is damaged as well.
func growTrace(seed uint64) (*Trace, error) {
	n := uint64(len(sizes))
	z := sizes[seed%n]
	if seed >= n { // the large ones take long enough once
		z = sizes[seed%2]
	}
	d := pmem.CacheFlush
	if seed%5 == 4 {
		d = pmem.PageCache
	}
	s, err := roomStart(z.from, z.medium, d, z.sums)
	if err != nil {
		return nil, err
	}
	half := z.from + (z.to-z.from)/2
	if half <= z.from || half > layout.GroupBlocks && half-layout.GroupBlocks < layout.SumBlocks+2 {
		half = z.from
	}
	t, err := s.trace([]Op{
		{Verb: "create", Path: "a"}, {Verb: "append", Path: "a", A: 9000}, {Verb: "grow", A: int64(half)}, {Verb: "append", Path: "a", A: 70_000},
		{Verb: "grow", A: int64(z.to)}, {Verb: "grow", A: int64(z.to)}, {Verb: "write", Path: "a", A: 20_000}, {Verb: "sync"}, {Verb: "create", Path: "b"},
	}, plainly)
	if err != nil {
		return nil, err
	}
	t.from = 2
	t.open = []opener{nil, damagedFirst, damagedLater}[seed/n%3]
	t.few = t.open != nil
	t.flat = z.medium > 2*layout.MinBlocks
	return t, nil
}

// growSites are the fences of a growth.
var growSites = []string{"grow: bitmaps of new groups", "grow: backup superblock", "grow: first superblock", recordSite}

// growingTrace makes a full image larger while others work: between two of its fences come a checkpoint and operations that
// want whatever space there is. As the size is no operation of theirs, the free space is no part of the states: a file is held.
func growingTrace(seed uint64) (*Trace, error) {
	z := sizes[seed/8%2]
	empty, err := roomStart(z.from, z.medium, pmem.CacheFlush, z.sums)
	if err != nil {
		return nil, err
	}
	s, err := cached(fmt.Sprint("growing ", z.sums), func() (start, error) {
		ops := []Op{{Verb: "create", Path: "a"}, {Verb: "append", Path: "a", A: 130_000}, {Verb: "create", Path: "big"}, {Verb: "append", Path: "big", A: 300_000}}
		for range 40 {
			ops = append(ops, Op{Verb: "append", Path: "big", A: 90_000}) // until it is full
		}
		for range 30 {
			ops = append(ops, Op{Verb: "append", Path: "big", A: 4096})
		}
		return empty.prepare(ops)
	})
	if err != nil {
		return nil, err
	}
	s.quiet = true
	ops := []Op{
		{Verb: "hold", Path: "a"}, {Verb: "truncate", Path: "a"}, // what this frees lets the next ones have the last blocks before the backup
		{Verb: "append", Path: "big", A: 90_000}, {Verb: "append", Path: "big", A: 16_384},
		{Verb: "chmod", Path: "a", A: 0o600}, {Verb: "append", Path: "big", A: 200_000}, {Verb: "append", Path: "big", A: 12_288}, {Verb: "unlink", Path: "big"},
	}
	return s.trace(ops, func(r *run, step func() bool) {
		r.trace.from = 1
		for r.next < 2 && step() {
		}
		site := growSites[seed/2%4]
		ran := r.at([]string{"before ", "after "}[seed%2]+site, func() {
			r.fail(r.world.fs.SyncAll())
			some := func() bool {
				for r.next < 4 && step() {
				}
				return true
			}
			if site == recordSite {
				r.inBackground(some) // what finds space waits for this record
			} else {
				some()
			}
		})
		r.fail(r.world.grow(int64(z.to)))
		r.region.SetPersistHook(nil)
		r.background.Wait()
		for (ran() || r.next < 4) && step() {
		}
	})
}

// brokenGrowth is what is certain of an image when the power is cut in the middle of a growth.
func (s start) brokenGrowth(blocks int64, failpoint string) (start, error) {
	broken := s
	t, err := s.trace(nil, func(r *run, _ func() bool) {
		r.at(failpoint, func() {
			m := newMedium(r.trace.start, r.trace.domain)
			for i := range r.trace.items {
				if r.trace.items[i].mark == 0 {
					m.on(&r.trace.items[i].event)
				}
			}
			broken.medium = m.sure
		})
		r.fail(r.world.grow(blocks))
		r.region.SetPersistHook(nil)
	})
	if err == nil && &broken.medium[0] == &t.start[0] {
		err = fmt.Errorf("a growth to %d blocks does not come by %s", blocks, failpoint)
	}
	return broken, err
}

// brokenTrace opens an image of which a growth was cut short, at each of its fences, and makes it grow again.
func brokenTrace(seed uint64) (*Trace, error) {
	z := sizes[seed%2*2]
	s, err := roomStart(z.from, z.medium, []pmem.Domain{pmem.CacheFlush, pmem.PageCache}[seed/20%2], z.sums)
	if err != nil {
		return nil, err
	}
	cut := []string{
		"after grow: backup superblock", "before grow: first superblock", "after " + recordSite, "after journal: head of a checkpoint",
		"after grow: first superblock",
	}[seed/2%5]
	if s, err = s.brokenGrowth(int64(z.to), cut); err != nil {
		return nil, err
	}
	t, err := s.trace([]Op{{Verb: "create", Path: "a"}, {Verb: "append", Path: "a", A: 70_000}, {Verb: "sync"}, {Verb: "grow", A: int64(z.to)}, {Verb: "create", Path: "b"}}, plainly)
	if err != nil {
		return nil, err
	}
	if t.open = []opener{nil, damagedLater}[seed/10%2]; t.open != nil {
		t.few = true
	}
	return t, nil
}
