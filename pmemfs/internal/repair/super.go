package repair

import (
	"errors"
	"fmt"
	"slices"

	"pmemfs/pmemfs/internal/layout"
)

// super chooses the superblock: the first, or else the backup, whichever is valid and makes sense first.
func (f *fixer) super() error {
	size := uint64(len(f.image.Bytes))
	blocks := size / layout.BlockSize
	if blocks == 0 {
		return fmt.Errorf("%w: only %d bytes long", layout.ErrNotImage, size)
	}
	why := fmt.Errorf("%w: no superblock", layout.ErrNotImage)
	places := slices.Concat([]uint64{layout.SuperBlock}, slices.Collect(layout.BackupPlaces(blocks, f.stored)))
	for i, at := range places {
		sb, err := layout.DecodeSuperblock(f.block(at))
		if err == nil {
			err = vetSuper(sb, at, blocks)
		}
		if err == nil {
			f.sb = sb
			f.sb.OwnerEpoch = 0 // reserved
			if at != 0 {
				f.note(false, "superblock", "taken from the backup in block %d", at)
			}
			f.keysDir = [2]uint64{layout.Word(sb.HashKey[:8]), layout.Word(sb.HashKey[8:])}
			f.keysAttr = [2]uint64{f.keysDir[1], f.keysDir[0]}
			return nil
		}
		if errors.Is(err, layout.ErrVersion) {
			return err
		}
		if i == 0 {
			why = err
		}
	}
	if errors.Is(why, layout.ErrNotImage) && !f.bad[0] {
		return why
	}
	return fmt.Errorf("%w: %w", ErrUnrepairable, why)
}

// wipeBackups clears the backups that a growth has left behind the end of the image, with what the window says: before a head is
// written that does not tell of the growth.
func (f *fixer) wipeBackups() {
	for at, sb := range layout.Backups(uint64(len(f.image.Bytes))/layout.BlockSize, f.stored) {
		if at >= f.sb.Blocks && sb.SameImage(f.sb) {
			f.changed[at] = make([]byte, layout.BlockSize)
		}
	}
}

// vetSuper checks a valid superblock against the image and itself. at is the block where it was found.
func vetSuper(sb *layout.Superblock, at, blocks uint64) error {
	first := layout.JournalRing + sb.RingBlocks
	if sb.Sums().On() {
		first += layout.SumBlocks
	}
	switch {
	case sb.ROCompat&^layout.KnownROCompat != 0:
		return fmt.Errorf("%w: unknown read-only features %#x", layout.ErrVersion, sb.ROCompat&^layout.KnownROCompat)
	case sb.Backup != sb.Blocks-1, at != 0 && at != sb.Backup:
		return fmt.Errorf("%w superblock: the backup is in block %d of %d", layout.ErrDamaged, sb.Backup, sb.Blocks)
	case isBitmap(sb.Backup), sb.InodeBoot <= first, sb.InodeBoot == sb.Backup, isBitmap(sb.InodeBoot),
		sb.Sums().Holds(sb.InodeBoot), sb.Sums().Holds(sb.Backup):
		return fmt.Errorf("%w superblock: regions overlap", layout.ErrDamaged)
	case sb.Blocks > blocks:
		return fmt.Errorf("the image is cut off: it has %d blocks, the superblock says %d", blocks, sb.Blocks)
	}
	return nil
}
