package pmem

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A region that others read without a lock can only grow in place. So address space behind the mapping is set aside when it is made:
// memory that nobody may access, which costs neither memory nor page tables. What the file gets later is mapped over it.
const (
	// reserveAlign is where mappings begin, so that a huge page of the medium may be one of the mapping, and as devdax asks for.
	reserveAlign = 1 << 30
	// reserveTimes, reserveMin and reserveMax say how much of it there is: so many times the size, but so many bytes at least and at most.
	reserveTimes = 4
	reserveMax   = 32 << 40
)

// reserveMin is less under the race detector, where what is kept for each block of the reach is Go's memory.
var reserveMin int64 = 1 << 40 // a variable for builds and tests

func init() {
	if raceEnabled {
		reserveMin = 4 << 30
	}
}

// A mapping is mapped memory.
type mapping struct {
	mem   []byte // the mapping, and the address space behind it
	flags int    // it was mapped with
	sync  bool   // the kernel accepted MAP_SYNC
	unmap func() error
}

// mapFileAt maps size bytes of a file as the options say, at the beginning of a reservation.
func mapFileAt(f *os.File, size int64, o Options) (mapping, error) {
	m, err := reserveFor(size, o)
	if err != nil {
		return mapping{}, err
	}
	if m.flags, m.sync, err = mapFlags(f, size, o); err == nil {
		err = mapOver(m.mem[:size], f, 0, protection(o), m.flags)
	}
	if err != nil {
		return mapping{}, errors.Join(err, m.unmap())
	}
	return m, nil
}

// reserveFor sets aside what the options ask for, or what is the rule for a region of this size and can be had.
func reserveFor(size int64, o Options) (mapping, error) {
	if o.Reach > size && !o.ReadOnly && !o.Private {
		if o.Reach > math.MaxInt-2*reserveAlign {
			return mapping{}, fmt.Errorf("%d bytes of address space: %w", o.Reach, ErrSize)
		}
		m, err := reserve(o.Reach)
		if err != nil {
			return m, fmt.Errorf("%d bytes of address space for an image of %d: %w", o.Reach, size, err)
		}
		return m, nil
	}
	more := int64(0)
	if !o.ReadOnly && !o.Private && !addressSpaceLimited() {
		want := min(max(min(size, reserveMax)*reserveTimes, reserveMin), max(size, reserveMax))
		more = max(want-size, 0)
	}
	for {
		m, err := reserve(size + more)
		if err == nil || more == 0 {
			return m, err
		}
		if more /= 2; more < reserveAlign {
			more = 0
		}
	}
}

// addressSpaceLimited reports whether the process may have only so much address space: then it needs that itself.
func addressSpaceLimited() bool {
	var l unix.Rlimit
	return unix.Getrlimit(unix.RLIMIT_AS, &l) != nil || l.Cur < math.MaxInt64
}

// reserve sets n bytes of address space aside.
func reserve(n int64) (mapping, error) {
	n = pageUp(n)
	whole := uintptr(n + reserveAlign)
	at, err := unix.MmapPtr(-1, 0, nil, whole, unix.PROT_NONE, reserveFlags)
	if err != nil {
		return mapping{}, os.NewSyscallError("mmap", err)
	}
	skip := -uintptr(at) & (reserveAlign - 1)
	from, used := unsafe.Add(at, skip), uintptr(n)
	for _, rest := range []struct {
		at unsafe.Pointer
		n  uintptr
	}{{at, skip}, {unsafe.Add(from, used), whole - skip - used}} {
		if rest.n == 0 {
			continue
		}
		if err := unix.MunmapPtr(rest.at, rest.n); err != nil {
			return mapping{}, os.NewSyscallError("munmap", err)
		}
	}
	return mapping{mem: unsafe.Slice((*byte)(from), n), unmap: func() error {
		return os.NewSyscallError("munmap", unix.MunmapPtr(from, used))
	}}, nil
}

// mapOver maps a part of a file, from a whole page on, over reserved address space.
func mapOver(mem []byte, f *os.File, off int64, prot, flags int) error {
	_, err := unix.MmapPtr(int(f.Fd()), off, unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem)), prot, flags|unix.MAP_FIXED)
	return os.NewSyscallError("mmap", err)
}

// unmapOver makes mapped memory address space that is only set aside.
func unmapOver(mem []byte) error {
	_, err := unix.MmapPtr(-1, 0, unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem)), unix.PROT_NONE, reserveFlags|unix.MAP_FIXED)
	return os.NewSyscallError("mmap", err)
}

// tryMap maps a part of a file anywhere, and unmaps it again. A mapping over reserved address space that fails may leave a gap there, which
// others would be given: so whether it can be is asked before.
func tryMap(f *os.File, off, n int64, prot, flags int) error {
	at, err := unix.MmapPtr(int(f.Fd()), off, nil, uintptr(n), prot, flags)
	if err == nil {
		err = unix.MunmapPtr(at, uintptr(n))
	}
	return os.NewSyscallError("mmap", err)
}

// pageUp rounds up to whole pages.
func pageUp(n int64) int64 {
	page := int64(os.Getpagesize())
	return (n + page - 1) &^ (page - 1)
}

// SideWords returns n words of zeros that live as long as the region, for who keeps something for each block up to its reach. Memory is
// taken for what is used of them. Not safe for concurrent use.
func (r *Region) SideWords(n int64) []atomic.Uint64 {
	if r.Reach() <= pageUp(r.Size()) || raceEnabled { // the detector knows Go's memory alone
		return make([]atomic.Uint64, n)
	}
	size := uintptr(n) * wordSize
	at, err := unix.MmapPtr(-1, 0, nil, size, unix.PROT_READ|unix.PROT_WRITE, reserveFlags)
	if err != nil {
		return make([]atomic.Uint64, n)
	}
	r.side = append(r.side, func() error { return os.NewSyscallError("munmap", unix.MunmapPtr(at, size)) })
	return unsafe.Slice((*atomic.Uint64)(at), n)
}
