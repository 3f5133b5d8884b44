package pmem

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Poison makes every access to the page at off, which begins one, fault as poisoned memory does, until heal is called. It
// is a fixture for tests of media faults, for any process without privileges. The kernel's own marker of poison is used
// where it can be (how is "poisoned": Linux 6.6, a file on tmpfs or memory), which takes the content of anonymous memory
// away for good; else the page is protected ("protected"), which shows at the same instruction. The page must not be in
// use meanwhile.
//
// Errors: ErrBounds, or what the system said. Nothing is made durable.
func (r *Region) Poison(off int64) (how string, heal func() error, err error) {
	page := int64(os.Getpagesize())
	if off%page != 0 || !r.contains(off, page) {
		return "", nil, r.boundsError(off, page)
	}
	b := r.mem[off : off+page]
	r.poisoned.Store(off, struct{}{}) // or it would be taken for a fault of the host
	r.poisons.Add(1)
	healed := func() {
		r.poisoned.Delete(off)
		r.poisons.Add(-1)
	}
	if r.poisonPage(b) == nil {
		return "poisoned", func() error {
			healed()
			return os.NewSyscallError("madvise", unix.Madvise(b, unix.MADV_DONTNEED))
		}, nil
	}
	if err := unix.Mprotect(b, unix.PROT_NONE); err != nil {
		healed()
		return "", nil, fmt.Errorf("%s: protect the page at offset %d: %w", r.path, off, err)
	}
	return "protected", func() error {
		healed()
		return os.NewSyscallError("mprotect", unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE))
	}, nil
}
