package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/control"
	"pmemfs/server/jobs"
)

// Scrubbing says how the image is scrubbed while it is served.
type Scrubbing struct {
	Every time.Duration // from the end of a complete pass, or from the making of the image, to the next pass; 0 for never
	Rate  int64         // bytes to read in a second at most; 0 for no limit
}

func (c Scrubbing) vet() error {
	if c.Every < 0 || c.Rate < 0 {
		return fmt.Errorf("cannot scrub every %v at %d bytes a second", c.Every, c.Rate)
	}
	return nil
}

// scrubPlan is how an image is scrubbed now.
type scrubPlan struct {
	mu      sync.Mutex // guards the rest
	now     Scrubbing
	changed chan struct{} // closed when there is another one
}

func newScrubPlan(c Scrubbing) *scrubPlan { return &scrubPlan{now: c, changed: make(chan struct{})} }

// get returns the plan, and what is closed when there is another one.
func (p *scrubPlan) get() (Scrubbing, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now, p.changed
}

// set makes another plan, and reports whether it is one.
func (p *scrubPlan) set(c Scrubbing) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c == p.now {
		return false
	}
	close(p.changed)
	p.now, p.changed = c, make(chan struct{})
	return true
}

// scrub scrubs whenever it is due, until ctx ends. A pass that was stopped goes on at once: its position is on the medium. With another plan it goes
// on by that.
func (i *Image) scrub(ctx context.Context) {
	for ctx.Err() == nil {
		c, changed := i.scrubs.get()
		within, stop := context.WithCancel(ctx)
		var wg safego.Group
		wg.Go("scrub plan", func() {
			select {
			case <-changed:
			case <-within.Done():
			}
			stop()
		})
		again := i.scrubBy(within, c)
		stop()
		wg.Wait()
		if !again {
			return
		}
	}
}

// scrubBy scrubs by a plan until ctx ends, and reports whether it can be scrubbed any more.
func (i *Image) scrubBy(ctx context.Context, c Scrubbing) bool {
	for c.Every > 0 {
		st, err := i.eng.ScrubStatus()
		if err != nil {
			i.log.Error("cannot tell when to scrub", "error", err)
			return false
		}
		if !sleep(ctx, c.dueIn(st, time.Unix(0, i.eng.Info().Created), time.Now())) {
			return true
		}
		if err := i.scrubOnce(ctx, c, st.Partial); err != nil {
			if ctx.Err() != nil {
				return true
			}
			if errors.Is(err, errScrubEnded) {
				i.log.Info("scrub ended before its end; it goes on when the next one is due", "error", err)
			} else {
				i.log.Error("scrub failed", "error", err)
			}
			if !sleep(ctx, c.Every) {
				return true
			}
		}
	}
	<-ctx.Done()
	return true
}

// dueIn is how long it is until a pass is due. The wall clock says, as that outlives restarts; but of the past it is believed only what is not in the
// future. A clock that was wrong then, or is now, costs a pass too many, not that there is none; and once it is known how long, no clock that is set
// changes that.
func (c Scrubbing) dueIn(st pmemfs.ScrubStatus, made, now time.Time) time.Duration {
	last := lastPass(st, made)
	if st.Partial || last.After(now) {
		return 0
	}
	return last.Add(c.Every).Sub(now)
}

// due is when the next complete pass is to begin, or should have begun; zero for never.
func (c Scrubbing) due(st pmemfs.ScrubStatus, made time.Time) time.Time {
	if c.Every <= 0 {
		return time.Time{}
	}
	return lastPass(st, made).Add(c.Every)
}

// lastPass is from when the time to the next pass counts.
func lastPass(st pmemfs.ScrubStatus, made time.Time) time.Time {
	if st.Passes > 0 {
		return time.Unix(0, st.Ended)
	}
	return made
}

// sleep waits and returns true, or false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// errScrubEnded is why a pass is not complete that somebody has cancelled.
var errScrubEnded = errors.New("it was cancelled")

// scrubOnce makes one pass, or what is left of one, or waits for the one that somebody has asked for.
func (i *Image) scrubOnce(ctx context.Context, c Scrubbing, resume bool) error {
	job, fresh, err := i.startScrub(c.Rate, resume)
	if err != nil {
		return err
	}
	ended, err := i.jobs.Wait(ctx, job.ID)
	if err != nil {
		if fresh {
			_, cerr := i.jobs.Cancel(context.WithoutCancel(ctx), job.ID) // it notes how far it is
			err = errors.Join(err, cerr)
		}
		return err
	}
	switch ended.State {
	case jobs.Cancelled:
		return errScrubEnded
	case jobs.Failed:
		return errors.New(ended.Message)
	}
	return nil
}

// startScrub begins a pass as a job.
func (i *Image) startScrub(rate int64, resume bool) (job jobs.Job, fresh bool, err error) {
	return i.jobs.Start(control.JobScrub, i.path, "", func(ctx context.Context, progress func(done, total int64)) (any, error) {
		r, err := i.scrubPass(ctx, rate, resume, progress)
		if r == nil {
			return nil, err
		}
		return r, err
	})
}

// scrubPass makes a pass, and logs what it finds.
func (i *Image) scrubPass(ctx context.Context, rate int64, resume bool, progress func(done, total int64)) (*pmemfs.ScrubReport, error) {
	start := time.Now()
	i.log.Info("scrub begins", "resumed", resume, "rate", rate)
	r, err := i.eng.Scrub(ctx, pmemfs.ScrubOptions{Rate: rate, Resume: resume, Progress: progress, Found: func(f pmemfs.ScrubFinding) {
		i.log.Warn("scrub found damage", "object", f.Object, "offset", f.Offset, "inode", f.Ino, "problem", f.Problem, "repaired", f.Repaired)
	}})
	switch {
	case errors.Is(err, context.Canceled):
		i.log.Info("scrub stopped; it goes on at the next start, or by another schedule", "bytes", r.Bytes)
		return r, err
	case err != nil:
		return r, err
	}
	i.log.Info("scrub complete", "findings", uint64(len(r.Findings)+r.Suppressed)+r.Earlier, "inodes", r.Inodes, "nodes", r.Nodes,
		"data_blocks", r.DataBlocks, "bytes", r.Bytes, "took", time.Since(start).Round(time.Millisecond))
	return r, nil
}
