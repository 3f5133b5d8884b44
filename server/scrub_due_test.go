package server

import (
	"testing"
	"time"

	"pmemfs/pmemfs"
)

// TestScrubDue: clocks that were wrong, or are, never put a pass off for ever.
func TestScrubDue(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	c := Scrubbing{Every: 7 * 24 * time.Hour}
	day := 24 * time.Hour
	at := func(d time.Duration) time.Time { return now.Add(d) }
	for _, test := range []struct {
		name  string
		st    pmemfs.ScrubStatus
		made  time.Time
		after time.Duration
	}{
		{"new", pmemfs.ScrubStatus{}, now, 7 * day},
		{"new, before the clock was set back", pmemfs.ScrubStatus{}, at(time.Second), 0},
		{"scrubbed yesterday", pmemfs.ScrubStatus{Passes: 1, Ended: at(-day).UnixNano()}, at(-100 * day), 6 * day},
		{"made in the future, scrubbed yesterday", pmemfs.ScrubStatus{Passes: 1, Ended: at(-day).UnixNano()}, at(1000 * day), 6 * day},
		{"scrubbed in the future", pmemfs.ScrubStatus{Passes: 3, Ended: at(1000 * day).UnixNano()}, at(-100 * day), 0},
		{"long ago", pmemfs.ScrubStatus{Passes: 1, Ended: at(-90 * day).UnixNano()}, at(-100 * day), -83 * day},
		{"not complete", pmemfs.ScrubStatus{Passes: 1, Ended: at(-day).UnixNano(), Partial: true}, at(-100 * day), 0},
		{"a clock that begins in 1970", pmemfs.ScrubStatus{Passes: 1, Ended: 5}, time.Unix(0, 1), time.Unix(0, 5).Add(7 * day).Sub(now)},
	} {
		if got := c.dueIn(test.st, test.made, now); got != test.after {
			t.Errorf("%s: due in %v, want %v", test.name, got, test.after)
		}
	}
}

// TestScrubDueShown: what is shown is when the next complete pass is to begin, also while one that was stopped goes on; nothing where none is to come.
func TestScrubDueShown(t *testing.T) {
	made, ended := time.Unix(1_000, 0), time.Unix(5_000, 0)
	c := Scrubbing{Every: time.Minute}
	for _, test := range []struct {
		name string
		plan Scrubbing
		st   pmemfs.ScrubStatus
		want time.Time
	}{
		{"new", c, pmemfs.ScrubStatus{}, made.Add(time.Minute)},
		{"scrubbed", c, pmemfs.ScrubStatus{Passes: 1, Ended: ended.UnixNano()}, ended.Add(time.Minute)},
		{"not complete", c, pmemfs.ScrubStatus{Passes: 1, Ended: ended.UnixNano(), Partial: true}, ended.Add(time.Minute)},
		{"never", Scrubbing{}, pmemfs.ScrubStatus{Passes: 1, Ended: ended.UnixNano()}, time.Time{}},
	} {
		if got := test.plan.due(test.st, made); !got.Equal(test.want) {
			t.Errorf("%s: due at %v, want %v", test.name, got, test.want)
		}
	}
}
