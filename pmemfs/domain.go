package pmemfs

import (
	"pmemfs/pmemfs/internal/pmem"
)

// Durability says what a reply stands for on an ordinary file.
type Durability uint8

// Durabilities.
const (
	// DurabilityPower : what was acknowledged survives a power cut.
	DurabilityPower = Durability(pmem.Power)
	// DurabilityProcess : it survives the end of the process, not of the machine; no fdatasync.
	DurabilityProcess = Durability(pmem.Process)
)

// String returns the name, as ParseDurability reads it.
func (d Durability) String() string { return pmem.Durability(d).String() }

// ParseDurability reads "power" or "process". ErrInvalid for anything else.
func ParseDurability(s string) (Durability, error) {
	d, err := pmem.ParseDurability(s)
	if err != nil {
		return 0, &parseError{err}
	}
	return Durability(d), nil
}

// parseError is an ErrInvalid that says what was expected, and no more.
type parseError struct{ cause error }

func (e *parseError) Error() string   { return e.cause.Error() }
func (e *parseError) Unwrap() []error { return []error{ErrInvalid, e.cause} }

// Domain is a persistence domain: what has to happen before a store survives a power cut. DESIGN.md says how Open finds it out.
type Domain uint8

// Persistence domains, from the weakest guarantee to the strongest.
const (
	DomainVolatile   = Domain(pmem.Volatile)   // nothing is ever durable; only by name
	DomainPageCache  = Domain(pmem.PageCache)  // an ordinary file: msync
	DomainCacheFlush = Domain(pmem.CacheFlush) // persistent memory behind volatile CPU caches: flush lines, fence
	DomainEADR       = Domain(pmem.EADR)       // persistent memory, and the CPU caches survive too: fence
)

// String returns the name used in logs and in Info.
func (d Domain) String() string { return pmem.Domain(d).String() }
