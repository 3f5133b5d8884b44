package recovery_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/recovery"
	"pmemfs/pmemfs/testpart"
)

// FuzzRecord makes a ring of records and reads it as recovery does. The input is a list of records: flags u8, length of the
// body u16, body. Flags: 1 leaves the checksum wrong, 2 makes the body one well-formed entry of so many bytes, 4 skips a
// line before the record, 8 lets it vouch for those before, 16 is of another epoch, 32 adds a note, 64 and 128 bulk data, which is there
// or not.
func FuzzRecord(f *testing.F) {
	testpart.NotRace(f)
	m := newRing(f)
	f.Add([]byte{})
	f.Add([]byte{2, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{2, 1, 0, 9, 1, 4, 0, 0, 0, 0, 0, 10, 0, 0, 2, 1, 0, 7})
	f.Add(append([]byte{0, 64, 0}, make([]byte, 64)...))
	f.Add([]byte{16, 0, 0, 0, 0, 0, 2, 255, 255, 1, 2, 255, 255, 2})
	f.Add([]byte{34, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 32, 0, 0})
	f.Add([]byte{64, 0, 0, 128, 0, 0, 2, 0, 0})                        // the window ends before the second
	f.Add([]byte{64, 0, 0, 128, 0, 0, 2, 0, 0, 8, 0, 0})               // a later one vouches for it
	f.Add([]byte{128, 0, 1, 2, 0, 0, 3, 0, 0, 10, 0, 0})               // one behind a torn one does
	f.Add([]byte{192, 0, 16, 66, 0, 255, 128, 1, 0, 3, 0, 0, 2, 0, 0}) // none does
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 64<<10 {
			return
		}
		end := m.write(input)
		m.read(t)
		clear(m.ring()[:min(end+layout.LineSize, len(m.ring()))])
	})
}

// ringImage is a healthy image whose ring is written by hand.
type ringImage struct {
	medium []byte
	super  *layout.Superblock
	head   layout.Head
}

func (m *ringImage) ring() []byte {
	off := m.super.RingOffset()
	return m.medium[off : off+m.super.RingBytes()]
}

// newRing returns a formatted image with an empty window at the start of the ring.
func newRing(f *testing.F) *ringImage {
	h := record(f, 3, 0)
	m := &ringImage{medium: bytes.Clone(h.after), super: &h.super}
	clear(m.ring())
	m.head = layout.Head{Version: 1000, Epoch: 5, TailSeq: 1, Salt: 99}
	layout.EncodeHead(m.medium[layout.BlockOffset(layout.JournalHeadA):], &m.head)
	clear(m.medium[layout.BlockOffset(layout.JournalHeadB):][:layout.BlockSize])
	return m
}

// write fills the ring and returns how far.
func (m *ringImage) write(input []byte) (pos int) {
	ring, seq := m.ring(), uint64(1)
	for len(input) >= 3 {
		flags, n := input[0], int(binary.LittleEndian.Uint16(input[1:]))
		input = input[3:]
		given := input[:min(n, len(input))]
		input = input[len(given):]
		body := bytes.Clone(given)
		if flags&2 != 0 {
			data := append(body, make([]byte, 1+n%layout.BlockSize)...)[:1+n%layout.BlockSize]
			block := layout.JournalRing + m.super.RingBlocks + uint64(n)%(m.super.Blocks-layout.JournalRing-m.super.RingBlocks)
			body = layout.AppendEntry(nil, layout.BlockOffset(block), uint32(len(data)), layout.EntryData, 0, data)
		}
		if flags&32 != 0 {
			body = layout.AppendRequestNote(body, &layout.RequestNote{Key: [16]byte{byte(seq), 1}, Ino: uint64(n)})
		}
		for _, there := range []bool{true, false} {
			if there && flags&64 != 0 || !there && flags&128 != 0 {
				body = m.bulk(body, n, there)
			}
		}
		if flags&4 != 0 {
			pos += layout.LineSize
		}
		rec := append(make([]byte, layout.RecordHeader), body...)
		if pos+len(rec) > len(ring) {
			return pos
		}
		h := layout.RecordHead{Length: uint32(len(rec)), Seq: seq, Epoch: m.head.Epoch, Salt: m.head.Salt, Entries: 1}
		if flags&8 != 0 {
			h.Fenced = seq - 1
		}
		if flags&16 != 0 {
			h.Epoch--
		}
		layout.EncodeRecordHead(rec, &h, layout.CRC(body))
		rec[0] ^= flags & 1
		pos += copy(ring[pos:], rec)
		pos = (pos + layout.LineSize - 1) &^ (layout.LineSize - 1)
		seq++
	}
	return pos
}

// bulk adds an entry for bulk data in the last blocks of the image.
func (m *ringImage) bulk(body []byte, n int, there bool) []byte {
	at := layout.BlockOffset(m.super.Blocks) - 2*layout.BlockSize - int64(n)
	x := layout.Bulk{Off: at, Len: uint32(n) + 1, Sum: layout.CRC(m.medium[at : at+int64(n)+1])}
	if !there {
		x.Sum++
	}
	return layout.AppendBulk(body, x)
}

// read reads the window twice, as recovery and as the check do, which share no code: they must agree.
func (m *ringImage) read(t *testing.T) {
	t.Helper()
	count, bytesRead := uint64(0), 0
	wellFormed := true
	h, _, err := recovery.Window(recovery.Medium{Bytes: m.medium}, m.super, m.head, func(rec []byte) error {
		count++
		bytesRead += len(rec)
		wellFormed = m.entries(t, rec) && wellFormed
		return nil
	})
	if err != nil && !errors.Is(err, layout.ErrDamaged) {
		t.Fatal(err)
	}
	if bytesRead > len(m.ring()) || err == nil && h.TailSeq != m.head.TailSeq+count {
		t.Errorf("%d records, %d bytes, head %+v", count, bytesRead, h)
	}
	r, cerr := check.Run(m.medium, nil)
	if cerr != nil {
		t.Fatal(cerr)
	}
	window, entries := false, false
	for _, f := range r.Faults {
		window = window || f.Class == check.JournalRecord
		entries = entries || f.Class == check.JournalEntry
	}
	if r.ReplayedRecords != count || window != (err != nil) || entries == wellFormed {
		t.Errorf("recovery reads %d records, %v, well-formed %v; the check %d, %v", count, err, wellFormed, r.ReplayedRecords, r.Faults[:min(len(r.Faults), 5)])
	}
}

// entries decodes a record's entries, and encodes them again.
func (m *ringImage) entries(t *testing.T, rec []byte) bool {
	size := layout.BlockOffset(m.super.Blocks)
	for body := rec[layout.RecordHeader:]; len(body) > 0; {
		e, rest, ok := layout.NextEntry(body, size)
		if !ok {
			return false
		}
		if e.Kind != layout.EntryBitSet && e.Kind != layout.EntryBitClear && e.Kind != layout.EntryBulk && (e.Off < 0 || e.Off+int64(e.Len) > size || e.Off/layout.BlockSize != (e.Off+int64(e.Len)-1)/layout.BlockSize) {
			t.Errorf("an entry out of bounds: %+v", e)
		}
		again := layout.AppendEntry(nil, e.Off, e.Len, e.Kind, e.Arg, e.Data)
		if n := len(body) - len(rest); n != len(again) || !bytes.Equal(again[:layout.EntryHeader+len(e.Data)], body[:layout.EntryHeader+len(e.Data)]) {
			t.Errorf("%d bytes decoded, %d encoded: %+v", n, len(again), e)
		}
		body = rest
	}
	return true
}
