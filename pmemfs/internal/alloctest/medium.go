// Package alloctest makes a medium in memory with a journal and allocators on it, for the tests of the floors between
// the allocator and the filesystem.
//
// It lays the medium out as a real image: superblock, bitmaps, heads, ring, and an inode file with inodes 1, 2 and 16. It
// is used by one test at a time; nothing is durable.
package alloctest

import (
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// ringBlocks is the size of the journal ring: the smallest, so that it wraps often.
const ringBlocks = layout.MinRingBlocks

// Boot is the block of inodes 0 to 15, behind the table of checksums, which is there without them too, and the inode
// file's first bitmap.
const Boot = layout.JournalRing + ringBlocks + layout.SumBlocks + 1

// inodeBlocks is the size of the inode file.
const inodeBlocks = 17

// Medium is a formatted medium with what works on it.
type Medium struct {
	Region *pmem.Region
	J      *journal.Journal
	A      *alloc.Allocator
	Super  layout.Superblock
}

// New returns a medium of so many blocks; background says whether the journal checkpoints by itself. It ends with the test.
func New(t testing.TB, blocks uint64, background bool) *Medium {
	t.Helper()
	return newMedium(t, blocks, background, 0)
}

// NewWithSums is New with checksums of data, and without checkpoints of its own.
func NewWithSums(t testing.TB, blocks uint64) *Medium {
	t.Helper()
	return newMedium(t, blocks, false, layout.ROCompatSums)
}

func newMedium(t testing.TB, blocks uint64, background bool, features uint64) *Medium {
	t.Helper()
	region, err := pmem.NewMemory(int64(blocks)<<layout.BlockShift, pmem.Volatile)
	if err != nil {
		t.Fatal(err)
	}
	m := &Medium{Region: region, Super: layout.Superblock{
		Blocks: blocks, RingBlocks: ringBlocks, Backup: blocks - 1, InodeBoot: Boot, BirthEpoch: 1, ROCompat: features,
	}}
	head := m.format()
	st := journal.State{Head: head, Ring: m.Super.RingOffset(), Size: m.Super.RingBytes(), Sums: m.Super.Sums()}
	m.J = journal.New(region, st, journal.Options{NoBackground: !background})
	m.A = &alloc.Allocator{J: m.J}
	m.A.Blocks = alloc.NewBits(m.J, layout.KindBlocks, blocks, head.FreeBlocks, func(g uint64) (uint64, error) { return layout.BitmapBlock(g), nil })
	capacity := layout.InodeCapacity(inodeBlocks)
	m.A.Inodes = alloc.NewBits(m.J, layout.KindInodes, capacity, capacity-head.UsedInodes, func(uint64) (uint64, error) { return Boot - 1, nil })
	m.J.OnCheckpoint(m.A.Blocks.Checkpointed)
	t.Cleanup(func() {
		m.J.Close()
		if err := region.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// format writes the medium and its first journal head.
func (m *Medium) format() layout.Head {
	b := make([]byte, layout.BlockSize)
	layout.EncodeSuperblock(b, &m.Super)
	m.store(layout.SuperBlock, b)
	m.store(m.Super.Backup, b)
	used := uint64(0)
	for g := range layout.GroupCount(m.Super.Blocks) {
		layout.InitBitmap(b, layout.KindBlocks, g)
		if g == 0 {
			layout.BitmapSet(b, 0, Boot-1+inodeBlocks)
		} else {
			layout.BitmapSet(b, 0, 1)
			if sums := m.Super.Sums(); sums.On() {
				layout.BitmapSet(b, 1, layout.SumBlocks)
			}
		}
		if m.Super.Backup/layout.GroupBlocks == g {
			layout.BitmapSet(b, int(m.Super.Backup%layout.GroupBlocks), 1)
		}
		used += uint64(layout.BitmapUsed(b))
		layout.Seal(b)
		m.store(layout.BitmapBlock(g), b)
	}
	layout.InitBitmap(b, layout.KindInodes, 0)
	layout.BitmapSet(b, 0, layout.RootIno+1)
	layout.Seal(b)
	m.store(Boot-1, b)
	m.bootInodes()
	head := layout.Head{Version: 1, Epoch: 1, TailSeq: 1, FreeBlocks: m.Super.Blocks - used, UsedInodes: layout.RootIno + 1, Salt: 99}
	line := b[:layout.HeadSize]
	layout.EncodeHead(line, &head)
	m.Region.Write(layout.BlockOffset(layout.JournalHeadB), line)
	return head
}

func (m *Medium) bootInodes() {
	var b [layout.InodeSize]byte
	in := layout.Inode(b[:])
	for _, ino := range []uint64{layout.InodeFileIno, layout.OrphanIno, layout.RootIno} {
		layout.InitInode(in, ino, 1)
		in.SetMode(layout.ModeRegular)
		in.SetNlink(1)
		if ino == layout.InodeFileIno {
			in.SetSize(inodeBlocks * layout.BlockSize)
			in.AddBlocks(inodeBlocks)
			in.SetInlineExtent(0, layout.Extent{Phys: Boot - 1, Len: inodeBlocks, Birth: 1})
			in.SetInlineCount(1)
		}
		in.Seal()
		m.Region.Write(InodeOffset(ino), in)
	}
}

func (m *Medium) store(block uint64, b []byte) { m.Region.Write(layout.BlockOffset(block), b) }

// InodeOffset returns where one of the first 256 inodes is.
func InodeOffset(ino uint64) int64 {
	return layout.BlockOffset(Boot) + int64(ino)*layout.InodeSize
}

// Inode returns the bytes of an inode on the medium, to read.
func (m *Medium) Inode(ino uint64) layout.Inode {
	off := InodeOffset(ino)
	return m.Region.Bytes()[off : off+layout.InodeSize]
}

// NewInode makes an inode of a type outside any directory.
func (m *Medium) NewInode(t testing.TB, ino uint64, mode uint16) {
	t.Helper()
	m.Do(t, func(op *alloc.Op) error {
		in := op.Tx.NewInode(InodeOffset(ino))
		layout.InitInode(in, ino, 1)
		in.SetMode(mode)
		in.SetNlink(1)
		return nil
	})
}

// Do runs f as one operation and commits it; an error fails the test.
func (m *Medium) Do(t testing.TB, f func(op *alloc.Op) error) {
	t.Helper()
	if err := m.Try(f); err != nil {
		t.Fatal(err)
	}
}

// Try runs f as one operation, commits it if f returns nil and aborts it otherwise.
func (m *Medium) Try(f func(op *alloc.Op) error) error {
	op := m.A.Begin()
	defer op.Done()
	if err := f(op); err != nil {
		return err
	}
	return op.Commit()
}

// Used returns how many bits the block bitmaps have set.
func (m *Medium) Used() uint64 {
	used := uint64(0)
	for g := range layout.GroupCount(m.Super.Blocks) {
		off := layout.BlockOffset(layout.BitmapBlock(g))
		used += uint64(layout.BitmapUsed(m.Region.Bytes()[off : off+layout.BlockSize]))
	}
	return used
}

// Verify checkpoints and fails the test unless all counters agree with the bitmaps.
func (m *Medium) Verify(t testing.TB) {
	t.Helper()
	if err := m.J.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	free := int64(m.Super.Blocks - m.Used())
	if c := m.J.Counts(); c.Free != free {
		t.Errorf("the journal counts %d free blocks, the bitmaps %d", c.Free, free)
	}
	if a, q := m.A.Blocks.Avail(), m.A.Blocks.Quarantined(); a != free || q != 0 {
		t.Errorf("the allocator counts %d free blocks and %d in quarantine, the bitmaps %d", a, q, free)
	}
	inodes := int64(layout.BitmapUsed(m.Region.Bytes()[layout.BlockOffset(Boot-1):layout.BlockOffset(Boot)]))
	if c := m.J.Counts(); c.Inodes != inodes {
		t.Errorf("the journal counts %d inodes, the bitmap %d", c.Inodes, inodes)
	}
	if a := m.A.Inodes.Avail(); a != int64(m.A.Inodes.Limit())-inodes {
		t.Errorf("the allocator counts %d free inodes, the bitmap %d of %d", a, inodes, m.A.Inodes.Limit())
	}
}
