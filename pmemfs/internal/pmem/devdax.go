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
	"syscall"
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
// a mapping must be a multiple. Errors: ErrFileType for a device of another kind, ErrMode.
// Source: the kernel's Documentation/ABI/testing/sysfs-bus-dax; kernels before 5.1 have the class layout.
func daxSize(dir string) (int64, error) {
	subsystem, err := filepath.EvalSymlinks(filepath.Join(dir, "subsystem"))
	if err != nil || filepath.Base(subsystem) != "dax" {
		return 0, ErrFileType
	}
	if err := vetDriver(dir); err != nil {
		return 0, err
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

// vetDriver refuses a DAX device that a driver has which is not for us: as ordinary memory ("kmem"), or for famfs ("fsdev_dax"), whose files are
// on it. One without a driver cannot be opened; kernels before 5.1 show none.
// Source: the kernel's drivers/dax, device.c, kmem.c and fsdev.c.
func vetDriver(dir string) error {
	driver, err := os.Readlink(filepath.Join(dir, "driver"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	mode := ""
	switch name := filepath.Base(driver); name {
	case "device_dax":
		return nil
	case "kmem":
		mode = "it is ordinary memory of the system"
	case "fsdev_dax":
		mode = "it is famfs's, and may hold its files"
	default:
		mode = "the driver " + name + " has it"
	}
	return fmt.Errorf("%w: %s; daxctl reconfigure-device --mode=devdax takes it from there", ErrMode, mode)
}

// errOfMode returns the error of an open, or ErrMode if it is about a DAX device whose driver gives it to nobody.
func errOfMode(st os.FileInfo, sysfs string, err error) error {
	if !errors.Is(err, syscall.ENXIO) && !errors.Is(err, syscall.EOPNOTSUPP) {
		return err
	}
	dir, dirErr := deviceDir(st, sysfs)
	if dirErr == nil {
		_, dirErr = daxSize(dir)
	}
	if errors.Is(dirErr, ErrMode) {
		return dirErr
	}
	return err
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
