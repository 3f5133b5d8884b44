package schedule

import (
	"errors"
	"fmt"
	"time"

	"pmemfs/pmemfs"
)

// Keep says how many snapshots to keep. Each rule goes by itself, from the newest snapshot to older ones: Last keeps so many; Hourly keeps the newest
// one of each hour until it has so many, and so on. What any rule keeps is kept. Periods are UTC's; weeks begin on Monday. Periods without a snapshot
// do not count, so a machine that was off for a month has lost nothing when it starts.
type Keep struct {
	Last, Hourly, Daily, Weekly, Monthly, Yearly int // 0 for no such rule
}

// KeepMax is the most that a rule can keep: there is one more while it is made.
const KeepMax = pmemfs.SnapshotsMax - 1

// Errors of a Keep.
var (
	ErrKeepNothing = errors.New("nothing is kept: give last, hourly, daily, weekly, monthly or yearly")
	ErrKeepCount   = fmt.Errorf("a number of snapshots to keep is from 1 to %d", KeepMax)
)

// Validate refuses rules that could not work.
//
// Errors: ErrKeepNothing, ErrKeepCount.
func (k *Keep) Validate() error {
	given := false
	for _, r := range k.rules() {
		if r.count < 0 || r.count > KeepMax {
			return ErrKeepCount
		}
		given = given || r.count > 0
	}
	if !given {
		return ErrKeepNothing
	}
	return nil
}

// total is the most that is kept.
func (k *Keep) total() (n int) {
	for _, r := range k.rules() {
		n += r.count
	}
	return n
}

// rule keeps the newest snapshot of each of the last count periods.
type rule struct {
	count  int
	period func(at time.Time) int // a number that all times of a period have, and no other time
}

func (k *Keep) rules() []rule {
	seconds := func(length time.Duration) func(time.Time) int {
		return func(at time.Time) int { return int(at.Truncate(length).Unix()) }
	}
	const day = 24 * time.Hour
	return []rule{
		{k.Last, func(at time.Time) int { return int(at.Unix()) }}, // names tell seconds, so each has one of its own
		{k.Hourly, seconds(time.Hour)},
		{k.Daily, seconds(day)},
		{k.Weekly, seconds(7 * day)}, // Truncate counts from a Monday
		{k.Monthly, func(at time.Time) int { return at.Year()*12 + int(at.Month()) }},
		{k.Yearly, time.Time.Year},
	}
}

// drop returns those of all, newest first, that no rule keeps, oldest first. The newest one is never among them.
func (k *Keep) drop(all []made) (names []string) {
	kept := make([]bool, len(all))
	for _, r := range k.rules() {
		last, left := 0, r.count
		for i := 0; i < len(all) && left > 0; i++ {
			if p := r.period(all[i].at); left == r.count || p != last {
				kept[i], last = true, p
				left--
			}
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		if !kept[i] && !all[i].held {
			names = append(names, all[i].name)
		}
	}
	return names
}
