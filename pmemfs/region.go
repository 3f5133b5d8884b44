package pmemfs

import (
	"io"

	"pmemfs/pmemfs/internal/pmem"
)

// FormatRegion makes an empty filesystem of a region, taking its identity and keys from random: Format for tests of
// this module. Durable on return.
func FormatRegion(region *pmem.Region, o FormatOptions, random io.Reader) error {
	return mapOpenErr(region.Path(), formatRegion(region, &o, random))
}

// OpenRegion opens the filesystem in a region, which stays the caller's: Open for tests of this module. The domain and
// the durability are the region's.
func OpenRegion(region *pmem.Region, o Options) (*FS, error) {
	fs, err := mount(region, o)
	if err != nil {
		return nil, mapOpenErr(region.Path(), err)
	}
	return fs, nil
}

// CheckRegion checks the image in a region as Check does, its data included.
func CheckRegion(region *pmem.Region) (*CheckReport, error) {
	r, err := checkRegion(region, &CheckOptions{Data: true})
	if err != nil {
		return nil, mapOpenErr(region.Path(), err)
	}
	return r, nil
}

// RepairRegion repairs the image in a region, which nobody else has open, as Repair does. What it did is durable on return.
func RepairRegion(region *pmem.Region) (*RepairReport, error) {
	r, err := repairRegion(region, nil)
	if err != nil {
		return r, mapOpenErr(region.Path(), err)
	}
	return r, nil
}
