package scrub

import (
	"bytes"
	"fmt"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/pmem"
)

var siteSuper = pmem.NewSite("scrub: superblock written anew")

// run is one pass: what belongs to no file, each time, and then the inodes from where it stopped on.
func (s *pass) run() error {
	for _, phase := range []func() error{s.superblocks, s.journal, s.blockBitmaps, s.inodeFile, s.orphanIndex, s.badBlocks, s.accounts, s.snapshots, s.inodes} {
		if err := phase(); err != nil {
			return err
		}
	}
	return nil
}

// hold calls f, which reads what inode ino guards, with the locks that keep it as it is, and turns faults into errors. Inode 0
// stands for what no inode guards.
func (s *pass) hold(ino uint64, f func() error) error {
	return s.guarded(func() error { return s.locked(ino, f) })
}

// guarded calls f and turns faults into errors.
func (s *pass) guarded(f func() error) (err error) {
	defer s.v.Region.Unguard(s.v.Region.Guard(), &err)
	return f()
}

// locked is hold without the guard.
func (s *pass) locked(ino uint64, f func() error) error {
	g, err := s.v.Enter(ino)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	switch ino {
	case 0:
	case layout.InodeFileIno:
		return s.v.Inodes.Still(f)
	case layout.OrphanIno, layout.BadBlocksIno:
		s.v.OwnMu.Lock()
		defer s.v.OwnMu.Unlock()
	case layout.QuotaIno:
		s.v.AccountsMu.Lock()
		defer s.v.AccountsMu.Unlock()
	default:
		l := s.v.Stripe(ino)
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
func (s *pass) superblocks() error {
	err := s.hold(0, func() error {
		s.v.SuperMu.Lock()
		defer s.v.SuperMu.Unlock()
		return s.bothSuperblocks()
	})
	if err != nil {
		return err
	}
	return s.read(2 * layout.BlockSize)
}

// bothSuperblocks is superblocks without the locks.
func (s *pass) bothSuperblocks() error {
	blocks := []uint64{layout.SuperBlock, s.v.Super().Backup}
	names := []string{"superblock", "backup superblock"}
	var good [2][]byte
	var errs [2]error
	for i, block := range blocks {
		errs[i] = s.guarded(func() error {
			b := bytes.Clone(s.v.Region.Bytes()[layout.BlockOffset(block):layout.BlockOffset(block+1)])
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
	for i, block := range blocks {
		if good[i] != nil {
			continue
		}
		f := Finding{Object: names[i], Offset: layout.BlockOffset(block), Problem: errs[i].Error()}
		if other := good[1-i]; other != nil {
			err := s.guarded(func() error { return s.rewriteSuper(block, other) })
			if f.Repaired = err == nil; err != nil {
				f.Problem += "; cannot be written anew: " + err.Error()
			}
		}
		s.found(f, errs[i])
	}
	return nil
}

// rewriteSuper writes a superblock that was damaged; the other copy stands in while it is being written. One fence.
func (s *pass) rewriteSuper(block uint64, b []byte) error {
	if err := s.v.Journal.Err(); err != nil {
		return err
	}
	off := layout.BlockOffset(block)
	s.v.Region.Write(off, b)
	return s.v.Region.Persist(siteSuper, []pmem.Range{{Off: off, Len: int64(len(b))}})
}

// journal verifies the heads and the live window, and has both written anew if anything is wrong with them.
func (s *pass) journal() error {
	var list []Finding
	var n int64
	err := s.hold(0, func() (err error) {
		n, err = s.v.Journal.InspectSelf(func(off int64, object, problem string) {
			list = append(list, Finding{Object: object, Offset: off, Problem: problem})
		})
		return err
	})
	if ends(err) {
		return err
	}
	if err != nil {
		off := media.FaultOffset(err, layout.BlockOffset(layout.JournalHeadA))
		name, _ := s.health.FixedName(layout.BlockOf(off))
		s.found(Finding{Object: name, Offset: off}, err)
	} else if len(list) > 0 {
		renewed := s.hold(0, s.v.Journal.Renew)
		for _, f := range list {
			if f.Repaired = renewed == nil; renewed != nil {
				f.Problem += "; cannot be written anew: " + renewed.Error()
			}
			s.found(f, nil)
		}
	}
	return s.read(uint64(n))
}

// metadata verifies one block with a deferred checksum. The locks of its owner are held, or it has none.
func (s *pass) metadata(block uint64, object string, ino uint64, check func(b []byte) error) {
	if err := s.v.Journal.Inspect(block, check); err != nil {
		s.found(Finding{Object: object, Offset: layout.BlockOffset(block), Ino: ino}, err)
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

func (s *pass) blockBitmaps() error {
	for g := range layout.GroupCount(s.v.Super().Blocks) {
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
func (s *pass) limit() uint64 {
	return min(s.v.Alloc.Inodes.Limit(), layout.InodeCapacity(s.v.Super().Blocks))
}

// inodeFile verifies the map of the inode file and the bitmaps in it; the inodes come later.
func (s *pass) inodeFile() error {
	if err := s.ownTree(layout.InodeFileIno, layout.TreeExtent); err != nil {
		return err
	}
	for c := uint64(0); c*layout.GroupBits < s.limit(); c++ {
		object := fmt.Sprintf("bitmap of inode group %d", c)
		err := s.hold(layout.InodeFileIno, func() error {
			if c*layout.GroupBits >= s.limit() {
				return nil // given back meanwhile
			}
			block, err := s.v.Inodes.GroupBitmap(c)
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
			s.found(Finding{Object: object, Ino: layout.InodeFileIno}, err)
		}
		if err := s.read(layout.BlockSize); err != nil {
			return err
		}
	}
	return nil
}

func (s *pass) orphanIndex() error { return s.ownTree(layout.OrphanIno, layout.TreeOrphan) }

// badBlocks verifies the list of bad blocks, not what it lists.
func (s *pass) badBlocks() error { return s.ownTree(layout.BadBlocksIno, layout.TreeExtent) }

// ownTree verifies the data tree of one of the filesystem's own inodes.
func (s *pass) ownTree(ino uint64, kind uint8) error {
	return s.steps(ino, 0, func(in layout.Inode) (bool, uint64) { return s.nodes(in, kind, false) })
}
