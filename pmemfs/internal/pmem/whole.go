package pmem

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Missing is what the filesystem of an image has still to find room for when the image is stored to, in bytes.
type Missing struct {
	Holes  int64 // have no blocks
	Shared int64 // have blocks that other files have too
}

// Whole reports whether nothing is missing.
func (m Missing) Whole() bool { return m == Missing{} }

// MissingError says what an image lacks and why it cannot be had.
type MissingError struct {
	Missing
	Size int64 // of the image, in bytes
	Free int64 // in the filesystem, in bytes; negative if that is not known
	err  error
}

// Error says how much is missing of how much, and what keeps it from being had.
func (e *MissingError) Error() string {
	text := ""
	if e.Holes > 0 {
		text = fmt.Sprintf("image is sparse: %s of its %s have no blocks on the host's disk", sizeText(e.Holes), sizeText(e.Size))
	}
	if e.Shared > 0 {
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("image shares blocks with other files: %s of its %s", sizeText(e.Shared), sizeText(e.Size))
	}
	if e.Free >= 0 {
		text += fmt.Sprintf("; the disk has %s left", sizeText(e.Free))
	}
	return text + ": " + e.err.Error()
}

// Unwrap returns what the system said.
func (e *MissingError) Unwrap() error { return e.err }

// sizeText is a number of bytes, for people.
func sizeText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// errNoUnshare says that the filesystem cannot give a file blocks of its own.
var errNoUnshare = errors.New("this filesystem cannot give it blocks of its own; a copy made with cp --sparse=never --reflink=never has them")

// rangesMax bounds the holes that are remembered. If there are more, the last one stands for all the rest of the file.
const rangesMax = 1 << 20

// survey is where a file lacks blocks of its own.
type survey struct {
	holes, shared []Range
	coarse        bool // what holes say may have blocks in part: it can be allocated, and not be given back
	rest          bool // the last of holes has content in part: it can be allocated, and not be written to
	blocks        int64
}

// hole adds a hole.
func (s *survey) hole(g Range, size int64) {
	switch {
	case g.Len <= 0:
	case len(s.holes) < rangesMax:
		s.holes = append(s.holes, g)
	default:
		last := &s.holes[len(s.holes)-1]
		last.Len, s.coarse, s.rest = size-last.Off, true, true
	}
}

// share adds a range that others share.
func (s *survey) share(g Range) {
	if n := len(s.shared); n > 0 && s.shared[n-1].Off+s.shared[n-1].Len == g.Off {
		s.shared[n-1].Len += g.Len
		return
	}
	s.shared = append(s.shared, g)
}

// missing adds up.
func (s *survey) missing(size int64) (m Missing) {
	for _, g := range s.holes {
		m.Holes += g.Len
	}
	if s.coarse {
		m.Holes = min(m.Holes, max(size-s.blocks, 0))
	}
	for _, g := range s.shared {
		m.Shared += g.Len
	}
	return m
}

// regular reports whether the region is a file of a filesystem, which may lack blocks.
func (r *Region) regular() bool {
	if r.file == nil {
		return false
	}
	st, err := r.file.Stat()
	return err == nil && st.Mode().IsRegular()
}

// Missing returns what the image lacks; nothing for a device or memory. It costs a system call for some dozens of extents and
// reads none of the image. Safe for any number of goroutines.
func (r *Region) Missing() (Missing, error) {
	if !r.regular() {
		return Missing{}, nil
	}
	s, err := surveyOf(r.file, r.Size())
	if err != nil {
		return Missing{}, fmt.Errorf("%s: %w", r.path, err)
	}
	return s.missing(r.Size()), nil
}

// MakeWhole gives the image blocks for what it lacks, so that no store to it can fail for want of space, and returns what that was.
// The content stays. A *MissingError says why it cannot be had; the image is then as it was, as far as the system lets that be.
// The caller owns the region alone.
func (r *Region) MakeWhole() (Missing, error) {
	if !r.regular() {
		return Missing{}, nil
	}
	s, err := surveyOf(r.file, r.Size())
	if err != nil {
		return Missing{}, fmt.Errorf("%s: %w", r.path, err)
	}
	m := s.missing(r.Size())
	if m.Whole() {
		return m, nil
	}
	free, freeErr := room(r.file)
	if freeErr != nil {
		free = -1
	}
	err = syscall.ENOSPC
	if freeErr != nil || m.Holes+m.Shared <= free {
		err = s.fill(r.file)
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w", r.path, &MissingError{m, r.Size(), free, err})
	}
	return m, nil
}

// fill makes the shared ranges the file's own and allocates the holes, or gives back what it has allocated.
func (s *survey) fill(f *os.File) error {
	for _, g := range s.shared {
		if err := unshare(f, g.Off, g.Len); err != nil {
			return err
		}
	}
	for i, g := range s.holes {
		err := allocate(f, g.Off, g.Len)
		if errors.Is(err, errNoAllocate) && !(s.rest && i == len(s.holes)-1) {
			err = writeZeros(f, g.Off, g.Len)
		}
		if err == nil {
			continue
		}
		if s.coarse {
			return err
		}
		for _, g := range s.holes[:i+1] {
			err = errors.Join(err, punch(f, g.Off, g.Len))
		}
		return err
	}
	return nil
}
