package pmem

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// ErrNameless is returned by Persist, WriteThrough and ZeroThrough in the page-cache domain when the image's file, which had a name when it was
// opened, has none any more: what is stored is gone when the last process closes it. It is for ever, as no such file gets a name again.
var ErrNameless = errors.New("the image has been removed and has no name left: it is gone when this process ends")

// An Identity says whether an image's path still leads to the image.
type Identity uint8

// The identities.
const (
	Same     Identity = iota // the path leads to the image
	Replaced                 // it leads nowhere or to another file, since the image was moved or replaced; the image has a name elsewhere
	Unlinked                 // the image has no name any more
)

// links returns how many names the region's file has; 1 for what is no file of a filesystem.
func (r *Region) links() (uint64, error) {
	if r.file == nil {
		return 1, nil
	}
	st, err := r.file.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return 1, err
	}
	return uint64(st.Sys().(*syscall.Stat_t).Nlink), nil
}

// Identity returns whether the region's path still leads to its file. It is always Same for memory, a device, and a file that had no name
// when it was opened. It costs two system calls. Safe for any number of goroutines.
func (r *Region) Identity() (Identity, error) {
	if !r.named {
		return Same, nil
	}
	own, err := r.file.Stat()
	if err != nil {
		return Same, err
	}
	if own.Sys().(*syscall.Stat_t).Nlink == 0 {
		return Unlinked, nil
	}
	st, err := os.Stat(r.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return Replaced, nil
	case err != nil:
		return Same, err
	case !os.SameFile(own, st):
		return Replaced, nil
	}
	return Same, nil
}

// Descriptor is a path by which others can read the image while this process has it open; empty where there is none.
func (r *Region) Descriptor() string {
	if r.file == nil || descriptorPath(r.file) == "" {
		return ""
	}
	return "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(r.file.Fd()))
}

// vetNamed returns ErrNameless if the file has lost its last name. It is asked after each msync, of which it costs a thousandth, so
// that nothing is acknowledged that vanishes.
func (r *Region) vetNamed() error {
	if !r.named || !nameless(r.file) {
		return nil
	}
	err := fmt.Errorf("%s: %w", r.path, ErrNameless)
	r.failed.CompareAndSwap(nil, &err)
	return err
}
