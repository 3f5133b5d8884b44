package media

import (
	"bytes"
	"errors"
	"log/slog"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/badblocks"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// Open makes the list of bad blocks usable, takes in what the system lists as bad, and logs what is known to be bad.
// Damage of the list itself does not keep anybody from the files. The volume is complete; nobody else uses it yet.
func (h *Health) Open() error {
	h.list = badblocks.New(h.Alloc, h.Inodes, h.OwnMu)
	h.Alloc.Retire = h.list.Retire
	if err := h.countListed(); err != nil {
		if !Confined(err) {
			return err
		}
		h.Log.Warn("the list of bad blocks cannot be read", "inode", layout.BadBlocksIno, "error", err)
	}
	for _, b := range h.Journal.LostBlocks() {
		h.Say(slog.LevelError, "a block has lost its content", "object", h.objectAt(b, 0, false).name, "block", b)
	}
	if h.ReadOnly {
		return nil // what is bad is not to be used, and nothing will be
	}
	return h.TakeListed()
}

// TakeListed takes in what the system lists as bad. After a growth there may be more.
func (h *Health) TakeListed() error {
	ranges, err := h.Region.BadRanges()
	if err != nil {
		h.Log.Warn("the system may know of more bad blocks", "error", err)
	}
	return h.takeBad(ranges)
}

// countListed counts the bad blocks and forgets that those were lost which have been given up since.
func (h *Health) countListed() (err error) {
	defer h.Region.Unguard(h.Region.Guard(), &err)
	listed := uint64(0)
	defer func() { h.listed.Store(listed) }()
	return h.list.Each(func(start, n uint64) error {
		listed += n
		for _, b := range h.Journal.LostBlocks() {
			if b >= start && b-start < n {
				h.Journal.Found(b)
			}
		}
		return nil
	})
}

// EachBad calls f with each run of blocks on the list of bad blocks, in ascending order, and stops at an error of f.
func (h *Health) EachBad(f func(start, n uint64) error) error { return h.list.Each(f) }

// takeBad takes what the system lists as bad out of the free space. What is in use stays where it is, and can be read as far
// as the memory lets it, until it is freed or written over.
func (h *Health) takeBad(ranges []pmem.Range) error {
	used := 0
	for _, r := range ranges {
		end := min(layout.BlocksFor(uint64(r.Off+r.Len)), h.Super().Blocks)
		for b := layout.BlockOf(r.Off); b < end; b++ {
			if !h.Alloc.Suspect(b) {
				continue
			}
			var o object
			err := h.nameFree(&o, b)
			if fixed, ok := h.fixedObject(b); ok {
				h.Say(slog.LevelError, "the system lists memory as bad that is in use", "object", fixed.name, "block", b)
				used++
			} else if err == nil && o.free {
				err = h.withdraw(b, false)
			}
			if err != nil && !Confined(err) && !errors.Is(err, alloc.ErrNoSpace) {
				return err
			}
		}
	}
	if len(ranges) > 0 {
		h.Log.Warn("the system lists bad memory", "ranges", len(ranges), "metadata_blocks", used, "bad_blocks", h.Counters().Bad)
	}
	return nil
}

var siteHeal = pmem.NewSite("media: superblock written again")

// HealSuperblocks makes both superblocks what this filesystem was opened with: the first one, unless why says what is wrong with it, else the
// copy. A change of the superblocks that was cut short leaves two that differ, or one that is torn. Memory that cannot be written stays as it
// is: the other one does for the next open too. Nobody else uses the volume yet.
func (h *Health) HealSuperblocks(why error) {
	from, to, name := uint64(layout.SuperBlock), h.Super().Backup, "the copy of the superblock"
	switch {
	case why != nil:
		from, to, name = to, from, "the superblock"
	case !h.Super().Amended():
		return // nobody has changed it: a scrub finds what is damaged
	}
	healed, err := h.copySuperblock(from, to)
	if !healed && err == nil {
		return
	}
	if why != nil {
		h.Log.Warn("the superblock is damaged, its copy is used", "error", why, "rewritten", err == nil)
	}
	if err != nil {
		h.Log.Warn(name+" cannot be written", "error", err)
	}
}

// copySuperblock stores one superblock over the other, unless they are the same.
func (h *Health) copySuperblock(from, to uint64) (differ bool, err error) {
	defer h.Region.Unguard(h.Region.Guard(), &err)
	all := h.Region.Bytes()
	want := all[layout.BlockOffset(from):layout.BlockOffset(from+1)]
	if err := func() (err error) {
		defer h.Region.Unguard(h.Region.Guard(), &err)
		differ = !bytes.Equal(want, all[layout.BlockOffset(to):layout.BlockOffset(to+1)])
		return nil
	}(); err == nil && !differ {
		return false, nil
	}
	h.Region.Write(layout.BlockOffset(to), bytes.Clone(want))
	return true, h.Region.Persist(siteHeal, []pmem.Range{{Off: layout.BlockOffset(to), Len: layout.BlockSize}})
}
