package pmemfs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// MaxScrubFindings is how many findings a ScrubReport keeps; further ones are counted.
const MaxScrubFindings = 1000

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

	cause error
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
	Suppressed int            `json:"suppressed"` // findings beyond MaxScrubFindings, not kept
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

func statusOf(s layout.ScrubState) ScrubStatus {
	t := ScrubStatus{Partial: s.Ino != 0, Passes: s.Passes, Began: s.Began, Ended: s.Ended, Bytes: s.Bytes, Findings: uint64(s.LastFindings)}
	if t.Partial {
		t.Findings = uint64(s.Findings)
	}
	return t
}

// scrubs is what an open filesystem knows of its scrubs.
type scrubs struct {
	mu      sync.Mutex // held while a scrub runs
	running atomic.Bool
	live    atomic.Pointer[ScrubStatus] // of the one that runs
}

// scrubSaveEvery is how often a scrub notes on the medium how far it is, with one fence; a variable for tests.
var scrubSaveEvery = 30 * time.Second

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
	if !fs.scrubs.mu.TryLock() {
		return nil, fmt.Errorf("%w: a scrub is running", ErrBusy)
	}
	defer fs.scrubs.mu.Unlock()
	s := &scrubber{fs: fs, ctx: ctx, o: o, report: &ScrubReport{Findings: []ScrubFinding{}}, pace: pace{rate: o.Rate, start: time.Now()}}
	if err := s.begin(); err != nil {
		return nil, mapErr(err)
	}
	fs.scrubs.running.Store(true)
	defer fs.scrubs.running.Store(false)
	err := s.run()
	s.tell()
	if err != nil && errors.Is(err, ctx.Err()) {
		if err := s.end(false); err != nil {
			return s.report, mapErr(err)
		}
		return s.report, ctx.Err()
	}
	if err == nil {
		err = s.end(true)
	}
	return s.report, mapErr(err)
}

// ScrubStatus returns how scrubbing stands.
func (fs *FS) ScrubStatus() (st ScrubStatus, err error) {
	if live := fs.scrubs.live.Load(); live != nil && fs.scrubs.running.Load() {
		return *live, nil
	}
	state, err := fs.scrubState()
	return statusOf(state), err
}

// scrubState reads the state from the medium. Its slot is written by the one scrub that runs, in the lock of its stripe.
func (fs *FS) scrubState() (state layout.ScrubState, err error) {
	defer fs.finish(&err, 0)
	defer fs.region.Unguard(fs.region.Guard(), &err)
	g, err := fs.enter(layout.ScrubIno)
	if err != nil {
		return state, err
	}
	defer g.RUnlock()
	l := fs.stripes.of(layout.ScrubIno)
	l.RLock()
	defer l.RUnlock()
	off, err := fs.inodes.Offset(layout.ScrubIno)
	if err != nil {
		return state, err
	}
	return layout.DecodeScrub(fs.region.Bytes()[off : off+layout.InodeSize]), nil
}

// saveScrubState writes the state: one fence.
func (fs *FS) saveScrubState(state *layout.ScrubState) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	g, err := fs.enter(layout.ScrubIno)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	ls := fs.stripes.lock(layout.ScrubIno)
	defer ls.unlock()
	op := fs.a.Begin()
	defer op.Done()
	off, err := fs.inodes.Offset(layout.ScrubIno)
	if err != nil {
		return err
	}
	layout.EncodeScrub(op.Tx.Inode(off), state)
	return op.Commit()
}

// scrubber is one run of Scrub. It is used by one goroutine.
type scrubber struct {
	fs     *FS
	ctx    context.Context
	o      ScrubOptions
	report *ScrubReport
	pace   pace
	state  layout.ScrubState
	saved  time.Time
	total  uint64 // bytes that the pass will have read, about
	walk   tree.Walk
	list   []layout.Extent // of one leaf
	told   int             // findings that the caller has been told of
	faults []ScrubFinding  // since the last time
}

// begin takes up the pass that was stopped, or begins one.
func (s *scrubber) begin() (err error) {
	if s.state, err = s.fs.scrubState(); ends(err) {
		return err
	}
	if s.report.Resumed = s.o.Resume && s.state.Ino != 0; s.report.Resumed {
		s.report.Earlier = uint64(s.state.Findings)
	} else {
		s.state.Began, s.state.Bytes, s.state.Findings, s.state.Block = now(), 0, 0, 0
		s.state.Ino = layout.InodeFileIno
	}
	s.saved = time.Now()
	st, err := s.fs.Statfs()
	s.total = st.TotalBytes - st.FreeBytes
	s.publish()
	return err
}

// end notes that the pass is complete, or where it was stopped.
func (s *scrubber) end(complete bool) error {
	s.report.Complete = complete
	if complete {
		s.state.Passes++
		s.state.LastFindings, s.state.Ended, s.state.Ino, s.state.Block = s.state.Findings, now(), 0, 0
		if s.o.Progress != nil {
			s.o.Progress(int64(s.total), int64(s.total))
		}
	}
	return s.save()
}

// save writes the state. Where its memory is bad there is none, which the scrub has found or will find like any other
// damage.
func (s *scrubber) save() error {
	if err := s.fs.saveScrubState(&s.state); ends(err) || s.fs.j.Err() != nil {
		return err
	}
	return nil
}

// publish tells ScrubStatus how far it is.
func (s *scrubber) publish() {
	st := statusOf(s.state)
	st.Running = true
	s.fs.scrubs.live.Store(&st)
}

// read accounts for bytes that were read, keeps to the rate, and notes now and then how far the pass is. No lock is held.
func (s *scrubber) read(n uint64) error {
	s.report.Bytes += n
	s.state.Bytes += n
	s.tell()
	if err := s.pace.wait(s.ctx, n); err != nil {
		return err
	}
	if s.pace.due() {
		s.publish()
		if s.o.Progress != nil {
			s.o.Progress(int64(min(s.state.Bytes, s.total)), int64(s.total))
		}
	}
	if time.Since(s.saved) < scrubSaveEvery {
		return nil
	}
	s.saved = time.Now()
	return s.save()
}

// found notes damage. Locks may be held: the caller of Scrub is told by tell.
func (s *scrubber) found(f ScrubFinding) {
	s.state.Findings++
	s.faults = append(s.faults, f)
	if len(s.report.Findings) == MaxScrubFindings {
		s.report.Suppressed++
		return
	}
	s.report.Findings = append(s.report.Findings, f)
}

// tell passes on what was found since the last time, memory faults also to those who keep away from bad memory. No lock is
// held.
func (s *scrubber) tell() {
	for _, f := range s.faults {
		_ = s.fs.media.Report(f.cause, f.Ino, false) // only its name is in what it returns
	}
	s.faults = s.faults[:0]
	for ; s.told < len(s.report.Findings); s.told++ {
		if s.o.Found != nil {
			s.o.Found(s.report.Findings[s.told])
		}
	}
}

// pace keeps a rate.
type pace struct {
	rate  int64 // bytes per second; 0 for no limit
	start time.Time
	bytes uint64
	told  uint64
}

// pauseMin is the shortest sleep that is worth it, and pauseMax how much of it a stall may save up.
const (
	pauseMin = 2 * time.Millisecond
	pauseMax = 100 * time.Millisecond
)

// wait accounts for n bytes and sleeps as long as the rate asks. It returns ctx's error when ctx ends.
func (p *pace) wait(ctx context.Context, n uint64) error {
	p.bytes += n
	if p.rate > 0 {
		due := p.start.Add(time.Duration(float64(p.bytes) / float64(p.rate) * float64(time.Second)))
		ahead := time.Until(due)
		if ahead < -pauseMax {
			p.start = p.start.Add(-ahead) // whatever held it up, it is not to be made up for in a rush
		}
		if ahead > pauseMin {
			t := time.NewTimer(ahead)
			defer t.Stop()
			select {
			case <-ctx.Done():
			case <-t.C:
			}
		}
	}
	return ctx.Err()
}

// due reports, once in so many bytes, that it is time to say how far it is.
func (p *pace) due() bool {
	const every = 16 << 20
	if p.bytes-p.told < every {
		return false
	}
	p.told = p.bytes
	return true
}
