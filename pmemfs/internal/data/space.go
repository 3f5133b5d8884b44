package data

import (
	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
)

// FreeLimit bounds the extents that one operation frees.
const FreeLimit = 256

// maxPassed bounds the extents between those that one operation adds, and with them the leaves that it splits.
const maxPassed = 1024

// freeLimit returns how many extents an operation frees: fewer if each may be kept for snapshots, which takes more of a record.
func freeLimit(op *alloc.Op) int {
	if op.Snapshots() {
		return FreeLimit / 4
	}
	return FreeLimit
}

// zeroPart logs zeros over [from, to) of the file, which lies within one block, if that block has been written.
func zeroPart(op *alloc.Op, in layout.Inode, m *extent.Map, from, to uint64) error {
	if from >= to {
		return nil
	}
	b := from >> layout.BlockShift
	e, ok, err := m.Next(b)
	if err != nil || !ok || e.Logical > b || e.Flags&layout.ExtentUnwritten != 0 {
		return err
	}
	phys, within, n := e.Phys+b-e.Logical, int(from&(layout.BlockSize-1)), int(to-from)
	if op.Shared(m.Ino(), e.Birth) {
		w := writer{op: op, in: in, m: m}
		return w.instead(e, b, within, zeros[:n])
	}
	op.Tx.ZeroData(layout.BlockOffset(phys)+int64(within), n)
	return sumChange(op, m.Ino(), b, phys, within, zeros[:n])
}

// free returns the function that gives the blocks of in back.
func free(op *alloc.Op, in layout.Inode) func(phys, n, birth uint64) error {
	return func(phys, n, birth uint64) error {
		in.AddBlocks(-int64(n))
		return op.Release(in.Ino(), phys, n, birth, false)
	}
}

// Shrink logs what makes size the end of the file, in.Size excepted: the rest of the last block is cleared and later
// blocks are freed, at most FreeLimit extents of them. done is false when some are left for further operations.
func Shrink(op *alloc.Op, in layout.Inode, size uint64) (done bool, err error) {
	m := extent.Open(op.Tx.Journal(), op, in)
	if size&(layout.BlockSize-1) != 0 && size < in.Size() {
		end := min((size|(layout.BlockSize-1))+1, max(in.Size(), size))
		if err := zeroPart(op, in, &m, size, end); err != nil {
			return false, err
		}
	}
	return FreeFrom(op, in, layout.BlocksFor(size))
}

// FreeFrom frees blocks from file block b on, at most FreeLimit extents of them.
func FreeFrom(op *alloc.Op, in layout.Inode, b uint64) (done bool, err error) {
	m := extent.Open(op.Tx.Journal(), op, in)
	const end = uint64(1) << 63
	next, err := m.Remove(b, end, freeLimit(op), free(op, in))
	return next == end, err
}

// Punch logs a hole over [off, end): parts of blocks are cleared, whole blocks freed. next is where to go on in another
// operation, end when all is done.
func Punch(op *alloc.Op, in layout.Inode, off, end uint64) (next uint64, err error) {
	m := extent.Open(op.Tx.Journal(), op, in)
	first, last := layout.BlocksFor(off), end>>layout.BlockShift // whole blocks
	if first > last {
		return end, zeroPart(op, in, &m, off, end)
	}
	if err := zeroPart(op, in, &m, off, first<<layout.BlockShift); err != nil {
		return off, err
	}
	if err := zeroPart(op, in, &m, last<<layout.BlockShift, end); err != nil {
		return off, err
	}
	b, err := m.Remove(first, last, freeLimit(op), free(op, in))
	if err != nil || b < last {
		return b << layout.BlockShift, err
	}
	return end, nil
}

// Allocate logs unwritten blocks for the holes in [off, end), at most maxPieces extents. next is where to go on, end
// when all is done.
func Allocate(op *alloc.Op, in layout.Inode, off, end uint64) (next uint64, err error) {
	m := extent.Open(op.Tx.Journal(), op, in)
	b, last := off>>layout.BlockShift, layout.BlocksFor(end)
	// Extents that are passed over count too: each may be the way to another leaf, and each insert may split one.
	for n, passed := 0, 0; b < last && n < maxPieces && (n == 0 || passed < maxPassed); {
		e, ok, err := m.Next(b)
		if err != nil {
			return off, err
		}
		if ok && e.Logical <= b {
			b = e.End()
			passed++
			continue
		}
		until := last
		if ok {
			until = min(last, e.Logical)
		}
		goal, err := m.Goal(b)
		if err != nil {
			return off, err
		}
		r, err := op.AllocBlocks(goal, until-b, until-b >= largeFile>>layout.BlockShift)
		if err != nil {
			return off, err
		}
		in.AddBlocks(int64(r.Len))
		x := layout.Extent{Logical: b, Phys: r.Start, Len: uint32(r.Len), Flags: layout.ExtentUnwritten, Birth: op.Epoch()}
		if err := m.Insert(x); err != nil {
			return off, err
		}
		b += r.Len
		n++
	}
	if b >= last {
		return end, nil
	}
	return b << layout.BlockShift, nil
}

// WrittenFrom reports whether a written extent maps file block b or a later one. Behind the end of a file there is none, unless
// a truncation has not been finished.
func WrittenFrom(j *journal.Journal, in layout.Inode, b uint64) (bool, error) {
	m := extent.Open(j, nil, in)
	for {
		e, ok, err := m.Next(b)
		if err != nil || !ok || e.Flags&layout.ExtentUnwritten == 0 {
			return ok && err == nil, err
		}
		b = e.End()
	}
}
