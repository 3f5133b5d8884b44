package pmemfs

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
)

// kept is the data of a file that is in memory alone, and what its writes have done to the attributes.
type kept struct {
	h      Handle
	runs   []keptRun // ascending; no two share a byte
	bytes  int64     // of all runs
	wants            // of all runs
	blocks int64     // that are promised for them: fresh ones, and nodes that map them
	since  time.Time // when the first was kept
	end    uint64    // behind the last byte that was ever kept
	writes uint64    // that the attributes on the medium do not know of
	t      int64     // of the last one
	kill   bool      // one was by a user who takes set-id bits away
}

// wants is what storing takes, counted in blocks that are touched.
type wants struct {
	fresh  int64 // that the file does not have
	splits int64 // that it has and that were never written: each may take an extent apart
}

func (w wants) plus(more wants) wants {
	return wants{fresh: w.fresh + more.fresh, splits: w.splits + more.splits}
}

// blocksFor returns how many blocks storing into a file takes: the fresh ones and, as each of those may need an extent, and a
// split two, the nodes that they may need. A node that splits leaves room for 55 extents in each half.
func (w wants) blocksFor(in layout.Inode) int64 {
	_, height := in.DataRoot()
	extents := w.fresh + 2*w.splits
	if extents == 0 || height == 0 && int64(in.InlineCount())+extents <= layout.InlineExtents {
		return w.fresh
	}
	return w.fresh + extents/40 + int64(height) + 1
}

type keptRun struct {
	off uint64
	p   []byte
}

func (r *keptRun) end() uint64 { return r.off + uint64(len(r.p)) }

// keptJoin bounds what a run grows to at its end, in bytes: beyond that copying costs more than the fences it saves.
const keptJoin = 4 << 20

// add puts a copy of p over what is kept, joined with the runs that it touches, and returns by how much that grew.
func (k *kept) add(p []byte, off uint64) (grown int64) {
	end := off + uint64(len(p))
	k.end = max(k.end, end)
	i, _ := slices.BinarySearchFunc(k.runs, off, func(r keptRun, off uint64) int {
		if r.end() < off {
			return -1
		}
		return 1
	})
	if i < len(k.runs) && k.runs[i].end() == off && len(k.runs[i].p)+len(p) > keptJoin {
		i++
	}
	j := i
	for j < len(k.runs) && k.runs[j].off <= end {
		j++
	}
	before := k.bytes
	if i == j {
		k.runs = slices.Insert(k.runs, i, keptRun{off, slices.Clone(p)})
		k.bytes += int64(len(p))
		return k.bytes - before
	}
	r := k.runs[i]
	if off < r.off {
		r = keptRun{off, slices.Concat(p[:r.off-off], r.p)}
	}
	for _, next := range k.runs[i+1 : j] {
		r.p = append(r.p, p[r.end()-off:next.off-off]...)
		r.p = append(r.p, next.p...)
	}
	if r.end() < end {
		if need := len(r.p) + int(end-r.end()); need > cap(r.p) {
			r.p = append(make([]byte, 0, max(need, 2*len(r.p))), r.p...)
		}
		r.p = append(r.p, p[r.end()-off:]...)
	}
	copy(r.p[off-r.off:], p)
	for _, old := range k.runs[i:j] {
		k.bytes -= int64(len(old.p))
	}
	k.runs[i] = r
	k.runs = slices.Delete(k.runs, i+1, j)
	k.bytes += int64(len(r.p))
	return k.bytes - before
}

// touches reports whether a run has a byte in file block b.
func (k *kept) touches(b uint64) bool {
	from := b << layout.BlockShift
	i, _ := slices.BinarySearchFunc(k.runs, from, func(r keptRun, from uint64) int {
		if r.end() <= from {
			return -1
		}
		return 1
	})
	return i < len(k.runs) && k.runs[i].off < from+layout.BlockSize
}

// wantsOf counts the blocks of [off, off+n) that nothing has been promised for yet. Nothing maps or unmaps them while k is
// kept.
func (fs *FS) wantsOf(k *kept, in layout.Inode, off, n uint64) (w wants, err error) {
	m := extent.Open(fs.j, nil, in)
	for b, end := off>>layout.BlockShift, layout.BlocksFor(off+n); b < end; {
		e, ok, err := m.Next(b)
		if err != nil {
			return w, err
		}
		until, count := end, &w.fresh
		switch {
		case ok && e.Logical <= b && e.Flags&layout.ExtentUnwritten == 0:
			b = e.End()
			continue
		case ok && e.Logical <= b:
			until, count = min(end, e.End()), &w.splits
		case ok:
			until = min(end, e.Logical)
		}
		for ; b < until; b++ {
			if k == nil || !k.touches(b) {
				*count++
			}
		}
	}
	return w, nil
}

// promise brings what is promised for k up to date.
func (fs *FS) promise(k *kept, in layout.Inode) {
	blocks := k.blocksFor(in)
	fs.a.Promise(blocks - k.blocks)
	k.blocks = blocks
}

// forget drops what is kept of an inode, whose stripe is held exclusively.
func (fs *FS) forget(ino uint64) {
	if k := fs.unstable.take(ino); k != nil {
		fs.a.Promise(-k.blocks)
	}
}

// overlay fills out with the inode as it would be if what is kept were stored, nodes that map its blocks excepted.
func (k *kept) overlay(out, in layout.Inode) {
	copy(out, in)
	if k.writes == 0 {
		return
	}
	out.SetSize(max(in.Size(), k.end))
	out.AddBlocks(k.fresh)
	k.touch(out)
}

// touch makes up for the attributes of the writes.
func (k *kept) touch(in layout.Inode) {
	if k.kill {
		in.SetMode(in.Mode() &^ killBits(in))
	}
	in.SetMtime(k.t)
	in.SetCtime(k.t)
	in.AddChange(k.writes)
}

// settle makes stable what is kept of an inode, whose stripe is held exclusively by a caller who is about to look at it or
// to change it. What cannot be stored is lost, which the verifier says.
func (fs *FS) settle(ino uint64) {
	if err := fs.store(ino); err != nil {
		fs.media.Say(slog.LevelError, "data that was not committed is lost", "inode", ino, "error", err)
	}
}

// store is settle with the error. Durable on return.
func (fs *FS) store(ino uint64) error {
	if fs.unstable.of(ino) == nil {
		return nil
	}
	k := fs.unstable.take(ino)
	defer fs.a.Promise(-k.blocks)
	for moves := 0; len(k.runs) > 0; {
		err := fs.storeStep(k, false)
		if errors.Is(err, alloc.ErrNoSpace) {
			err = fs.storeStep(k, true)
		}
		if errors.Is(err, inode.ErrStale) {
			return nil // the file is gone, and its data with it
		}
		if err != nil {
			if moves++; moves <= movesMax && fs.media.RetryWrite(&err, ino) {
				continue
			}
			fs.unstable.gen.Add(1)
			return err
		}
	}
	return nil
}

// storeBatch bounds the record of small pieces, in bytes.
const storeBatch = 64 << 10

// storeStep is one record: a large run or as much of it as a record can map, or small ones as long as they have blocks of
// their own, since an operation changes a block at most once. What cannot be stored is lost, so in need it may use the
// reserve.
func (fs *FS) storeStep(k *kept, need bool) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	if _, err := fs.inodes.Get(nil, k.h.Ino, k.h.Gen); err != nil {
		return err
	}
	op := fs.a.Begin()
	defer op.Done()
	op.Redeems, op.Frees = k.blocks, need
	in, err := fs.inodes.Shadow(op, k.h.Ino)
	if err != nil {
		return err
	}
	done, rest := 0, keptRun{}
	for i := range k.runs {
		r := &k.runs[i]
		if i > 0 && (len(r.p) > data.SmallMax || op.Tx.Size() > storeBatch || k.runs[i-1].sharesBlock(r)) {
			break
		}
		n, err := data.Write(op, in, r.p, r.off)
		if err != nil {
			return err
		}
		in.SetSize(max(in.Size(), r.off+uint64(n)))
		if done = i + 1; n < len(r.p) {
			rest = keptRun{r.off + uint64(n), r.p[n:]}
		}
		if len(r.p) > data.SmallMax {
			break
		}
	}
	if k.writes > 0 {
		k.touch(in)
	}
	if err := op.Commit(); err != nil {
		return err
	}
	k.writes = 0
	if k.runs = k.runs[done:]; len(rest.p) > 0 {
		k.runs = slices.Insert(slices.Clone(k.runs), 0, rest)
	}
	return nil
}

// sharesBlock reports whether the run next begins in the block in which r ends.
func (r *keptRun) sharesBlock(next *keptRun) bool {
	return (r.end()-1)>>layout.BlockShift == next.off>>layout.BlockShift
}

// settleFile is settle for who holds no stripe.
func (fs *FS) settleFile(ino uint64) {
	ls := fs.stripes.lock(ino)
	defer ls.unlock()
	fs.settle(ino)
}

// storeAll stores what is kept of every file. The caller holds a gate and no stripe.
func (fs *FS) storeAll() (err error) {
	if fs.unstable.count.Load() == 0 {
		return nil
	}
	for _, ino := range fs.unstable.inos() {
		ls := fs.stripes.lock(ino)
		err = errors.Join(err, fs.store(ino))
		ls.unlock()
	}
	return err
}
