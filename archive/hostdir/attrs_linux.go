package hostdir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"pmemfs/archive/tarball"
)

// holes finds out where a file has data; false where that cannot be had.
func holes(f *os.File, size uint64) (list []tarball.Extent, ok bool) {
	for off := int64(0); off < int64(size); {
		from, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return nil, false
		}
		to, err := unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE)
		if err != nil {
			return nil, false
		}
		to = min(to, int64(size))
		if from >= to {
			break
		}
		list = append(list, tarball.Extent{Off: uint64(from), Len: uint64(to - from)})
		if len(list) > 2*extentsMax {
			list = tarball.Merge(list, extentsMax)
		}
		off = to
	}
	return tarball.Merge(list, extentsMax), true
}

// extentsMax is how many pieces of data a file has; of more some are joined.
const extentsMax = 1 << 16

// readXattrs reads a file's extended attributes. A filesystem that has none has none.
func readXattrs(path string) ([]tarball.Xattr, error) {
	text, err := sized(func(b []byte) (int, error) { return unix.Llistxattr(path, b) })
	if errors.Is(err, unix.ENOTSUP) || len(text) == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "llistxattr", Path: path, Err: err}
	}
	var list []tarball.Xattr
	for name := range bytes.SplitSeq(bytes.TrimSuffix(text, []byte{0}), []byte{0}) {
		n := string(name)
		if strings.HasPrefix(n, "system.") && n != tarball.AccessACL && n != tarball.DefaultACL {
			continue // of the filesystem, not of the file
		}
		value, err := sized(func(b []byte) (int, error) { return unix.Lgetxattr(path, n, b) })
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOTSUP) {
			continue // gone meanwhile, or not for us
		}
		if err != nil {
			return nil, &os.PathError{Op: "lgetxattr " + n, Path: path, Err: err}
		}
		list = append(list, tarball.Xattr{Name: n, Value: value})
	}
	return list, nil
}

// sized calls what fills a buffer until that is large enough.
func sized(get func([]byte) (int, error)) ([]byte, error) {
	for b := make([]byte, 256); ; {
		n, err := get(b)
		if err == nil {
			return b[:n], nil
		}
		if !errors.Is(err, unix.ERANGE) || len(b) >= 1<<20 {
			return nil, err
		}
		b = make([]byte, len(b)*4)
	}
}

// setXattr sets an extended attribute of a file in a directory that is open.
func setXattr(dir *os.File, name string, x tarball.Xattr) error {
	return unix.Lsetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name), x.Name, x.Value, 0)
}

// makeNode makes a device, FIFO or socket.
func makeNode(dir *os.File, name string, e *tarball.Entry) error {
	kind := map[tarball.Type]uint32{tarball.Char: unix.S_IFCHR, tarball.Block: unix.S_IFBLK, tarball.FIFO: unix.S_IFIFO, tarball.Socket: unix.S_IFSOCK}[e.Type]
	return unix.Mknodat(int(dir.Fd()), name, kind|0o600, int(unix.Mkdev(e.Major, e.Minor)))
}
