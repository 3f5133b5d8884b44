package journal

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
)

// SealError says that a metadata block's checksum is wrong.
type SealError struct{ Block uint64 }

// Error names the block and its byte offset.
func (e *SealError) Error() string {
	return fmt.Sprintf("metadata block %d (offset %d): checksum is wrong", e.Block, layout.BlockOffset(e.Block))
}

// Unwrap makes a SealError a layout.ErrDamaged.
func (e *SealError) Unwrap() error { return layout.ErrDamaged }

// Checkpoint empties the window of all records that are stored in place: each line dirtied since the last checkpoint
// is flushed once, one fence, then the tail moves in a journal head, one fence. Blocks that those records freed become
// reusable. It runs beside commits and needs no lock of a caller. Durable on return.
func (j *Journal) Checkpoint() error { return j.checkpoint(checkpointIfDue) }

// CheckpointClean is Checkpoint with a head that says that the filesystem was closed. The caller has stopped commits.
func (j *Journal) CheckpointClean() error { return j.checkpoint(checkpointClean) }

// Recount makes every head from now on say that the next open counts the bitmaps, and writes one. Durable on return.
func (j *Journal) Recount() error {
	j.setRecount(true)
	return j.checkpoint(checkpointAlways)
}

// Counted ends what Recount has begun, from the next head on.
func (j *Journal) Counted() { j.setRecount(false) }

func (j *Journal) setRecount(on bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.recount = on
}

// errPanicked is why the journal has failed after a panic in the middle of a checkpoint.
var errPanicked = errors.New("panic in a checkpoint")

// Kinds of checkpoint.
const (
	checkpointIfDue  = iota // nothing is written when the window is empty
	checkpointAlways        // a head is written all the same
	checkpointClean         // and says that the filesystem was closed
)

func (j *Journal) checkpoint(kind int) (err error) {
	j.ckptMu.Lock()
	defer j.ckptMu.Unlock()
	if err := j.Err(); err != nil {
		return err
	}
	defer func() {
		cause := recover() // the process outlives a panic, and the next head must not let these records go
		if cause != nil {
			err = errPanicked
		}
		if err != nil {
			err = j.fail(err) // lines that were taken as dirty may never be flushed now
		}
		if cause != nil {
			panic(cause)
		}
	}()
	defer nameHead(&err)
	defer j.region.Unguard(j.region.Guard(), &err)
	begun := time.Now()
	// Everything before low is stored in place, so its lines are in the dirty sets taken after this point.
	j.mu.Lock()
	j.advance()
	if j.dirty.large() {
		j.pause()
	}
	h := layout.Head{
		Clean: kind == checkpointClean, Recount: j.recount, Version: j.version + 1, Epoch: j.epoch, TailSeq: j.lowSeq, TailPos: j.low,
		FreeBlocks: uint64(j.lowCnt.Free), UsedInodes: uint64(j.lowCnt.Inodes), Salt: j.salt,
	}
	if mutation.TailApplied.Off() {
		h.TailPos, h.TailSeq = j.pos, j.seq
	}
	tail := j.tail
	j.pending = false
	due := h.TailPos != tail || kind != checkpointIfDue
	if due {
		j.taken = j.dirty.take(j.taken, j.lowSeq == j.seq)
		j.takeAccounts()
	}
	j.paused = false
	j.mu.Unlock()
	if !due {
		return nil
	}
	if err := j.takeDirty(); err != nil {
		return err
	}
	if err := j.storeAccounts(h.Version); err != nil {
		return err
	}
	// What is lost is written down with the lines that are not, before the head lets go of the records that say it.
	list := func() ([]pmem.Range, error) { return StoreLost(j.region, &h, j.LostBlocks()) }
	if err := FlushAround(j.region, siteDirty, j.ranges, list, j.lose); err != nil {
		return err
	}
	if mutation.TailAfterHead.Off() {
		j.moveTail(&h)
	}
	if mutation.ReleaseAfterHead.Off() {
		j.releaseFreed(&h)
	}
	if err := WriteHead(j.region, siteHead, &h); err != nil {
		return err
	}
	j.version = h.Version
	// Only now, with the head fenced, is the ring space before it free, and what its records freed reusable.
	j.moveTail(&h)
	j.accountsSaved()
	j.checkpoints.Add(1)
	j.checkpointTime.Add(int64(time.Since(begun)))
	j.releaseFreed(&h)
	return nil
}

func (j *Journal) moveTail(h *layout.Head) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tail = h.TailPos
}

func (j *Journal) releaseFreed(h *layout.Head) {
	if f := j.release.Load(); f != nil {
		(*f)(h.TailSeq)
	}
}

// nameHead names the one part of the medium whose fault a checkpoint does not outlive.
func nameHead(errp *error) {
	var fault *pmem.FaultError
	if errors.As(*errp, &fault) {
		*errp = fmt.Errorf("journal head, block %d: %w", layout.BlockOf(fault.Off), *errp)
	}
}

// WriteHead writes h to the journal head whose turn it is, flushes the line and fences. Durable on return.
func WriteHead(region *pmem.Region, site *pmem.Site, h *layout.Head) error {
	var line [layout.HeadSize]byte
	layout.EncodeHead(line[:], h)
	off := headOffset(h)
	region.Write(off, line[:])
	return region.Persist(site, []pmem.Range{{Off: off, Len: layout.HeadSize}})
}

// headOffset returns where the head goes, in bytes.
func headOffset(h *layout.Head) int64 {
	slot := h.Version % 2
	if mutation.HeadsAlternate.Off() {
		slot = 0
	}
	return layout.BlockOffset(layout.JournalHeadA + slot)
}

// takeDirty takes the marks of the leaves in j.taken, brings the checksums of their metadata blocks up to date, and collects the lines to
// flush in j.ranges. A block that cannot be sealed is lost, unless the host is the reason: that is an error.
func (j *Journal) takeDirty() error {
	j.ranges = j.ranges[:0]
	for _, l := range j.taken {
		l.listed.Store(false) // before the marks are taken: see mark
		seals := l.seal.Swap(0)
		for i := range l.lines {
			var lines uint64
			if l.lines[i].Load() != 0 {
				lines = l.lines[i].Swap(0)
			}
			block := l.first + uint64(i)
			if seals>>i&1 == 1 && !mutation.SealAtCheckpoint.Off() {
				if err := j.seal(block); err != nil {
					return err
				}
				lines |= 1
			}
			if lines != 0 && !j.gone(block) {
				j.ranges = AppendLines(j.ranges, block, lines)
			}
		}
	}
	return nil
}

// seal is SealInPlace, of a block that others may be storing to: then a record of the window names it, and the checksum that it gets
// now does not count.
func (j *Journal) seal(block uint64) error {
	err := j.sealGuarded(block)
	if err != nil && pmem.HostReason(err) == nil {
		j.lose(block)
		return nil
	}
	return err
}

func (j *Journal) sealGuarded(block uint64) (err error) {
	defer j.region.Unguard(j.region.Guard(), &err)
	SealInPlace(j.region, block)
	return nil
}

// SealInPlace brings the deferred checksum of a metadata block up to date on the medium.
func SealInPlace(region *pmem.Region, block uint64) {
	off := layout.BlockOffset(block)
	sum := layout.SealOf(region.Bytes()[off : off+layout.BlockSize])
	region.StoreSum(off, sum)
}

// AppendLines appends the runs of lines of a block, as byte ranges.
func AppendLines(rs []pmem.Range, block uint64, lines uint64) []pmem.Range {
	base := layout.BlockOffset(block)
	for lines != 0 {
		first := bits.TrailingZeros64(lines)
		n := bits.TrailingZeros64(^(lines >> first))
		rs = append(rs, pmem.Range{Off: base + int64(first)*layout.LineSize, Len: int64(n) * layout.LineSize})
		if first+n == 64 {
			break
		}
		lines &^= (1<<n - 1) << first
	}
	return rs
}

// background checkpoints when the ring fills and, so that a restart has nothing to replay, when it has been idle.
func (j *Journal) background(idle time.Duration) {
	tick := time.NewTicker(idle)
	defer tick.Stop()
	last := uint64(0)
	for {
		select {
		case <-j.stop:
			return
		case <-j.wake:
		case <-tick.C:
			j.mu.Lock()
			now := j.pos
			j.mu.Unlock()
			if now != last {
				last = now
				continue // still busy: wait for a quiet interval
			}
		}
		// A failure is kept by fail and returned to every later commit.
		if err := j.Checkpoint(); err != nil {
			return
		}
	}
}

// Wake asks the background checkpointer for a checkpoint soon. It does not wait.
func (j *Journal) Wake() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}
