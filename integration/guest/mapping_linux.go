package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func init() {
	verbs["map"] = verb{"map FILE TEXT [nosync]: writes TEXT through a shared mapping, to several pages of a file, and msyncs it", -2, writeMapped}
}

// mappedPages are the pages that are written of a file, which is made so long.
var mappedPages = []int{0, 1, 17, 63}

// writeMapped leaves it to the end of the mapping and the file to bring the data out when it is not to msync.
func writeMapped(args []string) (err error) {
	f, err := os.OpenFile(args[0], os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	page := os.Getpagesize()
	size := (mappedPages[len(mappedPages)-1] + 1) * page
	if err := f.Truncate(int64(size)); err != nil {
		return err
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Munmap(mem)) }()
	for _, p := range mappedPages {
		copy(mem[p*page:], args[1])
	}
	if len(args) > 2 {
		return nil
	}
	return unix.Msync(mem, unix.MS_SYNC)
}
