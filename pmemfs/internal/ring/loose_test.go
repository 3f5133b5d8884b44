package ring

import (
	"slices"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// TestLoose asks where records are, in the ring's middle, across its end and with a gap, and their bulk data.
func TestLoose(t *testing.T) {
	sb := &layout.Superblock{Blocks: 1000, RingBlocks: 8}
	ring, size := sb.RingOffset(), uint64(sb.RingBytes())
	plain := make([]byte, 2*layout.LineSize)
	bulk := layout.AppendBulk(make([]byte, layout.RecordHeader), layout.Bulk{Off: 5000, Len: 4000})
	bulk = layout.AppendBulk(bulk, layout.Bulk{Off: 90_112, Len: 8192})
	length := int64(layout.LineUp(uint64(len(bulk))))
	type record struct {
		pos uint64
		rec []byte
	}
	for name, c := range map[string]struct {
		recs []record
		lost []layout.Bulk
		want []pmem.Range
	}{
		"none":       {nil, nil, nil},
		"neighbours": {[]record{{640, plain}, {768, plain}}, nil, []pmem.Range{{Off: ring + 640, Len: 256}}},
		"a gap":      {[]record{{640, plain}, {896, plain}}, nil, []pmem.Range{{Off: ring + 640, Len: 128}, {Off: ring + 896, Len: 128}}},
		"the end": {
			[]record{{3*size - 128, plain}, {3 * size, plain}},
			nil,
			[]pmem.Range{{Off: ring + int64(size) - 128, Len: 128}, {Off: ring, Len: 128}},
		},
		"across the end": {
			[]record{{2*size - 64, plain}, {2*size + 64, plain}},
			nil,
			[]pmem.Range{{Off: ring + int64(size) - 64, Len: 64}, {Off: ring, Len: 192}},
		},
		"bulk data": {
			[]record{{0, plain}, {128, bulk}},
			nil,
			[]pmem.Range{{Off: 5000, Len: 4000}, {Off: 90_112, Len: 8192}, {Off: ring, Len: 128 + length}},
		},
		"bulk data of which a part is lost": {
			[]record{{0, plain}, {128, bulk}},
			[]layout.Bulk{{Off: 5000, Len: 4000}},
			[]pmem.Range{{Off: 90_112, Len: 8192}, {Off: ring, Len: 128 + length}},
		},
	} {
		l := NewLoose(sb)
		for _, r := range c.recs {
			l.Add(r.rec, r.pos)
		}
		if got := l.Ranges(c.lost); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
