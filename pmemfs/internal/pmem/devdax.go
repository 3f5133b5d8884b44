package pmem

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A geometry is what there is to map.
type geometry struct {
	size   int64 // bytes
	device bool  // a devdax device
}

// measure finds the size of a regular file or of a devdax device.
func measure(f *os.File, sysfs string) (geometry, error) {
	st, err := f.Stat()
	if err != nil {
		return geometry{}, err
	}
	var g geometry
	switch {
	case st.Mode().IsRegular():
		g.size = st.Size()
	case st.Mode()&os.ModeCharDevice != 0:
		dir, err := deviceDir(st, sysfs)
		if err != nil {
			return geometry{}, err
		}
		if g.size, err = daxSize(dir); err != nil {
			return geometry{}, err
		}
		g.device = true
	default:
		return geometry{}, ErrFileType
	}
	if g.size <= 0 || g.size > math.MaxInt {
		return geometry{}, fmt.Errorf("%d bytes: %w", g.size, ErrSize)
	}
	return g, nil
}

// daxSize reads the size of the devdax device whose sysfs folder is dir, rounded down to its alignment, of which
// a mapping must be a multiple. Errors: ErrFileType for a device of another kind.
// Source: the kernel's Documentation/ABI/testing/sysfs-bus-dax; kernels before 5.1 have the class layout.
func daxSize(dir string) (int64, error) {
	subsystem, err := filepath.EvalSymlinks(filepath.Join(dir, "subsystem"))
	if err != nil || filepath.Base(subsystem) != "dax" {
		return 0, ErrFileType
	}
	size, err := readNumber(filepath.Join(dir, "size"))
	if err != nil {
		return 0, err
	}
	for _, name := range []string{"align", "device/align", "dax_region/align", "device/dax_region/align"} {
		align, err := readNumber(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if align <= 0 {
			return 0, fmt.Errorf("%s: alignment %d: %w", filepath.Join(dir, name), align, ErrSize)
		}
		return size - size%align, nil
	}
	return size, nil
}

// readNumber reads one decimal or 0x-prefixed number from a sysfs file.
func readNumber(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 0, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}
