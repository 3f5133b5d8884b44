package layout

import "fmt"

// A tree node is a block: a header, an array of 2-byte slots sorted by key that grows up, and a heap of records that
// grows down. A slot is the offset of its record: key u64, payload length u16, payload. A node of level 0 is a leaf;
// above it every payload is the block number (u64) of a child. All keys below record i are smaller than the key of
// record i+1 and, for i > 0, not smaller than the key of record i; the key of record 0 bounds nothing.
//
//	0 crc u32 of 4.. | 4 magic u16 | 6 level u8 | 7 kind u8 | 8 owner inode u64 | 16 own block u64 | 24 birth epoch u64
//	32 count u16 | 34 heap u16 (lowest record byte) | 36 live u16 (bytes of all records) | 38 zero | 64 slots ...
//
// A node's checksum is brought up to date when a checkpoint flushes it, so it is only right for nodes that no record
// of the live journal window names.
const (
	nodeMagic    = 0x444e // "ND"
	nodeHeader   = 64
	recordHead   = 10
	NodeCapacity = BlockSize - nodeHeader // bytes for slots and records
	ChildPayload = 8
	// NodeRecordOverhead is what a record takes beside its payload: its header and its slot.
	NodeRecordOverhead = recordHead + 2
	MaxHeight          = 12 // levels: more than 2^63 records of any kind need fewer
	// PayloadMax is the longest payload: four records always fit a node, so a split always succeeds.
	PayloadMax = NodeCapacity/3 - recordHead - 2
)

// Kinds of tree.
const (
	TreeDir    = 1
	TreeExtent = 2
	TreeXattr  = 3
	TreeOrphan = 4
)

// The longest payloads fit.
var (
	_ [PayloadMax - DirentMax]byte
	_ [PayloadMax - (xattrHead + XattrNameMax + XattrInlineMax)]byte
)

// Node is a view of a tree node, on the medium or in a shadow of it. The accessors expect a node that Validate accepted.
type Node []byte

// InitNode formats an empty node.
func InitNode(n Node, level, kind uint8, owner, self, birth uint64) {
	clear(n[:BlockSize])
	le.PutUint16(n[4:], nodeMagic)
	n[6], n[7] = level, kind
	le.PutUint64(n[8:], owner)
	le.PutUint64(n[16:], self)
	le.PutUint64(n[24:], birth)
	n.setHeap(BlockSize)
}

// CopyOf makes n a copy of another node, at another block and of another birth epoch.
func (n Node) CopyOf(from Node, self, birth uint64) {
	clear(n[:4]) // a checksum is not copied
	copy(n[4:BlockSize], from[4:BlockSize])
	le.PutUint64(n[16:], self)
	le.PutUint64(n[24:], birth)
}

// IsNode reports whether b carries a node's magic.
func IsNode(b []byte) bool { return le.Uint16(b[4:]) == nodeMagic }

// Level returns 0 for a leaf.
func (n Node) Level() uint8 { return n[6] }

// Kind returns the kind of tree.
func (n Node) Kind() uint8 { return n[7] }

// Owner returns the inode number that the tree belongs to.
func (n Node) Owner() uint64 { return le.Uint64(n[8:]) }

// Self returns the node's own block number.
func (n Node) Self() uint64 { return le.Uint64(n[16:]) }

// Birth returns the snapshot epoch in which the node was made.
func (n Node) Birth() uint64 { return le.Uint64(n[24:]) }

// Count returns the number of records.
func (n Node) Count() int { return int(le.Uint16(n[32:])) }

func (n Node) setCount(c int) { le.PutUint16(n[32:], uint16(c)) }

func (n Node) heap() int { return int(le.Uint16(n[34:])) }

func (n Node) setHeap(h int) { le.PutUint16(n[34:], uint16(h)) }

// Live returns the bytes that records take, without slots.
func (n Node) Live() int { return int(le.Uint16(n[36:])) }

func (n Node) setLive(v int) { le.PutUint16(n[36:], uint16(v)) }

// Used returns the bytes that records and slots take.
func (n Node) Used() int { return n.Live() + 2*n.Count() }

func (n Node) slot(i int) int { return int(le.Uint16(n[nodeHeader+2*i:])) }

// Key returns the key of record i.
func (n Node) Key(i int) uint64 { return le.Uint64(n[n.slot(i):]) }

// Payload returns the payload of record i, aliasing the node.
func (n Node) Payload(i int) []byte {
	o := n.slot(i)
	size := int(le.Uint16(n[o+8:]))
	return n[o+recordHead : o+recordHead+size : o+recordHead+size]
}

// Child returns the block number in record i of an inner node.
func (n Node) Child(i int) uint64 { return le.Uint64(n[n.slot(i)+recordHead:]) }

// SetChild changes the block number in record i of an inner node.
func (n Node) SetChild(i int, block uint64) { le.PutUint64(n[n.slot(i)+recordHead:], block) }

// Search returns the first record whose key is not below key, and whether it is equal.
func (n Node) Search(key uint64) (int, bool) {
	lo, hi := 0, n.Count()
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if n.Key(mid) < key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < n.Count() && n.Key(lo) == key
}

// ChildIndex returns the record of an inner node below which key belongs.
func (n Node) ChildIndex(key uint64) int {
	i, exact := n.Search(key)
	if !exact && i > 0 {
		i--
	}
	return i
}

// Fits reports whether a record with a payload of size bytes can be inserted.
func (n Node) Fits(size int) bool { return n.Used()+recordHead+size+2 <= NodeCapacity }

// Insert adds a record at slot i. The caller has asked Fits.
func (n Node) Insert(i int, key uint64, payload []byte) {
	size, count := recordHead+len(payload), n.Count()
	if n.heap()-size < nodeHeader+2*(count+1) {
		n.compact()
	}
	o := n.heap() - size
	le.PutUint64(n[o:], key)
	le.PutUint16(n[o+8:], uint16(len(payload)))
	copy(n[o+recordHead:], payload)
	s := n[nodeHeader : nodeHeader+2*(count+1)]
	copy(s[2*i+2:], s[2*i:2*count])
	le.PutUint16(s[2*i:], uint16(o))
	n.setHeap(o)
	n.setCount(count + 1)
	n.setLive(n.Live() + size)
}

// Delete removes record i. Its bytes come back at once when it is the lowest of the heap, else at the next compaction.
func (n Node) Delete(i int) {
	o, count := n.slot(i), n.Count()
	size := recordHead + len(n.Payload(i))
	s := n[nodeHeader : nodeHeader+2*count]
	copy(s[2*i:], s[2*i+2:])
	le.PutUint16(s[2*count-2:], 0)
	n.setCount(count - 1)
	n.setLive(n.Live() - size)
	if o == n.heap() {
		n.setHeap(o + size)
	}
	if count == 1 {
		n.setHeap(BlockSize)
	}
}

// Replace changes the payload of record i, in place when the length is the same. It returns false, having changed
// nothing, when a longer payload does not fit.
func (n Node) Replace(i int, payload []byte) bool {
	old := n.Payload(i)
	if len(old) == len(payload) {
		copy(old, payload)
		return true
	}
	if n.Used()+len(payload)-len(old) > NodeCapacity {
		return false
	}
	key := n.Key(i)
	n.Delete(i)
	n.Insert(i, key, payload)
	return true
}

// SetKey changes the key of record i; the caller keeps the order.
func (n Node) SetKey(i int, key uint64) { le.PutUint64(n[n.slot(i):], key) }

// compact moves all records to the end of the node, in slot order.
func (n Node) compact() {
	var old [BlockSize]byte
	copy(old[:], n)
	src, o := Node(old[:]), BlockSize
	for i := range src.Count() {
		from := src.slot(i)
		size := recordHead + len(src.Payload(i))
		o -= size
		copy(n[o:], old[from:from+size])
		le.PutUint16(n[nodeHeader+2*i:], uint16(o))
	}
	n.setHeap(o)
}

// MoveTail appends the records from slot i on to dst, which has room, and drops them from n.
func (n Node) MoveTail(i int, dst Node) {
	for j := i; j < n.Count(); j++ {
		dst.Insert(dst.Count(), n.Key(j), n.Payload(j))
	}
	for n.Count() > i {
		n.Delete(n.Count() - 1)
	}
	n.compact()
}

// Validate checks everything that the accessors rely on: bounds, counts, order, and child payloads. Errors wrap
// ErrDamaged.
func (n Node) Validate(self uint64) error {
	bad := func(what string, found, expected any) error {
		return fmt.Errorf("%w node at block %d: %s is %v, expected %v", ErrDamaged, self, what, found, expected)
	}
	switch {
	case !IsNode(n):
		return bad("magic", le.Uint16(n[4:]), nodeMagic)
	case n.Self() != self:
		return bad("block number", n.Self(), self)
	case n.Level() >= MaxHeight:
		return bad("level", n.Level(), "less")
	}
	count, heap, live := n.Count(), n.heap(), 0
	if nodeHeader+2*count > heap || heap > BlockSize {
		return bad("heap start", heap, nodeHeader+2*count)
	}
	for i := range count {
		o := n.slot(i)
		if o < heap || o+recordHead > BlockSize {
			return bad("slot", o, heap)
		}
		size := int(le.Uint16(n[o+8:]))
		if o+recordHead+size > BlockSize || n.Level() > 0 && size != ChildPayload {
			return bad("record length", size, BlockSize-o)
		}
		if i > 0 && n.Key(i-1) >= n.Key(i) {
			return bad("key order", n.Key(i), n.Key(i-1)+1)
		}
		live += recordHead + size
	}
	if live != n.Live() || n.Used() > NodeCapacity {
		return bad("live bytes", n.Live(), live)
	}
	return nil
}
