// Package jobs runs what takes long: it goes on when whoever has asked for it is gone, tells how far it is, and can be ended.
//
// Asking twice for the same thing starts one job: the second time returns the one that is under way. Jobs that have ended are remembered, the
// last Remembered of them.
//
// # Concurrency and durability
//
// A List may be used by any number of goroutines. Nothing here is on the medium: after a restart there are no jobs. What was under way
// then is as after a crash, and each kind says what that means. List.mu
// is a leaf: nothing is called under it.
package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
)

const (
	// Remembered is how many ended jobs a List remembers.
	Remembered = 64
	// running bounds jobs that are under way at once.
	running = 16
)

// The states of a job.
const (
	Running   = "running"
	Done      = "done"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// Job is something that takes long.
type Job struct {
	ID      uint64          `json:"id" doc:"its number; a server counts from 1"`
	Kind    string          `json:"kind" doc:"what is done: scrub, snapshot-check"`
	Image   string          `json:"image" doc:"path of the image"`
	Subject string          `json:"subject,omitempty" doc:"what of the image it is about, such as the name of a snapshot"`
	State   string          `json:"state" doc:"running, done, failed or cancelled"`
	BeganNS int64           `json:"began_ns" doc:"when it began"`
	EndedNS int64           `json:"ended_ns" doc:"when it ended; 0 while it runs"`
	Done    int64           `json:"done" doc:"how far it is, in bytes"`
	Total   int64           `json:"total" doc:"how much there is, in bytes; 0 while that is not known"`
	Message string          `json:"message,omitempty" doc:"why it failed"`
	Result  json.RawMessage `json:"result,omitempty" doc:"what it found, when it has ended"`
}

// Work is what a job does. It ends soon when ctx does, and reports how far it is. What it returns beside an error counts too.
type Work func(ctx context.Context, progress func(done, total int64)) (result any, err error)

// entry is a job and what belongs to it.
type entry struct {
	job       Job // of List.mu
	cancel    context.CancelFunc
	cancelled bool // of List.mu
	ended     chan struct{}
}

// List is the jobs of a server.
type List struct {
	mu   sync.Mutex
	last uint64
	all  []*entry // in the order in which they began
	wg   safego.Group
	stop bool // no job begins any more
}

// Start begins a job, unless one of that kind, image and subject is under way, which it returns then: it is not fresh.
//
// Errors: pmemfs.ErrBusy if very many are under way; pmemfs.ErrClosed after Close.
func (l *List) Start(kind, image, subject string, work Work) (job Job, fresh bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	under := 0
	for _, e := range l.all {
		if e.job.State != Running {
			continue
		}
		if e.job.Kind == kind && e.job.Image == image && e.job.Subject == subject {
			return e.job, false, nil
		}
		under++
	}
	switch {
	case l.stop:
		return Job{}, false, pmemfs.ErrClosed
	case under >= running:
		return Job{}, false, fmt.Errorf("%w: %d jobs are under way", pmemfs.ErrBusy, under)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.last++
	e := &entry{job: Job{ID: l.last, Kind: kind, Image: image, Subject: subject, State: Running, BeganNS: time.Now().UnixNano()}, cancel: cancel, ended: make(chan struct{})}
	l.all = append(l.all, e)
	l.wg.Go(kind, func() { l.run(ctx, e, work) })
	return e.job, true, nil
}

// run does the work, and notes what has come of it. A panic in it is a failure of the job.
func (l *List) run(ctx context.Context, e *entry, work Work) {
	var result any
	err := errors.New("it has a fault, and the log says where")
	defer func() {
		e.cancel()
		l.end(e, result, err)
	}()
	safego.Run(e.job.Kind, func() {
		result, err = work(ctx, func(done, total int64) {
			l.mu.Lock()
			defer l.mu.Unlock()
			e.job.Done, e.job.Total = done, total
		})
	})
}

// end notes that a job has ended, and forgets the oldest ones.
func (l *List) end(e *entry, result any, err error) {
	text, jerr := json.Marshal(result)
	if err == nil {
		err = jerr
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.job.EndedNS, e.job.State = time.Now().UnixNano(), Done
	switch {
	case err == nil:
		e.job.Done = max(e.job.Done, e.job.Total) // the total was an estimate
	case e.cancelled:
		e.job.State = Cancelled
	default:
		e.job.State, e.job.Message = Failed, err.Error()
	}
	if result != nil && jerr == nil {
		e.job.Result = text
	}
	close(e.ended)
	over := -Remembered
	for _, o := range l.all {
		if o.job.State != Running {
			over++
		}
	}
	l.all = slices.DeleteFunc(l.all, func(o *entry) bool {
		if over <= 0 || o.job.State == Running {
			return false
		}
		over--
		return true
	})
}

// find returns a job. mu is held. Errors: pmemfs.ErrNotExist.
func (l *List) find(id uint64) (*entry, error) {
	for _, e := range l.all {
		if e.job.ID == id {
			return e, nil
		}
	}
	return nil, fmt.Errorf("job %d: %w", id, pmemfs.ErrNotExist)
}

// Get returns a job. Errors: pmemfs.ErrNotExist.
func (l *List) Get(id uint64) (Job, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, err := l.find(id)
	if err != nil {
		return Job{}, err
	}
	return e.job, nil
}

// All returns the jobs in the order in which they began.
func (l *List) All() []Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Job, 0, len(l.all))
	for _, e := range l.all {
		list = append(list, e.job)
	}
	return list
}

// Cancel ends a job, and waits until it has ended or ctx does. One that has ended already stays as it is.
//
// Errors: pmemfs.ErrNotExist; that of ctx.
func (l *List) Cancel(ctx context.Context, id uint64) (Job, error) {
	l.mu.Lock()
	e, err := l.find(id)
	if err == nil && e.job.State == Running {
		e.cancelled = true
		e.cancel()
	}
	l.mu.Unlock()
	if err != nil {
		return Job{}, err
	}
	return l.wait(ctx, e)
}

// Wait waits until a job has ended, or ctx does.
//
// Errors: pmemfs.ErrNotExist; that of ctx.
func (l *List) Wait(ctx context.Context, id uint64) (Job, error) {
	l.mu.Lock()
	e, err := l.find(id)
	l.mu.Unlock()
	if err != nil {
		return Job{}, err
	}
	return l.wait(ctx, e)
}

func (l *List) wait(ctx context.Context, e *entry) (Job, error) {
	select {
	case <-e.ended:
		l.mu.Lock()
		defer l.mu.Unlock()
		return e.job, nil
	case <-ctx.Done():
		return Job{}, ctx.Err()
	}
}

// Close ends all jobs and waits until they have ended. None begins any more.
func (l *List) Close() {
	l.mu.Lock()
	l.stop = true
	for _, e := range l.all {
		if e.job.State == Running {
			e.cancelled = true
			e.cancel()
		}
	}
	l.mu.Unlock()
	l.wg.Wait()
}
