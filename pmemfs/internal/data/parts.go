package data

import (
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
)

// shownHole is what a hole is shown as. It is never stored to.
var shownHole [256 << 10]byte

// Parts appends to parts, as long as it has capacity, the parts of the medium in which the n bytes from off lie, in order. The
// caller has cut them at the end of the file, holds the inode's lock for as long as it uses them, and does not store to them.
// It returns false when they cannot be shown as they lie: they are in too many pieces, a block is lost, or their checksums
// would have to be verified.
func Parts(j *journal.Journal, in layout.Inode, parts [][]byte, n int, off uint64) ([][]byte, bool, error) {
	if j.Sums().On() {
		return parts, false, nil
	}
	m := extent.Open(j, nil, in)
	for left := uint64(n); left > 0; {
		if len(parts) == cap(parts) {
			return parts, false, nil
		}
		b, within := off>>layout.BlockShift, off&(layout.BlockSize-1)
		e, ok, err := m.Next(b)
		if err != nil {
			return parts, false, err
		}
		var part []byte
		switch {
		case !ok:
			part = shownHole[:min(left, uint64(len(shownHole)))]
		case e.Logical > b:
			part = shownHole[:min(left, uint64(len(shownHole)), e.Logical<<layout.BlockShift-off)]
		default:
			run := min(left, (e.End()-b)<<layout.BlockShift-within)
			first := e.Phys + b - e.Logical
			if e.Flags&layout.ExtentUnwritten != 0 {
				part = shownHole[:min(run, uint64(len(shownHole)))]
				break
			}
			if _, lost := j.FirstLost(first, layout.BlocksFor(within+run)); lost {
				return parts, false, nil
			}
			at := layout.BlockOffset(first) + int64(within)
			part = j.Region().Bytes()[at : at+int64(run) : at+int64(run)]
		}
		parts = append(parts, part)
		off, left = off+uint64(len(part)), left-uint64(len(part))
	}
	return parts, true, nil
}
