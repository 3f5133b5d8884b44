package pmemfs

import (
	"bytes"
	"errors"
	"runtime"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// CheckReport is what a check found. Blocks are of 4 KiB.
type CheckReport struct {
	Faults     []CheckFault `json:"faults"`
	Suppressed int          `json:"suppressed"`        // faults beyond the first 2,000, not kept
	Stopped    string       `json:"stopped,omitempty"` // why the check could not go on to the end; a fault says where

	Inodes          uint64 `json:"inodes"` // in use, the filesystem's own included
	Files           uint64 `json:"files"`
	Dirs            uint64 `json:"dirs"`
	Symlinks        uint64 `json:"symlinks"`
	Others          uint64 `json:"others"` // devices, FIFOs, sockets
	Names           uint64 `json:"names"`
	Xattrs          uint64 `json:"xattrs"`
	Orphans         uint64 `json:"orphans"` // nameless or being truncated: the next open finishes them
	Nodes           uint64 `json:"nodes"`   // of all trees
	DataBlocks      uint64 `json:"data_blocks"`
	UsedBlocks      uint64 `json:"used_blocks"` // as the bitmaps say
	BadBlocks       uint64 `json:"bad_blocks"`  // listed as bad: nobody uses them
	LostBlocks      uint64 `json:"lost_blocks"` // in use, and what they hold is not the truth; each is a fault
	TotalBlocks     uint64 `json:"total_blocks"`
	ReplayedRecords uint64 `json:"replayed_records"`   // journal records that the next open replays
	Accounts        uint64 `json:"accounts,omitempty"` // of quotas
}

// Clean reports whether no rule is broken.
func (r *CheckReport) Clean() bool { return len(r.Faults) == 0 && r.Suppressed == 0 }

// CheckFault is one broken rule of the format: where, what was expected and what was found.
type CheckFault struct {
	Class    string `json:"class"`  // the rule; REPAIR.md says for each what a repair does
	Offset   int64  `json:"offset"` // byte in the image where the object is
	Object   string `json:"object"` // as in "inode 17" or "node at block 99 (directory 16)"
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

// String returns the fault as one line.
func (f CheckFault) String() string {
	return check.Fault{Class: check.Class(f.Class), Offset: f.Offset, Object: f.Object, Expected: f.Expected, Found: f.Found}.String()
}

// checkReport returns a report as users of this package see it; nil for none.
func checkReport(r *check.Report) *CheckReport {
	if r == nil {
		return nil
	}
	var faults []CheckFault
	if r.Faults != nil {
		faults = make([]CheckFault, len(r.Faults))
	}
	for i, f := range r.Faults {
		faults[i] = CheckFault{string(f.Class), f.Offset, f.Object, f.Expected, f.Found}
	}
	return &CheckReport{
		Faults: faults, Suppressed: r.Suppressed, Stopped: r.Stopped,
		Inodes: r.Inodes, Files: r.Files, Dirs: r.Dirs, Symlinks: r.Symlinks, Others: r.Others, Names: r.Names, Xattrs: r.Xattrs,
		Orphans: r.Orphans, Nodes: r.Nodes, DataBlocks: r.DataBlocks, UsedBlocks: r.UsedBlocks, BadBlocks: r.BadBlocks,
		LostBlocks: r.LostBlocks, TotalBlocks: r.TotalBlocks, ReplayedRecords: r.ReplayedRecords, Accounts: r.Accounts,
	}
}

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
	found, err := check.RunImage(image, o.Progress)
	return checkReport(found), err
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
//
// Errors: ErrIO and ErrClosed, which mean that nothing could be checked.
func (fs *FS) Check() (r *CheckReport, err error) {
	defer fs.finish(&err, 0)
	medium, err := fs.snapshot()
	if err != nil {
		return nil, err
	}
	found, err := check.RunImage(check.Image{Bytes: medium, Data: true}, nil)
	return checkReport(found), err
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
