package recovery

import (
	"errors"
	"fmt"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// ErrTruncated is returned when the image is shorter than its superblock says.
var ErrTruncated = errors.New("image is truncated")

// Super reads the superblock, from the other copy when the first is damaged. Errors wrap layout.ErrNotImage,
// layout.ErrDamaged, layout.ErrVersion or ErrTruncated.
func Super(medium []byte) (*layout.Superblock, error) {
	if len(medium) < layout.BlockSize {
		return nil, fmt.Errorf("%w: only %d bytes long", layout.ErrNotImage, len(medium))
	}
	sb, err := layout.DecodeSuperblock(medium)
	if err != nil && !errors.Is(err, layout.ErrVersion) {
		if b := backup(medium); b != nil {
			sb, err = b, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if err := vetSize(medium, sb); err != nil {
		return nil, err
	}
	return sb, nil
}

// backup returns the superblock at the end of the medium, or nil.
func backup(medium []byte) *layout.Superblock {
	blocks := uint64(len(medium)) / layout.BlockSize
	for _, at := range layout.BackupBlocks(blocks) {
		if at == 0 || at >= blocks {
			continue
		}
		if sb, err := layout.DecodeSuperblock(medium[layout.BlockOffset(at):]); err == nil && sb.Backup == at {
			return sb
		}
	}
	return nil
}

// Superblock is Super for a region whose memory may fault: either copy may be unreadable. first is why the first copy is
// not used, nil if it is.
func Superblock(region *pmem.Region) (sb *layout.Superblock, first, err error) {
	medium := region.Bytes()
	fault := guarded(region, func() { sb, err = Super(medium) })
	if fault == nil {
		if err == nil {
			_, first = layout.DecodeSuperblock(medium)
		}
		return sb, first, err
	}
	first = fmt.Errorf("superblock: %w", fault)
	other := guarded(region, func() {
		if sb = backup(medium); sb != nil {
			err = vetSize(medium, sb)
		}
	})
	switch {
	case other != nil:
		return nil, first, fmt.Errorf("both superblocks are unreadable: %w", fault)
	case sb == nil:
		return nil, first, fmt.Errorf("%w: the superblock is unreadable and there is no copy of it: %w", layout.ErrDamaged, fault)
	}
	return sb, first, err
}

// vetSize returns ErrTruncated for a medium that is shorter than its superblock says.
func vetSize(medium []byte, sb *layout.Superblock) error {
	if size := layout.BlockOffset(sb.Blocks); int64(len(medium)) < size {
		return fmt.Errorf("%w: %d bytes long, the superblock says %d", ErrTruncated, len(medium), size)
	}
	return nil
}
