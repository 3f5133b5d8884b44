package layout

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func sampleSuper() *Superblock {
	s := &Superblock{
		Compat: 1 << 5, ROCompat: 1 << 6, Blocks: 40_000, RingBlocks: 625, Backup: 39_999, InodeBoot: 630,
		OwnerEpoch: 9, Created: -3, Label: strings.Repeat("L", LabelMax), BirthEpoch: 4,
	}
	for i := range 16 {
		s.UUID[i], s.HandleKey[i], s.HashKey[i] = byte(i), byte(i+50), byte(i+100)
	}
	return s
}

func TestSuperblockRoundTrip(t *testing.T) {
	for _, label := range []string{"", "x", "with space", strings.Repeat("ü", LabelMax/2)} {
		want := sampleSuper()
		want.Label = label
		b := bytes.Repeat([]byte{0xff}, BlockSize)
		EncodeSuperblock(b, want)
		if got, err := DecodeSuperblock(b); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("label %q: %+v, %v, expected %+v", label, got, err, want)
		}
		if !allZero(b[superUsed:]) {
			t.Error("bytes behind the fields are not zero")
		}
	}
}

// TestSuperblockBounds resets one field at a time to what must be refused, with a right checksum.
func TestSuperblockBounds(t *testing.T) {
	tests := []struct {
		name string
		edit func(s *Superblock)
		want error
	}{
		{"as it is", func(*Superblock) {}, nil},
		{"fewest blocks", func(s *Superblock) { s.Blocks, s.Backup = MinBlocks, MinBlocks-1 }, nil},
		{"too few blocks", func(s *Superblock) { s.Blocks = MinBlocks - 1 }, ErrDamaged},
		{"most blocks", func(s *Superblock) { s.Blocks = MaxBlocks }, nil},
		{"too many blocks", func(s *Superblock) { s.Blocks = MaxBlocks + 1 }, ErrDamaged},
		{"offsets that overflow", func(s *Superblock) { s.Blocks = 1 << 63 }, ErrDamaged},
		{"smallest ring", func(s *Superblock) { s.RingBlocks = MinRingBlocks }, nil},
		{"too small a ring", func(s *Superblock) { s.RingBlocks = MinRingBlocks - 1 }, ErrDamaged},
		{"too large a ring", func(s *Superblock) { s.RingBlocks = MaxRingBlocks + 1 }, ErrDamaged},
		{"a ring over the end", func(s *Superblock) { s.Blocks, s.RingBlocks = 2000, 1999 }, ErrDamaged},
		{"ring size overflows", func(s *Superblock) { s.RingBlocks = ^uint64(0) - 2 }, ErrDamaged},
		{"no backup", func(s *Superblock) { s.Backup = 0 }, ErrDamaged},
		{"backup behind the end", func(s *Superblock) { s.Backup = s.Blocks }, ErrDamaged},
		{"no inodes", func(s *Superblock) { s.InodeBoot = 0 }, ErrDamaged},
		{"inodes behind the end", func(s *Superblock) { s.InodeBoot = s.Blocks }, ErrDamaged},
		{"unknown incompatible feature", func(s *Superblock) { s.Incompat = 1 << 40 }, ErrVersion},
	}
	for _, x := range tests {
		b := make([]byte, BlockSize)
		s := sampleSuper()
		x.edit(s)
		EncodeSuperblock(b, s)
		if _, err := DecodeSuperblock(b); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, expected %v", x.name, err, x.want)
		}
	}
}

func TestSuperblockForeign(t *testing.T) {
	good := make([]byte, BlockSize)
	EncodeSuperblock(good, sampleSuper())
	edit := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	tests := []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, ErrNotImage},
		{"short", good[:BlockSize-1], ErrNotImage},
		{"zeros", make([]byte, BlockSize), ErrNotImage},
		{"other magic", edit(func(b []byte) { b[9] = 'X' }), ErrNotImage},
		{"a flipped bit at the end", edit(func(b []byte) { b[BlockSize-1] ^= 1 }), ErrDamaged},
		{"newer format", edit(func(b []byte) { le.PutUint32(b[4:], 2); seal(b) }), ErrVersion},
		{"newer format, damaged", edit(func(b []byte) { le.PutUint32(b[4:], 2) }), ErrDamaged},
	}
	for _, x := range tests {
		if _, err := DecodeSuperblock(x.b); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, expected %v", x.name, err, x.want)
		}
	}
	if HasMagic(good[:15]) || !HasMagic(good[:16]) {
		t.Error("HasMagic does not mind the length")
	}
}

// TestSuperblockFlips flips every bit of the fields: the checksum must find each.
func TestSuperblockFlips(t *testing.T) {
	b := make([]byte, BlockSize)
	EncodeSuperblock(b, sampleSuper())
	for bit := range superUsed * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := DecodeSuperblock(b); err == nil {
			t.Errorf("bit %d flipped goes unnoticed", bit)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
}

func FuzzSuperblock(f *testing.F) {
	good := make([]byte, BlockSize)
	EncodeSuperblock(good, sampleSuper())
	f.Add(good[:superUsed], true)
	f.Add(good[:superUsed], false)
	f.Fuzz(func(t *testing.T, head []byte, sealIt bool) {
		b := make([]byte, BlockSize)
		copy(b, head)
		if sealIt {
			seal(b)
		}
		s, err := DecodeSuperblock(b)
		if err != nil {
			return
		}
		if end := s.RingOffset() + s.RingBytes(); end > BlockOffset(s.Blocks) || s.RingBytes() <= 0 {
			t.Errorf("accepted a ring up to %d of %d blocks", end, s.Blocks)
		}
		again := make([]byte, BlockSize)
		EncodeSuperblock(again, s)
		if s2, err := DecodeSuperblock(again); err != nil || !reflect.DeepEqual(s, s2) {
			t.Errorf("%+v does not survive a round trip: %+v, %v", s, s2, err)
		}
	})
}
