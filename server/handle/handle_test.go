package handle_test

import (
	"bytes"
	"errors"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/testpart"
	"pmemfs/server/handle"
)

// codec returns the codec of a new image.
func codec(t testing.TB) handle.Codec {
	t.Helper()
	eng, err := pmemfs.OpenMemory(16<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	return handle.New(eng)
}

var file = pmemfs.Handle{Ino: 1<<35 + 7, Gen: 1<<63 + 9}

func TestRoundTrip(t *testing.T) {
	c := codec(t)
	b := c.Append([]byte("before"), 77, file)
	if !bytes.HasPrefix(b, []byte("before")) || len(b) != 6+handle.Bytes {
		t.Fatalf("appended %x", b)
	}
	export, h, err := c.Decode(b[6:])
	if export != 77 || h != file || err != nil {
		t.Errorf("decoded %d, %v, %v", export, h, err)
	}
	for _, snap := range []uint32{1, 1 << 27, pmemfs.SnapDir} {
		if _, h, err := c.Decode(c.Append(nil, 77, file.In(snap))); h != file.In(snap) || err != nil {
			t.Errorf("of snapshot %d: decoded %v, %v", snap, h, err)
		}
	}
}

// TestForged changes every bit: what this image never gave out opens nothing, and only another filesystem's is foreign.
func TestForged(t *testing.T) {
	c := codec(t)
	b := c.Append(nil, 77, file)
	for i := range 8 * len(b) {
		forged := bytes.Clone(b)
		forged[i/8] ^= 1 << (i % 8)
		want := handle.ErrBad
		if i < 64 {
			want = handle.ErrForeign
		}
		if _, h, err := c.Decode(forged); !errors.Is(err, want) || h != (pmemfs.Handle{}) {
			t.Errorf("bit %d: %v, %v, want %v", i, h, err, want)
		}
	}
}

func TestMalformed(t *testing.T) {
	c := codec(t)
	b := c.Append(nil, 77, file)
	for n := range 100 {
		if n == len(b) {
			continue
		}
		if _, _, err := c.Decode(append(b, make([]byte, 60)...)[:n]); !errors.Is(err, handle.ErrBad) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestForeign(t *testing.T) {
	c, other := codec(t), codec(t)
	if _, _, err := c.Decode(other.Append(nil, 77, file)); !errors.Is(err, handle.ErrForeign) {
		t.Error(err)
	}
}

func TestAllocations(t *testing.T) {
	c := codec(t)
	b := make([]byte, 0, handle.Bytes)
	if n := testing.AllocsPerRun(100, func() {
		b = c.Append(b[:0], 77, file)
		if _, _, err := c.Decode(b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	c := codec(b)
	buf := make([]byte, 0, handle.Bytes)
	b.ReportAllocs()
	for b.Loop() {
		buf = c.Append(buf[:0], 77, file)
	}
}

func BenchmarkDecode(b *testing.B) {
	c := codec(b)
	raw := c.Append(nil, 77, file)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzDecode: only what Append makes is a handle.
func FuzzDecode(f *testing.F) {
	testpart.NotRace(f)
	c := codec(f)
	f.Add([]byte{})
	f.Add(c.Append(nil, 0, pmemfs.Handle{}))
	f.Add(c.Append(nil, 77, file))
	f.Fuzz(func(t *testing.T, raw []byte) {
		export, h, err := c.Decode(raw)
		if err == nil && !bytes.Equal(c.Append(nil, export, h), raw) {
			t.Errorf("%x is no handle of export %d, %v", raw, export, h)
		}
	})
}
