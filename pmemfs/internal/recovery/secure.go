package recovery

import (
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// secure makes the records of the window durable that nothing says are, and their bulk data. After a power cut they are, as the medium
// is where they were read. But when a process has died, what was read is in a cache as likely as on the medium, and the power may go
// during the replay: then the medium must not hold half of what a record says without the record.
func secure(region *pmem.Region, sb *layout.Superblock, old layout.Head) error {
	var ranges []pmem.Range
	size, from := uint64(sb.RingBytes()), uint64(0)
	first := true
	end, err := window(region.Bytes(), sb, old, func(rec []byte, pos uint64, loose bool) error {
		if !loose {
			return nil
		}
		if first {
			first, from = false, pos
		}
		for x := range layout.Bulks(rec, layout.BlockOffset(sb.Blocks)) {
			ranges = append(ranges, pmem.Range{Off: x.Off, Len: int64(x.Len)})
		}
		return nil
	})
	if err != nil || first {
		return err
	}
	n := end.TailPos - from
	head := min(n, size-from%size)
	ranges = append(ranges, pmem.Range{Off: sb.RingOffset() + int64(from%size), Len: int64(head)}, pmem.Range{Off: sb.RingOffset(), Len: int64(n - head)})
	return region.Persist(siteLoose, ranges)
}
