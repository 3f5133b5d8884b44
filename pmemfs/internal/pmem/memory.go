package pmem

import (
	"fmt"
	"math"
	"os"
)

// NewMemory makes a region of anonymous memory, zero-filled, in any domain whose instructions this CPU
// has; 0 means Volatile. It is durable in none of them, but does and counts what the domain does. Errors:
// ErrSize, ErrDomain, or what the system said. In builds with the race detector it is Go memory, which
// the detector sees, and copies are made by Go code.
func NewMemory(size int64, d Domain) (*Region, error) {
	if d == 0 {
		d = Volatile
	}
	if err := d.usable(); err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	if size <= 0 || size > math.MaxInt-int64(os.Getpagesize()) {
		return nil, fmt.Errorf("memory of %d bytes: %w", size, ErrSize)
	}
	mem, unmap, err := anonymous(int(size))
	if err != nil {
		return nil, fmt.Errorf("memory of %d bytes: %w", size, err)
	}
	r := newRegion(mem, size, "(memory)")
	r.unmap = unmap
	r.setDomain(d, "anonymous memory: lost with the process")
	return r, nil
}
