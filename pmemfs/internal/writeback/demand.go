package writeback

import (
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/quota"
)

// demand is what flushing takes, counted in blocks of the file.
type demand struct {
	fresh  int64 // that the file does not have
	splits int64 // that it has and that were never written: each may take an extent apart
}

func (d demand) plus(more demand) demand {
	return demand{fresh: d.fresh + more.fresh, splits: d.splits + more.splits}
}

// blocksFor returns how many blocks flushing into a file takes: the fresh ones and, as each of those may need an extent, and a
// split two, the nodes that they may need. A node that splits leaves room for 55 extents in each half.
func (d demand) blocksFor(in layout.Inode) int64 {
	_, height := in.DataRoot()
	extents := d.fresh + 2*d.splits
	if extents == 0 || height == 0 && int64(in.InlineCount())+extents <= layout.InlineExtents {
		return d.fresh
	}
	return d.fresh + extents/40 + int64(height) + 1
}

// demandOf counts the blocks of [off, off+n) that nothing has been reserved for yet. f is nil if the file is not dirty. Nothing maps or
// unmaps blocks of a file while it is dirty.
func (b *Buffers) demandOf(f *Buffer, in layout.Inode, off, n uint64) (d demand, err error) {
	m := extent.Open(b.v.Journal, nil, in)
	for block, end := off>>layout.BlockShift, layout.BlocksFor(off+n); block < end; {
		e, ok, err := m.Next(block)
		if err != nil {
			return d, err
		}
		until, count := end, &d.fresh
		switch {
		case ok && e.Logical <= block && b.v.Alloc.Shared(in.Ino(), e.Birth):
			until = min(end, e.End()) // a snapshot has these blocks: others replace them
		case ok && e.Logical <= block && e.Flags&layout.ExtentUnwritten == 0:
			block = e.End()
			continue
		case ok && e.Logical <= block:
			until, count = min(end, e.End()), &d.splits
		case ok:
			until = min(end, e.Logical)
		}
		for ; block < until; block++ {
			if f == nil || !f.covers(block) {
				*count++
			}
		}
	}
	return d, nil
}

// reserve brings what is reserved for a buffer up to date with its demand.
func (b *Buffers) reserve(f *Buffer, in layout.Inode) {
	blocks := f.blocksFor(in)
	b.v.Alloc.AddReservation(blocks - f.reserved)
	f.reserved = blocks
}

// prepay charges the accounts of a file for what is to be buffered too, and returns the file's buffer, which it opens if f is nil. On an error
// nothing has changed.
func (b *Buffers) prepay(f *Buffer, in layout.Inode, more demand) (*Buffer, error) {
	if f != nil {
		return f, b.Quotas.Prepay(&f.paid, in, f.plus(more).blocksFor(in))
	}
	var paid quota.Prepaid
	if err := b.Quotas.Prepay(&paid, in, more.blocksFor(in)); err != nil {
		return nil, err
	}
	f = b.open(in.Ino(), in.Gen())
	f.paid = paid
	return f, nil
}
