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

// A Place says what has become of an image's path.
type Place uint8

// The places.
const (
	PlaceKept   Place = iota // the path leads to the image
	PlaceMoved               // it does not, or to another file; the image has a name elsewhere
	PlaceVanish              // the image has no name any more
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

// Place looks whether the region's path still leads to its file. A file that had no name when it was opened, a device and memory stay where they are. It
// costs two system calls. Safe for any number of goroutines.
func (r *Region) Place() (Place, error) {
	if !r.named {
		return PlaceKept, nil
	}
	own, err := r.file.Stat()
	if err != nil {
		return PlaceKept, err
	}
	if own.Sys().(*syscall.Stat_t).Nlink == 0 {
		return PlaceVanish, nil
	}
	st, err := os.Stat(r.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return PlaceMoved, nil
	case err != nil:
		return PlaceKept, err
	case !os.SameFile(own, st):
		return PlaceMoved, nil
	}
	return PlaceKept, nil
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
