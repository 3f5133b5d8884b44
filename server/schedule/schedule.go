// Package schedule makes snapshots of a served image at set times, and deletes those that are no longer to be kept.
//
// # Times
//
// A Schedule divides time, as the wall clock tells it in UTC, into slots of Every. It makes one snapshot in each: at the begin of the slot, or later in
// it if the server was not there. So however many slots were missed, one snapshot follows and not several. Wall clocks may be wrong, and may be set:
//
//   - Set forward, it is in another slot: one snapshot is made. What is kept goes by counts and not by age (Keep), so nothing more is deleted than
//     after any other snapshot.
//   - Set back, it is in an earlier slot, and the next slot has a snapshot again, unless one was made less than half of Every ago, by a clock that
//     nobody sets.
//   - Snapshots of the future, made while the clock was ahead, are not believed: they neither say when the next one is due, nor take the place of others
//     in what is kept, nor are they deleted.
//
// A name that is taken, which takes a clock that was set back to the very second, makes the snapshot wait for the next second.
//
// # Concurrency and durability
//
// A Runner runs in one goroutine; Set, States and Difference may be called by any, and wait for no snapshot. A snapshot is as durable as pmemfs.FS.CreateSnapshot says.
package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pmemfs/pmemfs"
)

// DefaultPrefix is what names of snapshots begin with if nothing else is said.
const DefaultPrefix = "auto-"

// EveryMin is the shortest time between two snapshots. Names tell seconds.
const EveryMin = time.Second

// layout is the time in a name: UTC, without characters that a name may not have.
const layout = "20060102T150405Z"

// Schedule says when to make snapshots, and which of them to keep.
type Schedule struct {
	Prefix string        // of the names; the time follows
	Every  time.Duration // whole seconds
	Keep   Keep
}

// Errors of schedules.
var (
	ErrSamePrefix = errors.New("two schedules have the same prefix")
	ErrKeepTotal  = fmt.Errorf("all schedules together keep more than the %d snapshots that an image has room for beside a new one", KeepMax)
	ErrEvery      = errors.New("the time between two snapshots is given in whole seconds, at least 1s")
	ErrPrefix     = errors.New("a name of a snapshot begins neither with - nor with ., and has no spaces, control characters, /, @ and :, and up to 255 bytes with its time")
)

// Validate refuses a schedule that could not work.
//
// Errors: ErrEvery, ErrPrefix, and those of Keep.Validate.
func (s *Schedule) Validate() error {
	switch {
	case s.Every < EveryMin || s.Every%time.Second != 0:
		return ErrEvery
	case s.Prefix == "" || !pmemfs.IsSnapshotName(s.name(time.Unix(0, 0))):
		return ErrPrefix
	}
	return s.Keep.Validate()
}

// Validate refuses schedules that do not go together: two with one prefix would delete each other's snapshots, and together they must not keep more
// than an image can have, with one that is being made.
//
// Errors: those of Schedule.Validate, ErrSamePrefix, ErrKeepTotal.
func Validate(list []Schedule) error {
	total := 1
	for i := range list {
		s := &list[i]
		if err := s.Validate(); err != nil {
			return err
		}
		if slices.ContainsFunc(list[:i], func(o Schedule) bool { return o.Prefix == s.Prefix }) {
			return fmt.Errorf("%w: %q", ErrSamePrefix, s.Prefix)
		}
		total += s.Keep.total()
	}
	if total > pmemfs.SnapshotsMax {
		return ErrKeepTotal
	}
	return nil
}

// name is the name of a snapshot that is made at a time.
func (s *Schedule) name(at time.Time) string { return s.Prefix + at.UTC().Format(layout) }

// timeOf is the time in a name, and whether the name is one of the schedule: its prefix and a time, and nothing else.
func (s *Schedule) timeOf(name string) (time.Time, bool) {
	text, ok := strings.CutPrefix(name, s.Prefix)
	if !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(layout, text) // which takes fractions of a second, too
	return at, err == nil && at.Format(layout) == text
}

// slot is the begin of the slot that a time is in. Slots of a day begin at midnight, those of a week on Monday.
func (s *Schedule) slot(at time.Time) time.Time { return at.UTC().Truncate(s.Every) }

// own are the schedule's snapshots up to now, newest first.
func (s *Schedule) own(list []pmemfs.Snapshot, now time.Time) (all []made) {
	for i := range list {
		if at, ok := s.timeOf(list[i].Name); ok && !at.After(now) {
			all = append(all, made{list[i].Name, at, len(list[i].Holds) > 0})
		}
	}
	slices.SortFunc(all, func(a, b made) int { return b.at.Compare(a.at) })
	return all
}

// made is a snapshot that a schedule made.
type made struct {
	name string
	at   time.Time // as the name says
	held bool
}
