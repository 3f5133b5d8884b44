package pmemfs

import (
	"bytes"
	"errors"
	"runtime"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// CheckReport is what a check found; its Clean method says whether all is well.
type CheckReport = check.Report

// CheckFault is one broken rule: where, what was expected and what was found.
type CheckFault = check.Fault

// CheckOptions are the options of Check.
type CheckOptions struct {
	Progress func(done, total int64) // told now and then how many of how many steps are done; nil for none
	Data     bool                    // read all file data too and compare it with its checksums, if the image has them
}

// Check examines every byte of metadata of the image at path, as the next Open would find it after its replay, and
// reports what is wrong. It never writes to the image. Errors, which mean that nothing could be checked: ErrLocked when
// it is open elsewhere, ErrNotImage, ErrDamaged for a format that this program does not know, ErrIO when the medium
// cannot be read, or what the system said. Damage is no error but in the report.
func Check(path string, o CheckOptions) (*CheckReport, error) {
	region, err := pmem.Open(path, pmem.Options{ReadOnly: true})
	if err != nil {
		return nil, mapOpenErr(path, err)
	}
	r, err := checkRegion(region, &o)
	if err = errors.Join(err, region.Close()); err != nil {
		return nil, mapOpenErr(path, err)
	}
	return r, nil
}

func checkRegion(region *pmem.Region, o *CheckOptions) (r *CheckReport, err error) {
	defer region.Unguard(region.Guard(), &err)
	image := imageOf(region)
	image.Data = o.Data
	return check.RunImage(image, o.Progress)
}

// imageOf returns what a check or a repair reads of a region.
func imageOf(region *pmem.Region) check.Image {
	return check.Image{Bytes: region.Bytes(), Probe: func(block uint64) error { return probe(region, block) }}
}

// probe reads a word of each line of a block, and says why that is not possible.
func probe(region *pmem.Region, block uint64) (err error) {
	defer region.Unguard(region.Guard(), &err)
	b := region.Bytes()[layout.BlockOffset(block):][:layout.BlockSize]
	sum := uint64(0)
	for i := 0; i < len(b); i += layout.LineSize {
		sum |= layout.Word(b[i:])
	}
	runtime.KeepAlive(sum) // or the loads would be left out
	return nil
}

// Check checks an open filesystem, for tests: it waits for the calls in progress, checkpoints, copies the medium to
// memory (a block of zeros takes none) and examines the copy, file data with checksums included. Other calls wait until the copy is made.
func (fs *FS) Check() (r *CheckReport, err error) {
	defer fs.finish(&err, 0)
	medium, err := fs.snapshot()
	if err != nil {
		return nil, err
	}
	return check.RunImage(check.Image{Bytes: medium, Data: true}, nil)
}

// snapshot returns a copy of the medium between two operations, with an empty journal window.
func (fs *FS) snapshot() (medium []byte, err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	for i := range fs.gates {
		fs.gates[i].Lock()
		defer fs.gates[i].Unlock()
	}
	if fs.closed {
		return nil, ErrClosed
	}
	if err := fs.j.Checkpoint(); err != nil {
		return nil, err
	}
	var zeros [layout.BlockSize]byte
	live := fs.region.Bytes()
	medium = make([]byte, len(live))
	for off := 0; off < len(live); off += layout.BlockSize {
		if b := live[off:min(off+layout.BlockSize, len(live))]; !bytes.Equal(b, zeros[:len(b)]) {
			copy(medium[off:], b)
		}
	}
	return medium, nil
}
