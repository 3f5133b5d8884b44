package recovery_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/recovery"
	"pmemfs/pmemfs/testpart"
)

// TestReplay recovers from a full window with any part of the stores in place, at several places of the ring.
func TestReplay(t *testing.T) {
	wrapped := 0
	for _, skew := range []int{0, 20, lap - 9, lap - 7, lap - 5, lap - 3, lap - 1} { // the last ones wrap
		h := record(t, 40, skew)
		if size := uint64(h.super.RingBytes()); (h.ends[0] < size) != (h.ends[39] < size) {
			wrapped++
		}
		for seed := range uint64(3) {
			h.verify(t, load(t, h.ring(seed)), 40, fmt.Sprintf("skew %d seed %d", skew, seed))
		}
	}
	if wrapped == 0 {
		t.Error("no window wraps around the end of the ring")
	}
}

// TestTornRecord damages each line of the last record: what is before it counts, nothing of it does.
func TestTornRecord(t *testing.T) {
	testpart.NotRace(t)
	for _, skew := range []int{0, lap - 4, lap - 3, lap - 2, lap - 1} {
		h := record(t, 20, skew)
		start, end := h.ends[18], h.ends[19]
		size := uint64(h.super.RingBytes())
		for pos := start; pos < end; pos += layout.LineSize {
			for _, whole := range []bool{false, true} { // one line lost, or all from there on
				b := h.ring(pos)
				// Of a record that is not durable nothing is in place.
				copy(b[h.super.RingOffset()+h.super.RingBytes():], h.before[h.super.RingOffset()+h.super.RingBytes():])
				for p := pos; p < end && (whole || p == pos); p += layout.LineSize {
					at := h.super.RingOffset() + int64(p%size)
					copy(b[at:at+layout.LineSize], h.before[at:])
				}
				if bytes.Equal(b[:dataStart(h)], h.after[:dataStart(h)]) {
					continue // that line was the same before
				}
				h.verify(t, load(t, b), 19, fmt.Sprintf("skew %d, record at %d torn at %d, whole %v", skew, start, pos, whole))
			}
		}
	}
}

func dataStart(h *history) int64 { return h.super.RingOffset() + h.super.RingBytes() }

// powerFenced is a history whose journal claims durability: its domain is not the volatile one.
func powerFenced(t *testing.T) (medium []byte, sb layout.Superblock, ends []uint64) {
	t.Helper()
	m := alloctest.New(t, mediumBlocks, false)
	region, err := pmem.NewMemory(m.Region.Size(), pmem.PageCache)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := region.Close(); err != nil {
			t.Error(err)
		}
	}()
	region.SetPersistHook(pmem.Before(func(pmem.Range) error { return nil }))
	region.Write(0, m.Region.Bytes())
	head, err := recovery.Head(region.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	j := journal.New(region, journal.State{Head: head, Ring: m.Super.RingOffset(), Size: m.Super.RingBytes()}, journal.Options{NoBackground: true})
	defer j.Close()
	for i := range 10 {
		tx := j.Begin()
		tx.Data(layout.BlockOffset(900), bytes.Repeat([]byte{byte(i)}, 200))
		if _, err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, j.Appended())
	}
	return bytes.Clone(region.Bytes()), m.Super, ends
}

// TestDamagedRecord flips a bit in each record that was durable: the image is refused and not touched. Only the last
// record may be a torn one.
func TestDamagedRecord(t *testing.T) {
	medium, sb, ends := powerFenced(t)
	start := uint64(0)
	for i, end := range ends {
		b := bytes.Clone(medium)
		b[sb.RingOffset()+int64(start+end)/2] ^= 1
		region := load(t, b)
		_, err := recovery.Run(region, &sb)
		switch last := i == len(ends)-1; {
		case last && err != nil:
			t.Errorf("the last record torn: %v", err)
		case !last && !errors.Is(err, layout.ErrDamaged):
			t.Errorf("record %d damaged: %v", i+1, err)
		case !last && !bytes.Equal(region.Bytes(), b):
			t.Errorf("record %d damaged: the image was touched", i+1)
		}
		start = end
	}
}

// TestMalformedRecord writes a record with a right checksum and an entry out of bounds: refused, untouched.
func TestMalformedRecord(t *testing.T) {
	h := record(t, 1, 0)
	head, err := recovery.Head(h.before)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []layout.Entry{
		{Off: int64(len(h.before)), Len: 8, Kind: layout.EntryZeroData},
		{Off: -8, Len: 8, Kind: layout.EntryZeroData},
		{Off: 4096, Len: 4097, Kind: layout.EntryZeroData},
		{Off: 4096, Len: 8, Kind: 99},
	} {
		rec := layout.AppendEntry(make([]byte, layout.RecordHeader), layout.BlockOffset(900), 8, layout.EntryZeroData, 0, nil)
		rec = layout.AppendEntry(rec, e.Off, e.Len, e.Kind, 0, nil)
		rh := layout.RecordHead{Length: uint32(len(rec)), Seq: head.TailSeq, Epoch: head.Epoch, Salt: head.Salt, Entries: 2}
		layout.EncodeRecordHead(rec, &rh, layout.CRC(rec[layout.RecordHeader:]))
		b := bytes.Clone(h.before)
		copy(b[h.super.RingOffset()+int64(head.TailPos):], rec)
		region := load(t, b)
		if _, err := recovery.Run(region, &h.super); !errors.Is(err, layout.ErrDamaged) || !bytes.Equal(region.Bytes(), b) {
			t.Errorf("%+v: %v, or the image was touched", e, err)
		}
	}
}

// TestStaleRecord leaves a record of an earlier epoch, or of another salt, exactly where the next one belongs.
func TestStaleRecord(t *testing.T) {
	for name, edit := range map[string]func(h *layout.RecordHead){
		"of this epoch":      func(*layout.RecordHead) {},
		"of an older epoch":  func(h *layout.RecordHead) { h.Epoch-- },
		"with another salt":  func(h *layout.RecordHead) { h.Salt++ },
		"of the lap before":  func(h *layout.RecordHead) { h.Seq -= 5 },
		"of the next record": func(h *layout.RecordHead) { h.Seq++ },
	} {
		h := record(t, 1, 0)
		head, err := recovery.Head(h.before)
		if err != nil {
			t.Fatal(err)
		}
		rec := layout.AppendEntry(make([]byte, layout.RecordHeader), layout.BlockOffset(900), 4, layout.EntryData, 0, []byte("evil"))
		rh := layout.RecordHead{Length: uint32(len(rec)), Seq: head.TailSeq, Epoch: head.Epoch, Salt: head.Salt, Entries: 1}
		edit(&rh)
		layout.EncodeRecordHead(rec, &rh, layout.CRC(rec[layout.RecordHeader:]))
		b := bytes.Clone(h.before)
		copy(b[h.super.RingOffset()+int64(head.TailPos):], rec)
		region := load(t, b)
		if _, err := recovery.Run(region, &h.super); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		at := layout.BlockOffset(900)
		if got, want := string(region.Bytes()[at:at+4]) == "evil", name == "of this epoch"; got != want {
			t.Errorf("%s: replayed is %v", name, got)
		}
	}
}

// TestEpochs recovers again and again: each time a new epoch and another salt.
func TestEpochs(t *testing.T) {
	h := record(t, 5, 0)
	region := load(t, h.ring(1))
	salts := map[uint64]bool{}
	for i := range uint64(5) {
		st, err := recovery.Run(region, &h.super)
		if err != nil {
			t.Fatal(err)
		}
		if st.Head.Epoch != 2+i || salts[st.Head.Salt] || st.Head.Salt == 0 {
			t.Errorf("recovery %d: epoch %d, salt %#x", i, st.Head.Epoch, st.Head.Salt)
		}
		salts[st.Head.Salt] = true
	}
	h.verify(t, region, 5, "after five recoveries")
}

// TestInterrupted stops recovery at each fence, with any part of its stores lost, and recovers again.
func TestInterrupted(t *testing.T) {
	h := record(t, 30, 70)
	cause := errors.New("power cut")
	for stop := range 3 { // what was read, the blocks, then the head
		for seed := range uint64(4) {
			before := h.ring(seed)
			region := load(t, before)
			fences := 0
			region.SetPersistHook(pmem.Before(func(pmem.Range) error {
				if fences++; fences > stop {
					return cause
				}
				before = bytes.Clone(region.Bytes()) // all of it is durable now
				return nil
			}))
			if _, err := recovery.Run(region, &h.super); !errors.Is(err, cause) {
				t.Fatalf("stopped at fence %d: %v", stop, err)
			}
			rng := rand.New(rand.NewPCG(seed, 3))
			left := bytes.Clone(before)
			for off := 0; off < len(left); off += layout.LineSize {
				if rng.IntN(2) == 0 {
					copy(left[off:off+layout.LineSize], region.Bytes()[off:])
				}
			}
			h.verify(t, load(t, left), 30, fmt.Sprintf("stopped at fence %d seed %d", stop, seed))
		}
	}
}

// TestHeads damages either head and both.
func TestHeads(t *testing.T) {
	h := record(t, 10, 30)
	a, b := layout.BlockOffset(layout.JournalHeadA), layout.BlockOffset(layout.JournalHeadB)
	head, err := recovery.Head(h.after)
	if err != nil {
		t.Fatal(err)
	}
	newer, older := a, b
	if head.Version%2 == 1 {
		newer, older = b, a
	}
	for name, c := range map[string]struct {
		damaged []int64
		want    error
	}{
		"the older": {[]int64{older}, nil},
		"both":      {[]int64{a, b}, layout.ErrDamaged},
	} {
		m := bytes.Clone(h.ring(1))
		for _, off := range c.damaged {
			m[off+20] ^= 1
		}
		if got, err := recovery.Head(m); !errors.Is(err, c.want) || err == nil && got != head {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	m := bytes.Clone(h.ring(1))
	m[newer+20] ^= 1
	if got, err := recovery.Head(m); err != nil || got.Version != head.Version-1 {
		t.Errorf("the newer one damaged: %+v, %v", got, err)
	}
	odd := head
	odd.TailPos += 8
	layout.EncodeHead(m[newer:], &odd)
	region := load(t, m)
	if _, err := recovery.Run(region, &h.super); !errors.Is(err, layout.ErrDamaged) {
		t.Errorf("a tail within a line: %v", err)
	}
}

// TestSuper damages either superblock, and cuts the image.
func TestSuper(t *testing.T) {
	h := record(t, 1, 0)
	last := len(h.after) - layout.BlockSize
	for name, c := range map[string]struct {
		edit func(m []byte) []byte
		want error
	}{
		"as it is":             {func(m []byte) []byte { return m }, nil},
		"first damaged":        {func(m []byte) []byte { m[100] ^= 1; return m }, nil},
		"first gone":           {func(m []byte) []byte { clear(m[:layout.BlockSize]); return m }, nil},
		"backup damaged":       {func(m []byte) []byte { m[last+100] ^= 1; return m }, nil},
		"both damaged":         {func(m []byte) []byte { m[100] ^= 1; m[last+100] ^= 1; return m }, layout.ErrDamaged},
		"both gone":            {func(m []byte) []byte { clear(m[:4096]); clear(m[last:]); return m }, layout.ErrNotImage},
		"cut":                  {func(m []byte) []byte { return m[:last] }, recovery.ErrTruncated},
		"cut, first damaged":   {func(m []byte) []byte { m[100] ^= 1; return m[:last] }, layout.ErrDamaged},
		"longer than it says":  {func(m []byte) []byte { return append(m, 1, 2, 3) }, nil},
		"empty":                {func([]byte) []byte { return nil }, layout.ErrNotImage},
		"less than a block":    {func(m []byte) []byte { return m[:1000] }, layout.ErrNotImage},
		"only the first block": {func(m []byte) []byte { return m[:4096] }, recovery.ErrTruncated},
	} {
		sb, err := recovery.Super(c.edit(bytes.Clone(h.after)))
		if !errors.Is(err, c.want) || err == nil && *sb != h.super {
			t.Errorf("%s: %+v, %v, expected %v", name, sb, err, c.want)
		}
	}
}
