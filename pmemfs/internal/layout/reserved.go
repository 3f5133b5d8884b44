package layout

// What is reserved is written as zero. The engine does not look at it, so that a later version may give it a meaning
// under a feature bit; the checker does.

// anySet reports whether one of the bytes is not zero.
func anySet(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return true
		}
	}
	return false
}

// SuperReserved reports whether reserved bytes of a superblock are set: the owner epoch, and what follows the label.
func SuperReserved(b []byte) bool { return anySet(b[88:96]) || anySet(b[superUsed:BlockSize]) }

// BitmapReserved reports whether reserved bytes of a bitmap block's header are set.
func BitmapReserved(b []byte) bool { return anySet(b[16:bitmapHeader]) }

// Reserved reports whether reserved bytes of an inode are set. Without quotas its project is reserved too.
func (in Inode) Reserved(quotas bool) bool {
	return !quotas && anySet(in[offProject:offDataHeight]) || anySet(in[offReserved:inlineStart])
}

// ClearReserved makes them zero.
func (in Inode) ClearReserved(quotas bool) {
	if !quotas {
		clear(in[offProject:offDataHeight])
	}
	clear(in[offReserved:inlineStart])
}

// Reserved reports whether reserved bytes of a node's header are set.
func (n Node) Reserved() bool { return anySet(n[38:nodeHeader]) }

// RecordReserved reports whether reserved bytes of a journal record's header are set.
func RecordReserved(rec []byte) bool { return anySet(rec[52:56]) }

// Overlap reports whether two records of a node that Validate accepted share bytes.
func (n Node) Overlap() bool {
	var taken [BlockSize / 64]uint64
	for i := range n.Count() {
		o := n.slot(i)
		size := recordHead + len(n.Payload(i))
		for w := o / 64; w*64 < o+size; w++ {
			mask := WordMask(w, o, size)
			if taken[w]&mask != 0 {
				return true
			}
			taken[w] |= mask
		}
	}
	return false
}

// BitmapNumber returns the kind and number that a bitmap block says of itself.
func BitmapNumber(b []byte) (kind uint16, number uint64, ok bool) {
	return le.Uint16(b[6:]), le.Uint64(b[8:]), le.Uint16(b[4:]) == bitmapMagic
}

// SetGen changes the generation, for a repair of an inode that has none.
func (in Inode) SetGen(v uint64) { le.PutUint64(in[offGen:], v) }

// ClearReserved makes the reserved bytes of a node's header zero.
func (n Node) ClearReserved() { clear(n[38:nodeHeader]) }

// Salvage calls f with each record of a damaged node that lies within it. Nothing else is certain about them.
func (n Node) Salvage(f func(key uint64, payload []byte)) {
	for i := 0; nodeHeader+2*i+2 <= BlockSize && i < n.Count(); i++ {
		o := n.slot(i)
		if o < nodeHeader || o+recordHead > BlockSize {
			continue
		}
		if size := int(le.Uint16(n[o+8:])); o+recordHead+size <= BlockSize {
			f(n.Key(i), n.Payload(i))
		}
	}
}

// TableReserved reports whether reserved bytes of the payload of key 0 of the table of snapshots are set.
func TableReserved(b []byte) bool { return anySet(b[20:24]) }

// SnapshotReserved reports whether reserved bytes or unknown flags of a snapshot's payload are set.
func SnapshotReserved(b []byte) bool {
	return le.Uint32(b[24:])&^SnapshotDeleting != 0 || anySet(b[28:32])
}

// Reserved reports whether bytes of a shard table of count shards are set that are reserved.
func (t ShardTable) Reserved(count uint32) bool {
	for i := range int(count) {
		if b := t[ShardOffset(i):]; anySet(b[18:24]) || anySet(b[48:ShardSize]) {
			return true
		}
	}
	return anySet(t[6:8]) || anySet(t[36:ShardSize]) || anySet(t[ShardOffset(int(count)):BlockSize])
}
