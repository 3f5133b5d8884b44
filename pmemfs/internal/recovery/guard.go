package recovery

import (
	"errors"
	"fmt"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// guarded runs f and returns the fault of the region's memory that it hits.
func guarded(region *pmem.Region, f func()) (err error) {
	defer region.Unguard(region.Guard(), &err)
	f()
	return nil
}

// named is guarded, with an error that names the part of the journal whose memory faults. Without that part nobody knows
// what was acknowledged, so the image is refused.
func named(region *pmem.Region, what string, f func() error) error {
	var err error
	fault := guarded(region, func() { err = f() })
	var at *pmem.FaultError
	if errors.As(fault, &at) && at.Host != nil {
		return fmt.Errorf("%s, block %d: %w", what, layout.BlockOf(at.Off), fault)
	}
	if errors.As(fault, &at) {
		return fmt.Errorf("%w: %s, block %d: %w", layout.ErrDamaged, what, layout.BlockOf(at.Off), fault)
	}
	return err
}
