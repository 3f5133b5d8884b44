package schedule

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pmemfs/pmemfs"
)

// bed is a Runner with an image and clocks that a test sets.
type bed struct {
	t      *testing.T
	r      *Runner
	log    bytes.Buffer
	wall   time.Time
	steady time.Duration

	list     []pmemfs.Snapshot
	deleting int
	made     []string // all that ever were made
	deleted  []string
	refuse   error // of CreateSnapshot and DeleteSnapshot
	full     bool  // for CreateSnapshot
}

// epoch is a Monday, at midnight.
var epoch = time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)

func newBed(t *testing.T, list ...Schedule) *bed {
	b := &bed{t: t, wall: epoch}
	b.restart(list...)
	return b
}

// restart is a new server of the same image.
func (b *bed) restart(list ...Schedule) {
	b.t.Helper()
	b.r, b.steady = NewRunner(b, slog.New(slog.NewTextHandler(&b.log, nil))), 0
	if err := b.r.Set(list); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) CreateSnapshot(name, _ string) (s pmemfs.Snapshot, err error) {
	switch {
	case b.refuse != nil:
		return s, b.refuse
	case b.full:
		return s, pmemfs.ErrNoSpace
	case b.find(name) >= 0:
		return s, pmemfs.ErrExist
	case len(b.list)+b.deleting >= pmemfs.SnapshotsMax:
		return s, pmemfs.ErrTooMany
	}
	s.Name = name
	b.list, b.made = append(b.list, s), append(b.made, name)
	return s, nil
}

func (b *bed) DeleteSnapshot(name string) error {
	i := b.find(name)
	switch {
	case b.refuse != nil:
		return b.refuse
	case i < 0:
		return pmemfs.ErrNotExist
	case len(b.list[i].Holds) > 0:
		return pmemfs.ErrBusy
	}
	b.list, b.deleted = slices.Delete(b.list, i, i+1), append(b.deleted, name)
	return nil
}

func (b *bed) SnapshotIndex() ([]pmemfs.Snapshot, int) { return slices.Clone(b.list), b.deleting }

func (b *bed) find(name string) int {
	return slices.IndexFunc(b.list, func(s pmemfs.Snapshot) bool { return s.Name == name })
}

// add has snapshots made by somebody, without more.
func (b *bed) add(names ...string) {
	for _, name := range names {
		b.list = append(b.list, pmemfs.Snapshot{Name: name})
	}
}

// pass lets time pass as Run does, by both clocks.
func (b *bed) pass(d time.Duration) {
	b.t.Helper()
	for end := b.steady + d; ; {
		wait := b.r.turn(b.wall, b.steady)
		if wait <= 0 || wait > lookEvery {
			b.t.Fatalf("waits %v", wait)
		}
		wait = min(wait, end-b.steady)
		b.wall, b.steady = b.wall.Add(wait), b.steady+wait
		if b.steady >= end {
			return
		}
	}
}

// names are the names of what is there.
func (b *bed) names() (all []string) {
	for i := range b.list {
		all = append(all, b.list[i].Name)
	}
	return all
}

// want compares names, of which it is given what is behind the prefix.
func (b *bed) want(got []string, prefix string, times ...string) {
	b.t.Helper()
	for i := range times {
		times[i] = prefix + times[i]
	}
	if !slices.Equal(got, times) {
		b.t.Errorf("%s: %q, want %q", b.wall.Format(time.RFC3339), got, times)
	}
}

// said counts a text in the log.
func (b *bed) said(text string) int { return strings.Count(b.log.String(), text) }
