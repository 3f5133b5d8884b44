package schedule

import (
	"slices"
	"testing"
	"time"
)

func quarter() Schedule {
	return Schedule{Prefix: "auto-", Every: 15 * time.Minute, Keep: Keep{Last: 1000}}
}

// TestRunnerTimes: the first snapshot comes at once, the others at the quarters of the hour.
func TestRunnerTimes(t *testing.T) {
	b := newBed(t, quarter())
	b.wall = epoch.Add(10*time.Minute + 3*time.Second)
	b.pass(50 * time.Minute)
	b.want(b.made, "auto-20261130T", "001003Z", "001500Z", "003000Z", "004500Z", "010000Z")
}

// TestRunnerWeek: slots of a week begin on Monday.
func TestRunnerWeek(t *testing.T) {
	b := newBed(t, Schedule{Prefix: "w-", Every: 7 * 24 * time.Hour, Keep: Keep{Last: 2}})
	b.wall = epoch.Add(-time.Hour)
	b.pass(8 * 24 * time.Hour)
	b.want(b.made, "w-", "20261129T230000Z", "20261130T000000Z", "20261207T000000Z")
	b.want(b.deleted, "w-", "20261129T230000Z")
}

// TestRunnerMissed: after downtime, or while the machine slept, one is made for all that were missed, and none twice in a slot.
func TestRunnerMissed(t *testing.T) {
	b := newBed(t, quarter())
	b.pass(time.Minute)
	b.restart(quarter())
	b.pass(time.Minute)
	b.want(b.made, "auto-", "20261130T000000Z")
	b.wall = epoch.Add(30*24*time.Hour + 7*time.Minute)
	b.restart(quarter())
	b.pass(time.Minute)
	b.want(b.made[1:], "auto-", "20261230T000700Z")
	b.wall = b.wall.Add(5 * time.Hour) // the other clock does not go on while the machine sleeps
	b.pass(10 * time.Minute)
	b.want(b.made[2:], "auto-", "20261230T050800Z", "20261230T051500Z")
}

// TestRunnerSetBack: a clock that is set back costs at most a slot and a half, gives no name twice, and no two snapshots in a short time.
func TestRunnerSetBack(t *testing.T) {
	for _, back := range []time.Duration{
		time.Millisecond, 500 * time.Millisecond, time.Second, time.Minute, 14 * time.Minute, 15 * time.Minute, time.Hour, 61 * time.Minute, 24 * time.Hour, 10000 * time.Hour,
	} {
		for _, first := range []time.Duration{0, time.Nanosecond, time.Second, 7 * time.Minute, 15*time.Minute - time.Second} {
			b := newBed(t, quarter())
			b.pass(2 * time.Hour)
			b.pass(first + time.Nanosecond)
			b.wall = b.wall.Add(-back)
			for range 20 {
				before, n := b.steady, len(b.made)
				for len(b.made) == n {
					b.pass(time.Second)
					if gap := b.steady - before; gap > 23*time.Minute {
						t.Fatalf("set back by %v: none in %v", back, gap)
					}
				}
				if gap := b.steady - before; len(b.made) > n+1 || n > 9 && gap < 7*time.Minute {
					t.Fatalf("set back by %v, %v after one: %q in %v", back, first, b.made[n:], gap)
				}
			}
			if all := slices.Compact(slices.Sorted(slices.Values(b.made))); len(all) != len(b.made) {
				t.Errorf("set back by %v: a name is there twice: %q", back, b.made)
			}
		}
	}
}

// TestRunnerRestartSetBack: so does one that is set back while the server is down.
func TestRunnerRestartSetBack(t *testing.T) {
	b := newBed(t, quarter())
	b.pass(2 * time.Hour)
	b.wall = epoch.Add(time.Hour + time.Minute)
	b.restart(quarter())
	n := len(b.made)
	b.pass(30 * time.Minute)
	b.want(b.made[n:], "auto-20261130T", "011501Z", "013001Z") // the next second, as 011500Z is there
}

// TestRunnerSetForward: nothing more is deleted than after any other snapshot, and when the clock is right again, what was made in the future
// takes no place.
func TestRunnerSetForward(t *testing.T) {
	s := Schedule{Prefix: "auto-", Every: time.Hour, Keep: Keep{Hourly: 3, Daily: 2}}
	b := newBed(t, s)
	b.pass(30 * time.Hour)
	if b.want(b.names(), "auto-20261", "130T230000Z", "201T030000Z", "201T040000Z", "201T050000Z"); t.Failed() {
		return
	}
	n := len(b.deleted)
	b.wall = b.wall.AddDate(10, 0, 0)
	b.pass(time.Minute)
	b.want(b.deleted[n:], "auto-20261", "130T230000Z", "201T030000Z")
	b.wall = b.wall.AddDate(-10, 0, 0)
	for _, again := range []bool{false, true} {
		if again {
			b.restart(s)
		}
		b.pass(4 * time.Hour)
	}
	b.want(b.names(), "auto-20", "361201T060000Z", "261201T120000Z", "261201T130000Z", "261201T140000Z")
}
