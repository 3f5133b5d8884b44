package schedule

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pmemfs/pmemfs"
)

// TestRunnerOthers: snapshots of people, of other schedules, and held ones stay, however old they are.
func TestRunnerOthers(t *testing.T) {
	b := newBed(t, Schedule{Prefix: "a-", Every: time.Minute, Keep: Keep{Last: 2}}, Schedule{Prefix: "a-2", Every: time.Hour, Keep: Keep{Last: 1}})
	b.add("before-upgrade", "a-before-upgrade", "b-20200101T000000Z", "a-20200101T000000Z", "a-20200102T000000Z", "a-20200101T000000.5Z")
	b.list[4].Holds = []string{"keep"}
	b.pass(3*time.Minute + time.Second)
	b.want(b.names(), "", "before-upgrade", "a-before-upgrade", "b-20200101T000000Z", "a-20200102T000000Z", "a-20200101T000000.5Z", "a-220261130T000000Z",
		"a-20261130T000200Z", "a-20261130T000300Z")
	b.list[3].Holds = nil
	b.pass(time.Minute)
	b.want(b.deleted[len(b.deleted)-2:], "a-20", "200102T000000Z", "261130T000200Z")
}

// TestRunnerFull: with as many snapshots as there may be, one that is not kept any more goes first, and the new one comes when there is room.
func TestRunnerFull(t *testing.T) {
	b := newBed(t, Schedule{Prefix: "auto-", Every: time.Minute, Keep: Keep{Last: 2}})
	b.add("auto-20261129T000000Z", "auto-20261129T000100Z")
	for i := len(b.list); i < pmemfs.SnapshotsMax; i++ {
		b.add(fmt.Sprint("mine", i))
	}
	b.deleting = 1
	b.pass(5 * time.Second)
	if b.want(b.deleted, "auto-", "20261129T000000Z"); len(b.made) != 0 {
		t.Errorf("made %q", b.made)
	}
	b.deleting = 0
	b.pass(2 * time.Second)
	b.want(b.made, "auto-", "20261130T000005Z")
	b.want(b.deleted, "auto-20261129T00", "0000Z")
	b.pass(time.Minute)
	b.want(b.made, "auto-20261130T000", "005Z", "101Z")
	b.want(b.deleted, "auto-20261129T000", "000Z", "100Z")
}

// TestRunnerFullOfOthers: where nothing is to be deleted, or what was deleted is never freed, the log says so.
func TestRunnerFullOfOthers(t *testing.T) {
	for _, deleting := range []int{0, 1} {
		b := newBed(t, Schedule{Prefix: "auto-", Every: 5 * time.Minute, Keep: Keep{Last: 2}})
		for i := deleting; i < pmemfs.SnapshotsMax; i++ {
			b.add(fmt.Sprint("mine", i))
		}
		b.deleting = deleting
		b.pass(time.Hour - time.Minute)
		if n := b.said("cannot make"); n != 1 || len(b.made)+len(b.deleted) > 0 {
			t.Errorf("said %d times, %q, %q: %s", n, b.made, b.deleted, b.log.String())
		}
	}
}

// TestRunnerFails: errors are logged when they begin, when they change, and once an hour; a slot is tried once; and it goes on.
func TestRunnerFails(t *testing.T) {
	b := newBed(t, Schedule{Prefix: "auto-", Every: time.Minute, Keep: Keep{Last: 1000}})
	b.pass(time.Minute)
	for i, refuse := range []error{pmemfs.ErrNoSpace, pmemfs.ErrReadOnly} {
		b.refuse = refuse
		b.pass(150 * time.Minute)
		if n := b.said("cannot make"); n != 3*(i+1) {
			t.Errorf("%v: said %d times", refuse, n)
		}
	}
	if n := b.said("errors_not_logged=59"); n != 4 {
		t.Errorf("the log does not say how often it kept silent: %s", b.log.String())
	}
	b.refuse = nil
	n := len(b.made)
	b.pass(10 * time.Minute)
	if len(b.made) != n+10 || b.said("makes snapshots again") != 1 {
		t.Errorf("%q: %s", b.made, b.log.String())
	}
}

// TestRunnerNoSpace: fewer to keep, by an operator whose image is full, frees space without a new snapshot.
func TestRunnerNoSpace(t *testing.T) {
	s := Schedule{Prefix: "auto-", Every: time.Minute, Keep: Keep{Last: 10}}
	b := newBed(t, s)
	b.pass(10*time.Minute - time.Second)
	b.full = true
	s.Keep.Last = 2
	if err := b.r.Set([]Schedule{s}); err != nil {
		t.Fatal(err)
	}
	b.pass(2 * time.Second)
	if len(b.list) != 2 {
		t.Errorf("%q", b.names())
	}
	b.full = false
	b.pass(2 * time.Second)
	if len(b.list) != 2 || len(b.made) != 11 {
		t.Errorf("%q, %q", b.names(), b.made)
	}
}

// TestRunnerSet: a schedule whose prefix stays goes on where it was, others begin and end, and a mistake changes nothing.
func TestRunnerSet(t *testing.T) {
	a := Schedule{Prefix: "a-", Every: 10 * time.Minute, Keep: Keep{Last: 10}}
	b := newBed(t, a, Schedule{Prefix: "b-", Every: 5 * time.Minute, Keep: Keep{Last: 10}})
	b.pass(6 * time.Minute)
	a.Keep.Last = 1
	next := []Schedule{{Prefix: "c-", Every: time.Hour, Keep: Keep{Last: 1}}, a}
	if added, removed, changed := b.r.Difference(next); !slices.Equal(added, []string{"c-"}) || !slices.Equal(removed, []string{"b-"}) || !slices.Equal(changed, []string{"a-"}) {
		t.Errorf("%q, %q, %q", added, removed, changed)
	}
	for _, list := range [][]Schedule{next, {a, a}} {
		if err := b.r.Set(list); (err == nil) != (list[0] != list[1]) {
			t.Fatal(err)
		}
	}
	b.pass(6 * time.Minute)
	b.want(b.made, "", "a-20261130T000000Z", "b-20261130T000000Z", "b-20261130T000500Z", "c-20261130T000600Z", "a-20261130T001000Z")
	b.want(b.deleted, "", "a-20261130T000000Z")
}

// TestRunnerMonth: a schedule of the documents, for two months.
func TestRunnerMonth(t *testing.T) {
	b := newBed(t, Schedule{Prefix: "auto-", Every: 15 * time.Minute, Keep: Keep{Hourly: 24, Daily: 7, Weekly: 4}})
	b.pass(61*24*time.Hour + time.Minute)
	if n := len(b.made); n != 61*24*4+1 {
		t.Errorf("made %d", n)
	}
	// It is midnight of a Saturday: 24 hours reach into yesterday, seven days back to Sunday, which is the end of the second of four weeks.
	if n := len(b.list); n != 24+5+2 {
		t.Errorf("%d: %q", n, b.names())
	}
}
