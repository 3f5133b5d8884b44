package pmemfs

import (
	"crypto/rand"
	"errors"
	"fmt"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/repair"
)

// RepairNote says what a repair did beyond making things consistent, and what is lost for good.
type RepairNote struct {
	Object string `json:"object"`
	Text   string `json:"text"`
	Lost   bool   `json:"lost"` // something is gone for good
}

// RepairOptions are the options of Repair.
type RepairOptions struct {
	Progress func(done, total int64) // of the check before, as in CheckOptions; nil for none
}

// RepairReport is what a repair found and did.
type RepairReport struct {
	Before  *CheckReport `json:"before"`
	After   *CheckReport `json:"after"` // Before itself when nothing was written
	Notes   []RepairNote `json:"notes"`
	Skipped int          `json:"skipped"` // notes that were not kept
	Written int          `json:"written"` // blocks of 4 KiB
}

// Left reports whether a fault of Before is still there.
func (r *RepairReport) Left(f CheckFault) bool {
	for _, a := range r.After.Faults {
		if a.Class == f.Class && a.Object == f.Object && a.Offset == f.Offset {
			return true
		}
	}
	return r.After.Stopped != "" && !r.After.Clean()
}

// Repair checks the image at path and repairs what is damaged, by the rules in REPAIR.md. Nothing is written when the check
// finds nothing, or when there is nothing to begin with: no usable superblock, an image that is cut off. A repair that was
// interrupted can be run again. What it did is durable on return. Errors, which mean that it could not run or not end:
// those of Check, ErrLocked among them, a *MissingError, and ErrIO when the medium cannot be written; then the report is not nil, its After
// is its Before, and its notes say what was begun.
func Repair(path string, o RepairOptions) (*RepairReport, error) {
	region, err := pmem.Open(path, pmem.Options{})
	if err != nil {
		return nil, mapOpenErr(path, err)
	}
	r, err := repairRegion(region, o.Progress)
	if err = errors.Join(err, region.Close()); err != nil {
		return r, mapOpenErr(path, err)
	}
	return r, nil
}

func repairRegion(region *pmem.Region, progress func(done, total int64)) (r *RepairReport, err error) {
	defer region.Unguard(region.Guard(), &err)
	found, err := check.RunImage(imageOf(region), progress)
	if err != nil {
		return nil, err
	}
	before := checkReport(found)
	r = &RepairReport{Before: before, After: before, Notes: []RepairNote{}}
	if before.Clean() {
		return r, nil
	}
	var salt [8]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, err
	}
	plan, err := repair.New(imageOf(region), layout.Word(salt[:]))
	if errors.Is(err, repair.ErrUnrepairable) {
		r.Notes = append(r.Notes, RepairNote{Object: "image", Text: err.Error(), Lost: true})
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	if _, err := region.MakeWhole(); err != nil {
		return r, err
	}
	r.Notes, r.Skipped, r.Written = repairNotes(plan), plan.Skipped, len(plan.Blocks)
	if err := commitPlan(region, plan); err != nil {
		return r, fmt.Errorf("repair was not finished: %w", err)
	}
	found, err = check.RunImage(imageOf(region), nil)
	r.After = checkReport(found)
	return r, err
}

// repairNotes returns the notes of a plan as users of this package see them.
func repairNotes(plan *repair.Plan) []RepairNote {
	notes := make([]RepairNote, len(plan.Notes))
	for i, n := range plan.Notes {
		notes[i] = RepairNote(n)
	}
	return notes
}

// commitPlan is Commit with a guard of its own, so that memory that refuses a store does not take the report away.
func commitPlan(region *pmem.Region, plan *repair.Plan) (err error) {
	defer region.Unguard(region.Guard(), &err)
	return plan.Commit(region)
}
