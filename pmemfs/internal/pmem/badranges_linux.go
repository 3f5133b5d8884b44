package pmem

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The FIEMAP request. Source: the kernel's Documentation/filesystems/fiemap.rst and include/uapi/linux/fiemap.h.
const (
	fiemapRequest = 0xc020660b
	fiemapSync    = 1      // flush first, so that what has just been allocated is there
	fiemapLast    = 1      // flag of the last extent
	fiemapShared  = 0x2000 // flag of an extent that other files have too
	fiemapBatch   = 64
)

// fiemapExtent is struct fiemap_extent.
type fiemapExtent struct {
	Logical, Physical, Length uint64
	_                         [2]uint64
	Flags                     uint32
	_                         [3]uint32
}

// fiemap is struct fiemap with room for some extents.
type fiemap struct {
	Start, Length        uint64
	Flags, Mapped, Count uint32
	_                    uint32
	Extents              [fiemapBatch]fiemapExtent
}

// blockDir returns the sysfs folder of the block device that a file is on.
func blockDir(st os.FileInfo, sysfs string) (string, error) {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return "", ErrFileType
	}
	dev := uint64(sys.Dev)
	return filepath.Join(sysfs, fmt.Sprintf("dev/block/%d:%d", unix.Major(dev), unix.Minor(dev))), nil
}

// extentsOf returns where the first size bytes of a file lie on its device.
func extentsOf(f *os.File, size int64) (list []fileExtent, err error) {
	err = eachExtent(f, 0, size, fiemapSync, func(e *fiemapExtent) {
		list = append(list, fileExtent{int64(e.Logical), int64(e.Physical), int64(e.Length)})
	})
	return list, err
}

// eachExtent calls found with each extent of a file that touches its bytes from off to end, in order.
func eachExtent(f *os.File, off, end int64, flags uint32, found func(e *fiemapExtent)) error {
	for at := uint64(off); at < uint64(end); {
		m := fiemap{Start: at, Length: uint64(end) - at, Flags: flags, Count: fiemapBatch}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), fiemapRequest, uintptr(unsafe.Pointer(&m))); errno != 0 {
			return os.NewSyscallError("fiemap", errno)
		}
		for i := range m.Extents[:min(m.Mapped, fiemapBatch)] {
			e := &m.Extents[i]
			found(e)
			if at = e.Logical + e.Length; e.Flags&fiemapLast != 0 {
				return nil
			}
		}
		if m.Mapped == 0 {
			break
		}
	}
	return nil
}
