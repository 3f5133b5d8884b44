package journal

import (
	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

const shardCount = 32

// dirtyBlock is the lines of a block that have been stored to since they were last flushed.
type dirtyBlock struct {
	block uint64
	lines uint64 // a bit per line
	seal  bool   // the block's checksum is due
}

// dirtySet is the dirty blocks of a shard: a list, and where in it each block is.
type dirtySet struct {
	at   map[uint64]int32
	list []dirtyBlock
}

func newDirtySet() dirtySet { return dirtySet{at: make(map[uint64]int32)} }

// of returns the element of a block, valid until the next call.
func (s *dirtySet) of(block uint64) *dirtyBlock {
	i, ok := s.at[block]
	if !ok {
		i = int32(len(s.list))
		s.list = append(s.list, dirtyBlock{block: block})
		s.at[block] = i
	}
	return &s.list[i]
}

func (s *dirtySet) clear() {
	clear(s.at)
	s.list = s.list[:0]
}

// shard guards stores in place to the blocks whose number modulo shardCount it has.
type shard struct {
	mu    critical.Mutex
	dirty dirtySet
	_     [24]byte // keep neighbours off this line
}

// lineMask returns the lines of a block that the byte range [off, off+n) within it touches.
func lineMask(off, n int64) uint64 {
	first, last := off/layout.LineSize, (off+n-1)/layout.LineSize
	return ^uint64(0) >> (63 - (last - first)) << first
}

// Apply stores an entry in place. It is the one routine that does, for commits and for recovery. It returns the lines
// of the entry's block that it stored to. The caller holds whatever guards the block.
func Apply(region *pmem.Region, e *layout.Entry) uint64 {
	switch {
	case e.Kind.HasPayload():
		region.Write(e.Off, e.Data)
	case e.Kind == layout.EntryBitSet, e.Kind == layout.EntryBitClear:
		return applyBits(region, e)
	default:
		region.Zero(e.Off, int64(e.Len))
	}
	return lineMask(e.Off%layout.BlockSize, int64(e.Len))
}

func applyBits(region *pmem.Region, e *layout.Entry) (lines uint64) {
	block := region.Bytes()[e.Off : e.Off+layout.BlockSize]
	layout.BitmapEdit(block, int(e.Arg), int(e.Len), e.Kind == layout.EntryBitSet, func(off int, word uint64) {
		var b [8]byte
		region.Write(e.Off+int64(off), appendWord(b[:0], word))
		lines |= lineMask(int64(off), 8)
	})
	return lines
}

// applyBlock stores e and the entries at the head of body that concern the same block, and returns what follows them.
func (j *Journal) applyBlock(e layout.Entry, body []byte) []byte {
	block := layout.BlockOf(e.Off)
	s := &j.shards[block%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dirty.of(block)
	for {
		d.lines |= Apply(j.region, &e)
		d.seal = d.seal || e.Kind.Sealed4K()
		next, rest, ok := layout.NextEntry(body, j.region.Size())
		if !ok || layout.BlockOf(next.Off) != block {
			break
		}
		e, body = next, rest
	}
	if d.seal {
		j.setVerified(block)
	}
	return body
}

// setVerified notes that Verify need not look at a block again, unless it is lost: in whichever order this and lose come,
// the bit ends clear.
func (j *Journal) setVerified(block uint64) {
	w := &j.verified[block/64]
	if w.Load()>>(block%64)&1 == 1 {
		return
	}
	if w.Or(1 << (block % 64)); j.Lost(block) {
		w.And(^(uint64(1) << (block % 64)))
	}
}

// Verify checks the deferred checksum of a metadata block, and whatever else check looks at, at the first use of the
// block since it was opened; later calls cost one load. Blocks in the live window were verified before they were
// changed. The error of check is returned as it is; a wrong checksum returns a *SealError.
func (j *Journal) Verify(block uint64, check func(b []byte) error) error {
	if j.Verified(block) {
		return nil
	}
	if j.Lost(block) {
		return &LostError{Block: block}
	}
	b := j.region.Bytes()[layout.BlockOffset(block):layout.BlockOffset(block+1)]
	if !layout.Sealed(b) {
		return &SealError{Block: block}
	}
	if err := check(b); err != nil {
		return err
	}
	j.setVerified(block)
	return nil
}

// Verified reports whether Verify would find nothing to do.
func (j *Journal) Verified(block uint64) bool {
	return j.verified[block/64].Load()>>(block%64)&1 == 1
}
