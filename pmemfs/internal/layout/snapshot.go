package layout

import "unicode/utf8"

// Snapshots, part of the medium. SPEC.md, "Snapshots", says what each field means.
const (
	SnapshotIno = 7 // its tree is the table of snapshots; zeros while there never was one

	SnapshotMax     = 4096      // snapshots at once
	EpochMax        = 1<<28 - 1 // the last birth epoch
	SnapshotNameMax = NameMax   // bytes
	SnapshotTextMax = 512       // bytes of a description
	HoldsMax        = 8         // holds of a snapshot
	HoldNameMax     = 32        // bytes
	KeptInoMax      = 1<<36 - 1 // the last inode number that a key has room for
	SnapshotState   = 40        // bytes of the payload of key 0 of the table
	snapshotHead    = 36        // bytes of a snapshot's payload before its texts
	KeptPayload     = 32        // bytes of the payload in a list of kept blocks
	shardTableHead  = 64        // bytes of the shard table before the shards
	ShardSize       = LineSize  // bytes of a shard in the shard table
	ShardsMax       = 32        // a power of two
	shardMagic      = 0x4853    // "SH"
	ordinalBits     = 36        // of a key in a list of kept blocks
	untilBits       = 28        // of a key in a tree of kept inodes
	KeptNumberMax   = 1<<ordinalBits - 1
)

// Kinds of tree that snapshots have.
const (
	TreeSnapshot  = 5 // the table of snapshots
	TreeKeptInode = 6 // inodes as they were
	TreeKeptBlock = 8 // what snapshots alone hold
)

// IncompatSnapshots says that there are, or were, snapshots: what is born before the newest must not be changed in place.
const IncompatSnapshots = uint64(1) << 0

// Table is the decoded payload of key 0 of the table of snapshots.
type Table struct {
	Epoch    uint64 // birth epoch of what is made now
	Shards   uint64 // block of the shard table
	Count    uint32 // shards in it
	Rollback uint64 // epoch of the snapshot that a rollback is under way to, 0 for none
	Next     uint64 // where a rollback goes on
}

// EncodeTable returns the payload of key 0: epoch u64, block u64, count u32, zero u32, rollback u64, next u64.
func EncodeTable(t *Table) []byte {
	b := make([]byte, SnapshotState)
	le.PutUint64(b, t.Epoch)
	le.PutUint64(b[8:], t.Shards)
	le.PutUint32(b[16:], t.Count)
	le.PutUint64(b[24:], t.Rollback)
	le.PutUint64(b[32:], t.Next)
	return b
}

// DecodeTable reads the payload of key 0. ok is false when it is malformed.
func DecodeTable(b []byte) (t Table, ok bool) {
	if len(b) != SnapshotState {
		return t, false
	}
	t = Table{le.Uint64(b), le.Uint64(b[8:]), le.Uint32(b[16:]), le.Uint64(b[24:]), le.Uint64(b[32:])}
	return t, t.Epoch > 0 && t.Epoch <= EpochMax && t.Count > 0 && t.Count <= ShardsMax && t.Count&(t.Count-1) == 0 && t.Rollback < t.Epoch
}

// Snapshot is the decoded payload of a snapshot in the table, whose key is its epoch.
type Snapshot struct {
	Epoch  uint64
	Time   int64  // ns since 1970
	Blocks uint64 // used in the image when it was made
	Inodes uint64
	Flags  uint32
	Name   string
	Text   string // description
	Holds  []string
}

// SnapshotDeleting marks a snapshot that cannot be used any more, whose space is being freed.
const SnapshotDeleting = 1 << 0

// EncodeSnapshot returns the payload: time i64, blocks u64, inodes u64, flags u32, zero u32, length of the name u8, of the text u16,
// count of holds u8, name, text, and each hold with its length, u8.
func EncodeSnapshot(s *Snapshot) []byte {
	b := make([]byte, snapshotHead, snapshotHead+len(s.Name)+len(s.Text)+len(s.Holds)*(HoldNameMax+1))
	le.PutUint64(b, uint64(s.Time))
	le.PutUint64(b[8:], s.Blocks)
	le.PutUint64(b[16:], s.Inodes)
	le.PutUint32(b[24:], s.Flags)
	b[32] = byte(len(s.Name))
	le.PutUint16(b[33:], uint16(len(s.Text)))
	b[35] = byte(len(s.Holds))
	b = append(append(b, s.Name...), s.Text...)
	for _, h := range s.Holds {
		b = append(append(b, byte(len(h))), h...)
	}
	return b
}

// DecodeSnapshot reads the payload of a snapshot. ok is false when it is malformed.
func DecodeSnapshot(epoch uint64, b []byte) (s Snapshot, ok bool) {
	if epoch == 0 || epoch > EpochMax || len(b) < snapshotHead {
		return s, false
	}
	s = Snapshot{
		Epoch: epoch, Time: int64(le.Uint64(b)), Blocks: le.Uint64(b[8:]), Inodes: le.Uint64(b[16:]), Flags: le.Uint32(b[24:]),
	}
	name, text, holds := int(b[32]), int(le.Uint16(b[33:])), int(b[35])
	rest := b[snapshotHead:]
	if len(rest) < name+text || text > SnapshotTextMax || holds > HoldsMax {
		return s, false
	}
	s.Name, s.Text, rest = string(rest[:name]), string(rest[name:name+text]), rest[name+text:]
	for range holds {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) || rest[0] == 0 || rest[0] > HoldNameMax {
			return s, false
		}
		s.Holds = append(s.Holds, string(rest[1:1+rest[0]]))
		rest = rest[1+rest[0]:]
	}
	return s, len(rest) == 0 && SnapshotName(s.Name)
}

// SnapshotName reports whether a name may be a snapshot's: 1 to 255 bytes of UTF-8 without control characters, space, "/", "@" and ":",
// not beginning with "-" or ".".
func SnapshotName(name string) bool {
	if name == "" || len(name) > SnapshotNameMax || !utf8.ValidString(name) || name[0] == '-' || name[0] == '.' {
		return false
	}
	for _, r := range name {
		if r <= ' ' || r == '/' || r == '@' || r == ':' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return false
		}
	}
	return true
}

// KeptInodeKey returns the key under which an inode as it was lies until the snapshot of an epoch, the newest when it changed.
func KeptInodeKey(ino, until uint64) uint64 { return ino<<untilBits | until }

// KeptInodeOf takes apart what KeptInodeKey returns.
func KeptInodeOf(key uint64) (ino, until uint64) { return key >> untilBits, key & EpochMax }

// KeptBlockKey returns the key of entry number of those that are kept until the snapshot of an epoch.
func KeptBlockKey(until, number uint64) uint64 { return until<<ordinalBits | number }

// KeptBlockOf takes apart what KeptBlockKey returns.
func KeptBlockOf(key uint64) (until, number uint64) {
	return key >> ordinalBits, key & KeptNumberMax
}

// Kept is an entry of a list of kept blocks: a run of blocks that the live files do not have any more, or, with KeptInode, an inode
// as it was.
type Kept struct {
	Start uint64 // block; of an inode its number
	Len   uint32 // blocks; of an inode 0
	Flags uint32
	Birth uint64
	Owner uint64 // inode number
}

// Flags of Kept.
const (
	KeptInode = 1 << 0 // an inode, which lies in the tree of kept inodes
	KeptMeta  = 1 << 1 // a tree node
)

// EncodeKept returns an entry's payload: start u64, length u32, flags u32, birth u64, owner u64.
func EncodeKept(k *Kept) (b [KeptPayload]byte) {
	le.PutUint64(b[:], k.Start)
	le.PutUint32(b[8:], k.Len)
	le.PutUint32(b[12:], k.Flags)
	le.PutUint64(b[16:], k.Birth)
	le.PutUint64(b[24:], k.Owner)
	return b
}

// DecodeKept reads an entry's payload. ok is false when it is malformed.
func DecodeKept(b []byte) (k Kept, ok bool) {
	if len(b) != KeptPayload {
		return k, false
	}
	k = Kept{le.Uint64(b), le.Uint32(b[8:]), le.Uint32(b[12:]), le.Uint64(b[16:]), le.Uint64(b[24:])}
	inode := k.Flags&KeptInode != 0
	return k, k.Birth > 0 && k.Birth <= EpochMax && inode == (k.Len == 0) && (!inode || k.Start == k.Owner)
}

// ShardOf returns which of count shards, a power of two, has what is kept of an inode.
func ShardOf(ino uint64, count uint32) int {
	return int((ino * 0x9e3779b97f4a7c15) >> 32 & uint64(count-1))
}

// ShardTable is a view of the block of the shard table.
type ShardTable []byte

// InitShardTable formats a shard table of empty shards.
func InitShardTable(b []byte, self, birth uint64, count uint32) {
	clear(b[:BlockSize])
	le.PutUint16(b[4:], shardMagic)
	le.PutUint64(b[8:], SnapshotIno)
	le.PutUint64(b[16:], self)
	le.PutUint64(b[24:], birth)
	le.PutUint32(b[32:], count)
}

// Is reports whether a block is a shard table of so many shards, and where it says that it is.
func (t ShardTable) Is(self uint64, count uint32) bool {
	return le.Uint16(t[4:]) == shardMagic && le.Uint64(t[8:]) == SnapshotIno && le.Uint64(t[16:]) == self && le.Uint32(t[32:]) == count
}

// Shard is one decoded line of the shard table: where a share of what snapshots hold is.
type Shard struct {
	Inodes, Blocks             uint64 // root nodes of the tree of kept inodes and of the list of kept blocks
	InodesHeight, BlocksHeight uint8
	Nodes                      uint64 // of both trees
	KeptInodes, KeptBlocks     uint64 // that they have
}

// ShardOffset returns where in the block shard i lies.
func ShardOffset(i int) int { return shardTableHead + i*ShardSize }

// Shard decodes shard i.
func (t ShardTable) Shard(i int) Shard {
	b := t[ShardOffset(i):]
	return Shard{le.Uint64(b), le.Uint64(b[8:]), b[16], b[17], le.Uint64(b[24:]), le.Uint64(b[32:]), le.Uint64(b[40:])}
}

// EncodeShard returns a shard's line: root u64, root u64, height u8, height u8, zero u48, nodes u64, kept inodes u64, kept blocks u64.
func EncodeShard(s *Shard) (b [ShardSize]byte) {
	le.PutUint64(b[:], s.Inodes)
	le.PutUint64(b[8:], s.Blocks)
	b[16], b[17] = s.InodesHeight, s.BlocksHeight
	le.PutUint64(b[24:], s.Nodes)
	le.PutUint64(b[32:], s.KeptInodes)
	le.PutUint64(b[40:], s.KeptBlocks)
	return b
}

// IsShardTable reports whether b carries a shard table's magic.
func IsShardTable(b []byte) bool { return le.Uint16(b[4:]) == shardMagic }
