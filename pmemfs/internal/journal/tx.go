package journal

import (
	"errors"
	"math/bits"
	"slices"
	"sync"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
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
	rec     []byte             // the record, but for what cuts says
	cuts    []cut              // long payloads, which go to the ring from where they are
	size    int                // of the whole record
	entries []entry            // what it stores in place
	logged  uint32             // entries of the record: also those that store nothing
	touched []touched          // scratch for apply
	bulk    []layout.Bulk      // stored outside of the record, and durable with it
	account []accountChange    // what it changes of accounts
	note    layout.RequestNote // goes into the record, unless its key is zero

	appended func() // OnAppended
}

// entry is an entry of the record as it is stored in place. It has no pointers, so that the collector has nothing to look at.
type entry struct {
	off  int64
	n    uint32
	kind layout.EntryKind
	arg  uint16
	at   int // where its bytes begin in rec, or which cut has them: -1 is the first
}

// cut is a payload of which rec has only the last bytes, those behind the last whole word: the others belong before rec[at]. Its bytes
// are the caller's, who may be changing them: they are read once, to be stored in the ring at pos. What is summed, and what is stored in
// place, comes from there.
type cut struct {
	at   int
	data []byte
	pos  uint64
}

// words returns the bytes that rec does not have.
func (c *cut) words() []byte { return c.data[:len(c.data)&^7] }

// cutMin is the length of a payload, in bytes, from which it is not copied to rec: storing it in pieces takes longer below.
const cutMin = 1024

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
	tx.patches, tx.arena, tx.bulk = tx.patches[:0], tx.arena[:0], tx.bulk[:0]
	clear(tx.account)
	tx.account = tx.account[:0]
	clear(tx.cuts)
	tx.entries, tx.cuts = tx.entries[:0], tx.cuts[:0]
	tx.counts, tx.rec, tx.j, tx.note, tx.appended = Counts{}, tx.rec[:0], nil, layout.RequestNote{}, nil
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

// OnAppended makes Commit call f when the record has its place in the ring, before it is durable: what is committed after that is behind
// it, and durable only with it. f must not wait.
func (tx *Tx) OnAppended(f func()) { tx.appended = f }

// Empty reports whether committing would change nothing.
func (tx *Tx) Empty() bool { return len(tx.plain) == 0 && len(tx.shadows) == 0 && len(tx.patches) == 0 }

// Size returns an upper bound of the record so far, in bytes.
func (tx *Tx) Size() int {
	n := layout.RecordHeader + layout.EntryHeader + layout.RequestNoteSize + len(tx.bulk)*(layout.EntryHeader+layout.BulkSize) + len(tx.account)*layout.AccountEntryMax
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
	body := tx.encode()
	if tx.size > tx.j.MaxRecord() {
		return 0, ErrTooBig
	}
	tx.probe()
	j := tx.j
	whole := false
	defer func() {
		if !whole { // the ring faulted, or the fence was refused: the window cannot be emptied
			j.fail(errNotStored)
		}
	}()
	s, err := tx.append(body)
	if err != nil {
		whole = true // there is nothing to be stored in place
		return 0, err
	}
	if tx.appended != nil {
		tx.appended()
	}
	if mutation.ApplyAfterFence.Off() {
		if err := tx.apply(); err != nil {
			return 0, err
		}
	}
	if err := j.fence(s); err != nil {
		return 0, err
	}
	if err := tx.apply(); err != nil {
		return 0, err
	}
	seq = s.seq // the slot is the next one's from here on
	s.state.Store(slotApplied)
	whole = true
	return seq, nil
}

// append stores the record in the ring. body is what encode returned. On an error nothing has happened, or the journal
// has failed.
func (tx *Tx) append(body uint32) (*slot, error) {
	j := tx.j
	if j.grouped {
		j.storeMu.Lock()
		defer j.storeMu.Unlock()
	}
	s, err := j.reserve(tx.size, tx.counts, tx.account)
	if err != nil {
		return nil, err
	}
	h := layout.RecordHead{
		Length: uint32(tx.size), Seq: s.seq, Epoch: j.epoch, Salt: j.salt, Fenced: j.claim(s.seq),
		Free: tx.counts.Free, Inodes: tx.counts.Inodes, Entries: tx.logged,
	}
	if err := j.store(tx, s, &h, body); err != nil {
		if j.unreserve(s) {
			return nil, err
		}
		return nil, j.fail(err) // what is behind it in the ring would never be found
	}
	j.oweBulk(tx, s)
	return s, nil
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

// encode builds the record: bitmaps and data first, then inodes and nodes as differences to the medium. It returns the checksum of
// what follows the header, or 0 if there are cuts, whose checksum is that of what is stored.
func (tx *Tx) encode() uint32 {
	if tx.rec == nil {
		tx.rec = make([]byte, 0, 8<<10)
	}
	tx.rec = append(tx.rec[:0], zeroBlock[:layout.RecordHeader]...)
	tx.size, tx.logged = 0, 0
	for i := range tx.plain {
		p := &tx.plain[i]
		tx.emit(p.off, p.n, p.kind, p.arg, p.src)
	}
	for _, p := range tx.patches {
		tx.emit(p.off+int64(p.within), uint32(len(p.b)), layout.EntryNode, 0, p.b)
	}
	live := tx.j.region.Bytes()
	for _, s := range tx.shadows {
		b := s.buf[:s.size]
		if s.kind == layout.EntryInode {
			layout.Inode(b).Seal()
		}
		if s.fresh {
			tx.emit(s.off, uint32(s.size), zeroKind(s.kind), 0, nil)
			tx.diff(s, b, zeroBlock[:s.size])
		} else {
			tx.diff(s, b, live[s.off:s.off+int64(s.size)])
		}
	}
	if tx.note.Key != [16]byte{} && !mutation.NoteInRecord.Off() {
		tx.rec = layout.AppendRequestNote(tx.rec, &tx.note)
		tx.logged++
	}
	for _, x := range tx.bulk {
		tx.rec = layout.AppendBulk(tx.rec, x)
		tx.logged++
	}
	for i := range tx.account {
		if mutation.AccountsInRecord.Off() {
			break
		}
		tx.rec = layout.AppendAccountEntry(tx.rec, tx.account[i].a.off, tx.account[i].change)
		tx.logged++
	}
	tx.size += len(tx.rec)
	if len(tx.cuts) > 0 {
		return 0
	}
	return layout.CRC(tx.rec[layout.RecordHeader:])
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

// emit adds an entry to the record, and to what is stored in place when that is durable.
func (tx *Tx) emit(off int64, n uint32, kind layout.EntryKind, arg uint16, data []byte) {
	e := entry{off: off, n: n, kind: kind, arg: arg, at: len(tx.rec) + layout.EntryHeader}
	if words := len(data) &^ 7; words >= cutMin && !tx.j.grouped { // one system call is better than three
		tx.rec = layout.AppendEntry(tx.rec, off, n, kind, arg, data[words:])
		tx.cuts = append(tx.cuts, cut{at: e.at, data: data})
		tx.size += words
		e.at = -len(tx.cuts)
	} else {
		tx.rec = layout.AppendEntry(tx.rec, off, n, kind, arg, data)
	}
	tx.entries = append(tx.entries, e)
	tx.logged++
}

// mergeGap is the run of unchanged bytes that is cheaper to log than another entry: its header, and the time to encode and store it.
const mergeGap = layout.EntryHeader + 8

// diff emits the 8-byte words in which b differs from base, joining runs that are close together.
func (tx *Tx) diff(s *shadow, b, base []byte) {
	from, to := -1, 0
	for at := 0; at < len(b); at += pmem.CompareMax {
		end := min(at+pmem.CompareMax, len(b))
		words := pmem.ChangedWords(b[at:end], base[at:end])
		if at == 0 {
			words &^= firstWords(s)
		}
		for ; words != 0; words &= words - 1 {
			i := at + 8*bits.TrailingZeros64(words)
			if from >= 0 && i-to > mergeGap {
				tx.emit(s.off+int64(from), uint32(to-from), s.kind, 0, b[from:to])
				from = -1
			}
			if from < 0 {
				from = i
			}
			to = i + 8
		}
	}
	if from >= 0 {
		tx.emit(s.off+int64(from), uint32(to-from), s.kind, 0, b[from:to])
	}
}

// firstWords returns the word that holds a deferred checksum, which does not count, except in a fresh block, whose constants it also holds.
func firstWords(s *shadow) uint64 {
	if s.kind == layout.EntryInode || s.fresh {
		return 0
	}
	return 1
}
