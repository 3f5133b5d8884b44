package billyadapter

import "pmemfs/pmemfs"

// Sync makes the file durable.
//
// Errors: EIO if the medium has failed; ESTALE if the file is gone; os.ErrClosed.
func (f *File) Sync() error {
	if err := f.enter("sync"); err != nil {
		return err
	}
	defer f.exit()
	return pathError("sync", f.name, f.fs.eng.Sync(f.h))
}

// Allocate reserves n bytes at off, so that writing there cannot fail for want of space; without keepSize the file
// grows to cover them.
//
// Errors: EBADF if it was opened for reading alone; EINVAL; EFBIG; change errors; os.ErrClosed.
func (f *File) Allocate(off, n int64, keepSize bool) error {
	return f.space("allocate", off, n, func() error {
		return f.fs.eng.Allocate(&f.fs.cred, nil, f.h, uint64(off), uint64(n), keepSize)
	})
}

// PunchHole frees n bytes at off, which read as zeros from then on; the size stays.
//
// Errors: those of Allocate.
func (f *File) PunchHole(off, n int64) error {
	return f.space("punchhole", off, n, func() error {
		return f.fs.eng.PunchHole(&f.fs.cred, nil, f.h, uint64(off), uint64(n))
	})
}

// space runs a change of the file's blocks over a checked range.
func (f *File) space(op string, off, n int64, do func() error) error {
	if err := f.enter(op); err != nil {
		return err
	}
	defer f.exit()
	switch {
	case !f.writable():
		return pathError(op, f.name, errBadFile)
	case off < 0 || n <= 0:
		return pathError(op, f.name, pmemfs.ErrInvalid)
	case off > maxOffset-n:
		return pathError(op, f.name, pmemfs.ErrFileTooBig)
	}
	return pathError(op, f.name, do())
}

// SeekData returns the first offset at or after off that holds data; ENXIO if there is none.
//
// Errors: ENXIO if there is none; EINVAL for a negative offset; os.ErrClosed.
func (f *File) SeekData(off int64) (int64, error) {
	return f.seekSpace("seekdata", off, f.fs.eng.SeekData)
}

// SeekHole returns the first offset at or after off that lies in a hole; the end of the file counts as one.
//
// Errors: ENXIO beyond the end; EINVAL for a negative offset; os.ErrClosed.
func (f *File) SeekHole(off int64) (int64, error) {
	return f.seekSpace("seekhole", off, f.fs.eng.SeekHole)
}

func (f *File) seekSpace(op string, off int64, seek func(*pmemfs.Cred, *pmemfs.Call, pmemfs.Handle, uint64) (uint64, error)) (int64, error) {
	if err := f.enter(op); err != nil {
		return 0, err
	}
	defer f.exit()
	if off < 0 {
		return 0, pathError(op, f.name, pmemfs.ErrInvalid)
	}
	at, err := seek(&f.fs.cred, nil, f.h, uint64(off))
	return int64(min(at, maxOffset)), pathError(op, f.name, err)
}
