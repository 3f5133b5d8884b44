// Package scrub reads all metadata and all file data of an open filesystem, and reports what is damaged.
//
// It works beside all other calls: it holds the lock of one inode at a time, shared, for fractions of a millisecond.
//
// # Lock order
//
//	Scrubber.mu              one pass at a time; held over all of it
//	  snapshot.Set's mutex   for the table of snapshots (Frozen)
//	    the gate             for one object
//	      the lock that keeps the object as it is: inode.Table's (Still), volume.OwnMu, volume.SuperMu, the inode's stripe, shared, or
//	      that of a shard of snapshots, shared
//
// # Durability
//
// How far a pass is survives a restart. It is saved with one fence twice a minute. So are repairs from another copy.
package scrub

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/snapshot"
	"pmemfs/pmemfs/internal/volume"
)

// FindingsMax is how many findings a Report keeps; further ones are counted.
const FindingsMax = 1000

// ErrRunning is returned when another pass is running.
var ErrRunning = errors.New("a scrub is running")

// Options are the options of Run.
type Options struct {
	Rate     int64                   // bytes to read in a second at most; 0 for no limit
	Resume   bool                    // go on with the pass that was stopped, if there is one
	Progress func(done, total int64) // told now and then how many bytes of about how many the pass has read; nil for none
	Found    func(f Finding)         // told of each finding that the report keeps, soon; nil for none
}

// Finding is one damaged object.
type Finding struct {
	Object   string // as in "inode 17" or "data at byte 8192 of inode 17"
	Offset   int64  // byte in the image
	Ino      uint64
	Problem  string
	Repaired bool // from another copy
}

// Report is what a pass did.
type Report struct {
	Findings   []Finding
	Suppressed int    // findings beyond FindingsMax, not kept
	Resumed    bool   // it went on with an earlier pass
	Earlier    uint64 // findings of that pass before
	Complete   bool   // the pass came to its end
	Inodes     uint64 // slots that hold a file
	Nodes      uint64
	DataBlocks uint64
	Bytes      uint64 // read
}

// Status is how scrubbing stands.
type Status struct {
	Running  bool
	Partial  bool   // a pass was stopped and can go on
	Passes   uint64 // completed since the image was made
	Began    int64  // ns since 1970
	Ended    int64  // of the last complete pass; 0 for none
	Bytes    uint64 // read in this pass, or in the last one
	Findings uint64 // of this pass, or of the last one
}

// StatusOf returns what a state on the medium says.
func StatusOf(s layout.ScrubState) Status {
	t := Status{Partial: s.Ino != 0, Passes: s.Passes, Began: s.Began, Ended: s.Ended, Bytes: s.Bytes, Findings: uint64(s.LastFindings)}
	if t.Partial {
		t.Findings = uint64(s.Findings)
	}
	return t
}

// Scrubber scrubs one filesystem. Safe for any number of goroutines.
type Scrubber struct {
	Snapshots *snapshot.Set // those of the volume, set before the first use; nil for none

	v       *volume.Volume
	health  *media.Health
	mu      sync.Mutex // held while a pass runs
	running atomic.Bool
	live    atomic.Pointer[Status] // of the one that runs
}

// New returns the scrubber of a volume. Memory faults that it meets are reported to health.
func New(v *volume.Volume, health *media.Health) *Scrubber { return &Scrubber{v: v, health: health} }

// Run is one pass. Damage is no error but in the report. ErrRunning; ctx's error when that ends, with a report of what was found so far;
// other errors mean that the pass could not begin or go on: that the filesystem is closed or read-only.
func (sc *Scrubber) Run(ctx context.Context, o Options) (*Report, error) {
	if !sc.mu.TryLock() {
		return nil, ErrRunning
	}
	defer sc.mu.Unlock()
	s := &pass{Scrubber: sc, ctx: ctx, o: o, report: &Report{Findings: []Finding{}}, pace: pace{rate: o.Rate, start: time.Now()}}
	if err := s.begin(); err != nil {
		return nil, err
	}
	sc.running.Store(true)
	defer sc.running.Store(false)
	err := s.run()
	s.tell()
	if err != nil && errors.Is(err, ctx.Err()) {
		if err := s.end(false); err != nil {
			return s.report, err
		}
		return s.report, ctx.Err()
	}
	if err == nil {
		err = s.end(true)
	}
	return s.report, err
}

// Status returns how scrubbing stands. Errors are those of reading the state from the medium.
func (sc *Scrubber) Status() (Status, error) {
	if live := sc.live.Load(); live != nil && sc.running.Load() {
		return *live, nil
	}
	state, err := sc.load()
	return StatusOf(state), err
}

// load reads the state from the medium. Its slot is written by the one pass that runs, in the lock of its stripe.
func (sc *Scrubber) load() (state layout.ScrubState, err error) {
	err = sc.v.View(layout.ScrubIno, func() error {
		in, err := sc.v.Slot(layout.ScrubIno)
		if err == nil {
			state = layout.DecodeScrub(in)
		}
		return err
	})
	return state, err
}

// store writes the state: one fence.
func (sc *Scrubber) store(state *layout.ScrubState) error {
	return sc.v.Change(layout.ScrubIno, func(op *alloc.Op) error {
		off, err := sc.v.Inodes.Offset(layout.ScrubIno)
		if err == nil {
			layout.EncodeScrub(op.Tx.Inode(off), state)
		}
		return err
	})
}
