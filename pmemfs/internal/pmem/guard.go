package pmem

import (
	"os"
	"runtime/debug"
)

// Guard makes memory faults of the calling goroutine recoverable, and Unguard turns those of this mapping into
// a *FaultError. No goroutine touches the mapping outside such a pair:
//
//	func (f *file) read(...) (err error) {
//		defer f.region.Unguard(f.region.Guard(), &err)
//		...
//	}
//
// Guard returns the setting to restore. Pairs nest; the setting belongs to the goroutine, so that one started
// inside needs its own. Never allocates without a fault. Durability is not affected: what was stored before
// the fault is in the mapping.
func (r *Region) Guard() bool { return debug.SetPanicOnFault(true) }

// Unguard ends what Guard began. It must be deferred itself, not called by a deferred function. After a fault
// whose address lies in the mapping it sets *errp, in place of what was there, to a *FaultError; any other
// panic goes on.
func (r *Region) Unguard(old bool, errp *error) {
	debug.SetPanicOnFault(old)
	cause := recover()
	if cause == nil {
		return
	}
	fault, ok := cause.(interface{ Addr() uintptr })
	if !ok || !r.covers(fault.Addr()) {
		panic(cause)
	}
	page := uintptr(os.Getpagesize())
	*errp = &FaultError{Path: r.path, Off: int64((fault.Addr() - r.base) &^ (page - 1))}
}

// covers says whether an address lies in the mapping, the rest of its last page included.
func (r *Region) covers(addr uintptr) bool {
	page := uintptr(os.Getpagesize())
	return addr >= r.base && addr-r.base < (uintptr(r.size)+page-1)&^(page-1)
}
