package data

import (
	"errors"
	"fmt"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
)

var siteBlocks = pmem.NewThroughSite("data: blocks of a large write")

// SmallMax is the longest write that rides in the journal record.
const SmallMax = layout.BlockSize

// maxPieces bounds the extents that one operation maps, so that its record stays small however fragmented the free
// space is. A write that needs more is cut short; the caller goes on in another operation.
const maxPieces = 64

// maxReplaced bounds the extents that one operation unmaps, for the same reason.
const maxReplaced = 128

// largeFile is the size from which a file grows on 2 MiB boundaries. What is filled in or replaced before its end goes there
// only in pieces that keep file and image aligned alike: others would take a whole 2 MiB of free space apart each.
const largeFile = 1 << 20

// errNoProof means that a mapping of fresh blocks was about to be made without proof of their durability.
var errNoProof = errors.New("data: blocks linked before they are durable")

// ErrLost is returned for a write to a part of a block whose memory is bad: the rest of it is gone. It wraps
// layout.ErrDamaged.
var ErrLost = fmt.Errorf("%w: memory is bad, and only a part of the block is written over", layout.ErrDamaged)

// piece is a run of whole blocks of a large write.
type piece struct {
	block uint64 // file block
	run   alloc.Run
	inUse bool // the run was allocated already, unwritten
}

// Write logs the write of p at byte offset off in op and in the shadow in, size excepted. It returns how many bytes of p
// are covered, at least one unless there is an error. Large parts are durable on return, though not yet mapped.
func Write(op *alloc.Op, in layout.Inode, p []byte, off uint64) (int, error) {
	m := extent.Open(op.Tx.Journal(), op, in)
	w := writer{op: op, in: in, m: &m}
	if len(p) <= SmallMax {
		return w.small(p, off)
	}
	head := int(-off & (layout.BlockSize - 1))
	if head > 0 {
		if n, err := w.small(p[:head], off); err != nil {
			return n, err
		}
	}
	mid := (len(p) - head) &^ (layout.BlockSize - 1)
	if mid > 0 {
		n, err := w.blocks(p[head:head+mid], (off+uint64(head))>>layout.BlockShift)
		if err != nil || n < mid {
			return head + n, err
		}
	}
	if tail := p[head+mid:]; len(tail) > 0 {
		if n, err := w.small(tail, off+uint64(head+mid)); err != nil {
			return head + mid + n, err
		}
	}
	return len(p), nil
}

type writer struct {
	op    *alloc.Op
	in    layout.Inode
	m     *extent.Map
	store [4]piece // of most plans
}

// small logs bytes that touch at most two blocks.
func (w *writer) small(p []byte, off uint64) (int, error) {
	done := 0
	for done < len(p) {
		within := int(off+uint64(done)) & (layout.BlockSize - 1)
		n := min(len(p)-done, layout.BlockSize-within)
		if err := w.inBlock((off+uint64(done))>>layout.BlockShift, within, p[done:done+n]); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// inBlock logs p at byte within of a file block, allocating the block if it is a hole and clearing its rest if it has
// never been written.
func (w *writer) inBlock(b uint64, within int, p []byte) error {
	e, ok, err := w.m.Next(b)
	if err != nil {
		return err
	}
	mapped := ok && e.Logical <= b
	if mapped && w.op.Allocator().Bad(e.Phys+b-e.Logical) {
		if err := w.vacate(e, b, within, len(p)); err != nil {
			return err
		}
		mapped = false
	}
	shared := mapped && w.op.Shared(w.in.Ino(), e.Birth)
	if mapped && e.Flags&layout.ExtentUnwritten == 0 {
		if shared && !mutation.SnapshotData.Off() {
			return w.instead(e, b, within, p)
		}
		phys := e.Phys + b - e.Logical
		w.op.Tx.Data(layout.BlockOffset(phys)+int64(within), p)
		return sumChange(w.op, w.in.Ino(), b, phys, within, p)
	}
	if shared { // and read as zeros by those who have it
		if err := w.unmap(b, 1, false); err != nil {
			return err
		}
		mapped = false
	}
	var phys uint64
	if mapped {
		phys = e.Phys + b - e.Logical
		if err := w.unmap(b, 1, true); err != nil {
			return err
		}
	} else {
		var err error
		if phys, err = w.fresh(b, !ok && w.in.Size() >= largeFile); err != nil {
			return err
		}
	}
	at := layout.BlockOffset(phys)
	w.op.Tx.ZeroData(at, within)
	w.op.Tx.Data(at+int64(within), p)
	w.op.Tx.ZeroData(at+int64(within+len(p)), layout.BlockSize-within-len(p))
	sumFresh(w.op, phys, within, p)
	return w.m.Insert(layout.Extent{Logical: b, Phys: phys, Len: 1, Birth: w.op.Epoch()})
}

// fresh allocates a block for file block b.
func (w *writer) fresh(b uint64, large bool) (phys uint64, err error) {
	goal, err := w.m.Goal(b)
	if err != nil {
		return 0, err
	}
	r, err := w.op.AllocBlocks(goal, 1, large)
	if err != nil {
		return 0, err
	}
	w.in.AddBlocks(1)
	return r.Start, nil
}

// instead logs p at byte within of file block b in a copy of its block, which extent e maps and a snapshot has. The old block stays as it
// is. Its content is verified first unless all of it is written over: a checksum over damage would bless it.
func (w *writer) instead(e layout.Extent, b uint64, within int, p []byte) error {
	old := e.Phys + b - e.Logical
	whole := p
	if len(p) < layout.BlockSize {
		whole = w.op.Tx.Scratch(layout.BlockSize)
		if err := fetch(w.op.Tx.Journal(), w.in.Ino(), old, whole, b<<layout.BlockShift); err != nil {
			return err
		}
		copy(whole[within:], p)
	}
	phys, err := w.fresh(b, false)
	if err != nil {
		return err
	}
	if err := w.unmap(b, 1, false); err != nil {
		return err
	}
	w.op.Tx.Data(layout.BlockOffset(phys), whole)
	sumFresh(w.op, phys, 0, whole)
	return w.m.Insert(layout.Extent{Logical: b, Phys: phys, Len: 1, Birth: w.op.Epoch()})
}

// vacate takes a file block off the bad image block that extent e maps it to, which ends on the list of bad blocks. What
// is not written over is lost with it and must not be made up: that is ErrLost, unless nothing is, as when the rest of the
// block has never been written or lies behind the end of the file.
func (w *writer) vacate(e layout.Extent, b uint64, within, n int) error {
	whole := within == 0 && (n == layout.BlockSize || b<<layout.BlockShift+uint64(n) >= w.in.Size())
	if !whole && e.Flags&layout.ExtentUnwritten == 0 {
		return fmt.Errorf("%w: file block %d of inode %d, image block %d", ErrLost, b, w.in.Ino(), e.Phys+b-e.Logical)
	}
	return w.unmap(b, 1, false)
}

// unmap takes n file blocks out of the map. With keep their image blocks stay allocated.
func (w *writer) unmap(b, n uint64, keep bool) error {
	for from := b; from < b+n; {
		next, err := w.m.Remove(from, b+n, maxPieces, func(phys, n, birth uint64) error {
			if keep {
				return nil
			}
			w.in.AddBlocks(-int64(n))
			return w.op.Release(w.in.Ino(), phys, n, birth, false)
		})
		if err != nil {
			return err
		}
		from = next
	}
	return nil
}

// blocks writes whole blocks from file block b: to blocks that are allocated and unwritten in place, else to fresh ones.
func (w *writer) blocks(p []byte, b uint64) (int, error) {
	pieces, err := w.plan(b, uint64(len(p))>>layout.BlockShift)
	if errors.Is(err, alloc.ErrNoSpace) && len(pieces) == 0 {
		return w.overwrite(p, b)
	}
	if err != nil && !errors.Is(err, alloc.ErrNoSpace) {
		return 0, err
	}
	segs, done := make([]pmem.Segment, 0, 4), 0
	for _, x := range pieces {
		n := int(x.run.Len) << layout.BlockShift
		segs = append(segs, pmem.Segment{Off: layout.BlockOffset(x.run.Start), Src: p[done : done+n]})
		done += n
	}
	named, err := w.storeBlocks(appendSums(w.op, segs, pieces, p))
	if err != nil {
		return 0, err
	}
	for _, x := range pieces {
		if err := w.link(x, named); err != nil {
			return 0, err
		}
	}
	return done, nil
}

// proof says that blocks may be linked: they are durable, or their record does not count before they are.
type proof interface{ Valid() bool }

// storeBlocks stores the content of fresh blocks.
func (w *writer) storeBlocks(segs []pmem.Segment) (proof, error) {
	if j := w.op.Tx.Journal(); !j.Together() {
		return j.Region().WriteThrough(siteBlocks, segs)
	}
	return w.op.Tx.Bulk(segs)
}

// overwrite is for a full filesystem: blocks that are there are written through the record, a few at a time, so that
// each stays whole. ErrNoSpace means that the first block is a hole.
func (w *writer) overwrite(p []byte, b uint64) (int, error) {
	const most = 8
	for i := range min(most, uint64(len(p))>>layout.BlockShift) {
		if i > 0 {
			// A block that may need space is left to an operation of its own: if there is none, half of what it
			// changes must not be committed with this one.
			e, ok, err := w.m.Next(b + i)
			if err != nil || !ok || e.Logical > b+i || e.Flags&layout.ExtentUnwritten != 0 || w.op.Shared(w.in.Ino(), e.Birth) || w.op.Allocator().Bad(e.Phys+b+i-e.Logical) {
				return int(i) << layout.BlockShift, err
			}
		}
		if err := w.inBlock(b+i, 0, p[i<<layout.BlockShift:(i+1)<<layout.BlockShift]); err != nil {
			return int(i) << layout.BlockShift, err
		}
	}
	return min(most<<layout.BlockShift, len(p)), nil
}

// plan finds image blocks for n file blocks from b. It stops early at
// maxPieces and maxReplaced, and with ErrNoSpace, beside what it found, when space ends.
func (w *writer) plan(b, n uint64) ([]piece, error) {
	pieces := w.store[:0]
	large := n >= largeFile>>layout.BlockShift || w.in.Size() >= largeFile
	goal, err := w.m.Goal(b)
	if err != nil {
		return nil, err
	}
	replaced, most := 0, maxReplaced
	if w.op.Snapshots() {
		most /= 4 // each may be kept, which takes more of the record
	}
	for end := b + n; b < end && len(pieces) < maxPieces && replaced < most; {
		e, ok, err := w.m.Next(b)
		if err != nil {
			return nil, err
		}
		until, mapped := end, ok // here or further on
		if ok && w.usable(e) && e.Logical <= b {
			run := alloc.Run{Start: e.Phys + b - e.Logical, Len: min(e.End(), end) - b}
			if run.Len = w.op.Allocator().Good(run); run.Len > 0 {
				pieces = append(pieces, piece{b, run, true})
				b, goal = b+run.Len, run.Start+run.Len
				continue
			}
			until, ok = b+1, false // a bad block, which a fresh one replaces
		}
		for ok && e.Logical < end {
			// Blocks that are mapped and written are replaced; an extent whose blocks can be used ends the run.
			if w.usable(e) || replaced == most {
				until = e.Logical
				break
			}
			replaced++
			if e, ok, err = w.m.Next(e.End()); err != nil {
				return nil, err
			}
		}
		run, err := w.op.AllocBlocks(goal, until-b, large && (!mapped || b%layout.HugeBlocks == 0 && until-b >= layout.HugeBlocks))
		if err != nil {
			return pieces, err // what is planned so far can still be written
		}
		pieces = append(pieces, piece{b, run, false})
		b, goal = b+run.Len, run.Start+run.Len
	}
	return pieces, nil
}

// usable reports whether the blocks of an extent can be written to where they are, before the record: they are unwritten, and no
// snapshot has them.
func (w *writer) usable(e layout.Extent) bool {
	return e.Flags&layout.ExtentUnwritten != 0 && !w.op.Shared(w.in.Ino(), e.Birth)
}

// link maps a piece whose content may be linked, freeing what was mapped there.
func (w *writer) link(x piece, p proof) error {
	if !p.Valid() {
		return errNoProof
	}
	if err := w.unmap(x.block, x.run.Len, x.inUse); err != nil {
		return err
	}
	if !x.inUse {
		w.in.AddBlocks(int64(x.run.Len))
	}
	return w.m.Insert(layout.Extent{Logical: x.block, Phys: x.run.Start, Len: uint32(x.run.Len), Birth: w.op.Epoch()})
}
