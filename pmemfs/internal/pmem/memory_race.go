//go:build race

package pmem

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// raceEnabled says whether the race detector watches this build.
const raceEnabled = true

// anonymous returns size bytes of zeroed, page-aligned Go memory: the race detector ignores addresses
// that the Go heap did not hand out. What Poison has done to it is undone before the heap gets it back.
func anonymous(size int) ([]byte, func() error, error) {
	page := os.Getpagesize()
	raw := make([]byte, size+2*page)
	skip := -int(address(raw)) & (page - 1)
	mem := raw[skip : skip+size : skip+size]
	whole := raw[skip : skip+(size+page-1)&^(page-1)]
	return mem, func() error {
		return errors.Join(unix.Mprotect(whole, unix.PROT_READ|unix.PROT_WRITE), unix.Madvise(whole, unix.MADV_DONTNEED))
	}, nil
}
