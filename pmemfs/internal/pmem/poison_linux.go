package pmem

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The userfaultfd interface, as far as poisoning a page needs it. Source: the kernel's include/uapi/linux/userfaultfd.h.
const (
	uffdUserModeOnly  = 1 // works without privileges
	uffdAPI           = 0xaa
	uffdFeaturePoison = 1 << 14
	uffdModeMissing   = 1

	uffdioAPI        = 0xc018aa3f
	uffdioRegister   = 0xc020aa00
	uffdioUnregister = 0x8010aa01
	uffdioPoison     = 0xc020aa08
)

// poisonPage puts the kernel's marker of poison where the page is mapped. Its pages in a file stay as they are; those of
// anonymous memory are dropped. The marker outlives the descriptor that made it.
func (r *Region) poisonPage(page []byte) error {
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|uffdUserModeOnly, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("userfaultfd", errno)
	}
	f := os.NewFile(fd, "userfaultfd")
	start, n := uint64(address(page)), uint64(len(page))
	err := ioctls(f,
		request{uffdioAPI, [4]uint64{uffdAPI, uffdFeaturePoison}},
		request{uffdioRegister, [4]uint64{start, n, uffdModeMissing}})
	if err == nil {
		// Only where nothing is mapped can a marker be put. Nobody uses the page meanwhile, or he would wait for ever.
		err = os.NewSyscallError("madvise", unix.Madvise(page, unix.MADV_DONTNEED))
	}
	if err == nil {
		err = ioctls(f,
			request{uffdioPoison, [4]uint64{start, n}},
			request{uffdioUnregister, [4]uint64{start, n}})
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// request is an ioctl and its argument.
type request struct {
	code uintptr
	arg  [4]uint64
}

// ioctls makes requests until one is refused.
func ioctls(f *os.File, requests ...request) error {
	for i := range requests {
		q := &requests[i]
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), q.code, uintptr(unsafe.Pointer(&q.arg))); errno != 0 {
			return os.NewSyscallError("ioctl", errno)
		}
	}
	return nil
}
