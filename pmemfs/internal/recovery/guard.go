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

// Medium is an image that is read.
type Medium struct {
	Bytes []byte
	// Probe reads all of a block under guard and says why it cannot be read; nil when Bytes cannot fault.
	Probe func(block uint64) error
}

// mediumOf returns a region's medium.
func mediumOf(region *pmem.Region) Medium {
	return Medium{Bytes: region.Bytes(), Probe: func(block uint64) error {
		return guarded(region, func() { region.Probe(layout.BlockOffset(block), layout.BlockSize) })
	}}
}

// block returns a block, nil if its memory faults. If that is for a reason of the host's, it is an error.
func (m Medium) block(n uint64) ([]byte, error) {
	if m.Probe != nil {
		if err := m.Probe(n); err != nil {
			return nil, pmem.HostReason(err)
		}
	}
	return m.Bytes[layout.BlockOffset(n):layout.BlockOffset(n+1)], nil
}

// blocks returns how many whole blocks there are.
func (m Medium) blocks() uint64 { return uint64(len(m.Bytes)) / layout.BlockSize }

// readable is block for who passes over what cannot be read, whatever the reason.
func (m Medium) readable(n uint64) []byte {
	if m.Probe != nil && m.Probe(n) != nil {
		return nil
	}
	return m.Bytes[layout.BlockOffset(n):layout.BlockOffset(n+1)]
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
