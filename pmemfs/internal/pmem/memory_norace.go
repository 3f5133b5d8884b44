//go:build !race

package pmem

import "golang.org/x/sys/unix"

// raceEnabled says whether the race detector watches this build.
const raceEnabled = false

// anonymous returns size bytes of zeroed, page-aligned memory outside the Go heap.
func anonymous(size int) ([]byte, func() error, error) {
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, nil, err
	}
	return mem, func() error { return unix.Munmap(mem) }, nil
}
