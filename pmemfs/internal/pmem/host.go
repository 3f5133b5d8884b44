package pmem

import (
	"errors"
	"os"
)

// Why a host could not do what an access to its file asked for. A FaultError wraps one of them unless it was the memory itself.
var (
	// ErrHostSpace says that the host's filesystem had no block for a page that was stored to: the disk or a quota is full.
	ErrHostSpace = errors.New("the host has no space to store it")

	// ErrHostIO says that the host's filesystem could not load or store a page.
	ErrHostIO = errors.New("the host could not load or store it (I/O error)")

	// ErrHostShort says that the file has been cut off before that page.
	ErrHostShort = errors.New("the host's file has become shorter")
)

// HostReason returns ErrHostSpace, ErrHostIO or ErrHostShort if an error is, or wraps, a fault for which the host of an image
// is the reason and not its memory, else nil. What has faulted so works again as soon as the host does.
func HostReason(err error) error {
	var fault *FaultError
	if errors.As(err, &fault) {
		return fault.Host
	}
	return nil
}

// scarce is how little space, in bytes, is none: what is left is the filesystem's reserve.
const scarce = 1 << 20

// hostReason says why an access to the page at off has failed, nil for bad memory.
//
// An ordinary file's pages are the kernel's, which reports whatever goes wrong with one of them by the same signal. On
// persistent memory the signal is poison, unless the file has no block there.
func (r *Region) hostReason(off int64) error {
	if r.file == nil || r.fixture(off) {
		return nil
	}
	st, err := r.file.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return nil
	}
	direct := r.domain == CacheFlush || r.domain == EADR
	switch {
	case off >= st.Size():
		return ErrHostShort
	case !backed(r.file, off, int64(os.Getpagesize()), direct):
		return ErrHostSpace
	case direct:
		return nil
	}
	if free, err := room(r.file); err == nil && free < scarce {
		return ErrHostSpace // a filesystem that copies what is stored to needs space for that too
	}
	return ErrHostIO
}

// fixture reports whether the page at off is one that Poison has made fault.
func (r *Region) fixture(off int64) bool {
	_, ok := r.poisoned.Load(off)
	return ok
}
