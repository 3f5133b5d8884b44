package data

import (
	"fmt"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
)

// SumError says that a block of a file does not hold what was written to it. It is a layout.ErrDamaged.
type SumError struct {
	Ino    uint64
	Off    uint64 // of the block in the file, in bytes
	Block  uint64 // of the image
	Stored uint32 // checksum in the table
	Found  uint32 // checksum of what the block holds
}

// Error names the inode, the offset in the file and the block.
func (e *SumError) Error() string {
	return fmt.Sprintf("inode %d: data at byte %d (block %d, offset %d): checksum is %#08x, expected %#08x",
		e.Ino, e.Off, e.Block, layout.BlockOffset(e.Block), e.Found, e.Stored)
}

// Unwrap makes a SumError a layout.ErrDamaged.
func (e *SumError) Unwrap() error { return layout.ErrDamaged }

var zeros [layout.BlockSize]byte

// VerifyBlock compares content, which is that of image block phys and of file block b of an inode, with its checksum.
// The error is a *SumError. The image has checksums of data; the inode's lock is held.
func VerifyBlock(j *journal.Journal, ino, b, phys uint64, content []byte) error {
	return vetSum(j, ino, b, phys, layout.CRC(content[:layout.BlockSize]))
}

func vetSum(j *journal.Journal, ino, b, phys uint64, found uint32) error {
	stored := layout.GetSum(j.Region().Bytes()[j.Sums().Offset(phys):])
	if found == stored || mutation.DataSum.Off() {
		return nil
	}
	return &SumError{Ino: ino, Off: b << layout.BlockShift, Block: phys, Stored: stored, Found: found}
}

// copyVerified fills p from byte off of a file whose block there is image block phys, with those that follow it. What is
// returned is what has been verified: of whole blocks the copy.
func copyVerified(j *journal.Journal, ino, phys uint64, p []byte, off uint64) error {
	for len(p) > 0 {
		within := off & (layout.BlockSize - 1)
		n := min(uint64(len(p)), layout.BlockSize-within)
		block := j.Region().Bytes()[layout.BlockOffset(phys):layout.BlockOffset(phys+1)]
		copy(p[:n], block[within:])
		if n == layout.BlockSize {
			block = p[:n]
		}
		if err := VerifyBlock(j, ino, off>>layout.BlockShift, phys, block); err != nil {
			clear(p[:n])
			return err
		}
		p, off, phys = p[n:], off+n, phys+1
	}
	return nil
}

// sumChange logs the checksum of file block b, image block phys, in which the bytes from within on become p. The old
// content is verified first unless all of it goes: a checksum over damage would bless it. A block is changed at most once
// in an operation, so the medium is what it was before.
func sumChange(op *alloc.Op, ino, b, phys uint64, within int, p []byte) error {
	j := op.Tx.Journal()
	if !j.Sums().On() {
		return nil
	}
	sum := uint32(0)
	if len(p) == layout.BlockSize {
		sum = layout.CRC(p)
	} else {
		old := j.Region().Bytes()[layout.BlockOffset(phys):layout.BlockOffset(phys+1)]
		head, tail := layout.CRC(old[:within]), old[within+len(p):]
		found := layout.CRCUpdate(layout.CRCUpdate(head, old[within:within+len(p)]), tail)
		if err := vetSum(j, ino, b, phys, found); err != nil {
			return err
		}
		sum = layout.CRCUpdate(layout.CRCUpdate(head, p), tail)
	}
	logSum(op, phys, sum)
	return nil
}

// sumFresh logs the checksum of a fresh block that holds p at byte within and zeros around it.
func sumFresh(op *alloc.Op, phys uint64, within int, p []byte) {
	if op.Tx.Journal().Sums().On() {
		sum := layout.CRCUpdate(layout.CRC(zeros[:within]), p)
		logSum(op, phys, layout.CRCUpdate(sum, zeros[within+len(p):]))
	}
}

func logSum(op *alloc.Op, phys uint64, sum uint32) {
	var b [layout.SumSize]byte
	layout.PutSum(b[:], sum)
	op.Tx.DataCopy(op.Tx.Journal().Sums().Offset(phys), b[:])
}

// appendSums appends to segs the checksums of the blocks of pieces, which get p. They are stored with the content, before
// the record: nobody relies on the old ones, as the blocks are free or unwritten, and no record of the window names them.
func appendSums(op *alloc.Op, segs []pmem.Segment, pieces []piece, p []byte) []pmem.Segment {
	sums := op.Tx.Journal().Sums()
	if !sums.On() {
		return segs
	}
	for _, x := range pieces {
		for phys, n := x.run.Start, x.run.Len; n > 0; {
			k := min(n, layout.GroupBlocks-phys%layout.GroupBlocks) // a table ends with its group
			buf := op.Tx.Scratch(int(k) * layout.SumSize)
			for i := range int(k) {
				layout.PutSum(buf[i*layout.SumSize:], layout.CRC(p[:layout.BlockSize]))
				p = p[layout.BlockSize:]
			}
			segs = append(segs, pmem.Segment{Off: sums.Offset(phys), Src: buf})
			phys, n = phys+k, n-k
		}
	}
	return segs
}
