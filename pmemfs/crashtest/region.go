package crashtest

import (
	"io"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/hook"
	"pmemfs/pmemfs/internal/pmem"
)

// formatRegion makes an empty filesystem of a region.
func formatRegion(region *pmem.Region, o pmemfs.FormatOptions, random io.Reader) error {
	return hook.Format(region, o, random)
}

// openRegion opens the filesystem in a region, without a checkpointer of its own.
func openRegion(region *pmem.Region) (*pmemfs.FS, error) {
	fs, err := hook.Open(region, pmemfs.Options{NoBackground: true})
	if err != nil {
		return nil, err
	}
	return fs.(*pmemfs.FS), nil
}

// checkRegion checks the image in a region, its data included.
func checkRegion(region *pmem.Region) (*pmemfs.CheckReport, error) {
	r, err := hook.Check(region)
	return r.(*pmemfs.CheckReport), err
}

// repairRegion repairs the image in a region.
func repairRegion(region *pmem.Region) (*pmemfs.RepairReport, error) {
	r, err := hook.Repair(region)
	return r.(*pmemfs.RepairReport), err
}
