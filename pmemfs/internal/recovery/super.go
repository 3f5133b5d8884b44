package recovery

import (
	"errors"
	"fmt"
	"iter"

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
		if b := backup(Medium{Bytes: medium}); b != nil {
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

// backup returns the backup superblock, or nil. What cannot be read is passed over.
func backup(medium Medium) *layout.Superblock {
	for _, sb := range layout.Backups(medium.blocks(), medium.readable) {
		return sb
	}
	return nil
}

// Backups returns the backup superblocks that are found on a region, the one that counts first. What cannot be read is passed over.
func Backups(region *pmem.Region) iter.Seq2[uint64, *layout.Superblock] {
	m := mediumOf(region)
	return layout.Backups(m.blocks(), m.readable)
}

// Superblock is Super for a region whose memory may fault: either copy may be unreadable. first is why the first copy is
// not used, nil if it is.
func Superblock(region *pmem.Region) (sb *layout.Superblock, first, err error) {
	medium := region.Bytes()
	fault := guarded(region, func() {
		if len(medium) >= layout.BlockSize {
			_, first = layout.DecodeSuperblock(medium)
		}
	})
	if fault == nil && (first == nil || errors.Is(first, layout.ErrVersion) || len(medium) < layout.BlockSize) {
		sb, err = Super(medium)
		return sb, first, err
	}
	if sb = backup(mediumOf(region)); sb != nil {
		return sb, errors.Join(first, unreadable(fault)), vetSize(medium, sb)
	}
	if fault != nil {
		return nil, unreadable(fault), fmt.Errorf("%w: both superblocks are unreadable, or there is no copy of the first: %w", layout.ErrDamaged, fault)
	}
	return nil, first, first
}

// unreadable says that it is the superblock that cannot be read.
func unreadable(fault error) error {
	if fault == nil {
		return nil
	}
	return fmt.Errorf("superblock: %w", fault)
}

// vetSize returns ErrTruncated for a medium that is shorter than its superblock says.
func vetSize(medium []byte, sb *layout.Superblock) error {
	if size := layout.BlockOffset(sb.Blocks); int64(len(medium)) < size {
		return fmt.Errorf("%w: %d bytes long, the superblock says %d", ErrTruncated, len(medium), size)
	}
	return nil
}
