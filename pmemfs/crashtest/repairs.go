package crashtest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// wounds are the kinds of damage that are repaired, together such that every fence of a repair is needed.
var wounds = []func() (start, error){woundedWindow, woundedInodes, woundedHeads, woundedTurn, manyShared, fewShared}

// repairTrace repairs a damaged image. What a power cut leaves of that must, repaired again, be what the repair that was left
// in peace made; and when the repair has ended the certain image is sound.
func repairTrace(seed uint64) (*Trace, error) {
	s, err := wounds[seed%uint64(len(wounds))]()
	if err != nil {
		return nil, err
	}
	// The large one is for the records, of which it takes many.
	return s.repaired(seed%uint64(len(wounds)) == 4)
}

// repaired repairs an image. With few, few states are tried of each moment.
func (s start) repaired(few bool) (*Trace, error) {
	region, err := pmem.NewMemory(int64(len(s.medium)), s.domain)
	if err != nil {
		return nil, err
	}
	region.Write(0, s.medium)
	t := &Trace{start: s.medium, domain: s.domain, few: few, Ops: []Op{{Verb: "repair"}}, open: repairAndOpen, final: s.sound}
	t.record(region)
	t.mark(begin, 0, 0)
	r, err := repairRegion(region)
	t.mark(end, 0, 0)
	region.SetRecorder(nil)
	if err == nil && (r.Before.Clean() || !r.After.Clean()) {
		err = fmt.Errorf("%d faults before the repair, %d after it", len(r.Before.Faults), len(r.After.Faults))
	}
	if err = errors.Join(err, t.noteRegion(region)); err != nil {
		return nil, err
	}
	t.states.add(t.states.dumps[0]) // before the end of the repair there is no other state
	return t, region.Close()
}

// repairAndOpen is what is done with an image whose repair was cut short.
func repairAndOpen(region *pmem.Region) (*pmemfs.FS, error) {
	r, err := repairRegion(region)
	if err != nil {
		return nil, err
	}
	if !r.After.Clean() {
		return nil, fmt.Errorf("%d faults are left, among them: %v", len(r.After.Faults), r.After.Faults[0])
	}
	return openRegion(region)
}

// sound asserts that the check finds nothing in an image.
func (s start) sound(image []byte) error {
	region, err := pmem.NewMemory(int64(len(image)), s.domain)
	if err != nil {
		return err
	}
	region.Write(0, image)
	r, err := checkRegion(region)
	if err == nil && !r.Clean() {
		err = fmt.Errorf("in the end the certain image has faults, among them: %v", r.Faults[0])
	}
	return errors.Join(err, region.Close())
}

// prepared returns a copy of the image that most wounds are made in, with its superblock.
func prepared() (start, *layout.Superblock, error) {
	s, err := preparedStart("short", false, func() []Op { return preparedOps })
	if err != nil {
		return s, nil, err
	}
	s.medium = slices.Clone(s.medium)
	sb, err := layout.DecodeSuperblock(s.medium)
	return s, sb, err
}

// woundedWindow damages a bitmap and the second superblock of an image with operations that are in the journal alone.
func woundedWindow() (start, error) {
	t, err := shortTraceOf(preparedOps)
	if err != nil {
		return start{}, err
	}
	m := newMedium(t.start, t.domain)
	for i := range t.items {
		if it := &t.items[i]; it.mark == end && it.op == len(preparedOps)-1 {
			break
		} else if it.mark == 0 {
			m.on(&it.event)
		}
	}
	sb, err := layout.DecodeSuperblock(m.sure)
	if err != nil {
		return start{}, err
	}
	m.sure[layout.BlockOffset(1)+200] ^= 1
	m.sure[layout.BlockOffset(sb.Backup)+40] ^= 1
	return start{medium: m.sure, domain: t.domain}, nil
}

// woundedInodes damages the link counts of two inodes, and the first superblock.
func woundedInodes() (start, error) {
	s, sb, err := prepared()
	if err != nil {
		return s, err
	}
	for _, name := range []string{"a", "b"} {
		if err := s.edit(sb, name, func(in layout.Inode) { in.SetNlink(in.Nlink() + 5) }); err != nil {
			return s, err
		}
	}
	s.medium[40] ^= 1
	return s, nil
}

// woundedHeads damages both journal heads.
func woundedHeads() (start, error) {
	s, _, err := prepared()
	s.medium[layout.BlockOffset(layout.JournalHeadA)+9] ^= 1
	s.medium[layout.BlockOffset(layout.JournalHeadB)+9] ^= 1
	return s, err
}

// woundedTurn puts the journal head that counts into the other one's block, and damages a link count.
func woundedTurn() (start, error) {
	s, sb, err := prepared()
	if err != nil {
		return s, err
	}
	for turn := range uint64(2) {
		own, other := layout.BlockOffset(layout.JournalHeadA+turn), layout.BlockOffset(layout.JournalHeadB-turn)
		h, ok := layout.DecodeHead(s.medium[own:])
		if o, valid := layout.DecodeHead(s.medium[other:]); ok && (!valid || o.Version < h.Version) {
			copy(s.medium[other:], s.medium[own:][:layout.BlockSize])
			clear(s.medium[own:][:layout.BlockSize])
			break
		}
	}
	return s, s.edit(sb, "a", func(in layout.Inode) { in.SetNlink(7) })
}

// manyShared lets two files own the same blocks: so many that their copies go more than once around the ring.
func manyShared() (start, error) { return sharedBlocks(150) }

// fewShared is the same with copies that fit one record, beside all that follows from them.
func fewShared() (start, error) { return sharedBlocks(3) }

func sharedBlocks(blocks int64) (start, error) {
	s, err := preparedStart(fmt.Sprint("shared ", blocks), false, func() []Op {
		return []Op{
			{Verb: "create", Path: "a"}, {Verb: "write", Path: "a", A: blocks * layout.BlockSize},
			{Verb: "create", Path: "b"}, {Verb: "write", Path: "b", A: blocks * layout.BlockSize},
		}
	})
	if err != nil {
		return s, err
	}
	s.medium = slices.Clone(s.medium)
	sb, err := layout.DecodeSuperblock(s.medium)
	if err != nil {
		return s, err
	}
	var first layout.Extent
	if err := s.edit(sb, "a", func(in layout.Inode) { first = in.InlineExtent(0) }); err != nil {
		return s, err
	}
	return s, s.edit(sb, "b", func(in layout.Inode) {
		own := in.InlineExtent(0)
		clear(s.medium[layout.BlockOffset(own.Phys):][:int(own.Len)*layout.BlockSize]) // where the copies will go
		in.SetInlineExtent(0, first)
	})
}

// with calls f with an open filesystem of a copy of the image.
func (s start) with(f func(fs *pmemfs.FS) error) error {
	region, err := pmem.NewMemory(int64(len(s.medium)), s.domain)
	if err != nil {
		return err
	}
	region.Write(0, s.medium)
	fs, err := openRegion(region)
	if err != nil {
		return errors.Join(err, region.Close())
	}
	return errors.Join(f(fs), fs.Close())
}

// dumped returns what is in the image.
func (s start) dumped() (d dump, err error) {
	err = s.with(func(fs *pmemfs.FS) (err error) {
		d, err = dumpFS(fs, true)
		return err
	})
	return d, err
}

// lookup returns the number of a file.
func (s start) lookup(path string) (ino uint64, err error) {
	err = s.with(func(fs *pmemfs.FS) error {
		h, err := (&world{fs: fs}).find(path)
		ino = h.Ino
		return err
	})
	return ino, err
}

// edit changes the inode of a path, and seals it.
func (s start) edit(sb *layout.Superblock, path string, f func(in layout.Inode)) error {
	ino, err := s.lookup(path)
	if err != nil {
		return err
	}
	off := layout.BlockOffset(sb.InodeBoot) + int64(ino)*layout.InodeSize
	in := layout.Inode(s.medium[off : off+layout.InodeSize])
	if !in.Sealed(ino) {
		return fmt.Errorf("inode %d is not at offset %d", ino, off)
	}
	f(in)
	in.Seal()
	return nil
}

// scrubTrace scrubs a filesystem whose second superblock is damaged.
func scrubTrace(seed uint64) (*Trace, error) {
	s, sb, err := prepared()
	if err != nil {
		return nil, err
	}
	backup := layout.BlockOffset(sb.Backup)
	s.medium[backup+8+int64(seed%100)] ^= 1
	t, err := s.trace(preparedOps[2:3], func(r *run, step func() bool) {
		report, err := r.world.fs.Scrub(context.Background(), pmemfs.ScrubOptions{})
		if err == nil && (len(report.Findings) != 1 || !report.Findings[0].Repaired) {
			err = fmt.Errorf("the scrub found %v", report.Findings)
		}
		r.fail(err)
		step()
	})
	if err != nil {
		return nil, err
	}
	t.optional = true // until something is acknowledged the second superblock may be as it was
	t.final = func(sure []byte) error {
		_, err := layout.DecodeSuperblock(sure[backup:])
		return err
	}
	return t, nil
}
