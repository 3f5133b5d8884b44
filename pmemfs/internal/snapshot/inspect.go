package snapshot

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// findMax bounds the entries that are looked at to find out whose a block is.
const findMax = 1 << 16

// InspectTable verifies the shard table. The caller is in a gate. Errors wrap layout.ErrDamaged, or are memory faults.
func (s *Set) InspectTable() (block uint64, err error) {
	block = s.table0.Load()
	count := uint32(s.Shards())
	return block, s.v.Journal.Inspect(block, func(b []byte) error {
		if !layout.ShardTable(b).Is(block, count) {
			return fmt.Errorf("%w: not the table of %d shards", layout.ErrDamaged, count)
		}
		return nil
	})
}

// Inspect calls f with the tree of kept inodes and the list of kept blocks of shard i. Meanwhile nobody changes them, nor frees a block that is in
// the list: f must not take long. The caller is in a gate.
func (s *Set) Inspect(i int, f func(inodes, blocks *tree.Tree)) {
	sh := &(*s.shards.Load())[i]
	sh.RLock()
	defer sh.RUnlock()
	p := s.open(nil, i)
	f(&p.inodes, &p.blocks)
}

// Having names the snapshots that have what was so from an epoch until another.
func (s *Set) Having(birth, until uint64) string {
	list := s.All()
	from, _ := find(list, birth)
	to, _ := find(list, until+1)
	switch {
	case from >= to:
		return "a snapshot that is being deleted"
	case to-from == 1:
		return fmt.Sprintf("snapshot %q", list[from].Name)
	}
	return fmt.Sprintf("snapshots %q to %q", list[from].Name, list[to-1].Name)
}

// Find says whose a block is that only snapshots have, and which of them. It looks at a bounded number of entries.
func (s *Set) Find(block uint64) (owner uint64, meta bool, having string, err error) {
	looked := 0
	for i := range s.Shards() {
		for from, more := uint64(0), true; more && looked < findMax; looked += lookMax {
			list, keys, next, rest, err := s.some(i, from, layout.KeptBlockKey(layout.EpochMax, layout.KeptNumberMax))
			if err != nil {
				return 0, false, "", err
			}
			for n := range list {
				if k := &list[n]; block >= k.Start && block-k.Start < uint64(k.Len) {
					until, _ := layout.KeptBlockOf(keys[n])
					return k.Owner, k.Flags&layout.KeptMeta != 0, s.Having(k.Birth, until), nil
				}
			}
			from, more = next, rest
		}
	}
	return 0, false, "", nil
}
