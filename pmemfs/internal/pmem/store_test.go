package pmem

import (
	"bytes"
	"errors"
	"testing"
)

// The sizes of the exhaustive edge tests: two lines and a bit of offsets, four lines and a bit of lengths.
const (
	edgeOffsets = 130
	edgeLengths = 260
	edgeRegion  = 512
)

// TestEdges stores every length at every offset in every domain, by each of the four ways, and compares the whole
// region: what was asked for is there and nothing beside it changed.
func TestEdges(t *testing.T) {
	ways := []struct {
		name  string
		zeros bool
		store func(r *Region, off int64, src []byte) error
	}{
		{"Write", false, func(r *Region, off int64, src []byte) error { r.Write(off, src); return nil }},
		{"Write in bulk", false, func(r *Region, off int64, src []byte) error {
			storeBulk(r.target(off, int64(len(src))), src)
			return nil
		}},
		{"Zero in bulk", true, func(r *Region, off int64, src []byte) error {
			zeroBulk(r.target(off, int64(len(src))))
			return nil
		}},
		{"Zero", true, func(r *Region, off int64, src []byte) error { r.Zero(off, int64(len(src))); return nil }},
		{"WriteThrough", false, func(r *Region, off int64, src []byte) error {
			return proof(r.WriteThrough(testThrough, []Segment{{off, src}}))
		}},
		{"ZeroThrough", true, func(r *Region, off int64, src []byte) error {
			return proof(r.ZeroThrough(testThrough, []Range{{off, int64(len(src))}}))
		}},
	}
	for _, d := range allDomains() {
		r := memory(t, edgeRegion, d)
		r.bypassMin = 1
		for _, w := range ways {
			t.Run(d.String()+"/"+w.name, func(t *testing.T) { testEdges(t, r, w.zeros, w.store) })
		}
	}
}

func testEdges(t *testing.T, r *Region, zeros bool, store func(*Region, int64, []byte) error) {
	src := make([]byte, edgeLengths+1)
	for i := range src {
		src[i] = byte(i)%251 + 1
	}
	before, want := bytes.Repeat([]byte{0xEE}, edgeRegion), make([]byte, edgeRegion)
	for off := range edgeOffsets + 1 {
		for n := range edgeLengths + 1 {
			copy(r.mem, before)
			copy(want, before)
			// The source moves too, so that its alignment is not the target's.
			from := src[n%2 : n%2+n/2*2]
			copy(want[off:], from)
			if zeros {
				clear(want[off : off+len(from)])
			}
			if err := store(r, int64(off), from); err != nil {
				t.Fatalf("%d bytes at %d: %v", len(from), off, err)
			}
			if !bytes.Equal(r.Bytes(), want) {
				t.Fatalf("%d bytes at %d: got % x, want % x", len(from), off, r.Bytes(), want)
			}
		}
	}
}

// TestBulk crosses the chunks in which assembly is called, with lengths and offsets around them.
func TestBulk(t *testing.T) {
	const size = 2*chunkBytes + 4096
	src, want := make([]byte, size), make([]byte, size)
	for i := range src {
		src[i] = byte(i>>8) ^ byte(i)
	}
	for _, d := range allDomains() {
		r := memory(t, size, d)
		for _, n := range []int64{NonTemporalMin, bulkMin - 1, bulkMin, chunkBytes - 1, chunkBytes, chunkBytes + 200, 2*chunkBytes + 65} {
			for _, off := range []int64{0, 1, 63, 64, 100} {
				clear(want)
				copy(want[off:], src[:n])
				bulk(t, r, want, "WriteThrough", func() error { return proof(r.WriteThrough(testThrough, []Segment{{off, src[:n]}})) })
				bulk(t, r, want, "Write", func() error { r.Write(off, src[:n]); return nil })
				copy(want, src)
				clear(want[off : off+n])
				copy(r.mem, src)
				bulk(t, r, want, "ZeroThrough", func() error { return proof(r.ZeroThrough(testThrough, []Range{{off, n}})) })
				copy(r.mem, src)
				bulk(t, r, want, "Zero", func() error { r.Zero(off, n); return nil })
			}
		}
	}
}

func TestBounds(t *testing.T) {
	const size = 1000 // not whole lines, so that the last one ends outside
	r := memory(t, size, Volatile)
	big := make([]byte, size+1)
	inside := []Range{{0, size}, {size, 0}, {size - 1, 1}, {0, 0}}
	outside := []Range{{0, size + 1}, {size, 1}, {-1, 1}, {1 << 62, 1}, {size + 1, 0}}
	for _, g := range inside {
		r.Write(g.Off, big[:g.Len])
		r.Zero(g.Off, g.Len)
		if err := errors.Join(r.Persist(testSite, []Range{g}), proof(r.ZeroThrough(testThrough, []Range{g})),
			proof(r.WriteThrough(testThrough, []Segment{{g.Off, big[:g.Len]}}))); err != nil {
			t.Errorf("%v: %v", g, err)
		}
	}
	for _, g := range outside {
		count := r.Counters()
		src := big[:g.Len]
		if err := panicOf(func() { r.Write(g.Off, src) }); !errors.Is(err, ErrBounds) {
			t.Errorf("Write %v: panics with %v", g, err)
		}
		_, werr := r.WriteThrough(testThrough, []Segment{{0, nil}, {g.Off, src}})
		checkRefused(t, "WriteThrough", g, werr)
		checkRanges(t, r, g)
		if r.Counters() != count {
			t.Errorf("%v: counted although nothing was done", g)
		}
	}
	for _, g := range []Range{{0, -1}, {5, -9}, {1 << 62, 1 << 62}, {-1 << 63, -1 << 63}, {1, 1<<63 - 1}} {
		checkRanges(t, r, g)
	}
}

// checkRanges checks that a range outside the region is refused by everything that takes one.
func checkRanges(t *testing.T, r *Region, g Range) {
	t.Helper()
	checkRefused(t, "Persist", g, r.Persist(testSite, []Range{{0, 1}, g}))
	_, err := r.ZeroThrough(testThrough, []Range{g})
	checkRefused(t, "ZeroThrough", g, err)
	checkRefused(t, "Zero", g, panicOf(func() { r.Zero(g.Off, g.Len) }))
}

func checkRefused(t *testing.T, what string, g Range, err error) {
	t.Helper()
	if !errors.Is(err, ErrBounds) {
		t.Errorf("%s %v: %v, want ErrBounds", what, g, err)
	}
}
