package pmem

import (
	"os"
	"runtime/debug"
	"sync/atomic"
	"unsafe"
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
	*errp = r.Fault(cause)
}

// Fault turns what recover returned inside a guarded call into the fault of this mapping that it is, for those who go on
// from there; any other panic goes on.
func (r *Region) Fault(cause any) *FaultError {
	fault, ok := cause.(interface{ Addr() uintptr })
	if !ok || !r.covers(fault.Addr()) {
		panic(cause)
	}
	page := uintptr(os.Getpagesize())
	off := int64((fault.Addr() - r.base) &^ (page - 1))
	return &FaultError{Path: r.path, Off: off, Len: int64(page), Host: r.hostReason(off)}
}

// covers says whether an address lies in the mapping, the rest of its last page included.
func (r *Region) covers(addr uintptr) bool {
	page := uintptr(os.Getpagesize())
	return addr >= r.base && addr-r.base < (uintptr(r.Size())+page-1)&^(page-1)
}

// Probe loads from every line of the n bytes at off, so that memory which cannot be read faults here, where nothing has
// happened yet. n is at least 1. Others may be storing to the lines: what is loaded means nothing.
//
//go:noinline
//go:norace
func (r *Region) Probe(off, n int64) (sum byte) {
	b := r.mem[off&^(LineSize-1) : off+n]
	for i := 0; i < len(b); i += LineSize {
		sum ^= b[i]
	}
	return sum
}

// ProbeStore is Probe for bytes that the caller alone uses and is about to store to. It stores four aligned bytes as they
// are first, so that the page of a mapping that nobody has touched is made writable at once, not first readable. Bytes
// that share those four with the target must be the caller's too.
func (r *Region) ProbeStore(off, n int64) {
	atomic.OrUint32((*uint32)(unsafe.Pointer(&r.mem[off&^3])), 0)
	r.Probe(off, n)
}
