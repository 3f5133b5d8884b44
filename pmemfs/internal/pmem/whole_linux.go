package pmem

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// surveyOf finds out where a file lacks blocks of its own. Blocks that are allocated and were never written are no holes, but
// only FIEMAP tells them apart, which filesystems in memory do not have.
func surveyOf(f *os.File, size int64) (*survey, error) {
	s := &survey{}
	end := int64(0)
	err := eachExtent(f, 0, size, 0, func(e *fiemapExtent) {
		off, n := int64(e.Logical), int64(e.Length)
		s.hole(Range{end, min(off, size) - end}, size)
		if e.Flags&fiemapShared != 0 && off < size {
			s.share(Range{off, min(n, size-off)})
		}
		end = min(off+n, size)
	})
	switch {
	case err == nil:
		s.hole(Range{end, size - end}, size)
		return s, s.count(f)
	case end == 0 && noFiemap(err):
		return seekSurvey(f, size)
	}
	return nil, err
}

// noFiemap reports whether an error says that a filesystem does not tell extents.
func noFiemap(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL)
}

// count notes how many bytes of blocks the file has, which the filesystem's own for it are part of.
func (s *survey) count(f *os.File) error {
	st := unix.Stat_t{}
	err := retry(func() error { return unix.Fstat(int(f.Fd()), &st) })
	s.blocks = st.Blocks * 512
	return os.NewSyscallError("fstat", err)
}

// seekSurvey is surveyOf by SEEK_HOLE (lseek(2)), which takes blocks that were never written for holes.
func seekSurvey(f *os.File, size int64) (*survey, error) {
	s := &survey{coarse: true}
	if err := s.count(f); err != nil || s.blocks >= size {
		return s, err
	}
	fd := int(f.Fd())
	for at := int64(0); at < size; {
		from, err := unix.Seek(fd, at, unix.SEEK_HOLE)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENXIO) {
			return s, nil // it knows of no holes
		}
		if err != nil {
			return nil, os.NewSyscallError("lseek", err)
		}
		if from >= size {
			return s, nil
		}
		to, err := unix.Seek(fd, from, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			to = size
		} else if err != nil {
			return nil, os.NewSyscallError("lseek", err)
		}
		at = min(to, size)
		s.hole(Range{from, at - from}, size)
	}
	return s, nil
}

// backed reports whether the file has blocks for the n bytes at off. Where only SEEK_DATA can tell, which calls blocks a hole that were
// never written, an exact answer is that it has.
func backed(f *os.File, off, n int64, exact bool) bool {
	found := false
	err := eachExtent(f, off, off+n, 0, func(*fiemapExtent) { found = true })
	if err == nil || exact {
		return found || err != nil
	}
	at, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	return at == off && err == nil || err != nil && !errors.Is(err, unix.ENXIO)
}

// room returns how many bytes the filesystem can still give to this process.
func room(f *os.File) (int64, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(int(f.Fd()), &st) }); err != nil {
		return 0, os.NewSyscallError("fstatfs", err)
	}
	if st.Blocks == 0 {
		return 0, errors.ErrUnsupported // it has no bound, or does not tell
	}
	n := st.Bavail
	if os.Geteuid() == 0 {
		n = st.Bfree
	}
	return int64(n) * int64(st.Bsize), nil
}

// unshare gives the file blocks of its own for n bytes at off (fallocate(2), FALLOC_FL_UNSHARE_RANGE: XFS).
func unshare(f *os.File, off, n int64) error {
	err := retry(func() error { return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_UNSHARE_RANGE, off, n) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		return errNoUnshare
	}
	return os.NewSyscallError("fallocate", err)
}

// punch makes n bytes at off a hole again.
func punch(f *os.File, off, n int64) error {
	err := retry(func() error {
		return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
	return os.NewSyscallError("fallocate", err)
}
