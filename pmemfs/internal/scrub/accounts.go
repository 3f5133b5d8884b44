package scrub

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/tree"
)

// accounts verifies the tree of the accounts of quotas, and their slots.
func (s *pass) accounts() error {
	if err := s.ownTree(layout.QuotaIno, layout.TreeAccounts); err != nil {
		return err
	}
	for n := uint64(0); ; n++ {
		block, given, err := s.slotBlock(n)
		if ends(err) {
			return err
		}
		if err != nil || block == 0 {
			return nil // damage of the tree has been found already
		}
		for i := range given {
			off := layout.BlockOffset(block) + int64(i)*layout.AccountSlotSize
			if err := s.v.Journal.InspectAccount(off); err != nil {
				s.found(Finding{Object: fmt.Sprintf("slot %d of block %d of accounts", i, n), Offset: media.FaultOffset(err, off), Ino: layout.QuotaIno}, err)
			}
		}
		if err := s.read(layout.BlockSize); err != nil {
			return err
		}
	}
}

// slotBlock returns block n of slots, 0 if there is none, and how many of its slots are given out.
func (s *pass) slotBlock(n uint64) (block uint64, given int, err error) {
	err = s.hold(layout.QuotaIno, func() error {
		off, err := s.v.Inodes.Offset(layout.QuotaIno)
		if err != nil {
			return err
		}
		in, err := s.slot(layout.QuotaIno, off)
		if err != nil || in == nil {
			return err
		}
		root, height := in.DataRoot()
		t := tree.Tree{J: s.v.Journal, Kind: layout.TreeAccounts, Owner: layout.QuotaIno, Root: tree.Root{Block: root, Height: height}}
		p, err := t.Get(layout.SlotBlockKey(n))
		if err != nil || p == nil {
			return err
		}
		var ok bool
		if block, given, ok = layout.DecodeSlotBlock(p); !ok || block >= s.v.Super().Blocks {
			return fmt.Errorf("%w: block %d of account slots makes no sense", layout.ErrDamaged, n)
		}
		return nil
	})
	return block, given, err
}
