package repair

import (
	"slices"

	"pmemfs/pmemfs/internal/layout"
)

// refusedIn reports whether an extent of the image has a block whose memory refused a store.
func (f *fixer) refusedIn(e layout.Extent) bool {
	if len(f.refused) == 0 || !f.inImage(e) {
		return false
	}
	for b := range f.refused {
		if b >= e.Phys && b-e.Phys < uint64(e.Len) {
			return true
		}
	}
	return false
}

// cutRefused adds the parts of an extent that do not lie in such blocks.
func (f *fixer) cutRefused(kept []layout.Extent, e layout.Extent, lose func(layout.Extent, string)) []layout.Extent {
	for i := range uint64(e.Len) {
		one := layout.Extent{Logical: e.Logical + i, Phys: e.Phys + i, Len: 1, Flags: e.Flags & layout.ExtentUnwritten, Birth: min(e.Birth, f.birth)}
		if f.refused[one.Phys] {
			lose(one, "its memory refused what was stored last")
			continue
		}
		kept = append(kept, one)
	}
	return kept
}

// badBlocks makes the list of bad blocks: what it had, and what was found unreadable or refused a store, as far as nobody uses it. It comes after
// files: a block that somebody claims and that can be read is not given up for an entry in the list.
func (f *fixer) badBlocks() {
	const ino = layout.BadBlocksIno
	var list []layout.Extent
	changed := false
	if f.good.has(ino) {
		had, whole := f.mapOf(ino, false)
		changed = !whole
		for _, e := range had {
			if !f.inImage(e) || e.Logical != e.Phys || e.Flags != layout.ExtentUnwritten || f.owned.any(e.Phys, uint64(e.Len)) {
				changed = true
				f.note(false, "list of bad blocks", "%d blocks at %d are not on it any more: they are in use, or the entry made no sense", e.Len, e.Phys)
				continue
			}
			list = append(list, e)
			f.claimExtents(ino, list[len(list)-1:])
		}
	}
	for b := range f.bad {
		if f.owned.has(b) {
			continue // its block is fixed, or it is file data, which a reader finds
		}
		if !f.good.has(ino) {
			f.system(ino)
		}
		e := layout.Extent{Logical: b, Phys: b, Len: 1, Flags: layout.ExtentUnwritten, Birth: f.birth}
		list = append(list, e)
		f.claimExtents(ino, list[len(list)-1:])
		changed = true
	}
	if changed {
		slices.SortFunc(list, byLogical)
		f.remaps = append(f.remaps, &remap{ino: ino, list: list})
	}
}
