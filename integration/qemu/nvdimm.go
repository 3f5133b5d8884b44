package qemu

import (
	"fmt"
	"os"
	"strconv"
)

// Geometry of the emulated persistent memory, in bytes.
const (
	nvdimmSize  = 256 << 20 // unless another size is asked for
	nvdimmStart = 2 << 20   // where the data starts, behind the info block and the padding
)

// How a guest is told what of its persistent memory survives a power cut.
const (
	MemoryController = "mem-ctrl" // what was flushed from the caches
	CPUCache         = "cpu"      // the caches as well
)

// NVDIMM is a module of persistent memory in a file of the host.
type NVDIMM struct {
	File        string
	Persistence string // MemoryController or CPUCache; of a machine with several modules, that of the first counts

	size int64
}

// NewDevDAX makes a module that the guest sees as the device /dev/dax0.0.
func NewDevDAX(file, persistence string) (*NVDIMM, error) {
	return newNVDIMM("devdax", file, persistence, nvdimmSize)
}

// NewFSDAX makes a module that the guest sees as the block device /dev/pmem0,
// with an empty ext4 on it that may be mounted with dax=always.
func NewFSDAX(file, persistence string) (*NVDIMM, error) {
	n, err := NewBlankFSDAX(file, persistence, nvdimmSize)
	if err != nil {
		return nil, err
	}
	_, err = run("", "/sbin/mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "offset="+strconv.Itoa(nvdimmStart),
		file, strconv.Itoa((nvdimmSize-nvdimmStart)/1024)+"k")
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, aptLine)
	}
	return n, nil
}

// NewBlankFSDAX makes a module of so many bytes that the guest sees as a block device, /dev/pmem0 if it is the first, without a
// filesystem.
func NewBlankFSDAX(file, persistence string, size int64) (*NVDIMM, error) {
	return newNVDIMM("fsdax", file, persistence, size)
}

// newNVDIMM makes the file, with the info block that decides how the guest's
// kernel uses the memory; without one it offers a block device without DAX.
func newNVDIMM(mode, file, persistence string, size int64) (*NVDIMM, error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(size); err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	_, err = run("", "ndctl", "write-infoblock", "-m", mode, "-M", "mem", "-a", strconv.Itoa(nvdimmStart),
		"-s", strconv.FormatInt(size, 10), "-o", file)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, aptLine)
	}
	return &NVDIMM{File: file, Persistence: persistence, size: size}, nil
}
