package repair

import (
	"bytes"
	"sort"

	"pmemfs/pmemfs/internal/layout"
)

// finishData sees to the end of a file or target: the size, where it made no sense, and zeros behind the end.
func (f *fixer) finishData(ino uint64) {
	list, _ := f.mapOf(ino, true)
	in := f.slot(ino)
	isLink := in.Mode()&layout.ModeType == layout.ModeSymlink
	if f.noSize[ino] && !isLink {
		end := uint64(0)
		for _, e := range list {
			if e.Flags == 0 {
				end = e.End()
			}
		}
		f.resize(ino, min(end<<layout.BlockShift, 1<<63-1))
		f.note(false, inodeName(ino), "as long as its last written block: its size made no sense")
	}
	if isLink && !f.finishTarget(ino, list) {
		return
	}
	size := f.slot(ino).Size()
	last, rest := size>>layout.BlockShift, size&(layout.BlockSize-1)
	i := sort.Search(len(list), func(i int) bool { return list[i].End() > last })
	if rest == 0 || i == len(list) || list[i].Logical > last || list[i].Flags != 0 {
		return
	}
	phys := list[i].Phys + last - list[i].Logical
	if tail := f.block(phys)[rest:]; !bytes.Equal(tail, zeroBlock[rest:]) {
		f.clearTail(phys, rest)
	}
}

func (f *fixer) resize(ino, size uint64) {
	f.spoil(ino)
	in := f.change(ino)
	in.SetSize(size)
	in.Seal()
}

// finishTarget sees to a long target. A link without one is cleared; it returns false then.
func (f *fixer) finishTarget(ino uint64, list []layout.Extent) bool {
	in := f.slot(ino)
	if in.Nlink() == 0 && f.orphan.has(ino) && !f.noSize[ino] {
		return true // it may have been freed already
	}
	n := 0
	if len(list) > 0 && list[0].Logical == 0 && list[0].Flags == 0 {
		target := f.block(list[0].Phys)[:layout.BlockSize-1]
		if n = bytes.IndexByte(target, 0); n < 0 {
			n = len(target)
		}
	}
	switch {
	case n == 0:
		f.lose(inodeName(ino), "the link: its target is damaged")
		f.discard(ino, list)
		return false
	case uint64(n) < in.Size() || f.noSize[ino]:
		f.lose(inodeName(ino), "the end of its target: it is damaged, or its length is")
		f.resize(ino, uint64(n))
	}
	return true
}

// discard clears an inode and gives back what it owned.
func (f *fixer) discard(ino uint64, list []layout.Extent) {
	for _, e := range list {
		for b := e.Phys; b < e.Phys+uint64(e.Len); b++ {
			f.release(b)
		}
	}
	f.spoil(ino)
	in := f.slot(ino)
	for _, b := range f.nodesOf(in, tree{ino, layout.TreeExtent}) {
		f.release(b)
	}
	f.records(in, tree{ino, layout.TreeXattr}, func(r record) {
		if x, ok := layout.DecodeXattr(r.payload); ok {
			for _, b := range x.Blocks {
				f.release(b)
			}
		}
	})
	for _, b := range f.nodesOf(in, tree{ino, layout.TreeXattr}) {
		f.release(b)
	}
	clear(f.change(ino))
	f.good.clear(ino)
	f.orphan.clear(ino)
	f.blocks[ino] = 0
}
