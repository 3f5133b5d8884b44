package pmemfs

import (
	"errors"

	"pmemfs/pmemfs/internal/layout"
)

// Statfs returns the size of the filesystem.
//
// Errors: ErrClosed.
func (fs *FS) Statfs() (Statfs, error) {
	g, err := fs.enter(0)
	if err != nil {
		return Statfs{}, err
	}
	defer g.RUnlock()
	free := max(fs.a.Blocks.Avail()+fs.a.Blocks.Quarantined()-fs.a.Reserved(), 0)
	avail := max(free-fs.a.EmergencyReserve(), 0)
	files := uint64(avail)*layout.InodesPerBlk + uint64(max(fs.a.Inodes.Avail(), 0))
	return Statfs{
		TotalBytes: fs.super().Blocks << layout.BlockShift, FreeBytes: uint64(free) << layout.BlockShift,
		AvailBytes: uint64(avail) << layout.BlockShift, FreeFiles: files,
		TotalFiles: files + uint64(fs.j.Counts().Inodes), NameMax: NameMax, BlockSize: layout.BlockSize,
	}, nil
}

// StatfsAt returns the size of the filesystem as it is for a file: where a directory tree with a quota is around it, of what is left of that,
// by the soft limit if it has one, as statfs(2) does on xfs.
//
// Errors: read errors.
func (fs *FS) StatfsAt(h Handle) (Statfs, error) {
	s, err := fs.Statfs()
	if err != nil {
		return s, err
	}
	q, err := fs.TreeQuota(h)
	if errors.Is(err, error(ErrNotExist)) {
		return s, nil
	}
	if err != nil || q.Damaged {
		return s, err
	}
	if limit := lowest(q.SoftBytes, q.HardBytes); limit != 0 && limit < s.TotalBytes {
		left := limit - min(q.UsedBytes, limit)
		s.TotalBytes, s.FreeBytes, s.AvailBytes = limit, min(s.FreeBytes, left), min(s.AvailBytes, left)
	}
	if limit := lowest(q.SoftFiles, q.HardFiles); limit != 0 {
		left := min(s.FreeFiles, limit-min(q.UsedFiles, limit))
		s.TotalFiles, s.FreeFiles = q.UsedFiles+left, left
	}
	return s, nil
}

// lowest returns the limit that is reached first; 0 is none.
func lowest(soft, hard uint64) uint64 {
	if soft != 0 {
		return soft
	}
	return hard
}
