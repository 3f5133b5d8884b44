package scrub

import (
	"context"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// pass is one run of a Scrubber. It is used by one goroutine.
type pass struct {
	*Scrubber
	ctx    context.Context
	o      Options
	report *Report
	pace   pace
	state  layout.ScrubState
	saved  time.Time
	total  uint64 // bytes that the pass will have read, about
	walk   tree.Walk
	list   []layout.Extent // of one leaf
	told   int             // findings that the caller has been told of
	faults []fault         // since the last time
}

// fault is what was found to be damaged, and why.
type fault struct {
	ino   uint64
	cause error // nil for damage that is no error
}

// saveEvery is how often a pass notes on the medium how far it is.
const saveEvery = 30 * time.Second

// begin takes up the pass that was stopped, or begins one.
func (s *pass) begin() (err error) {
	if s.state, err = s.load(); ends(err) {
		return err
	}
	if err != nil {
		_ = s.health.Report(err, 0, false) // only its name is in what it returns
	}
	if s.report.Resumed = s.o.Resume && s.state.Ino != 0; s.report.Resumed {
		s.report.Earlier = uint64(s.state.Findings)
	} else {
		s.state.Began, s.state.Bytes, s.state.Findings, s.state.Block = time.Now().UnixNano(), 0, 0, 0
		s.state.Ino = layout.InodeFileIno
	}
	s.saved = time.Now()
	free := max(s.v.Alloc.Blocks.Avail()+s.v.Alloc.Blocks.Quarantined(), 0)
	s.total = (s.v.Super().Blocks - uint64(free)) << layout.BlockShift
	s.publish()
	return nil
}

// end notes that the pass is complete, or where it was stopped.
func (s *pass) end(complete bool) error {
	s.report.Complete = complete
	if complete {
		s.state.Passes++
		s.state.LastFindings, s.state.Ended, s.state.Ino, s.state.Block = s.state.Findings, time.Now().UnixNano(), 0, 0
		if s.o.Progress != nil {
			s.o.Progress(int64(s.total), int64(s.total))
		}
	}
	return s.save()
}

// save writes the state. Where its memory is bad there is none, which the scrub has found or will find like any other
// damage.
func (s *pass) save() error {
	if err := s.store(&s.state); ends(err) || s.v.Journal.Err() != nil {
		return err
	}
	return nil
}

// publish tells ScrubStatus how far it is.
func (s *pass) publish() {
	st := StatusOf(s.state)
	st.Running = true
	s.live.Store(&st)
}

// read accounts for bytes that were read, keeps to the rate, and notes now and then how far the pass is. No lock is held.
func (s *pass) read(n uint64) error {
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
	if time.Since(s.saved) < saveEvery {
		return nil
	}
	s.saved = time.Now()
	return s.save()
}

// found notes damage. Its problem is the cause, unless it says another one. Locks may be held: the caller of Run is told by tell.
func (s *pass) found(f Finding, cause error) {
	if f.Problem == "" {
		f.Problem = cause.Error()
	}
	s.state.Findings++
	s.faults = append(s.faults, fault{f.Ino, cause})
	if len(s.report.Findings) == FindingsMax {
		s.report.Suppressed++
		return
	}
	s.report.Findings = append(s.report.Findings, f)
}

// tell passes on what was found since the last time, memory faults also to those who keep away from bad memory. No lock is
// held.
func (s *pass) tell() {
	for _, f := range s.faults {
		_ = s.health.Report(f.cause, f.ino, false) // only its name is in what it returns
	}
	s.faults = s.faults[:0]
	for ; s.told < len(s.report.Findings); s.told++ {
		if s.o.Found != nil {
			s.o.Found(s.report.Findings[s.told])
		}
	}
}
