package scrub

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/recovery"
)

// MendedByOpen returns the damage that an open is about to end: of the first superblock, and of the journal head that it
// writes anew. The region is only read; nobody else has it open. Errors are those of the open.
func MendedByOpen(region *pmem.Region) (list []Finding, err error) {
	defer region.Unguard(region.Guard(), &err)
	sb, first, err := recovery.Superblock(region)
	if err != nil {
		return nil, err
	}
	if first != nil {
		list = append(list, Finding{Object: "superblock", Problem: first.Error(), Repaired: true})
	}
	head, _, err := recovery.Journal(region, sb, nil)
	if err != nil {
		return nil, err
	}
	if f := staleHead(region.Bytes(), &head); f != nil {
		list = append(list, *f)
	}
	return list, nil
}

// staleHead looks at the journal head that does not count. Of an image that was closed in order it is whole, or was never
// written; else a power cut may have torn it, which is no damage.
func staleHead(medium []byte, current *layout.Head) *Finding {
	if !current.Clean {
		return nil
	}
	block := layout.JournalHeadA + (current.Version+1)%2
	off := layout.BlockOffset(block)
	line := medium[off : off+layout.HeadSize]
	if _, ok := layout.DecodeHead(line); ok || string(line) == string(zeroSlot[:layout.HeadSize]) {
		return nil
	}
	return &Finding{Object: fmt.Sprintf("journal head in block %d", block), Offset: off, Problem: "checksum is wrong", Repaired: true}
}
