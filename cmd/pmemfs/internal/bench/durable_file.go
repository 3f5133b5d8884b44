package bench

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"

	"golang.org/x/sys/unix"
)

// durableWay is a way to write a file durably.
type durableWay struct {
	name string
	flag int  // of open
	sync bool // after each write
}

// durableFile is an open file that is written in such a way.
type durableFile struct {
	file *os.File
	sync bool
	buf  []byte // begins at a page, as O_DIRECT wants
}

const durableName = "written"

// taken reports whether a folder's filesystem takes the way.
func (w durableWay) taken(dir string) (bool, error) {
	f, err := w.open(dir)
	if errors.Is(err, unix.EINVAL) { // open(2): O_DIRECT is not supported
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.close()
}

// open makes the file anew.
func (w durableWay) open(dir string) (*durableFile, error) {
	file, err := os.OpenFile(filepath.Join(dir, durableName), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|w.flag, 0o600)
	if err != nil {
		return nil, err
	}
	const page = 4 << 10
	buf := make([]byte, largeSize+page)
	buf = buf[-reflect.ValueOf(buf).Pointer()%page:][:largeSize]
	fillDurable(buf)
	return &durableFile{file, w.sync, buf}, nil
}

// fillDurable makes data that no layer below can take for a hole.
func fillDurable(buf []byte) {
	for i := range buf {
		buf[i] = byte(i%251) + 1
	}
}

func (f *durableFile) write(n int, off int64) error {
	if _, err := f.file.WriteAt(f.buf[:n], off); err != nil {
		return err
	}
	if f.sync {
		return syncData(f.file)
	}
	return nil
}

func (f *durableFile) close() error {
	return errors.Join(f.file.Close(), os.Remove(f.file.Name()))
}
