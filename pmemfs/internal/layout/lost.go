package layout

import (
	"math/bits"

	"pmemfs/pmemfs/internal/mutation"
)

// A list of lost blocks lies behind a journal head, in the rest of its block, when the head says so. Such blocks could not
// be stored to (or flushed) when a record that is no longer in the window said what they hold: what can be read from them,
// if anything, is not the truth.
//
//	0 crc u32 of 4..4032 | 4 count of runs u32 | 8 version of the head u64 | 16 runs u64 each | zero
//
// A run is the first block times 2^16 and the number of blocks.
const (
	LostOffset  = HeadSize                  // of the list, from the start of the head's block; part of the medium
	LostSize    = BlockSize - HeadSize      // bytes of the list
	lostHead    = 16                        // bytes before the runs; part of the medium
	LostRunsMax = (LostSize - lostHead) / 8 // runs in a list
	LostMax     = 1 << 16                   // blocks in all runs together, so that no list makes a reader take much memory
	lostLenMax  = 1<<16 - 1                 // blocks in a run
	lostShift   = 16                        // of the first block of a run
	lostMax     = uint64(1)<<(64-lostShift) - 1
)

// LostList encodes ascending block numbers as the list of the head with a version. ok is false when they do not fit.
func LostList(version uint64, blocks []uint64) (list []byte, ok bool) {
	if len(blocks) > LostMax {
		return nil, false
	}
	b := make([]byte, LostSize)
	n := 0
	var start, length uint64
	put := func() bool {
		if length == 0 {
			return true
		}
		if n == LostRunsMax || start > lostMax {
			return false
		}
		le.PutUint64(b[lostHead+8*n:], start<<lostShift|length)
		n++
		return true
	}
	for _, block := range blocks {
		if length > 0 && block == start+length && length < lostLenMax {
			length++
			continue
		}
		if !put() {
			return nil, false
		}
		start, length = block, 1
	}
	if !put() {
		return nil, false
	}
	le.PutUint32(b[4:], uint32(n))
	le.PutUint64(b[8:], version)
	seal(b)
	return b, true
}

// LostBlocks decodes the list in the block of the head with a version: ascending numbers of blocks below limit. ok is false
// when there is no such list.
func LostBlocks(block []byte, version, limit uint64) (blocks []uint64, ok bool) {
	b := block[LostOffset:BlockSize]
	n := int(le.Uint32(b[4:]))
	if !sealed(b) && !mutation.LostSeal.Off() || le.Uint64(b[8:]) != version || n > LostRunsMax {
		return nil, false
	}
	for i := range n {
		run := le.Uint64(b[lostHead+8*i:])
		start, length := run>>lostShift, run&lostLenMax
		end, carry := bits.Add64(start, length, 0)
		if carry != 0 || length == 0 || end > limit || len(blocks)+int(length) > LostMax || len(blocks) > 0 && start <= blocks[len(blocks)-1] {
			return nil, false
		}
		for at := start; at < end; at++ {
			blocks = append(blocks, at)
		}
	}
	return blocks, true
}
