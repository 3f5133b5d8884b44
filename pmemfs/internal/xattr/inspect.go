package xattr

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// Inspect makes one step of a walk over the attributes, as tree.Inspect does over their nodes, and verifies the values that
// it comes by. bad is called for a node that is damaged, badValue for an attribute; name is nil for one that makes no sense.
// read is in bytes. The caller holds the inode's lock, shared.
func (s *Set) Inspect(w *tree.Walk, bad func(block uint64, err error), badValue func(name []byte, err error)) (nodes int, read uint64) {
	nodes = s.t.Inspect(w, func(n layout.Node) {
		for i := range n.Count() {
			x, ok := layout.DecodeXattr(n.Payload(i))
			if !ok {
				badValue(nil, fmt.Errorf("%w: inode %d: attribute %#x is malformed", layout.ErrDamaged, s.in.Ino(), n.Key(i)))
				continue
			}
			read += uint64(len(x.Blocks)) << layout.BlockShift
			if err := s.inspectValue(&x); err != nil {
				badValue(x.Name, err)
			}
		}
	}, bad)
	return nodes, read
}

// inspectValue verifies one value.
func (s *Set) inspectValue(x *layout.Xattr) (err error) {
	region := s.t.J.Region()
	defer region.Unguard(region.Guard(), &err)
	sum, rest := layout.CRC(x.Value), uint64(x.Size)
	for _, b := range x.Blocks {
		if b >= uint64(region.Size())>>layout.BlockShift {
			return fmt.Errorf("%w: attribute value at block %d", layout.ErrDamaged, b)
		}
		n := min(rest, layout.BlockSize)
		off := layout.BlockOffset(b)
		sum = layout.CRCUpdate(sum, region.Bytes()[off:off+int64(n)])
		rest -= n
	}
	if sum != x.CRC {
		return fmt.Errorf("%w: checksum is %#08x, expected %#08x", layout.ErrDamaged, sum, x.CRC)
	}
	return nil
}
