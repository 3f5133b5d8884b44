package schedule

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"pmemfs/pmemfs"
)

const (
	lookEvery = time.Minute // at the wall clock, which may be set, and goes on while the machine sleeps
	lookMin   = time.Millisecond
	sayEvery  = time.Hour // that a schedule still fails

	retry      = time.Second // after which another name is free, or room
	repeatsMax = 60          // within one turn: what was deleted may be damaged, and never be freed
)

// Image is what has snapshots: a *pmemfs.FS.
type Image interface {
	CreateSnapshot(name, text string) (pmemfs.Snapshot, error)
	DeleteSnapshot(name string) error
	SnapshotIndex() (list []pmemfs.Snapshot, deleting int)
}

// Runner goes by schedules.
type Runner struct {
	image Image
	log   *slog.Logger

	jobs []*job        // of the goroutine that runs
	wake chan struct{} // the schedules are others

	mu   sync.Mutex // a leaf: a snapshot of a medium that has stopped keeps nobody else waiting
	set  []Schedule
	past map[string]outcome // of the schedules of set, by prefix
}

// outcome is what has come of the last turn of a schedule.
type outcome struct {
	worked  time.Time // when a turn last came to its end, at the wall clock
	failing bool      // the last turn failed
}

// job is one schedule under way.
type job struct {
	Schedule
	begun bool          // the fields below are set
	done  time.Time     // begin of the slot that has had its turn
	back  bool          // the clock was set back since then
	last  time.Duration // when a turn was, by the clock that nobody sets
	again bool          // the turn is to be repeated in a moment
	// repeats is how often that has been said since a turn came to its end.
	repeats int

	failing bool          // the last turn failed
	said    string        // the error that the log has
	saidAt  time.Duration // when
	untold  int           // errors since then
}

// NewRunner returns a Runner without schedules.
func NewRunner(image Image, log *slog.Logger) *Runner {
	return &Runner{image: image, log: log, wake: make(chan struct{}, 1), past: map[string]outcome{}}
}

// Set replaces the schedules. One whose prefix is known goes on where it was.
//
// Errors: those of Validate; nothing has changed then.
func (r *Runner) Set(list []Schedule) error {
	if err := Validate(list); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set = slices.Clone(list)
	maps.DeleteFunc(r.past, func(prefix string, _ outcome) bool {
		return !slices.ContainsFunc(list, func(s Schedule) bool { return s.Prefix == prefix })
	})
	select {
	case r.wake <- struct{}{}:
	default: // it has been woken
	}
	return nil
}

// Run makes and deletes snapshots until ctx ends.
func (r *Runner) Run(ctx context.Context) {
	start := time.Now()
	for ctx.Err() == nil {
		t := time.NewTimer(r.turn(time.Now(), time.Since(start)))
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-r.wake:
		}
		t.Stop()
	}
}

// turn does what is due, and returns how long to wait until it is called again. wall is the time as it is told, steady a time that nobody sets.
func (r *Runner) turn(wall time.Time, steady time.Duration) time.Duration {
	wall = wall.UTC().Round(0)
	set := r.now()
	r.jobs = jobsOf(set, r.jobs)
	wait := lookEvery
	for _, j := range r.jobs {
		if !slices.Equal(r.now(), set) {
			return lookMin // to go by the others
		}
		if !j.begun {
			r.begin(j, wall)
		}
		if j.due(wall, steady) || j.again {
			j.last = steady
			r.run(j, wall, steady)
		}
		wait = min(wait, j.slot(wall).Add(j.Every).Sub(wall))
		if j.again {
			wait = min(wait, retry)
		}
	}
	return max(wait, lookMin)
}

// now returns the schedules.
func (r *Runner) now() []Schedule {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set
}

// jobsOf are the jobs of schedules, of which those that are known by their prefix go on.
func jobsOf(set []Schedule, known []*job) []*job {
	next := make([]*job, len(set))
	for i, s := range set {
		next[i] = &job{}
		if k := slices.IndexFunc(known, func(j *job) bool { return j.Prefix == s.Prefix }); k >= 0 {
			next[i] = known[k]
		}
		next[i].Schedule = s
	}
	return next
}

// note has those who ask know what has come of a turn.
func (r *Runner) note(j *job, o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.set, func(s Schedule) bool { return s.Prefix == j.Prefix }) {
		r.past[j.Prefix] = o
	}
}

// begin finds out which slot has had its turn before the server was started.
func (r *Runner) begin(j *job, wall time.Time) {
	j.begun = true
	list, _ := r.image.SnapshotIndex()
	if own := j.own(list, wall); len(own) > 0 {
		j.done = j.slot(own[0].at)
	}
}

// due reports whether a slot has begun that has had no turn yet, and takes it for one that has had it.
func (j *job) due(wall time.Time, steady time.Duration) bool {
	slot := j.slot(wall)
	if slot.Before(j.done) {
		j.done, j.back = slot, true
	}
	if !slot.After(j.done) {
		return false
	}
	// A clock that was set back by a moment comes by the same begin of a slot twice.
	tooSoon := j.back && steady-j.last < j.Every/2
	j.done, j.back = slot, false
	return !tooSoon
}

// run makes a snapshot, and then deletes what is not to be kept. Of an image that has as many as it may it deletes first.
func (r *Runner) run(j *job, wall time.Time, steady time.Duration) {
	j.again = false
	name := j.name(wall)
	list, deleting := r.image.SnapshotIndex()
	if len(list)+deleting >= pmemfs.SnapshotsMax {
		n, err := r.prune(j, append([]made{{name: name, at: wall}}, j.own(list, wall)...))
		if err != nil {
			r.failed(j, steady, err)
			return
		}
		if n+deleting > 0 && j.repeat() {
			return // there is room when their space has been freed
		}
	}
	_, err := r.image.CreateSnapshot(name, "")
	if errors.Is(err, pmemfs.ErrExist) && j.repeat() {
		return
	}
	list, _ = r.image.SnapshotIndex()
	n, errPrune := r.prune(j, j.own(list, wall)) // after an error too: that there is no space may be why fewer are to be kept now
	switch {
	case err == nil && errPrune == nil:
		r.worked(j, name, n)
	case err == nil:
		r.failed(j, steady, errPrune)
	case n == 0 || !j.repeat():
		r.failed(j, steady, err)
	}
}

// repeat has the turn repeated in a moment, unless that has been done often enough.
func (j *job) repeat() bool {
	if j.repeats >= repeatsMax {
		return false
	}
	j.repeats++
	j.again = true
	return true
}

// prune deletes those of a schedule's snapshots, newest first, that it does not keep, and returns how many.
func (r *Runner) prune(j *job, own []made) (n int, err error) {
	for _, name := range j.Keep.drop(own) {
		err := r.image.DeleteSnapshot(name)
		switch {
		case err == nil:
			n++
		case errors.Is(err, pmemfs.ErrNotExist), errors.Is(err, pmemfs.ErrBusy): // somebody has deleted it, or holds it, since it was listed
		default:
			return n, err
		}
	}
	return n, nil
}

// worked notes that a schedule works.
func (r *Runner) worked(j *job, name string, deleted int) {
	r.log.Debug("snapshot made by its schedule", "name", name, "deleted", deleted)
	if j.failing {
		r.log.Info("the schedule makes snapshots again", "prefix", j.Prefix, "name", name, "errors_not_logged", j.untold)
	}
	j.failing, j.said, j.untold, j.repeats = false, "", 0, 0
	r.note(j, outcome{worked: time.Now()})
}

// failed notes that a schedule does not work: in the log when that begins, when it has another reason, and from time to time.
func (r *Runner) failed(j *job, steady time.Duration, err error) {
	j.failing, j.repeats = true, 0
	r.note(j, outcome{r.last(j), true})
	if err.Error() == j.said && steady-j.saidAt < sayEvery {
		j.untold++
		return
	}
	r.log.Error("a schedule cannot make or delete its snapshots; it tries again at its next time", "prefix", j.Prefix, "every", j.Every, "error", err,
		"errors_not_logged", j.untold)
	j.said, j.saidAt, j.untold = err.Error(), steady, 0
}

// State is how a schedule does.
type State struct {
	Prefix  string
	Every   time.Duration
	Last    time.Time // when it last made a snapshot, this time or before the start; zero for never
	Failing bool      // its last turn failed
}

// last is when a turn last came to its end.
func (r *Runner) last(j *job) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.past[j.Prefix].worked
}

// States returns how the schedules do. It does not wait for a turn under way.
func (r *Runner) States() (list []State) {
	all, _ := r.image.SnapshotIndex()
	now := time.Now().UTC().Round(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.set {
		o := r.past[s.Prefix]
		st := State{Prefix: s.Prefix, Every: s.Every, Last: o.worked, Failing: o.failing}
		j := job{Schedule: s}
		if own := j.own(all, now); st.Last.IsZero() && len(own) > 0 {
			st.Last = own[0].at
		}
		list = append(list, st)
	}
	return list
}

// Difference says what becomes of schedules when others replace them, by their prefixes.
func (r *Runner) Difference(next []Schedule) (added, removed, changed []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range next {
		k := slices.IndexFunc(r.set, func(o Schedule) bool { return o.Prefix == s.Prefix })
		if k < 0 {
			added = append(added, s.Prefix)
		} else if r.set[k] != s {
			changed = append(changed, s.Prefix)
		}
	}
	for _, o := range r.set {
		if !slices.ContainsFunc(next, func(s Schedule) bool { return s.Prefix == o.Prefix }) {
			removed = append(removed, o.Prefix)
		}
	}
	return added, removed, changed
}
