package crashtest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// growthTrace makes the inode file grow into blocks that held a user's data.
func growthTrace(seed uint64) (*Trace, error) {
	s, err := preparedStart("growth", false, func() []Op {
		ops := []Op{{Verb: "mkdir", Path: "e"}, {Verb: "create", Path: "big"}}
		for range 12 {
			ops = append(ops, Op{Verb: "append", Path: "big", A: 300_000})
		}
		ops = append(ops, Op{Verb: "unlink", Path: "big"}, Op{Verb: "sync"})
		for i := range 236 {
			ops = append(ops, Op{Verb: "create", Path: fmt.Sprintf("e/%d", i)})
		}
		return ops
	})
	if err != nil {
		return nil, err
	}
	if seed%2 == 1 {
		s.domain = pmem.PageCache
	}
	var ops []Op
	for i := range 3 + seed%4 {
		ops = append(ops, Op{Verb: "create", Path: fmt.Sprintf("n%d", i)})
	}
	return s.trace(ops, plainly)
}

// healTrace opens an image whose first superblock is damaged.
func healTrace(seed uint64) (*Trace, error) {
	s, err := preparedStart("short", false, func() []Op { return preparedOps })
	if err != nil {
		return nil, err
	}
	s.medium = slices.Clone(s.medium)
	s.medium[8+seed%100] ^= 1
	t, err := s.trace(preparedOps[2:3], plainly)
	if err != nil {
		return nil, err
	}
	t.final = func(sure []byte) error {
		_, err := layout.DecodeSuperblock(sure)
		return err
	}
	t.optional = true // until something is acknowledged the first superblock may be as it was
	return t, nil
}

// damagedWindow damages a record in the middle of the journal's window, of an image on which nothing is in place yet: it
// must be refused and left as it is, or be all right.
func damagedWindow(seed uint64) (*Trace, error) {
	t, err := shortTraceOf(preparedOps[:6])
	if err != nil {
		return nil, err
	}
	m := newMedium(t.start, t.domain)
	for i := range t.items {
		if it := &t.items[i]; it.mark == end && it.op == 4 {
			break
		} else if it.mark == 0 {
			m.on(&it.event)
		}
	}
	want := t.states.dumps[5]
	return nil, eachDamage(m.sure, seed, records, func(damaged []byte) error {
		return opensAs(damaged, t.domain, want, true)
	})
}

// shortTraceOf runs operations on an empty filesystem.
func shortTraceOf(ops []Op) (*Trace, error) {
	s, err := emptyStart(pmem.CacheFlush, false)
	if err != nil {
		return nil, err
	}
	return s.trace(ops, plainly)
}

// damagedAtRest damages metadata of a filesystem that was closed: what can still be seen must be right.
func damagedAtRest(seed uint64) (*Trace, error) {
	s, err := preparedStart("short", false, func() []Op { return preparedOps })
	if err != nil {
		return nil, err
	}
	t, err := s.trace(nil, plainly)
	if err != nil {
		return nil, err
	}
	return nil, eachDamage(s.medium, seed, metadata, func(damaged []byte) error {
		return opensAs(damaged, t.domain, t.states.dumps[0], false)
	})
}

// stride is how far apart damage is tried.
const stride = lineSize

// eachDamage calls f with copies of an image, each of which has one byte changed less than stride behind one of the offsets
// that where returns.
func eachDamage(image []byte, seed uint64, where func([]byte) ([]int64, error), f func(damaged []byte) error) error {
	offsets, err := where(image)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 41))
	for _, at := range offsets {
		damaged := slices.Clone(image)
		damaged[at+rng.Int64N(stride)] ^= byte(1 + rng.IntN(255))
		if err := f(damaged); err != nil {
			return fmt.Errorf("with byte %d changed: %w", at, err)
		}
	}
	return nil
}

// opensAs asserts that an image is refused, and if its journal or superblock is why left alone, or opens and then shows
// nothing wrong: errors, or what is wanted.
func opensAs(image []byte, d pmem.Domain, want dump, untouched bool) error {
	region, err := pmem.NewMemory(int64(len(image)), d)
	if err != nil {
		return err
	}
	region.Write(0, image)
	fs, err := openRegion(region)
	switch {
	case err != nil && untouched && !bytes.Equal(region.Bytes(), image):
		err = fmt.Errorf("an image that was refused (%w) has been changed", err)
	case err != nil:
		err = nil
	default:
		if got, derr := dumpFS(fs, false); derr == nil && got.key() != want[:min(len(got), len(want))].key() {
			err = fmt.Errorf("it opens with another content:\n%s", want.diff(got))
		}
	}
	return errors.Join(err, region.Close())
}

// records returns a byte in each line of the journal's window, but not of its last record: that may be torn.
func records(image []byte) (offsets []int64, err error) {
	sb, err := layout.DecodeSuperblock(image)
	if err != nil {
		return nil, err
	}
	ring := image[sb.RingOffset() : sb.RingOffset()+sb.RingBytes()]
	var last int64
	for at := int64(0); ; {
		h := layout.DecodeRecordHead(ring[at:])
		if h.Length == 0 || h.Seq == 0 {
			break
		}
		last = at
		at += layout.LineUp(int64(h.Length))
	}
	for at := int64(0); at < last; at += lineSize {
		offsets = append(offsets, sb.RingOffset()+at)
	}
	return offsets, nil
}

// metadata returns bytes of everything in an image that is neither journal nor file data.
func metadata(image []byte) (offsets []int64, err error) {
	sb, err := layout.DecodeSuperblock(image)
	if err != nil {
		return nil, err
	}
	for at := int64(0); at < int64(len(image)); at += stride {
		inRing := at >= sb.RingOffset() && at < sb.RingOffset()+sb.RingBytes()
		block := image[at&^(layout.BlockSize-1):][:layout.BlockSize]
		inode := image[at&^(layout.InodeSize-1):][:layout.InodeSize]
		sealed := layout.Sealed(block) && !bytes.Equal(block, make([]byte, layout.BlockSize))
		if !inRing && (sealed || layout.Inode(inode).Sealed(layout.Inode(inode).Ino())) {
			offsets = append(offsets, at)
		}
	}
	return offsets, nil
}

// damagedContent damages file data and attribute values of a closed filesystem with checksums of data.
func damagedContent(seed uint64) (*Trace, error) {
	s, err := preparedStart("short", true, func() []Op { return preparedOps })
	if err != nil {
		return nil, err
	}
	t, err := s.trace(nil, plainly)
	if err != nil {
		return nil, err
	}
	return nil, eachDamage(s.medium, seed, contents, func(damaged []byte) error {
		return opensAs(damaged, t.domain, t.states.dumps[0], false)
	})
}

// contents returns a byte in each line of everything in an image that has no checksum in itself, behind the journal.
func contents(image []byte) (offsets []int64, err error) {
	sb, err := layout.DecodeSuperblock(image)
	if err != nil {
		return nil, err
	}
	for at := sb.RingOffset() + sb.RingBytes(); at < int64(len(image)); at += layout.BlockSize {
		block := image[at:][:layout.BlockSize]
		if layout.Sealed(block) || layout.Inode(block).Sealed(layout.Inode(block).Ino()) || zero(block) {
			continue
		}
		for line := int64(0); line < layout.BlockSize; line += stride {
			offsets = append(offsets, at+line)
		}
	}
	return offsets, nil
}

// damagedLost damages the list of lost blocks: what is on it must not be read, and nobody knows any more what was.
func damagedLost(seed uint64) (*Trace, error) {
	s, err := preparedStart("short", false, func() []Op { return preparedOps })
	if err != nil {
		return nil, err
	}
	image := slices.Clone(s.medium)
	at := bytes.LastIndex(image, fill(15_000, 15_003)[:100]) // the first is in the ring
	if at < 0 {
		return nil, errors.New("the content of a is not in the image")
	}
	head, off := layout.Head{}, int64(0)
	for _, block := range []uint64{layout.JournalHeadA, layout.JournalHeadB} {
		if h, ok := layout.DecodeHead(image[layout.BlockOffset(block):]); ok && h.Version > head.Version {
			head, off = h, layout.BlockOffset(block)
		}
	}
	head.Lost = true
	layout.EncodeHead(image[off:], &head)
	list, ok := layout.LostList(head.Version, []uint64{layout.BlockOf(int64(at))})
	if !ok {
		return nil, errors.New("a list of one block does not fit")
	}
	copy(image[off+layout.LostOffset:], list)
	nothing := dump{"no dump at all", "is right"}
	if err := opensAs(image, s.domain, nothing, false); err != nil {
		return nil, fmt.Errorf("what is lost is read: %w", err)
	}
	for i := range int64(32) { // the list's head and its only run
		damaged := slices.Clone(image)
		damaged[off+layout.LostOffset+i] ^= 1 << (seed % 8)
		if err := opensAs(damaged, s.domain, nothing, false); err != nil {
			return nil, fmt.Errorf("with byte %d of the list changed: %w", i, err)
		}
	}
	return nil, nil
}

// badEntry returns an image with a window whose second record is whole and has an entry that makes no sense.
func badEntry(uint64) (*Trace, error) {
	t, err := shortTraceOf(preparedOps[:4])
	if err != nil {
		return nil, err
	}
	m := newMedium(t.start, t.domain)
	for i := range t.items {
		if t.items[i].mark == 0 && t.items[i].event.Site != nil && t.items[i].event.Site.String() == "journal: dirty lines of a checkpoint" {
			break
		}
		if t.items[i].mark == 0 {
			m.on(&t.items[i].event)
		}
	}
	sb, err := layout.DecodeSuperblock(m.sure)
	if err != nil {
		return nil, err
	}
	rec := m.sure[sb.RingOffset():]
	first := layout.DecodeRecordHead(rec)
	rec = rec[layout.LineUp(int(first.Length)):]
	h := layout.DecodeRecordHead(rec)
	rec = rec[:h.Length]
	rec[layout.RecordHeader+12] = 0xff // the kind
	layout.EncodeRecordHead(rec, &h, layout.CRC(rec[layout.RecordHeader:]))
	return nil, opensAs(m.sure, t.domain, t.states.dumps[0], true)
}
