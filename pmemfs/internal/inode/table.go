// Package inode finds, makes and grows inodes.
//
// All inodes live in one file, the inode file (inode 1): inode groups of a bitmap block and 2,016 blocks of 16 inodes. It
// grows by whole runs of blocks, and gives back its end, so there is no fixed number of inodes. Its extents are few and kept in DRAM; everything
// else is read from the medium. Inode numbers below layout.BootInodeCount are the filesystem's own.
//
// A generation is the mount epoch and a counter, so no two inodes ever have the same number and generation. See claim.
//
// # Lock order
//
//	Table.growMu      while the inode file grows, is cut, or claims generations; before the callers' stripes
//	  the callers' stripes, while a cut waits until nobody looks at what it takes away
//	    the locks of alloc and journal (see there)
package inode

import (
	"errors"
	"fmt"
	"sync/atomic"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
)

var siteGrowth = pmem.NewThroughSite("inode: zeros of a grown inode file")

// ErrStale is returned for an inode number or generation that names no file.
var ErrStale = errors.New("stale file handle")

// Growth of the inode file, in blocks.
const (
	growMin = 16
	growMax = 512
)

// reserveTries is how often Reserve grows the file and looks again.
const reserveTries = 1000

// Table is the inode file. Safe for concurrent use; the bytes of an inode are guarded by the caller's inode locks.
type Table struct {
	j       *journal.Journal
	a       *alloc.Allocator
	boot    uint64
	extents atomic.Pointer[[]layout.Extent]
	span    atomic.Uint64 // the upper half of the last generation that may be given out
	_       [layout.LineSize]byte

	// Changed by every create, where what is above is read by every call.
	gen   atomic.Uint64
	top   atomic.Uint64 // no higher number is in use; noTop until somebody has looked
	loose atomic.Bool   // it may be lower by now
	_     [layout.LineSize]byte

	growMu critical.Mutex // taken before inode locks and any lock of alloc or journal
}

// Open reads the extents of the inode file. boot is the block of inodes 0 to 15.
func Open(a *alloc.Allocator, boot uint64) (*Table, error) {
	t := &Table{j: a.J, a: a, boot: boot}
	t.growMu.Name("inode file", 1)
	t.top.Store(noTop)
	return t, t.load()
}

// load reads the extents, whose memory may fault.
func (t *Table) load() (err error) {
	defer t.j.Region().Unguard(t.j.Region().Guard(), &err)
	in, err := t.View(nil, layout.InodeFileIno)
	if err != nil {
		return err
	}
	epoch := t.j.Epoch()
	t.span.Store(epoch)
	t.gen.Store(epoch << 32)
	if last := in.Gen() >> 32; last >= epoch {
		t.gen.Store((last + 1) << 32)
	}
	return t.loadExtents(in)
}

// genAhead is how many generations before they are needed those of another upper half are claimed: more than there are operations at
// once.
const genAhead = 1 << 20

// claim makes sure that the next generations are nobody else's. Those of the mount epoch are this mount's by itself. When 2^32 are
// used up, or an earlier mount has gone into them, inode 1 says, in its generation, which others are. One fence; durable on return.
func (t *Table) claim() error {
	t.growMu.Lock()
	defer t.growMu.Unlock()
	span := t.nextSpan()
	if span <= t.span.Load() {
		return nil
	}
	op := t.a.Begin()
	defer op.Done()
	in, err := t.Edit(op, layout.InodeFileIno)
	if err != nil {
		return err
	}
	in.SetGen(span << 32)
	if err := op.Commit(); err != nil {
		return err
	}
	t.span.Store(span)
	return nil
}

// nextSpan returns the upper half of the generation that may be needed next.
func (t *Table) nextSpan() uint64 { return (t.gen.Load() + genAhead) >> 32 }

func (t *Table) loadExtents(in layout.Inode) error {
	var list []layout.Extent
	m := extent.Open(t.j, nil, in)
	for b := uint64(0); ; {
		e, ok, err := m.Next(b)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		list = append(list, e)
		b = e.End()
	}
	t.extents.Store(&list)
	return nil
}

// Capacity returns how many inode numbers the inode file holds.
func (t *Table) Capacity() (uint64, error) {
	in, err := t.View(nil, layout.InodeFileIno)
	if err != nil {
		return 0, err
	}
	blocks, image := in.Size()>>layout.BlockShift, uint64(t.j.Region().Size())>>layout.BlockShift
	if blocks > image { // or the table of numbers would be as large as the size says
		return 0, fmt.Errorf("%w: the inode file has %d blocks, the image %d", layout.ErrDamaged, blocks, image)
	}
	return layout.InodeCapacity(blocks), nil
}

// block returns the image block of a block of the inode file.
func (t *Table) block(fileBlock uint64) (uint64, bool) {
	p := t.extents.Load()
	if p == nil {
		return 0, false
	}
	list := *p
	i, hi := 0, len(list)
	for i < hi { // sort.Search would call a function for each step, five times an operation
		if mid := int(uint(i+hi) >> 1); list[mid].End() > fileBlock {
			hi = mid
		} else {
			i = mid + 1
		}
	}
	if i == len(list) || list[i].Logical > fileBlock {
		return 0, false
	}
	return list[i].Phys + fileBlock - list[i].Logical, true
}

// GroupBitmap returns the block that holds the bitmap of an inode group.
func (t *Table) GroupBitmap(c uint64) (uint64, error) {
	b, ok := t.block(layout.InodeGroupBitmap(c))
	if !ok {
		return 0, fmt.Errorf("%w: inode file has no group %d", layout.ErrDamaged, c)
	}
	return b, nil
}

// Offset returns the byte offset of an inode. ErrStale means that there is no such number.
func (t *Table) Offset(ino uint64) (int64, error) {
	if ino < layout.BootInodeCount {
		return layout.BlockOffset(t.boot) + int64(ino)*layout.InodeSize, nil
	}
	if ino>>56 != 0 {
		return 0, ErrStale
	}
	fileBlock, off := layout.InodeFileBlock(ino)
	b, ok := t.block(fileBlock)
	if !ok {
		return 0, ErrStale
	}
	return layout.BlockOffset(b) + off, nil
}

// Holds says what a block of the image holds as part of the inode file: the bitmap of inode group n, or 16 inodes from n on.
func (t *Table) Holds(block uint64) (n uint64, bitmap, ok bool) {
	p := t.extents.Load()
	if p == nil {
		return 0, false, false
	}
	for _, e := range *p {
		if block < e.Phys || block-e.Phys >= uint64(e.Len) {
			continue
		}
		n, bitmap = layout.InodesOfBlock(e.Logical + block - e.Phys)
		return n, bitmap, true
	}
	return 0, false, false
}

// View returns an inode to read, through tx's shadow if there is one, with checksum and number verified. A slot that
// holds no file is ErrStale; any other mismatch wraps layout.ErrDamaged.
func (t *Table) View(tx *journal.Tx, ino uint64) (layout.Inode, error) {
	off, err := t.Offset(ino)
	if err != nil {
		return nil, err
	}
	if t.j.AnyLost() && t.j.Lost(layout.BlockOf(off)) {
		return nil, &journal.LostError{Block: layout.BlockOf(off)}
	}
	in := layout.Inode(journal.View(t.j, tx, off, layout.InodeSize))
	live := &in[0] == &t.j.Region().Bytes()[off]
	switch {
	case live && in.Unused():
		return nil, ErrStale
	case live && !in.Sealed(ino):
		return nil, fmt.Errorf("%w: inode %d at offset %d: checksum or number is wrong", layout.ErrDamaged, ino, off)
	case in.Free():
		return nil, ErrStale
	}
	return in, nil
}

// Get is View for a handle: the generation must match.
func (t *Table) Get(tx *journal.Tx, ino, gen uint64) (layout.Inode, error) {
	if ino < layout.RootIno {
		return nil, ErrStale // the filesystem's own inodes are not for clients
	}
	in, err := t.View(tx, ino)
	if err == nil && in.Gen() != gen {
		return nil, ErrStale
	}
	return in, err
}

// Edit returns the shadow of an inode, which it verifies as View does.
func (t *Table) Edit(op *alloc.Op, ino uint64) (layout.Inode, error) {
	if _, err := t.View(op.Tx, ino); err != nil {
		return nil, err
	}
	return t.Shadow(op, ino)
}

// Shadow returns the shadow of an inode that View or Get has accepted under the locks that the caller still holds. If a snapshot has the
// inode, the operation keeps it as it is.
func (t *Table) Shadow(op *alloc.Op, ino uint64) (layout.Inode, error) {
	off, err := t.Offset(ino)
	if err != nil {
		return nil, err
	}
	in := op.Tx.Inode(off)
	if birth := in.BirthEpoch(); op.Shared(ino, birth) && !mutation.SnapshotInodes.Off() {
		op.KeepInode(ino, birth)
		in.SetBirthEpoch(op.Epoch())
	}
	return in, nil
}

// NewAt is New for a number that is free, and that nobody else is about to take.
func (t *Table) NewAt(op *alloc.Op, ino uint64) (layout.Inode, error) {
	if err := op.ReserveInodeAt(ino); err != nil {
		return nil, err
	}
	t.raise(ino)
	return t.New(op, ino)
}

// New logs a reserved inode number as used and returns its zeroed shadow with number, generation and birth epoch.
func (t *Table) New(op *alloc.Op, ino uint64) (layout.Inode, error) {
	in, err := t.Own(op, ino)
	if err != nil {
		return nil, err
	}
	return in, op.LogInode(ino)
}

// Own returns the zeroed shadow of one of the filesystem's own inodes, as New does. Their numbers are used from the start.
func (t *Table) Own(op *alloc.Op, ino uint64) (layout.Inode, error) {
	off, err := t.Offset(ino)
	if err != nil {
		return nil, err
	}
	in := op.Tx.NewInode(off)
	layout.InitInode(in, ino, t.gen.Add(1))
	in.SetBirthEpoch(op.Epoch())
	return in, nil
}

// EditOrOwn is Edit for one of the filesystem's own inodes that may not exist yet: then it is made, as a regular file without a name.
func (t *Table) EditOrOwn(op *alloc.Op, ino uint64) (layout.Inode, error) {
	in, err := t.Edit(op, ino)
	if !errors.Is(err, ErrStale) {
		return in, err
	}
	if in, err = t.Own(op, ino); err != nil {
		return nil, err
	}
	in.SetMode(layout.ModeRegular | 0o600)
	in.SetNlink(1)
	return in, nil
}

// Free logs an inode as free; a handle to it is stale from now on.
func (t *Table) Free(op *alloc.Op, in layout.Inode) error {
	in.SetMode(0)
	in.SetNlink(0)
	return op.FreeInode(in.Ino())
}

// Reserve takes a free inode number for op, growing the inode file when there is none. It must be called before op
// has read anything that the caller's locks do not guard.
func (t *Table) Reserve(op *alloc.Op) (uint64, error) {
	if t.nextSpan() > t.span.Load() {
		if err := t.claim(); err != nil {
			return 0, err
		}
	}
	// Others may take what grow adds, but not for ever: a count of free numbers that no bitmap bears out is damage.
	for range reserveTries {
		ino, err := op.ReserveInode()
		if err == nil {
			t.raise(ino)
		}
		if !errors.Is(err, alloc.ErrNoSpace) {
			return ino, err
		}
		if err := t.grow(); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("%w: inode bitmaps are full, the journal head counts %d free", layout.ErrDamaged, t.a.Inodes.Avail())
}

// Still calls f while the inode file does not grow: its map stays as it is. f takes no lock but those of the journal.
func (t *Table) Still(f func() error) error {
	t.growMu.Lock()
	defer t.growMu.Unlock()
	return f()
}

// grow adds a run of blocks to the inode file in an operation of its own: zeros first, with a fence, then the record.
func (t *Table) grow() error {
	t.growMu.Lock()
	defer t.growMu.Unlock()
	if t.a.Inodes.Avail() > 0 {
		return nil // somebody else has grown it
	}
	return t.growMore(false)
}

// Reach makes sure that a number has a slot, for which it may use the reserve: what is being rolled back had one. Nobody is in a call, and the
// caller has begun no operation.
func (t *Table) Reach(ino uint64) error {
	t.growMu.Lock()
	defer t.growMu.Unlock()
	for {
		if _, err := t.Offset(ino); err == nil || !errors.Is(err, ErrStale) {
			return err
		}
		if err := t.growMore(true); err != nil {
			return err
		}
	}
}

// growMore is grow under its lock, whatever is free. frees says that it may use the reserve.
func (t *Table) growMore(frees bool) error {
	op := t.a.Begin()
	defer op.Done()
	op.Frees = frees
	in, err := t.Edit(op, layout.InodeFileIno)
	if err != nil {
		return err
	}
	have := in.Size() >> layout.BlockShift
	if layout.InodeCapacity(have+growMax) > layout.KeptInoMax {
		return alloc.ErrNoSpace // handles have no room for higher numbers
	}
	m := extent.Open(t.j, op, in)
	goal, err := m.Goal(have)
	if err != nil {
		return err
	}
	r, err := op.AllocBlocks(goal, min(max(have/8, growMin), growMax), false)
	if err != nil {
		return err
	}
	// A stranger's data must never be taken for an inode.
	durable, err := t.j.Region().ZeroThrough(siteGrowth, []pmem.Range{{Off: layout.BlockOffset(r.Start), Len: int64(r.Len) << layout.BlockShift}})
	if err != nil {
		return err
	}
	if err := t.link(op, &m, in, have, r, durable); err != nil {
		return err
	}
	if err := op.Commit(); err != nil {
		return err
	}
	if err := t.loadExtents(layout.Inode(journal.View(t.j, nil, t.bootOffset(), layout.InodeSize))); err != nil {
		return err
	}
	old, now := layout.InodeCapacity(have), layout.InodeCapacity(have+r.Len)
	t.a.Inodes.SetLimit(now)
	t.a.Inodes.AddAvail(int64(now - old))
	return nil
}

func (t *Table) bootOffset() int64 {
	return layout.BlockOffset(t.boot) + layout.InodeFileIno*layout.InodeSize
}

// link maps the zeroed run at the end of the inode file and formats the bitmaps of the inode groups that begin in it.
func (t *Table) link(op *alloc.Op, m *extent.Map, in layout.Inode, have uint64, r alloc.Run, d pmem.Durable) error {
	if !d.Valid() {
		return fmt.Errorf("inode file: blocks linked before they are durable")
	}
	for b := have; b < have+r.Len; b++ {
		if b%layout.InodeGroupBlocks == 0 {
			p := op.Tx.NewBlock(r.Start+b-have, layout.EntryBitmap)
			layout.InitBitmap(p, layout.KindInodes, b/layout.InodeGroupBlocks)
		}
	}
	in.SetSize((have + r.Len) << layout.BlockShift)
	in.AddBlocks(int64(r.Len))
	return m.Insert(layout.Extent{Logical: have, Phys: r.Start, Len: uint32(r.Len), Birth: op.Epoch()})
}
