package layout

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
)

func TestHeadRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 100 {
		want := Head{Clean: rng.IntN(2) == 0, Version: rng.Uint64(), Epoch: rng.Uint64(), TailSeq: rng.Uint64(),
			TailPos: rng.Uint64(), FreeBlocks: rng.Uint64(), UsedInodes: rng.Uint64(), Salt: rng.Uint64()}
		b := bytes.Repeat([]byte{0xff}, HeadSize)
		EncodeHead(b, &want)
		if got, ok := DecodeHead(b); !ok || got != want {
			t.Fatalf("%+v, %v, expected %+v", got, ok, want)
		}
		bit := rng.IntN(HeadSize * 8)
		b[bit/8] ^= 1 << (bit % 8)
		if _, ok := DecodeHead(b); ok {
			t.Fatalf("bit %d flipped goes unnoticed", bit)
		}
	}
	if _, ok := DecodeHead(make([]byte, HeadSize)); ok {
		t.Error("zeros are a valid head")
	}
}

func TestRecordRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	rec := make([]byte, RecordHeader)
	rec = AppendEntry(rec, 4096, 3, EntryData, 0, []byte("abc"))
	rec = AppendEntry(rec, 8192, 5, EntryBitSet, 9, nil)
	want := RecordHead{Length: uint32(len(rec)), Seq: 1 << 40, Epoch: 3, Salt: 1 << 50, Fenced: 1<<40 - 1, Free: -5, Inodes: 1, Entries: 2}
	EncodeRecordHead(rec, &want, CRC(rec[RecordHeader:]))
	if got := DecodeRecordHead(rec); !reflect.DeepEqual(got, want) || !RecordSealed(rec) {
		t.Fatalf("%+v, sealed %v, expected %+v", got, RecordSealed(rec), want)
	}
	for range 200 {
		bit := rng.IntN(len(rec) * 8)
		rec[bit/8] ^= 1 << (bit % 8)
		if RecordSealed(rec) {
			t.Errorf("bit %d flipped goes unnoticed", bit)
		}
		rec[bit/8] ^= 1 << (bit % 8)
	}
}

const entrySize = 10 * BlockSize // of the image that the entries below are for

// TestNextEntry puts every field of an entry at its bounds and one beyond.
func TestNextEntry(t *testing.T) {
	tests := []struct {
		name string
		off  int64
		n    uint32
		kind EntryKind
		arg  uint16
		data int // bytes of payload that follow
		ok   bool
	}{
		{"inode", 4096 + 256, 256, EntryInode, 0, 256, true},
		{"node to its end", 4096, 4096, EntryNode, 0, 4096, true},
		{"over a block's end", 4097, 4096, EntryNode, 0, 4096, false},
		{"length overflows", 4096, ^uint32(0), EntryZeroNode, 0, 0, false},
		{"payload missing", 4096, 16, EntryData, 0, 8, false},
		{"payload padded", 4096, 13, EntryData, 0, 16, true},
		{"padding missing", 4096, 13, EntryData, 0, 13, false},
		{"no length", 4096, 0, EntryData, 0, 0, false},
		{"no kind", 4096, 8, 0, 0, 8, false},
		{"last kind that stores", 4096, 8, EntryZeroMap, 0, 0, true},
		{"note", 0, RequestNoteSize, EntryRequestNote, 0, RequestNoteSize, true},
		{"note with an offset", 4096, RequestNoteSize, EntryRequestNote, 0, RequestNoteSize, false},
		{"note too short", 0, RequestNoteSize - 8, EntryRequestNote, 0, RequestNoteSize - 8, false},
		{"note with an argument", 0, RequestNoteSize, EntryRequestNote, 1, RequestNoteSize, false},
		{"note cut off", 0, RequestNoteSize, EntryRequestNote, 0, RequestNoteSize - 1, false},
		{"bulk data", 100, 3 * BlockSize, EntryBulk, 0, BulkSize, true},
		{"bulk data with an argument", 100, 3 * BlockSize, EntryBulk, 1, BulkSize, false},
		{"bulk data beyond the image", 100, 1<<32 - 1, EntryBulk, 0, BulkSize, false},
		{"bulk data cut off", 100, 3 * BlockSize, EntryBulk, 0, BulkSize - 1, false},
		{"kind behind the last", 0, RequestNoteSize, EntryBulk + 1, 0, RequestNoteSize, false},
		{"below the image", -4096, 8, EntryZeroNode, 0, 0, false},
		{"last byte", entrySize - 1, 1, EntryZeroData, 0, 0, true},
		{"behind the image", entrySize, 1, EntryZeroData, 0, 0, false},
		{"bits to the end", 4096, 1, EntryBitSet, GroupBits - 1, 0, true},
		{"all bits", 4096, GroupBits, EntryBitClear, 0, 0, true},
		{"bits over the end", 4096, 2, EntryBitSet, GroupBits - 1, 0, false},
		{"bits overflow", 4096, ^uint32(0), EntryBitSet, 0xffff, 0, false},
		{"bits not of a block", 4104, 2, EntryBitSet, 0, 0, false},
	}
	for _, x := range tests {
		b := AppendEntry(nil, x.off, x.n, x.kind, x.arg, nil)
		b = append(b, bytes.Repeat([]byte{7}, x.data)...)
		e, rest, ok := NextEntry(b, entrySize)
		if ok != x.ok {
			t.Errorf("%s: %v, expected %v", x.name, ok, x.ok)
		}
		if ok && (len(rest) != 0 || e.Off != x.off || e.Len != x.n || e.Kind != x.kind || e.Arg != x.arg || (x.kind.HasPayload() || !x.kind.Changes()) != (e.Data != nil)) {
			t.Errorf("%s: decoded as %+v, %d bytes left", x.name, e, len(rest))
		}
	}
	for n := range EntryHeader {
		if _, _, ok := NextEntry(make([]byte, n), entrySize); ok {
			t.Errorf("%d bytes are an entry", n)
		}
	}
}

// TestNextEntryPartialBlock asks for bytes behind the end of an image that is no whole number of blocks.
func TestNextEntryPartialBlock(t *testing.T) {
	const size = 3*BlockSize + 100
	for _, e := range []Entry{
		{Off: 3 * BlockSize, Len: 101, Kind: EntryZeroData},
		{Off: 3 * BlockSize, Len: 1, Kind: EntryBitSet},
	} {
		if _, _, ok := NextEntry(AppendEntry(nil, e.Off, e.Len, e.Kind, 0, nil), size); ok {
			t.Errorf("kind %d: bytes behind the end of the image are accepted", e.Kind)
		}
	}
}

func TestEntryKinds(t *testing.T) {
	for kind, want := range map[EntryKind][2]bool{
		EntryInode: {true, false}, EntryNode: {true, true}, EntryData: {true, false}, EntryZeroInode: {false, false}, EntryZeroNode: {false, true},
		EntryZeroData: {false, false}, EntryBitSet: {false, true}, EntryBitClear: {false, true}, EntryBitmap: {true, true}, EntryZeroMap: {false, true},
		EntryRequestNote: {false, false},
	} {
		if got := [2]bool{kind.HasPayload(), kind.Sealed4K()}; got != want {
			t.Errorf("kind %d: payload, sealed %v, expected %v", kind, got, want)
		}
	}
}

// FuzzNextEntry decodes whatever comes; what is accepted lies within the image and within one block.
func FuzzNextEntry(f *testing.F) {
	f.Add(AppendEntry(AppendEntry(nil, 4096, 3, EntryData, 0, []byte("abc")), 8192, 5, EntryBitSet, 9, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			e, rest, ok := NextEntry(b, entrySize)
			if !ok {
				return
			}
			if len(rest) >= len(b) || e.Off < 0 || e.Kind.HasPayload() && len(e.Data) != int(e.Len) {
				t.Fatalf("accepted %+v, %d of %d bytes left", e, len(rest), len(b))
			}
			end := e.Off + int64(e.Len)
			if e.Kind == EntryBitSet || e.Kind == EntryBitClear {
				end = e.Off + BlockSize
			}
			if end > entrySize || BlockOf(e.Off) != BlockOf(end-1) {
				t.Fatalf("accepted %+v, which ends at %d", e, end)
			}
			b = rest
		}
	})
}
