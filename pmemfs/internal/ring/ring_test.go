package ring

import (
	"bytes"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

const size = 64 << 10

var epoch = layout.Head{Epoch: 4, Salt: 77}

// put stores a record of an epoch, with a body of n bytes, at a position of a ring, and returns the position behind it.
func put(ring []byte, h *layout.Head, pos, seq, fenced uint64, n int) uint64 {
	rec := append(make([]byte, layout.RecordHeader), bytes.Repeat([]byte{byte(seq)}, n)...)
	head := layout.RecordHead{Length: uint32(len(rec)), Seq: seq, Fenced: fenced, Epoch: h.Epoch, Salt: h.Salt}
	layout.EncodeRecordHead(rec, &head, layout.CRC(rec[layout.RecordHeader:]))
	for i, b := range rec {
		ring[(pos+uint64(i))%size] = b
	}
	return layout.LineUp(pos + uint64(len(rec)))
}

// TestRecord reads records on both sides of the ring's end and across it, and none that are torn, of another epoch, or too long.
func TestRecord(t *testing.T) {
	for name, c := range map[string]struct {
		pos   uint64
		n     int
		head  layout.Head
		harm  func(ring []byte)
		valid bool
	}{
		"first":         {0, 100, epoch, nil, true},
		"empty":         {640, 0, epoch, nil, true},
		"across":        {size - 128, 1000, epoch, nil, true},
		"second round":  {3*size + 64, 1000, epoch, nil, true},
		"torn":          {0, 100, epoch, func(ring []byte) { ring[layout.RecordHeader+99] ^= 1 }, false},
		"torn behind":   {size - 128, 1000, epoch, func(ring []byte) { ring[10] ^= 1 }, false},
		"earlier epoch": {0, 100, layout.Head{Epoch: 3, Salt: 77}, nil, false},
		"other salt":    {0, 100, layout.Head{Epoch: 4, Salt: 78}, nil, false},
		"too long":      {0, size / 4, epoch, nil, false},
	} {
		ring := make([]byte, size)
		put(ring, &c.head, c.pos, 9, 0, c.n)
		if c.harm != nil {
			c.harm(ring)
		}
		rec, h, ok := New(ring, epoch).Record(c.pos)
		if ok != c.valid || ok && (h.Seq != 9 || !bytes.Equal(rec[layout.RecordHeader:], bytes.Repeat([]byte{9}, c.n))) {
			t.Errorf("%s: valid %v, head %+v, %d bytes", name, ok, h, len(rec))
		}
	}
}

// TestBehind finds the valid records behind a missing one that are later, in order, and can be told to leave some out.
func TestBehind(t *testing.T) {
	ring := make([]byte, size)
	pos := uint64(size - 1024)
	behind := put(ring, &epoch, pos, 5, 4, 100)
	a := behind
	b := put(ring, &epoch, a, 6, 4, 2000)
	c := put(ring, &epoch, b, 7, 6, 10)
	put(ring, &epoch, c, 3, 2, 10)
	var got []uint64
	for p, h := range New(ring, epoch).Behind(pos, 5, pos+size, func(*layout.RecordHead) bool { return true }) {
		got = append(got, p, h.Seq)
	}
	if want := []uint64{a, 6, b, 7}; len(got) != 4 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] {
		t.Errorf("found %v, expected %v", got, want)
	}
	for p := range New(ring, epoch).Behind(pos, 5, pos+size, func(h *layout.RecordHead) bool { return h.Fenced >= 6 }) {
		if p != b {
			t.Errorf("the first that vouches is at %d, expected %d", p, b)
		}
	}
}

// TestBudget fills a ring with heads whose lengths lie, each of which would have a quarter of it verified: that ends early.
func TestBudget(t *testing.T) {
	ring := make([]byte, 1<<20)
	line := make([]byte, layout.RecordHeader)
	tried := 0
	for p := 0; p < len(ring); p += layout.LineSize {
		layout.EncodeRecordHead(line, &layout.RecordHead{Length: uint32(len(ring) / 4), Seq: 100, Epoch: epoch.Epoch, Salt: epoch.Salt}, 0)
		copy(ring[p:], line)
	}
	for range New(ring, epoch).Behind(0, 1, uint64(len(ring)), func(*layout.RecordHead) bool { tried++; return true }) {
		t.Error("a record is valid")
	}
	if tried > 64 {
		t.Errorf("%d records were tried, expected 64", tried)
	}
}
