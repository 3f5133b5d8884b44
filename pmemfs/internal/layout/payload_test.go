package layout

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestExtentRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		want := Extent{rng.Uint64(), rng.Uint64(), rng.Uint32(), rng.Uint32(), rng.Uint64()}
		var b [ExtentPayload]byte
		EncodeExtent(b[:], want)
		if got := DecodeExtent(want.Logical, b[:]); got != want {
			t.Fatalf("%+v, expected %+v", got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	hashes := []uint64{0, 1, 255, 256, 1 << 63, ^uint64(0), ^uint64(0) - 255}
	for range 1000 {
		hashes = append(hashes, rng.Uint64())
	}
	for _, h := range hashes {
		base := KeyBase(h)
		switch {
		case base < FirstKey || base>>63 != 0 || base%128 != 0:
			t.Fatalf("hash %#x has key %#x", h, base)
		case KeyLast(base) != base+127:
			t.Fatalf("key %#x: last is %#x", base, KeyLast(base))
		case h>>8 != 0 && base>>7 != h>>8:
			t.Fatalf("key %#x is not the first 56 bits of hash %#x", base, h)
		}
	}
	if KeyBase(0) != FirstKey || KeyBase(255) != FirstKey || KeyBase(256) != FirstKey {
		t.Error("the smallest hashes do not share the first key")
	}
}

func TestDirent(t *testing.T) {
	for _, n := range []int{1, 2, 254, NameMax} {
		name := bytes.Repeat([]byte{'n'}, n)
		b := EncodeDirent(make([]byte, DirentMax), 1<<60, 8, name)
		ino, typ, got, ok := DecodeDirent(b)
		if !ok || ino != 1<<60 || typ != 8 || !bytes.Equal(got, name) {
			t.Errorf("name of %d bytes: %d, %d, %q, %v", n, ino, typ, got, ok)
		}
	}
	for _, n := range []int{0, 8, 9, DirentMax + 1} {
		if _, _, _, ok := DecodeDirent(make([]byte, n)); ok {
			t.Errorf("a payload of %d bytes is accepted", n)
		}
	}
}

func TestXattr(t *testing.T) {
	blocks := []uint64{7, 1 << 40, 9}
	for _, want := range []Xattr{
		{Name: []byte("a"), Value: []byte{}},
		{Name: []byte("user.x"), Value: []byte("value"), Size: 5, CRC: 77},
		{Name: bytes.Repeat([]byte{'n'}, XattrNameMax), Value: make([]byte, XattrInlineMax), Size: XattrInlineMax},
		{Name: []byte("big"), Size: 2*BlockSize + 1, Blocks: blocks},
	} {
		b := EncodeXattr(nil, &want)
		if len(b) > PayloadMax {
			t.Errorf("%d bytes do not fit a node", len(b))
		}
		got, ok := DecodeXattr(b)
		if !ok || !bytes.Equal(got.Name, want.Name) || !bytes.Equal(got.Value, want.Value) || got.Size != want.Size || got.CRC != want.CRC || len(got.Blocks) != len(want.Blocks) {
			t.Errorf("%+v, %v, expected %+v", got, ok, want)
		}
		for n := range b {
			DecodeXattr(b[:n]) // must not panic
		}
		if _, ok := DecodeXattr(append(b, 0)); ok {
			t.Error("a byte too many is accepted")
		}
	}
	bad := EncodeXattr(nil, &Xattr{Name: []byte("big"), Size: 3*BlockSize + 1, Blocks: blocks})
	if _, ok := DecodeXattr(bad); ok {
		t.Error("a value larger than its blocks is accepted")
	}
	bad = EncodeXattr(nil, &Xattr{Name: []byte("big"), Size: XattrValueMax + 1, Blocks: make([]uint64, 17)})
	if _, ok := DecodeXattr(bad); ok {
		t.Error("a value of more than 64 KiB is accepted")
	}
}
