package pmem

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sectorSize is the unit of the kernel's lists of bad blocks, in bytes.
const sectorSize = 512

// fileExtent is a piece of a file and where it lies on its block device, in bytes.
type fileExtent struct{ logical, physical, length int64 }

// BadRanges returns the parts of the region that the kernel lists as bad memory, from sysfs: of a devdax device those of its
// persistent memory region, of a file on a DAX filesystem those of its device that the file's blocks lie on. Without such a
// list there are none. With an error some may be missing; its text says why. The kernel shows no more of a list than fits a
// page. Ranges may be longer than what is bad, and overlap. Safe for any number of goroutines; nothing is loaded from the
// memory.
//
// Source: the kernel's Documentation/ABI/testing/sysfs-bus-nvdimm (badblocks, resource), sysfs-bus-dax and
// Documentation/ABI/stable/sysfs-block (badblocks).
func (r *Region) BadRanges() ([]Range, error) {
	if r.file == nil {
		return nil, nil
	}
	st, err := r.file.Stat()
	if err != nil {
		return nil, err
	}
	var found []Range
	if st.Mode().IsRegular() {
		found, err = r.badOfFile(st)
	} else {
		found, err = r.badOfDevice(st)
	}
	var list []Range
	for _, g := range found {
		if g = clip(g, r.Size()); g.Len > 0 {
			list = append(list, g)
		}
	}
	if err != nil {
		err = fmt.Errorf("%s: bad blocks: %w", r.path, err)
	}
	return list, err
}

// clip cuts a range at both ends of a region.
func clip(g Range, size int64) Range {
	from, to := max(g.Off, 0), min(g.Off+g.Len, size)
	return Range{from, max(to-from, 0)}
}

// badOfDevice maps the bad blocks of the region that a devdax device is part of to the device.
func (r *Region) badOfDevice(st os.FileInfo) ([]Range, error) {
	dir, err := deviceDir(st, r.sysfs)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	for up := filepath.Dir(dir); len(up) > len(r.sysfs); up = filepath.Dir(up) {
		list, err := readBad(filepath.Join(up, "badblocks"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || len(list) == 0 {
			return nil, err
		}
		base, err := readNumber(filepath.Join(up, "resource"))
		if err != nil {
			return nil, err
		}
		own, err := readNumber(filepath.Join(dir, "resource"))
		if err != nil {
			return nil, err
		}
		if base == 0 || own < base {
			return nil, fmt.Errorf("%s lists some, but not where they are: that is for root to see", up)
		}
		for i := range list {
			list[i].Off -= own - base
		}
		return list, nil
	}
	return nil, nil
}

// badOfFile maps the bad blocks of a block device that does DAX to a file on it.
func (r *Region) badOfFile(st os.FileInfo) ([]Range, error) {
	dir, err := blockDir(st, r.sysfs)
	if err != nil || dir == "" {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, nil // a filesystem without a device, as in memory
	}
	start := int64(0)
	if first, err := readNumber(filepath.Join(dir, "start")); err == nil { // a partition
		start, dir = first*sectorSize, filepath.Dir(dir)
	}
	if dax, err := readNumber(filepath.Join(dir, "queue/dax")); err != nil || dax != 1 {
		return nil, nil
	}
	list, err := readBad(filepath.Join(dir, "badblocks"))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	extents, err := extentsOf(r.file, r.Size())
	if err != nil {
		return nil, err
	}
	var found []Range
	for _, bad := range list {
		for _, e := range extents {
			from := max(bad.Off-start, e.physical)
			to := min(bad.Off-start+bad.Len, e.physical+e.length)
			if from < to {
				found = append(found, Range{from - e.physical + e.logical, to - from})
			}
		}
	}
	return found, nil
}

// readBad reads a list of bad blocks: a first sector and a number of them on each line.
func readBad(path string) ([]Range, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []Range
	for line := range strings.Lines(string(text)) {
		var first, n int64
		if _, err := fmt.Sscan(line, &first, &n); err != nil || first < 0 || n < 1 || first > (1<<61)/sectorSize || n > (1<<61)/sectorSize {
			return list, fmt.Errorf("%s: %q is no run of sectors", path, strings.TrimSpace(line))
		}
		list = append(list, Range{first * sectorSize, n * sectorSize})
	}
	return list, nil
}
