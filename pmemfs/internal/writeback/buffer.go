package writeback

import (
	"slices"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/quota"
)

// Buffer is the unstable data of one file, and what its writes have done to the attributes. The file's stripe guards it.
type Buffer struct {
	ino, gen  uint64
	runs      []run // ascending; no two share a byte
	bytes     int64 // of all runs
	demand          // of all runs
	paid      quota.Prepaid
	reserved  int64 // blocks that are reserved for them: fresh ones, and nodes that map them
	since     time.Time
	end       uint64 // behind the last byte that was ever buffered
	writes    uint64 // that the attributes on the medium do not know of
	now       int64  // time of the last one
	killSetID bool   // one was by a user whose writes take set-id bits away
}

// run is data that lies together in a file.
type run struct {
	off uint64
	p   []byte
}

func (r *run) end() uint64 { return r.off + uint64(len(r.p)) }

// sharesBlock reports whether next begins in the block in which r ends.
func (r *run) sharesBlock(next *run) bool {
	return (r.end()-1)>>layout.BlockShift == next.off>>layout.BlockShift
}

// joinMax bounds what a run grows to at its end, in bytes: beyond that copying costs more than the fences it saves.
const joinMax = 4 << 20

// Gen returns the generation of the file that the data is of. The number of its inode may have another file by now.
func (f *Buffer) Gen() uint64 { return f.gen }

// add puts a copy of p over what is buffered, joined with the runs that it touches, and returns by how much that grew.
func (f *Buffer) add(p []byte, off uint64) (grown int64) {
	end := off + uint64(len(p))
	f.end = max(f.end, end)
	i, _ := slices.BinarySearchFunc(f.runs, off, func(r run, off uint64) int {
		if r.end() < off {
			return -1
		}
		return 1
	})
	if i < len(f.runs) && f.runs[i].end() == off && len(f.runs[i].p)+len(p) > joinMax {
		i++
	}
	j := i
	for j < len(f.runs) && f.runs[j].off <= end {
		j++
	}
	before := f.bytes
	if i == j {
		f.runs = slices.Insert(f.runs, i, run{off, slices.Clone(p)})
		f.bytes += int64(len(p))
		return f.bytes - before
	}
	joined := join(f.runs[i:j], p, off)
	for _, old := range f.runs[i:j] {
		f.bytes -= int64(len(old.p))
	}
	f.runs[i] = joined
	f.runs = slices.Delete(f.runs, i+1, j)
	f.bytes += int64(len(joined.p))
	return f.bytes - before
}

// join returns one run of p at off and of runs that it touches, p over what they hold. It may grow the first one in place.
func join(runs []run, p []byte, off uint64) run {
	end := off + uint64(len(p))
	r := runs[0]
	if off < r.off {
		r = run{off, slices.Concat(p[:r.off-off], r.p)}
	}
	for _, next := range runs[1:] {
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
	return r
}

// covers reports whether a run has a byte in file block b.
func (f *Buffer) covers(b uint64) bool {
	from := b << layout.BlockShift
	i, _ := slices.BinarySearchFunc(f.runs, from, func(r run, from uint64) int {
		if r.end() <= from {
			return -1
		}
		return 1
	})
	return i < len(f.runs) && f.runs[i].off < from+layout.BlockSize
}

// Overlay fills out with the inode as it would be if the buffer were flushed, nodes that map its blocks excepted.
func (f *Buffer) Overlay(out, in layout.Inode) {
	copy(out, in)
	if f.writes == 0 {
		return
	}
	out.SetSize(max(in.Size(), f.end))
	out.AddBlocks(f.fresh)
	f.stamp(out)
}

// stamp gives an inode the attributes that the writes have left.
func (f *Buffer) stamp(in layout.Inode) {
	if f.killSetID {
		in.KillSetID()
	}
	in.SetMtime(f.now)
	in.SetCtime(f.now)
	in.AddChange(f.writes)
}
