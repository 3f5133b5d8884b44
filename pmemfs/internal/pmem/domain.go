package pmem

import "fmt"

// LineSize is the unit of flushing, in bytes. It is part of what the medium is assumed to be: a CPU with
// larger lines flushes more than asked for, and one with smaller lines is handled by the flush routine.
const LineSize = 64

// A Domain says what it takes for a store to be durable. The zero value is no domain: in Options it asks
// for detection.
type Domain uint8

// The persistence domains, from the weakest promise to the strongest.
const (
	Volatile   Domain = iota + 1 // nothing is ever durable; only by name
	PageCache                    // an ordinary file: msync
	CacheFlush                   // persistent memory behind volatile CPU caches: flush lines, fence
	EADR                         // persistent memory, and the CPU caches survive too: fence
)

// String returns the name used in logs, in `info` and on the command line.
func (d Domain) String() string {
	switch d {
	case Volatile:
		return "volatile"
	case PageCache:
		return "page-cache"
	case CacheFlush:
		return "cache-flush"
	case EADR:
		return "eadr"
	}
	return fmt.Sprintf("Domain(%d)", uint8(d))
}

// A Durability says what a durable store must survive in the page-cache domain. The other domains ignore
// it: there, durability costs no system call that could be left out.
type Durability uint8

// The durabilities.
const (
	Power   Durability = iota // a power cut: every fence is an msync
	Process                   // the death of this process only: no system call
)

// String returns the name used on the command line.
func (d Durability) String() string {
	switch d {
	case Power:
		return "power"
	case Process:
		return "process"
	}
	return fmt.Sprintf("Durability(%d)", uint8(d))
}

// ParseDurability is the inverse of String. It returns an error that lists the names for any other string.
func ParseDurability(s string) (Durability, error) {
	for _, d := range []Durability{Power, Process} {
		if s == d.String() {
			return d, nil
		}
	}
	return 0, fmt.Errorf("durability %q: want %q or %q", s, Power, Process)
}

// usable says whether this build and this CPU can run the domain.
func (d Domain) usable() error {
	switch d {
	case Volatile, PageCache:
		return nil
	case CacheFlush:
		if !cpuCanFlush {
			return fmt.Errorf("%s: no instruction to flush a cache line: %w", d, ErrDomain)
		}
		return nil
	case EADR:
		if !cpuCanFence {
			return fmt.Errorf("%s: no instruction to fence stores: %w", d, ErrDomain)
		}
		return nil
	}
	return fmt.Errorf("%s: %w", d, ErrDomain)
}
