package layout

import (
	"slices"

	"pmemfs/pmemfs/internal/mutation"
)

// A journal head is one line; the two heads are written in turn and the valid one with the higher version counts.
//
//	0 crc u32 of 4..64 | 4 flags u32 | 8 version u64 | 16 epoch u64 | 24 tail sequence u64 | 32 tail position u64
//	40 free blocks u64 | 48 used inodes u64 | 56 salt u64
const (
	HeadSize        = 64
	headFlagClean   = 1 // informative: the filesystem was closed and the window is empty
	headFlagRecount = 2 // a growth is under way: the next open counts the bitmaps
	headFlagLost    = 4 // a list of lost blocks follows the head in its block
)

// Head is a decoded journal head.
type Head struct {
	Clean      bool
	Recount    bool   // what the bitmaps say counts, and they are to be put right at their end, see SPEC.md, "Growth"
	Lost       bool   // the rest of the head's block is a list of lost blocks, see EncodeLost
	Version    uint64 // rises by one with each head written
	Epoch      uint64 // rises by one with each read-write open
	TailSeq    uint64 // sequence of the first record of the window
	TailPos    uint64 // logical byte position of that record; modulo the ring size it is an offset in the ring
	FreeBlocks uint64 // as of the tail
	UsedInodes uint64 // as of the tail
	Salt       uint64 // random, drawn anew with each epoch: what every record of the epoch carries, and nobody can guess
}

// EncodeHead fills a line.
func EncodeHead(b []byte, h *Head) {
	clear(b[:HeadSize])
	var flags uint32
	if h.Clean {
		flags |= headFlagClean
	}
	if h.Recount {
		flags |= headFlagRecount
	}
	if h.Lost {
		flags |= headFlagLost
	}
	le.PutUint32(b[4:], flags)
	for i, v := range []uint64{h.Version, h.Epoch, h.TailSeq, h.TailPos, h.FreeBlocks, h.UsedInodes, h.Salt} {
		le.PutUint64(b[8+8*i:], v)
	}
	seal(b[:HeadSize])
}

// DecodeHead reads a line; ok is false when its checksum is wrong.
func DecodeHead(b []byte) (h Head, ok bool) {
	if !sealed(b[:HeadSize]) && !mutation.HeadSeal.Off() {
		return h, false
	}
	return Head{
		Clean: le.Uint32(b[4:])&headFlagClean != 0, Recount: le.Uint32(b[4:])&headFlagRecount != 0, Lost: le.Uint32(b[4:])&headFlagLost != 0,
		Version: le.Uint64(b[8:]), Epoch: le.Uint64(b[16:]),
		TailSeq: le.Uint64(b[24:]), TailPos: le.Uint64(b[32:]), FreeBlocks: le.Uint64(b[40:]), UsedInodes: le.Uint64(b[48:]),
		Salt: le.Uint64(b[56:]),
	}, true
}

// A record begins on a line of the ring and may wrap around its end. It commits by its checksum. It carries file data, so
// a user may write what looks like a record to the ring; the salt tells it from ours, as it does records of earlier epochs.
//
//	 0 crc u32 of 64..length, then 4..64 | 4 length u32 | 8 sequence u64 | 16 epoch u64 | 24 fenced sequence u64
//	32 free blocks change i64 | 40 used inodes change i64 | 48 entries u32 | 52 zero u32 | 56 salt u64 | 64 entries ...
const RecordHeader = 64

// RecordHead is a decoded record header.
type RecordHead struct {
	Length  uint32 // bytes, header included, padding to the next line not
	Seq     uint64
	Epoch   uint64
	Salt    uint64
	Fenced  uint64 // every record up to this sequence was durable when this one was appended
	Free    int64  // change of the free block count
	Inodes  int64  // change of the used inode count
	Entries uint32
}

// EncodeRecordHead fills the header of rec. bodyCRC is the CRC32C of rec[RecordHeader:].
func EncodeRecordHead(rec []byte, h *RecordHead, bodyCRC uint32) {
	clear(rec[:RecordHeader])
	le.PutUint32(rec[4:], h.Length)
	le.PutUint64(rec[8:], h.Seq)
	le.PutUint64(rec[16:], h.Epoch)
	le.PutUint64(rec[24:], h.Fenced)
	le.PutUint64(rec[32:], uint64(h.Free))
	le.PutUint64(rec[40:], uint64(h.Inodes))
	le.PutUint32(rec[48:], h.Entries)
	le.PutUint64(rec[56:], h.Salt)
	le.PutUint32(rec, CRCUpdate(bodyCRC, rec[4:RecordHeader]))
}

// DecodeRecordHead reads a record's header; it does not verify the checksum.
func DecodeRecordHead(b []byte) RecordHead {
	return RecordHead{
		Length: le.Uint32(b[4:]), Seq: le.Uint64(b[8:]), Epoch: le.Uint64(b[16:]), Fenced: le.Uint64(b[24:]),
		Free: int64(le.Uint64(b[32:])), Inodes: int64(le.Uint64(b[40:])), Entries: le.Uint32(b[48:]),
		Salt: le.Uint64(b[56:]),
	}
}

// Of reports whether the record was written in the epoch of a journal head, by pmemfs and not by a user.
func (r *RecordHead) Of(h *Head) bool {
	return r.Epoch == h.Epoch && r.Salt == h.Salt || mutation.RecordOwn.Off()
}

// SeqBefore reports whether sequence a comes before b. Sequences wrap: they are compared by their distance, which is never
// more than the records that fit in a ring.
func SeqBefore(a, b uint64) bool { return int64(a-b) < 0 }

// RecordSealed reports whether the checksum of a whole record is right.
func RecordSealed(rec []byte) bool {
	return le.Uint32(rec) == CRCUpdate(CRC(rec[RecordHeader:]), rec[4:RecordHeader]) || mutation.RecordSeal.Off()
}

// EntryKind says what an entry does and to what kind of object.
type EntryKind uint16

// Entry kinds, part of the medium.
const (
	EntryInode       EntryKind = 1 // store bytes within one inode
	EntryNode        EntryKind = 2 // store bytes within one node
	EntryData        EntryKind = 3 // store file bytes within one block
	EntryZeroInode   EntryKind = 4 // clear a range within one inode
	EntryZeroNode    EntryKind = 5
	EntryZeroData    EntryKind = 6
	EntryBitSet      EntryKind = 7  // set Len bits from bit Arg of the bitmap block at Off
	EntryBitClear    EntryKind = 8  // clear them
	EntryBitmap      EntryKind = 9  // store bytes within a bitmap block (a new inode group)
	EntryZeroMap     EntryKind = 10 // clear a range within a bitmap block
	EntryRequestNote EntryKind = 11 // change nothing: see RequestNote
	EntryBulk        EntryKind = 12 // change nothing: see Bulk
	EntryAccount     EntryKind = 13 // add to what an account has used: see AppendAccountEntry
)

// EntryHeader is the size of an entry's header: offset u64, length u32, kind u16, argument u16. The payload of the
// kinds that store bytes follows, padded with zeros to 8 bytes.
const EntryHeader = 16

// Entry is one decoded change.
type Entry struct {
	Off  int64
	Len  uint32
	Kind EntryKind
	Arg  uint16
	Data []byte // aliases the record; nil for kinds that store no bytes and carry none
}

// HasPayload reports whether entries of this kind store the bytes that they carry.
func (k EntryKind) HasPayload() bool {
	return k == EntryInode || k == EntryNode || k == EntryData || k == EntryBitmap
}

// Sealed4K reports whether the kind changes a block whose checksum is deferred to the checkpoint.
func (k EntryKind) Sealed4K() bool {
	switch k {
	case EntryNode, EntryZeroNode, EntryBitSet, EntryBitClear, EntryBitmap, EntryZeroMap:
		return true
	}
	return false
}

// Changes reports whether entries of this kind are stored at their offset, whatever is there. What an account's entry says is added to what
// is there.
func (k EntryKind) Changes() bool {
	return k != EntryRequestNote && k != EntryBulk && k != EntryAccount
}

// AppendEntry appends an entry with its payload. b is whole words, and stays so.
func AppendEntry(b []byte, off int64, n uint32, kind EntryKind, arg uint16, data []byte) []byte {
	at, size := len(b), EntryHeader+(len(data)+7)&^7
	b = slices.Grow(b, size)[:at+size]
	e := b[at:]
	if len(data) > 0 {
		le.PutUint64(e[size-8:], 0) // the padding
		copy(e[EntryHeader:], data)
	}
	le.PutUint64(e, uint64(off))
	le.PutUint64(e[8:], uint64(n)|uint64(kind)<<32|uint64(arg)<<48)
	return b
}

// NextEntry decodes the entry at the head of b and returns what follows it. ok is false when it is malformed: a bound
// beyond size (the image's bytes), a range over a block's end unless it is of bulk data, an unknown kind.
func NextEntry(b []byte, size int64) (e Entry, rest []byte, ok bool) {
	if len(b) < EntryHeader {
		return e, nil, false
	}
	e = Entry{Off: int64(le.Uint64(b)), Len: le.Uint32(b[8:]), Kind: EntryKind(le.Uint16(b[12:])), Arg: le.Uint16(b[14:])}
	if e.Kind == 0 || e.Kind > EntryAccount || e.Off < 0 || e.Off >= size || e.Len == 0 {
		return e, nil, false
	}
	rest = b[EntryHeader:]
	if e.Kind == EntryRequestNote {
		return nextRequestNote(e, rest)
	}
	if e.Kind == EntryBulk {
		return nextBulk(e, rest, size)
	}
	if e.Kind == EntryAccount {
		return nextAccountEntry(e, rest, size)
	}
	if e.Kind == EntryBitSet || e.Kind == EntryBitClear {
		return e, rest, e.Off%BlockSize == 0 && e.Off <= size-BlockSize && uint64(e.Arg)+uint64(e.Len) <= GroupBits
	}
	if e.Off%BlockSize+int64(e.Len) > BlockSize || int64(e.Len) > size-e.Off {
		return e, nil, false
	}
	if e.Kind.HasPayload() {
		padded := (int(e.Len) + 7) &^ 7
		if len(rest) < padded {
			return e, nil, false
		}
		e.Data, rest = rest[:e.Len], rest[padded:]
	}
	return e, rest, true
}
