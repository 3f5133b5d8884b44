package pmemfs

import (
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/layout"
)

// Poison lets the memory of the block at byte offset off of a file go bad, for tests: every access to it faults, as with
// poisoned memory, until heal is called or the filesystem is closed. ErrNoData says that there is no block. Nobody may be
// using the block meanwhile. Nothing is made durable.
func (fs *FS) Poison(h Handle, off uint64) (heal func() error, err error) {
	err = fs.view(nil, h, func(in layout.Inode) error {
		m := extent.Open(fs.j, nil, in)
		b := off >> layout.BlockShift
		e, ok, err := m.Next(b)
		if err != nil {
			return err
		}
		if !ok || e.Logical > b {
			return ErrNoData
		}
		_, heal, err = fs.region.Poison(layout.BlockOffset(e.Phys + b - e.Logical))
		return err
	})
	return heal, err
}
