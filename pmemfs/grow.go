package pmemfs

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/recovery"
)

// The fences of a growth, besides those of the journal.
var (
	siteGrowBitmaps = pmem.NewSite("grow: bitmaps of new groups")
	siteGrowBackup  = pmem.NewSite("grow: backup superblock")
	siteGrowFirst   = pmem.NewSite("grow: first superblock")
	siteGrowWipe    = pmem.NewThroughSite("grow: superblock behind the end")
)

// GrowOptions are the options of Grow.
type GrowOptions struct {
	Progress func(done, total int64) // told of the allocation of blocks, in bytes; nil for none
}

// GrowResult is what a growth did. Sizes are bytes.
type GrowResult struct {
	OldBytes  uint64 `json:"old_bytes" doc:"size before"`
	NewBytes  uint64 `json:"new_bytes" doc:"size now"`
	FreeBytes uint64 `json:"free_bytes" doc:"free space now"`
}

// Grow makes the filesystem size bytes large, or, with 0, as large as its file or device has become. It runs beside all other calls,
// which see the new space when it returns. A file gets its blocks from the host, unless the filesystem was opened with Options.Sparse.
// After an error everything is as it was, unless the medium has failed. A filesystem that has this size already stays as it is.
//
// Durable on return; up to nine fences, and in a crash the filesystem has one size or the other.
//
// Errors: ErrInvalid for a size that cannot be, with a reason; ErrNoSpace where the host has no room; ErrNotSupported where this process
// cannot map more before the next open (Options.Reach); ErrReadOnly; ErrIO; ErrBusy while another growth is under way; the context's.
func (fs *FS) Grow(ctx context.Context, size int64, o GrowOptions) (GrowResult, error) {
	r, err := fs.grow(ctx, size, o)
	if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return r, err
	}
	fs.finish(&err, 0)
	return r, err
}

func (fs *FS) grow(ctx context.Context, size int64, o GrowOptions) (r GrowResult, err error) {
	g, err := fs.enter(0)
	if err != nil {
		return r, err
	}
	defer g.RUnlock()
	if fs.readOnly {
		return r, ErrReadOnly
	}
	if err := fs.j.Err(); err != nil {
		return r, err
	}
	if !fs.growMu.TryLock() {
		return r, fmt.Errorf("the image is growing already: %w", ErrBusy)
	}
	defer fs.growMu.Unlock()
	if fs.growBroken {
		return r, fmt.Errorf("%w: an earlier growth broke off, and the next open puts that right", ErrNotSupported)
	}
	old := fs.super()
	blocks, err := fs.grownBlocks(old, size)
	if err != nil {
		return r, err
	}
	if blocks > old.Blocks {
		if err := fs.growTo(ctx, old, blocks, o); err != nil {
			return r, err
		}
		fs.log.Info("the filesystem has grown", "blocks", blocks, "before", old.Blocks)
	}
	r = GrowResult{OldBytes: old.Blocks << layout.BlockShift, NewBytes: blocks << layout.BlockShift}
	r.FreeBytes = uint64(max(fs.a.Blocks.Avail()+fs.a.Blocks.Quarantined(), 0)) << layout.BlockShift
	return r, nil
}

// grownBlocks returns how many blocks the image is to have, or why that cannot be.
func (fs *FS) grownBlocks(old *layout.Superblock, size int64) (uint64, error) {
	present, err := fs.region.Present()
	if err != nil {
		return 0, err
	}
	all := size == 0
	if all {
		size = present &^ (layout.BlockSize - 1)
	}
	blocks := uint64(size) >> layout.BlockShift
	tail := blocks % layout.GroupBlocks
	least := old.Sums().TailMin()
	refuse := func(format string, args ...any) (uint64, error) {
		return 0, fmt.Errorf("%d bytes: %w: %s", size, ErrInvalid, fmt.Sprintf(format, args...))
	}
	switch {
	case all && tail < least:
		blocks = max(blocks-tail, old.Blocks) // as Format does
	case size < 0 || blocks >= layout.MaxBlocks-1:
		return refuse("an image has less than %d", layout.BlockOffset(layout.MaxBlocks-1))
	case size%layout.BlockSize != 0:
		return refuse("the size of an image is a multiple of %d, such as %d or %d", layout.BlockSize, layout.BlockOffset(blocks), layout.BlockOffset(blocks+1))
	case blocks < old.Blocks:
		return refuse("the image has %d, and cannot become smaller", layout.BlockOffset(old.Blocks))
	case blocks > old.Blocks && tail > 0 && tail < least:
		return refuse("the last group of blocks would be too small; %d or %d can be", layout.BlockOffset(blocks-tail), layout.BlockOffset(blocks-tail+least))
	case fs.region.Device() && size > present:
		return refuse("the device has %d", present)
	}
	return blocks, nil
}

// growTo makes the image larger. growMu is held.
//
// Until the head says so (Recount), nothing has happened that means anything. From then on the next open sees to it that the bitmaps fit
// the superblock that counts, whichever that is, so what comes in between only has to keep two things true: one superblock is whole and
// can be found, and no block that either of the two sizes calls its own has another owner. See DESIGN.md, "Growth".
func (fs *FS) growTo(ctx context.Context, old *layout.Superblock, blocks uint64, o GrowOptions) (err error) {
	if _, err := fs.a.Blocks.Free(old.Backup); err != nil {
		return err // its bitmap is damaged: it will not be found out half way
	}
	undo, err := fs.region.Extend(ctx, layout.BlockOffset(blocks), pmem.ExtendOptions{Sparse: fs.sparse, Progress: o.Progress})
	if err != nil {
		return fs.extendErr(err)
	}
	next := old.Grown(blocks)
	done := false
	defer func() {
		if !done {
			err = errors.Join(err, undo())
		}
	}()
	if err := fs.formatGroups(old, &next); err != nil {
		return err
	}
	if !mutation.GrowthFlagged.Off() {
		if err := fs.j.Recount(); err != nil {
			return err
		}
	}
	if err := fs.markTail(&next, old); err != nil {
		return err
	}
	if err := fs.growSuper(blocks); err != nil {
		done = fs.j.Err() != nil // then what has become of it is not known: the next open finds out
		return err
	}
	done = true
	fs.j.Wake()
	if err := fs.media.TakeListed(); err != nil {
		fs.log.Warn("bad memory in the new part of the image stays in its free space until it is met", "error", err)
	}
	return nil
}

// extendErr says what an error of the region means.
func (fs *FS) extendErr(err error) error {
	switch {
	case errors.Is(err, pmem.ErrReach):
		err = fmt.Errorf("%w; it can grow so far while nobody has it open", err)
		return &openError{fs.region.Path(), ErrNotSupported, err}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return &openError{fs.region.Path(), ErrNoSpace, err}
	}
	return err
}

// formatGroups formats the bitmaps of the groups that one image has more than another.
func (fs *FS) formatGroups(old, next *layout.Superblock) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	const batch = 1 << 16 // between two fences
	var ranges []pmem.Range
	b := make([]byte, layout.BlockSize)
	last := layout.GroupCount(next.Blocks)
	for g := layout.GroupCount(old.Blocks); g < last; g++ {
		next.InitGroup(b, g)
		off := layout.BlockOffset(layout.BitmapBlock(g))
		// By a system call, where the pages are the kernel's, which begins to write them while the next ones are made.
		if err := fs.region.PutSegments([]pmem.Segment{{Off: off, Src: b}}); err != nil {
			return err
		}
		ranges = append(ranges, pmem.Range{Off: off, Len: layout.BlockSize})
		if len(ranges) == batch || g == last-1 {
			if err := fs.region.Persist(siteGrowBitmaps, ranges); err != nil {
				return err
			}
			ranges = ranges[:0]
		}
	}
	return nil
}

// markTail marks the place of the new backup, where that is in the old last group, so that it is found there: on the medium, and not
// only in the window.
func (fs *FS) markTail(next, old *layout.Superblock) (err error) {
	if old.Blocks%layout.GroupBlocks == 0 || mutation.GrowthMarked.Off() {
		return nil
	}
	defer fs.region.Unguard(fs.region.Guard(), &err)
	op := fs.a.Begin()
	defer op.Done()
	if err := op.MarkTail(next.Backup, next.Blocks); err != nil {
		return err
	}
	if err := op.Commit(); err != nil {
		return err
	}
	return fs.j.Checkpoint()
}

// growSuper makes the image with so many blocks the one that counts. When it has stored to the first superblock and fails, the journal has
// failed: the next open finds out which one counts.
func (fs *FS) growSuper(blocks uint64) error {
	v := fs.vol
	v.SuperMu.Lock()
	defer v.SuperMu.Unlock()
	old := v.Super() // it may have got a feature since
	grown := old.Grown(blocks)
	next := &grown
	fresh := next.FreshBlocks(old)
	if mutation.GrowthSpaceLast.Off() {
		fs.a.Grown(next.Blocks, fresh, old.Backup)
	}
	backup := func() error { return fs.storeSuper(siteGrowBackup, next.Backup, next) }
	free := func() error { return fs.freeBackup(old.Backup, fresh) }
	first := func() error {
		err := fs.storeSuper(siteGrowFirst, layout.SuperBlock, next)
		if err != nil {
			fs.j.Fail(err)
		}
		return err
	}
	steps := []func() error{backup, free, first}
	if mutation.GrowthBackupFirst.Off() {
		steps = []func() error{first, backup, free}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			fs.growBroken = true
			return err
		}
	}
	v.SetSuper(next)
	fs.j.Counted() // before the place of the old backup can have another owner: recovery would take it away
	if !mutation.GrowthSpaceLast.Off() {
		fs.a.Grown(next.Blocks, fresh, old.Backup)
	}
	return nil
}

// endGrowth ends a growth that a crash has interrupted, as far as that has not been undone: see growTo. Nobody else uses the filesystem
// yet. The bitmaps come in step with the superblock in a record, as anything else does; before that is durable, and a head behind it, the
// next open does the same again.
func (fs *FS) endGrowth(st journal.State) (err error) {
	if !st.Head.Recount || fs.readOnly {
		return nil
	}
	defer fs.region.Unguard(fs.region.Guard(), &err)
	sb := fs.super()
	former, err := fs.wipeBackups(sb)
	if err != nil {
		return err
	}
	op := fs.a.Begin()
	defer op.Done()
	if err := op.EndGrowth(sb.Backup, former); err != nil {
		return err
	}
	if err := op.Commit(); err != nil {
		return err
	}
	if !st.Uncounted {
		fs.j.Counted()
	}
	fs.log.Info("the image was growing when it was last used; its free space has been counted", "blocks", sb.Blocks, "all", !st.Uncounted)
	return nil
}

// wipeBackups clears the backup superblocks of the image that a growth has left behind its end, lest one is found some day. It returns
// where others are, before the end.
func (fs *FS) wipeBackups(sb *layout.Superblock) (former []uint64, err error) {
	var behind []pmem.Range
	for at, other := range recovery.Backups(fs.region) {
		switch {
		case at == sb.Backup || !other.SameImage(sb):
		case at < sb.Blocks:
			former = append(former, at)
		default:
			behind = append(behind, pmem.Range{Off: layout.BlockOffset(at), Len: layout.BlockSize})
		}
	}
	if len(behind) == 0 || mutation.GrowthWiped.Off() {
		return former, nil
	}
	_, err = fs.region.ZeroThrough(siteGrowWipe, behind)
	return former, err
}

// storeSuper stores a superblock. Durable on return.
func (fs *FS) storeSuper(site *pmem.Site, block uint64, sb *layout.Superblock) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	var b [layout.BlockSize]byte
	layout.EncodeSuperblock(b[:], sb)
	off := layout.BlockOffset(block)
	fs.region.Write(off, b[:])
	return fs.region.Persist(site, []pmem.Range{{Off: off, Len: layout.BlockSize}})
}

// freeBackup commits the record that frees the old backup and counts what is new.
func (fs *FS) freeBackup(block, fresh uint64) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	op := fs.a.Begin()
	defer op.Done()
	if err := op.FreeOwn(block, fresh); err != nil {
		return err
	}
	return op.Commit()
}
