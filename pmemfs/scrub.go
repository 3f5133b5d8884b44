package pmemfs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/scrub"
)

// ScrubOptions are the options of Scrub.
type ScrubOptions struct {
	Rate     int64                   // bytes to read in a second at most; 0 for no limit
	Resume   bool                    // go on with the pass that was stopped, if there is one
	Progress func(done, total int64) // told now and then how many bytes of about how many the pass has read; nil for none
	Found    func(f ScrubFinding)    // told of each finding that the report keeps, soon; nil for none
}

// ScrubFinding is one damaged object.
type ScrubFinding struct {
	Object   string `json:"object"` // as in "inode 17" or "data at byte 8192 of inode 17"
	Offset   int64  `json:"offset"` // byte in the image
	Ino      uint64 `json:"inode,omitempty"`
	Problem  string `json:"problem"`
	Repaired bool   `json:"repaired"` // from another copy
}

// String returns the finding as one line.
func (f ScrubFinding) String() string {
	line := fmt.Sprintf("%s (offset %d): %s", f.Object, f.Offset, f.Problem)
	if f.Repaired {
		line += "; repaired"
	}
	return line
}

// ScrubReport is what a scrub did.
type ScrubReport struct {
	Findings   []ScrubFinding `json:"findings"`
	Suppressed int            `json:"suppressed"` // findings beyond the first 1,000, not kept
	Resumed    bool           `json:"resumed"`    // it went on with an earlier pass
	Earlier    uint64         `json:"earlier"`    // findings of that pass before
	Complete   bool           `json:"complete"`   // the pass came to its end
	Inodes     uint64         `json:"inodes"`     // slots that hold a file
	Nodes      uint64         `json:"nodes"`
	DataBlocks uint64         `json:"data_blocks"`
	Bytes      uint64         `json:"bytes"` // read
}

// Clean reports whether nothing was found.
func (r *ScrubReport) Clean() bool {
	return len(r.Findings) == 0 && r.Suppressed == 0 && r.Earlier == 0
}

// ScrubStatus is how scrubbing stands, of an image or of an open filesystem.
type ScrubStatus struct {
	Running  bool   `json:"running"`
	Partial  bool   `json:"partial"` // a pass was stopped and can go on
	Passes   uint64 `json:"passes"`  // completed since the image was made
	Began    int64  `json:"began_ns"`
	Ended    int64  `json:"ended_ns"` // of the last complete pass; 0 for none
	Bytes    uint64 `json:"bytes"`    // read in this pass, or in the last one
	Findings uint64 `json:"findings"` // of this pass, or of the last one
}

// reportOf returns a report as users of this package see it.
func reportOf(r *scrub.Report) *ScrubReport {
	if r == nil {
		return nil
	}
	s := &ScrubReport{
		Findings: make([]ScrubFinding, len(r.Findings)), Suppressed: r.Suppressed, Resumed: r.Resumed, Earlier: r.Earlier, Complete: r.Complete,
		Inodes: r.Inodes, Nodes: r.Nodes, DataBlocks: r.DataBlocks, Bytes: r.Bytes,
	}
	for i, f := range r.Findings {
		s.Findings[i] = ScrubFinding(f)
	}
	return s
}

// Scrub reads all metadata and all file data of an open filesystem and reports what is damaged: everything whose checksum is
// wrong, and memory that faults. It works beside all other calls: it holds the lock of one inode at a time, shared, for
// fractions of a millisecond, and needs little memory. A superblock that is damaged is written anew from the other copy, and
// journal heads and records from what DRAM knows. How far it is survives a restart, see ScrubOptions.Resume; what was not
// yet on the medium is read again. What changed since the last checkpoint cannot be told from damage and is not looked at
// closely: it has only just been written.
//
// One scrub runs at a time; a second one is ErrBusy. When ctx ends, the report has what was found so far, and the error is
// ctx's. Other errors mean that it could not go on: ErrClosed, ErrReadOnly. Damage is no error but in the report. No fence but
// those for its own state, one in 30 seconds, and of repairs.
func (fs *FS) Scrub(ctx context.Context, o ScrubOptions) (*ScrubReport, error) {
	so := scrub.Options{Rate: o.Rate, Resume: o.Resume, Progress: o.Progress}
	if o.Found != nil {
		so.Found = func(f scrub.Finding) { o.Found(ScrubFinding(f)) }
	}
	r, err := fs.scrubber.Run(ctx, so)
	switch {
	case errors.Is(err, scrub.ErrRunning):
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	case err != nil && err == ctx.Err():
		return reportOf(r), err
	}
	return reportOf(r), mapErr(err)
}

// ScrubStatus returns how scrubbing stands. ErrIO, ErrClosed. No fence.
func (fs *FS) ScrubStatus() (st ScrubStatus, err error) {
	defer fs.finish(&err, 0)
	s, err := fs.scrubber.Status()
	return ScrubStatus(s), err
}

// ScrubImage scrubs the image at path, which is not in use: it opens it as Open does, which replays the journal, scrubs it,
// and closes it. Damage that keeps it from being opened is a finding too. Errors are those of Open, if it is not about
// damage, and of Scrub.
func ScrubImage(ctx context.Context, path string, o ScrubOptions) (*ScrubReport, error) {
	before, err := mendedByOpen(path)
	if err != nil {
		return unopened(path, err)
	}
	fs, err := Open(path, Options{})
	if err != nil {
		return unopened(path, err)
	}
	r, err := fs.Scrub(ctx, o)
	if r != nil {
		r.add(before)
	}
	return r, errors.Join(err, fs.Close())
}

// add puts findings in front of those that the report has, unless they are there: then they were not mended.
func (r *ScrubReport) add(before []ScrubFinding) {
	for _, f := range slices.Backward(before) {
		if !slices.ContainsFunc(r.Findings, func(g ScrubFinding) bool { return g.Object == f.Object }) {
			r.Findings = slices.Insert(r.Findings, 0, f)
		}
	}
}

// unopened is the report on an image that cannot be opened for its damage. Other errors it returns.
func unopened(path string, err error) (*ScrubReport, error) {
	if errors.Is(err, layout.ErrVersion) || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrIO) {
		return nil, err
	}
	f := ScrubFinding{Object: "image", Offset: media.FaultOffset(err, 0), Problem: fmt.Sprintf("cannot be opened: %v", err)}
	return &ScrubReport{Findings: []ScrubFinding{f}}, nil
}

// mendedByOpen returns the damage of an image that Open is about to end.
func mendedByOpen(path string) (list []ScrubFinding, err error) {
	region, err := pmem.Open(path, pmem.Options{ReadOnly: true})
	if err != nil {
		return nil, mapOpenErr(path, err)
	}
	defer func() { err = mapOpenErr(path, errors.Join(err, region.Close())) }()
	found, err := scrub.MendedByOpen(region)
	for _, f := range found {
		list = append(list, ScrubFinding(f))
	}
	return list, err
}
