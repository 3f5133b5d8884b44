package bench

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"pmemfs/pmemfs"
)

// temporary is how the folders begin that a measurement makes.
const temporary = "pmemfs-bench-"

// descriptorsMin is how many descriptors have to be free before a folder is made, so that it can be removed as well.
const descriptorsMin = 24

// makeTemporary makes a temporary folder in one that must exist and be writable. what is the parent in an error.
func makeTemporary(parent, what string) (string, error) {
	if parent == "" {
		return "", fmt.Errorf("%s: no folder is named", what)
	}
	st, err := os.Stat(parent)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if !st.IsDir() {
		return "", fmt.Errorf("%s: %s is no folder", what, parent)
	}
	if err := freeDescriptors(); err != nil {
		return "", err
	}
	path, err := os.MkdirTemp(parent, temporary)
	if err != nil {
		return "", fmt.Errorf("%s: %s cannot be written: %w", what, parent, err)
	}
	return path, nil
}

// freeDescriptors opens as many descriptors as have to be free, and closes them.
func freeDescriptors() error {
	var held []int
	var err error
	for range descriptorsMin {
		var fd int
		if fd, err = unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			err = fmt.Errorf("a measurement needs %d free descriptors (ulimit -n): %w", descriptorsMin, err)
			break
		}
		held = append(held, fd)
	}
	errs := []error{err}
	for _, fd := range held {
		errs = append(errs, unix.Close(fd))
	}
	return errors.Join(errs...)
}

// noSpace adds to an error for want of space where that is, and which option helps.
func noSpace(err error, where, help string) error {
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, pmemfs.ErrNoSpace) {
		return err
	}
	return fmt.Errorf("%w: %s is full: %s", err, where, help)
}

// explain is noSpace for target number i.
func (ts *targets) explain(i int, err error) error {
	if i == 0 {
		return noSpace(err, fmt.Sprintf("the temporary image of %d bytes", ts.image.Bytes), "a larger --image-size helps, or fewer operations")
	}
	return noSpace(err, ts.folders[i-1].Path, "fewer operations help, or another folder to compare with")
}
