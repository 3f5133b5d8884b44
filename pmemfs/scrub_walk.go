package pmemfs

import (
	"bytes"
	"fmt"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/pmem"
)

var siteScrubSuper = pmem.NewSite("pmemfs: superblock written anew by a scrub")

// run is one pass: what belongs to no file, each time, and then the inodes from where it stopped on.
func (s *scrubber) run() error {
	for _, phase := range []func() error{s.superblocks, s.journal, s.blockBitmaps, s.inodeFile, s.orphanIndex, s.badBlocks, s.inodes} {
		if err := phase(); err != nil {
			return err
		}
	}
	return nil
}

// hold calls f, which reads what inode ino guards, with the locks that keep it as it is, and turns faults into errors. Inode 0
// stands for what no inode guards.
func (s *scrubber) hold(ino uint64, f func() error) (err error) {
	fs := s.fs
	defer fs.region.Unguard(fs.region.Guard(), &err)
	g, err := fs.enter(ino)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	switch ino {
	case 0:
	case layout.InodeFileIno:
		return fs.inodes.Still(f)
	case layout.OrphanIno, layout.BadBlocksIno:
		fs.orphanMu.Lock()
		defer fs.orphanMu.Unlock()
	default:
		l := fs.stripes.of(ino)
		l.RLock()
		defer l.RUnlock()
	}
	return f()
}

// ends reports whether an error ends the scrub: it is not about a damaged object.
func ends(err error) bool {
	return err != nil && !media.Confined(err)
}

// superblocks verifies both copies, and writes a damaged one anew from the other.
func (s *scrubber) superblocks() error {
	places := []uint64{layout.SuperBlock, s.fs.sb.Backup}
	names := []string{"superblock", "backup superblock"}
	var good [2][]byte
	var errs [2]error
	for i, block := range places {
		errs[i] = s.hold(0, func() error {
			b := bytes.Clone(s.fs.region.Bytes()[layout.BlockOffset(block):layout.BlockOffset(block+1)])
			if _, err := layout.DecodeSuperblock(b); err != nil {
				return fmt.Errorf("%w: %w", layout.ErrDamaged, err)
			}
			good[i] = b
			return nil
		})
		if ends(errs[i]) {
			return errs[i]
		}
	}
	if good[0] != nil && good[1] != nil && !bytes.Equal(good[0], good[1]) {
		good[1], errs[1] = nil, fmt.Errorf("%w: differs from the first one", layout.ErrDamaged)
	}
	for i, block := range places {
		if good[i] != nil {
			continue
		}
		f := ScrubFinding{Object: names[i], Offset: layout.BlockOffset(block), Problem: errs[i].Error(), cause: errs[i]}
		if other := good[1-i]; other != nil {
			err := s.hold(0, func() error { return s.fs.rewriteSuper(block, other) })
			if f.Repaired = err == nil; err != nil {
				f.Problem += "; cannot be written anew: " + err.Error()
			}
		}
		s.found(f)
	}
	return s.read(2 * layout.BlockSize)
}

// rewriteSuper writes a superblock that was damaged; the other copy stands in while it is being written. One fence.
func (fs *FS) rewriteSuper(block uint64, b []byte) error {
	if err := fs.j.Err(); err != nil {
		return err
	}
	off := layout.BlockOffset(block)
	fs.region.Write(off, b)
	return fs.region.Persist(siteScrubSuper, []pmem.Range{{Off: off, Len: int64(len(b))}})
}

// journal verifies the heads and the live window, and has both written anew if anything is wrong with them.
func (s *scrubber) journal() error {
	var list []ScrubFinding
	var n int64
	err := s.hold(0, func() (err error) {
		n, err = s.fs.j.InspectSelf(func(off int64, object, problem string) {
			list = append(list, ScrubFinding{Object: object, Offset: off, Problem: problem})
		})
		return err
	})
	if ends(err) {
		return err
	}
	if err != nil {
		off := media.FaultOffset(err, layout.BlockOffset(layout.JournalHeadA))
		name, _ := s.fs.media.FixedName(layout.BlockOf(off))
		s.found(ScrubFinding{Object: name, Offset: off, Problem: err.Error(), cause: err})
	} else if len(list) > 0 {
		renewed := s.hold(0, s.fs.j.Renew)
		for _, f := range list {
			if f.Repaired = renewed == nil; renewed != nil {
				f.Problem += "; cannot be written anew: " + renewed.Error()
			}
			s.found(f)
		}
	}
	return s.read(uint64(n))
}

// metadata verifies one block with a deferred checksum. The locks of its owner are held, or it has none.
func (s *scrubber) metadata(block uint64, object string, ino uint64, check func(b []byte) error) {
	if err := s.fs.j.Inspect(block, check); err != nil {
		s.found(ScrubFinding{Object: object, Offset: layout.BlockOffset(block), Ino: ino, Problem: err.Error(), cause: err})
	}
}

// bitmap returns a check of what kind of bitmap a block is.
func bitmapCheck(kind uint16, group uint64) func(b []byte) error {
	return func(b []byte) error {
		if !layout.BitmapIs(b, kind, group) {
			return fmt.Errorf("%w: not the bitmap of kind %d and number %d", layout.ErrDamaged, kind, group)
		}
		return nil
	}
}

func (s *scrubber) blockBitmaps() error {
	for g := range layout.GroupCount(s.fs.sb.Blocks) {
		err := s.hold(0, func() error {
			s.metadata(layout.BitmapBlock(g), fmt.Sprintf("bitmap of block group %d", g), 0, bitmapCheck(layout.KindBlocks, g))
			return nil
		})
		if err != nil {
			return err
		}
		if err := s.read(layout.BlockSize); err != nil {
			return err
		}
	}
	return nil
}

// limit returns the inode number behind the last: never more than the image has room for, whatever it says.
func (s *scrubber) limit() uint64 {
	return min(s.fs.a.Inodes.Limit(), layout.InodeCapacity(s.fs.sb.Blocks))
}

// inodeFile verifies the map of the inode file and the bitmaps in it; the inodes come later.
func (s *scrubber) inodeFile() error {
	if err := s.ownTree(layout.InodeFileIno, layout.TreeExtent); err != nil {
		return err
	}
	for c := uint64(0); c*layout.GroupBits < s.limit(); c++ {
		object := fmt.Sprintf("bitmap of inode group %d", c)
		err := s.hold(layout.InodeFileIno, func() error {
			if c*layout.GroupBits >= s.limit() {
				return nil // given back meanwhile
			}
			block, err := s.fs.inodes.Chapter(c)
			if err != nil {
				return err
			}
			s.metadata(block, object, layout.InodeFileIno, bitmapCheck(layout.KindInodes, c))
			return nil
		})
		if ends(err) {
			return err
		}
		if err != nil {
			s.found(ScrubFinding{Object: object, Ino: layout.InodeFileIno, Problem: err.Error(), cause: err})
		}
		if err := s.read(layout.BlockSize); err != nil {
			return err
		}
	}
	return nil
}

func (s *scrubber) orphanIndex() error { return s.ownTree(layout.OrphanIno, layout.TreeOrphan) }

// badBlocks verifies the list of bad blocks, not what it lists.
func (s *scrubber) badBlocks() error { return s.ownTree(layout.BadBlocksIno, layout.TreeExtent) }

// ownTree verifies the data tree of one of the filesystem's own inodes.
func (s *scrubber) ownTree(ino uint64, kind uint8) error {
	return s.steps(ino, 0, func(in layout.Inode) (bool, uint64) { return s.nodes(in, kind, false) })
}
