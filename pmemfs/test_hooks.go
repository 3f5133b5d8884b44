package pmemfs

import (
	"io"

	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/hook"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

func init() {
	hook.Format = func(region *pmem.Region, o any, random io.Reader) error {
		options := o.(FormatOptions)
		return mapOpenErr(region.Path(), formatRegion(region, &options, random))
	}
	hook.Open = func(region *pmem.Region, o any) (any, error) {
		fs, err := mount(region, o.(Options))
		if err != nil {
			return nil, mapOpenErr(region.Path(), err)
		}
		return fs, nil
	}
	hook.Check = func(region *pmem.Region) (any, error) {
		r, err := checkRegion(region, &CheckOptions{Data: true})
		return r, mapOpenErr(region.Path(), err)
	}
	hook.Repair = func(region *pmem.Region) (any, error) {
		r, err := repairRegion(region, nil)
		return r, mapOpenErr(region.Path(), err)
	}
	hook.Poison = func(fs any, ino, gen, off uint64) (heal func() error, err error) {
		return fs.(*FS).poison(Handle{Ino: ino, Gen: gen}, off)
	}
}

// poison is hook.Poison.
func (fs *FS) poison(h Handle, off uint64) (heal func() error, err error) {
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
