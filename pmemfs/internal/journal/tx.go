package journal

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
)

// shadow is a private copy of an object that a transaction changes.
type shadow struct {
	off   int64
	kind  layout.EntryKind
	size  int
	fresh bool // not copied from the medium: its old bytes mean nothing
	buf   [layout.BlockSize]byte
}

type dataEntry struct {
	off  int64
	n    uint32
	kind layout.EntryKind
	arg  uint16
	src  []byte
}

// Tx is one atomic change. It is used by one goroutine and must end with Commit or Abort, after which it and every
// slice it returned are invalid.
type Tx struct {
	j       *Journal
	shadows []*shadow
	spare   []*shadow
	plain   []dataEntry
	patches []patch
	arena   []byte       // what patches and copied data store
	Edits   layout.Edits // scratch for PatchEdits
	counts  Counts
	rec     []byte
	entries uint32
	note    layout.RequestNote // goes into the record, unless its key is zero
}

var errNotStored = errors.New("a record could not be written to the ring, or not be stored in place")

var txPool = sync.Pool{New: func() any { return new(Tx) }}

// Begin returns an empty transaction.
func (j *Journal) Begin() *Tx {
	tx := txPool.Get().(*Tx)
	tx.j = j
	return tx
}

// Journal returns the journal that tx belongs to.
func (tx *Tx) Journal() *Journal { return tx.j }

// Abort drops the transaction. Nothing has happened.
func (tx *Tx) Abort() {
	tx.spare = append(tx.spare, tx.shadows...)
	tx.shadows = tx.shadows[:0]
	clear(tx.plain)
	tx.plain = tx.plain[:0]
	tx.patches, tx.arena = tx.patches[:0], tx.arena[:0]
	tx.counts, tx.entries, tx.rec, tx.j, tx.note = Counts{}, 0, tx.rec[:0], nil, layout.RequestNote{}
	if len(tx.spare) > 64 || max(cap(tx.rec), cap(tx.arena)) > 1<<20 {
		return // an unusually big one is left to the collector
	}
	txPool.Put(tx)
}

func (tx *Tx) find(off int64) *shadow {
	for _, s := range tx.shadows {
		if s.off == off {
			return s
		}
	}
	if tx.patched(off) {
		return tx.unpatch(off)
	}
	return nil
}

func (tx *Tx) add(off int64, size int, kind layout.EntryKind, fresh bool) *shadow {
	var s *shadow
	if n := len(tx.spare); n > 0 {
		s, tx.spare = tx.spare[n-1], tx.spare[:n-1]
	} else {
		s = new(shadow)
	}
	s.off, s.size, s.kind, s.fresh = off, size, kind, fresh
	tx.shadows = append(tx.shadows, s)
	return s
}

// Inode returns the shadow of the inode at byte offset off, to be changed.
func (tx *Tx) Inode(off int64) layout.Inode {
	s := tx.find(off)
	if s == nil {
		s = tx.add(off, layout.InodeSize, layout.EntryInode, false)
		copy(s.buf[:layout.InodeSize], tx.j.region.Bytes()[off:off+layout.InodeSize])
	}
	return s.buf[:layout.InodeSize]
}

// NewInode returns a zeroed shadow for an inode slot that holds nothing of value.
func (tx *Tx) NewInode(off int64) layout.Inode {
	s := tx.add(off, layout.InodeSize, layout.EntryInode, true)
	clear(s.buf[:layout.InodeSize])
	return s.buf[:layout.InodeSize]
}

// Block returns the shadow of the node at block, to be changed. The checksum field of a shadow is not valid.
func (tx *Tx) Block(block uint64) []byte {
	off := layout.BlockOffset(block)
	s := tx.find(off)
	if s == nil {
		s = tx.shadowBlock(off)
	}
	return s.buf[:]
}

// NewBlock returns a shadow, with undefined content, for a block that holds nothing of value and becomes a node
// (layout.EntryNode) or a bitmap (layout.EntryBitmap).
func (tx *Tx) NewBlock(block uint64, kind layout.EntryKind) []byte {
	off := layout.BlockOffset(block)
	if s := tx.find(off); s != nil {
		s.kind, s.fresh = kind, true
		return s.buf[:]
	}
	return tx.add(off, layout.BlockSize, kind, true).buf[:]
}

// Drop forgets the shadow of a block that the transaction frees.
func (tx *Tx) Drop(block uint64) {
	off := layout.BlockOffset(block)
	tx.find(off) // patches become a shadow
	for i, s := range tx.shadows {
		if s.off == off && s.size == layout.BlockSize {
			tx.spare = append(tx.spare, s)
			tx.shadows = append(tx.shadows[:i], tx.shadows[i+1:]...)
			return
		}
	}
}

// View returns n bytes at off to read: the shadow's when there is one. A nil tx sees the medium.
func View(j *Journal, tx *Tx, off int64, n int) []byte {
	if tx != nil {
		if s := tx.find(off); s != nil && s.size == n {
			return s.buf[:n]
		}
	}
	return j.region.Bytes()[off : off+int64(n) : off+int64(n)]
}

// Data stores src, which lies within one block and must not change until Commit returns, at off.
func (tx *Tx) Data(off int64, src []byte) {
	tx.plain = append(tx.plain, dataEntry{off: off, n: uint32(len(src)), kind: layout.EntryData, src: src})
}

// DataCopy is Data for bytes that may change once it has returned.
func (tx *Tx) DataCopy(off int64, src []byte) {
	from := len(tx.arena)
	tx.arena = append(tx.arena, src...)
	tx.Data(off, tx.arena[from:len(tx.arena):len(tx.arena)])
}

// Scratch returns n bytes with undefined content that are the caller's until the transaction ends.
func (tx *Tx) Scratch(n int) []byte {
	from := len(tx.arena)
	tx.arena = slices.Grow(tx.arena, n)[:from+n]
	return tx.arena[from : from+n : from+n]
}

// ZeroData clears n bytes within one block of file data.
func (tx *Tx) ZeroData(off int64, n int) {
	if n > 0 {
		tx.plain = append(tx.plain, dataEntry{off: off, n: uint32(n), kind: layout.EntryZeroData})
	}
}

// Bits sets or clears n bits from bit start of the bitmap block at byte offset off.
func (tx *Tx) Bits(off int64, start, n int, set bool) {
	kind := layout.EntryBitClear
	if set {
		kind = layout.EntryBitSet
	}
	tx.plain = append(tx.plain, dataEntry{off: off, n: uint32(n), kind: kind, arg: uint16(start)})
}

// Count adds to the filesystem-wide counters.
func (tx *Tx) Count(free, inodes int64) {
	tx.counts.Free += free
	tx.counts.Inodes += inodes
}

// RequestNote logs who asked for the transaction: the note is found again after a crash exactly if the transaction is.
func (tx *Tx) RequestNote(n layout.RequestNote) { tx.note = n }

// Empty reports whether committing would change nothing.
func (tx *Tx) Empty() bool { return len(tx.plain) == 0 && len(tx.shadows) == 0 && len(tx.patches) == 0 }

// Size returns an upper bound of the record so far, in bytes.
func (tx *Tx) Size() int {
	n := layout.RecordHeader + layout.EntryHeader + layout.RequestNoteSize
	for _, s := range tx.shadows {
		n += s.size + 2*layout.EntryHeader
	}
	for _, p := range tx.plain {
		n += layout.EntryHeader + len(p.src) + 8
	}
	for _, p := range tx.patches {
		n += layout.EntryHeader + len(p.b) + 8
	}
	return n
}

// Commit makes the transaction durable with one fence (shared with others under load), stores it in place and returns
// its sequence. On an error nothing has been stored in place; the journal has failed unless the error is ErrTooBig.
// When memory that is to be stored to faults, nothing has happened, unless it is the journal's own: then it has failed. The
// transaction is over either way.
func (tx *Tx) Commit() (seq uint64, err error) {
	defer tx.Abort()
	tx.encode()
	if len(tx.rec) > tx.j.MaxRecord() {
		return 0, ErrTooBig
	}
	tx.probe()
	j := tx.j
	stored := false
	defer func() {
		if !stored { // the ring faulted, the fence was refused, or the record did not decode: the window cannot be emptied
			j.fail(errNotStored)
		}
	}()
	seq, end, ticket, err := j.append(tx.rec, tx.entries, tx.counts, layout.CRC(tx.rec[layout.RecordHeader:]))
	if err != nil {
		stored = true // there is nothing to be stored
		return 0, err
	}
	if mutation.ApplyAfterFence.Off() {
		if err := j.applyAll(tx.rec[layout.RecordHeader:]); err != nil {
			return 0, err
		}
	}
	if err := j.fence(end); err != nil {
		return 0, err
	}
	if err := j.applyAll(tx.rec[layout.RecordHeader:]); err != nil {
		return 0, err
	}
	j.applied(ticket)
	stored = true
	return seq, nil
}

// probe faults if memory that is about to be stored to does. The lines of shadows are left out, as encode has compared
// them all, except those of fresh ones; the others are about to be fetched anyway.
func (tx *Tx) probe() {
	region := tx.j.region
	for i := range tx.plain {
		p := &tx.plain[i]
		switch p.kind {
		case layout.EntryBitSet, layout.EntryBitClear:
			first, last := layout.BitmapByte(int(p.arg)), layout.BitmapByte(int(p.arg)+int(p.n)-1)
			region.Probe(p.off+first, last-first+1)
		default:
			region.ProbeStore(p.off, int64(p.n))
		}
	}
	for i := range tx.patches {
		p := &tx.patches[i]
		region.Probe(p.off+int64(p.within), int64(len(p.b)))
	}
	for _, s := range tx.shadows {
		if s.fresh {
			region.ProbeStore(s.off, int64(s.size))
		}
	}
}

// encode builds the record: bitmaps and data first, then inodes and nodes as differences to the medium.
func (tx *Tx) encode() {
	if tx.rec == nil {
		tx.rec = make([]byte, 0, 8<<10)
	}
	tx.rec = append(tx.rec[:0], make([]byte, layout.RecordHeader)...)
	for i := range tx.plain {
		p := &tx.plain[i]
		tx.rec = layout.AppendEntry(tx.rec, p.off, p.n, p.kind, p.arg, p.src)
	}
	tx.entries = uint32(len(tx.plain))
	for _, p := range tx.patches {
		tx.emit(p.off+int64(p.within), uint32(len(p.b)), layout.EntryNode, p.b)
	}
	live := tx.j.region.Bytes()
	for _, s := range tx.shadows {
		b := s.buf[:s.size]
		if s.kind == layout.EntryInode {
			layout.Inode(b).Seal()
		}
		if s.fresh {
			tx.emit(s.off, uint32(s.size), zeroKind(s.kind), nil)
			tx.diff(s, b, zeroBlock[:s.size])
		} else {
			tx.diff(s, b, live[s.off:s.off+int64(s.size)])
		}
	}
	if tx.note.Key != [16]byte{} && !mutation.NoteInRecord.Off() {
		tx.rec = layout.AppendRequestNote(tx.rec, &tx.note)
		tx.entries++
	}
}

var zeroBlock [layout.BlockSize]byte

func zeroKind(k layout.EntryKind) layout.EntryKind {
	switch k {
	case layout.EntryInode:
		return layout.EntryZeroInode
	case layout.EntryBitmap:
		return layout.EntryZeroMap
	}
	return layout.EntryZeroNode
}

func (tx *Tx) emit(off int64, n uint32, kind layout.EntryKind, data []byte) {
	tx.rec = layout.AppendEntry(tx.rec, off, n, kind, 0, data)
	tx.entries++
}

// mergeGap is the run of unchanged bytes that is cheaper to log than another entry header.
const mergeGap = layout.EntryHeader

// diff emits the 8-byte words in which b differs from base, joining runs that are close together.
func (tx *Tx) diff(s *shadow, b, base []byte) {
	from, to := -1, 0
	for i := firstWord(s); i < len(b); i += 8 {
		if n := equalRun(b, base, i); n > 0 {
			i += n - 8
			continue
		}
		if binary.NativeEndian.Uint64(b[i:]) == binary.NativeEndian.Uint64(base[i:]) {
			continue
		}
		if from >= 0 && i-to > mergeGap {
			tx.emit(s.off+int64(from), uint32(to-from), s.kind, b[from:to])
			from = -1
		}
		if from < 0 {
			from = i
		}
		to = i + 8
	}
	if from >= 0 {
		tx.emit(s.off+int64(from), uint32(to-from), s.kind, b[from:to])
	}
}

// equalRun returns how many bytes from a line's start i on are equal: 512, 64 or, when i is not at a line or the line
// differs, 0.
func equalRun(a, b []byte, i int) int {
	switch {
	case i&511 == 0 && len(a) >= i+512 && string(a[i:i+512]) == string(b[i:i+512]):
		return 512
	case i&63 == 0 && string(a[i:i+64]) == string(b[i:i+64]):
		return 64
	}
	return 0
}

// firstWord skips the word that holds a deferred checksum, except in a fresh block, whose constants it also holds.
func firstWord(s *shadow) int {
	if s.kind == layout.EntryInode || s.fresh {
		return 0
	}
	return 8
}
