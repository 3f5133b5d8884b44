package repair

import (
	"cmp"
	"slices"

	"pmemfs/pmemfs/internal/layout"
)

// maxFileBlocks is how many blocks the largest file has.
const maxFileBlocks = uint64(1) << (63 - layout.BlockShift)

// remap is a file whose extents are to be made anew.
type remap struct {
	ino    uint64
	list   []layout.Extent
	copies []layout.Extent // whose blocks are somebody else's: the content is copied
}

// hasExtents reports whether an inode in use is a file with a map of extents.
func (f *fixer) hasExtents(ino uint64) bool {
	if !f.good.has(ino) {
		return false
	}
	t, ok := dataTree(f.slot(ino), ino)
	return ok && t.kind == layout.TreeExtent
}

// extents vets the extents of all files and claims their blocks. Of blocks that several claim, what is not file data goes
// first, and among files the older generation.
func (f *fixer) extents() {
	meta, claimed := f.owned.clone(), f.owned.clone()
	twice := newBitset(f.sb.Blocks)
	contested := false
	for ino := uint64(layout.RootIno); ino < f.file.limit; ino++ {
		if !f.hasExtents(ino) {
			continue
		}
		list, _ := f.vetExtents(ino, true)
		for _, e := range list {
			for b := e.Phys; b < e.Phys+uint64(e.Len); b++ {
				if claimed.has(b) {
					twice.set(b)
					contested = true
				}
				claimed.set(b)
			}
		}
	}
	var late []uint64
	for ino := uint64(layout.RootIno); ino < f.file.limit; ino++ {
		if !f.hasExtents(ino) {
			continue
		}
		list, changed := f.vetExtents(ino, false)
		if contested && slices.ContainsFunc(list, func(e layout.Extent) bool { return twice.any(e.Phys, uint64(e.Len)) }) {
			late = append(late, ino)
			continue
		}
		f.claimExtents(ino, list)
		if changed {
			f.remaps = append(f.remaps, &remap{ino: ino, list: list})
		}
	}
	slices.SortStableFunc(late, func(a, b uint64) int { return cmp.Compare(f.slot(a).Gen(), f.slot(b).Gen()) })
	for _, ino := range late {
		f.contest(ino, meta)
	}
}

func (f *fixer) claimExtents(ino uint64, list []layout.Extent) {
	for _, e := range list {
		f.owned.add(e.Phys, uint64(e.Len))
		f.blocks[ino] += uint64(e.Len)
	}
}

// contest gives a file those of its blocks that nobody has yet. meta is what is no file's.
func (f *fixer) contest(ino uint64, meta bitset) {
	list, changed := f.vetExtents(ino, true)
	r := &remap{ino: ino}
	for _, e := range list {
		for i := uint32(0); i < e.Len; {
			b, n := e.Phys+uint64(i), uint32(1)
			owned, other := f.owned.has(b), meta.has(b)
			for i+n < e.Len && f.owned.has(b+uint64(n)) == owned && meta.has(b+uint64(n)) == other {
				n++
			}
			part := e
			part.Logical, part.Phys, part.Len = e.Logical+uint64(i), b, n
			i += n
			switch {
			case !owned:
				r.list = append(r.list, part)
				f.claimExtents(ino, []layout.Extent{part})
				continue
			case other:
				f.lose(inodeName(ino), "file blocks %d to %d: they lie in blocks %d to %d, which are no file's", part.Logical, part.End()-1, b, b+uint64(n)-1)
			case part.Flags&layout.ExtentUnwritten == 0:
				r.copies = append(r.copies, part)
			}
			changed = true
		}
	}
	if changed {
		f.remaps = append(f.remaps, r)
	}
}

// mapOf returns the extents of a file as they are kept, and whether all could be read.
func (f *fixer) mapOf(ino uint64, quiet bool) (list []layout.Extent, whole bool) {
	in := f.slot(ino)
	whole = !f.noData.has(ino)
	add := func(e layout.Extent, birth uint64) {
		if ino >= layout.RootIno && f.younger(e.Birth, birth) {
			e.Birth, whole = birth, false
		}
		list = append(list, e)
	}
	for i := range in.InlineCount() {
		add(in.InlineExtent(i), in.BirthEpoch())
	}
	f.records(in, tree{ino, layout.TreeExtent}, func(r record) {
		if len(r.payload) != layout.ExtentPayload {
			whole = false
			if !quiet {
				f.lose(inodeName(ino), "an extent at file block %d: the record is damaged", r.key)
			}
			return
		}
		add(layout.DecodeExtent(r.key, r.payload), r.birth)
	})
	if !slices.IsSortedFunc(list, byLogical) {
		slices.SortStableFunc(list, byLogical)
		whole = false
	}
	return list, whole
}

func byLogical(a, b layout.Extent) int { return cmp.Compare(a.Logical, b.Logical) }

// vetExtents returns the extents of a file that make sense, and whether they differ from what is kept. quiet leaves out
// the notes.
func (f *fixer) vetExtents(ino uint64, quiet bool) (kept []layout.Extent, changed bool) {
	list, whole := f.mapOf(ino, quiet)
	if !whole && !quiet && f.noData.has(ino) {
		f.lose(inodeName(ino), "extents in nodes that cannot be believed, if there were any; what is not mapped reads as zeros")
	}
	lose := func(e layout.Extent, why string) {
		changed = true
		if !quiet {
			f.lose(inodeName(ino), "the extent of %d file blocks from %d on: %s", e.Len, e.Logical, why)
		}
	}
	limit := f.limit(ino, list)
	end := uint64(0)
	for _, e := range list {
		was := e
		e.Flags &= layout.ExtentUnwritten
		e.Birth = min(e.Birth, f.birth)
		switch {
		case f.refusedIn(e):
			kept = f.cutRefused(kept, e, lose)
			end = e.End()
			continue
		case !f.inImage(e):
			lose(e, "its blocks are not in the image")
			continue
		case e.Logical >= maxFileBlocks || e.End() > maxFileBlocks:
			lose(e, "it is beyond the largest file")
			continue
		case e.Logical < end && e.End() <= end:
			lose(e, "others overlap it")
			continue
		case e.Logical < end:
			cut := end - e.Logical
			e = layout.Extent{Logical: end, Phys: e.Phys + cut, Len: e.Len - uint32(cut), Flags: e.Flags, Birth: e.Birth}
		}
		if e.Flags == 0 && e.End() > limit {
			if e.Logical >= limit {
				lose(e, "it is behind the end of the file")
				continue
			}
			e.Len = uint32(limit - e.Logical)
		}
		if e != was {
			changed = true
			if e.Len != was.Len && !quiet {
				f.lose(inodeName(ino), "%d file blocks from %d on: others overlap them, or they are behind the end", was.Len-e.Len, was.Logical)
			}
		}
		kept = append(kept, e)
		end = e.End()
	}
	return kept, changed || !whole
}

// limit returns the file block behind which nothing may be written: where the file ends, unless it is being cut.
func (f *fixer) limit(ino uint64, list []layout.Extent) uint64 {
	if f.orphan.has(ino) || f.noSize[ino] {
		return maxFileBlocks
	}
	return layout.BlocksFor(f.slot(ino).Size())
}

// plantFiles makes trees of attributes and maps of files anew, now that everything is claimed, and sees to the ends of files.
func (f *fixer) plantFiles() {
	for _, p := range f.attrTrees {
		if !f.plant(p.tree, p.records) {
			f.lose(inodeName(p.tree.ino), "its attributes: there is no room for them")
			in := f.change(p.tree.ino)
			in.SetXattrRoot(0, 0)
			in.Seal()
		}
	}
	for _, r := range f.remaps {
		f.spoil(r.ino)
		for _, e := range r.copies {
			f.copyBlocks(r, e)
		}
		slices.SortFunc(r.list, byLogical)
		f.setExtents(r.ino, r.list)
	}
	for ino := uint64(layout.RootIno); ino < f.file.limit; ino++ {
		if f.hasExtents(ino) {
			f.finishData(ino)
		}
	}
	f.attrTrees, f.remaps = nil, nil
}

// copyBlocks gives a file a copy of blocks that another one has.
func (f *fixer) copyBlocks(r *remap, e layout.Extent) {
	for i := range uint64(e.Len) {
		b := uint64(0)
		if f.copies < maxCopies && f.readable(e.Phys+i) {
			b = f.take()
		}
		if b == 0 {
			f.lose(inodeName(r.ino), "file blocks %d to %d: an older file has them, and they cannot be copied", e.Logical+i, e.End()-1)
			return
		}
		f.copies++
		copy(f.fresh(b), f.block(e.Phys+i))
		f.copySum(e.Phys+i, b)
		r.list = append(r.list, layout.Extent{Logical: e.Logical + i, Phys: b, Len: 1, Birth: e.Birth})
		f.blocks[r.ino]++
	}
	f.note(false, inodeName(r.ino), "file blocks %d to %d are copies: an older file has the blocks; one of the two has the other's content", e.Logical, e.End()-1)
}

// setExtents stores a file's map, in the inode if it fits.
func (f *fixer) setExtents(ino uint64, list []layout.Extent) {
	t := tree{ino, layout.TreeExtent}
	list = join(list)
	if len(list) > layout.InlineExtents {
		records := make([]record, len(list))
		for i, e := range list {
			records[i] = record{key: e.Logical, payload: make([]byte, layout.ExtentPayload)}
			layout.EncodeExtent(records[i].payload, e)
		}
		in := f.change(ino)
		in.SetInlineCount(0)
		clear(in.Inline())
		in.Seal()
		if f.plant(t, records) {
			return
		}
		for _, e := range list[layout.InlineExtents:] {
			for b := e.Phys; b < e.Phys+uint64(e.Len); b++ {
				f.release(b)
			}
			f.blocks[ino] -= uint64(e.Len)
		}
		list = list[:layout.InlineExtents]
		f.lose(inodeName(ino), "file blocks from %d on: there is no room for its map", list[len(list)-1].End())
	}
	for _, b := range f.nodesOf(f.slot(ino), t) {
		f.release(b)
	}
	f.noData.clear(ino)
	in := f.change(ino)
	in.SetDataRoot(0, 0)
	clear(in.Inline())
	for i, e := range list {
		in.SetInlineExtent(i, e)
	}
	in.SetInlineCount(len(list))
	in.Seal()
}

// join makes one extent of neighbours that follow each other in the file and in the image.
func join(list []layout.Extent) []layout.Extent {
	var out []layout.Extent
	for _, e := range list {
		if n := len(out); n > 0 {
			last := &out[n-1]
			if last.End() == e.Logical && last.Phys+uint64(last.Len) == e.Phys && last.Flags == e.Flags && last.Birth == e.Birth &&
				last.Phys/layout.GroupBlocks == e.Phys/layout.GroupBlocks && last.Len+e.Len <= layout.ExtentMaxLen {
				last.Len += e.Len
				continue
			}
		}
		out = append(out, e)
	}
	return out
}
