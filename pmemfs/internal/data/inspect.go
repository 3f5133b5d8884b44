package data

import (
	"errors"
	"sync/atomic"

	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// touched keeps the reads of touch from being left out as useless.
var touched atomic.Uint32

// touch reads a byte of each line of a block, so that bad memory faults.
func touch(block []byte) {
	var sum byte
	for i := 0; i < len(block); i += layout.LineSize {
		sum ^= block[i]
	}
	touched.Store(uint32(sum))
}

// InspectBlock reads file block b of an inode, which a written extent maps to image block phys: it verifies the checksum,
// or, where the image has none, that the memory can be read. The error is a *SumError or a *pmem.FaultError; any other
// fault of the mapping is one too. The inode's lock is held, shared.
func InspectBlock(j *journal.Journal, ino, b, phys uint64) (err error) {
	defer j.Region().Unguard(j.Region().Guard(), &err)
	block := j.Region().Bytes()[layout.BlockOffset(phys):layout.BlockOffset(phys+1)]
	if !j.Sums().On() {
		touch(block)
		return nil
	}
	return VerifyBlock(j, ino, b, phys, block)
}

// Damaged reports whether an error of InspectBlock is about the block, and not about the filesystem as a whole.
func Damaged(err error) bool {
	var fault *pmem.FaultError
	return errors.Is(err, layout.ErrDamaged) || errors.As(err, &fault)
}
