package data

import (
	"sync/atomic"

	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
)

// loaded keeps the loads of prefault from being left out as useless.
var loaded atomic.Uint32

// prefault loads a byte of each line of a block, so that bad memory faults.
func prefault(block []byte) {
	var sum byte
	for i := 0; i < len(block); i += layout.LineSize {
		sum ^= block[i]
	}
	loaded.Store(uint32(sum))
}

// InspectMemory reads image block phys, of which nobody needs to know what it is: only whether its memory can be read. The error is a
// *journal.LostError or a *pmem.FaultError. Whoever could free the block is kept from it.
func InspectMemory(j *journal.Journal, phys uint64) (err error) {
	defer j.Region().Unguard(j.Region().Guard(), &err)
	if j.Lost(phys) {
		return &journal.LostError{Block: phys}
	}
	prefault(j.Region().Bytes()[layout.BlockOffset(phys):layout.BlockOffset(phys+1)])
	return nil
}

// InspectBlock reads file block b of an inode, which a written extent maps to image block phys: it verifies the checksum,
// or, where the image has none, that the memory can be read. The error is a *SumError, a *journal.LostError or a
// *pmem.FaultError. The inode's lock is held, shared.
func InspectBlock(j *journal.Journal, ino, b, phys uint64) (err error) {
	defer j.Region().Unguard(j.Region().Guard(), &err)
	if j.Lost(phys) {
		return &journal.LostError{Block: phys}
	}
	block := j.Region().Bytes()[layout.BlockOffset(phys):layout.BlockOffset(phys+1)]
	if !j.Sums().On() {
		prefault(block)
		return nil
	}
	return VerifyBlock(j, ino, b, phys, block)
}
