// Package data reads and writes the bytes of files.
//
// A write of up to SmallMax bytes rides in the journal record: one fence. The whole blocks of a larger one are copied to
// freshly allocated blocks with non-temporal stores and fenced before the record that maps them: two fences for any
// size, and never a block half old and half new. On an ordinary file they are fenced with that record. Bytes between the end of a file and the end of its last block are
// always zero.
//
// The caller holds the inode's lock, shared to read, exclusively to change.
package data

import (
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
)

// SizeMax is the largest file size in bytes.
const SizeMax = 1<<63 - 1

// Read fills p from byte offset off. The caller has cut p at the end of the file. A block that is lost is an error that
// wraps layout.ErrDamaged, and where the image has checksums of data so is one that is not as its checksum says (a *SumError):
// what p holds then means nothing. Memory that faults panics, as everywhere below the guard.
func Read(j *journal.Journal, in layout.Inode, p []byte, off uint64) error {
	m := extent.Open(j, nil, in)
	for len(p) > 0 {
		b, within := off>>layout.BlockShift, off&(layout.BlockSize-1)
		e, ok, err := m.Next(b)
		if err != nil {
			return err
		}
		switch {
		case !ok:
			clear(p)
			return nil
		case e.Logical > b:
			n := min(uint64(len(p)), e.Logical<<layout.BlockShift-off)
			clear(p[:n])
			p, off = p[n:], off+n
			continue
		}
		n := min(uint64(len(p)), (e.End()-b)<<layout.BlockShift-within)
		first := e.Phys + b - e.Logical
		if e.Flags&layout.ExtentUnwritten != 0 {
			clear(p[:n])
		} else if err := fetch(j, in.Ino(), first, p[:n], off); err != nil {
			return err
		}
		p, off = p[n:], off+n
	}
	return nil
}

// fetch fills p from byte off of a file whose block there is image block first, with those that follow it.
func fetch(j *journal.Journal, ino, first uint64, p []byte, off uint64) error {
	within := off & (layout.BlockSize - 1)
	if lost, ok := j.FirstLost(first, layout.BlocksFor(within+uint64(len(p)))); ok {
		return &journal.LostError{Block: lost}
	}
	if j.Sums().On() {
		return copyVerified(j, ino, first, p, off)
	}
	at := layout.BlockOffset(first) + int64(within)
	copy(p, j.Region().Bytes()[at:at+int64(len(p))])
	return nil
}

// Seek returns the first offset at or after off that is data (or, with hole, a hole), at most size. Allocated blocks
// that were never written are holes.
func Seek(j *journal.Journal, in layout.Inode, off uint64, hole bool) (uint64, error) {
	m := extent.Open(j, nil, in)
	size := in.Size()
	for off < size {
		b := off >> layout.BlockShift
		e, ok, err := m.Next(b)
		if err != nil {
			return 0, err
		}
		isHole := !ok || e.Logical > b || e.Flags&layout.ExtentUnwritten != 0
		if isHole == hole {
			return off, nil
		}
		switch {
		case !ok:
			return size, nil
		case e.Logical > b:
			off = e.Logical << layout.BlockShift
		default:
			off = e.End() << layout.BlockShift
		}
	}
	return size, nil
}
