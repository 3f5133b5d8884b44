package schedule

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pmemfs/pmemfs"
)

// TestKeepRules: each rule keeps the newest of each of its periods, counted from the newest, and what any keeps is kept.
func TestKeepRules(t *testing.T) {
	at := func(text string) time.Time {
		when, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	texts := []string{ // newest first
		"2026-12-01 10:30", "2026-12-01 10:00", "2026-12-01 09:59", "2026-12-01 08:00", // a Tuesday
		"2026-11-30 23:59", "2026-11-30 00:00", "2026-11-29 23:59", "2026-11-29 12:00", // a Monday, a Sunday
		"2026-11-23 12:00", "2026-11-22 12:00", "2025-12-31 12:00", "2025-01-01 00:00", "2020-06-01 00:00",
	}
	for _, c := range []struct {
		keep Keep
		kept []int
	}{
		{Keep{Last: 3}, []int{0, 1, 2}},
		{Keep{Last: 100}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{Keep{Hourly: 1}, []int{0}},
		{Keep{Hourly: 5}, []int{0, 2, 3, 4, 5}},
		{Keep{Daily: 4}, []int{0, 4, 6, 8}},
		{Keep{Weekly: 3}, []int{0, 6, 9}},
		{Keep{Monthly: 3}, []int{0, 4, 10}},
		{Keep{Yearly: 9}, []int{0, 10, 12}},
		{Keep{Last: 2, Daily: 2, Yearly: 2}, []int{0, 1, 4, 10}},
	} {
		var all []made
		for _, text := range texts {
			all = append(all, made{name: text, at: at(text)})
		}
		drop := c.keep.drop(all)
		if !slices.IsSorted(drop) {
			t.Errorf("%+v: newer ones go first: %q", c.keep, drop)
		}
		for i, text := range texts {
			if slices.Contains(drop, text) == slices.Contains(c.kept, i) {
				t.Errorf("%+v: %s is dropped: %v", c.keep, text, slices.Contains(drop, text))
			}
		}
		if again := c.keep.drop(slices.DeleteFunc(all, func(m made) bool { return slices.Contains(drop, m.name) })); len(again) > 0 {
			t.Errorf("%+v: what has been kept is not kept again: %q", c.keep, again)
		}
	}
}

// TestKeepValidate refuses rules that keep nothing, or more than there can be.
func TestKeepValidate(t *testing.T) {
	for _, c := range []struct {
		keep Keep
		want error
	}{
		{Keep{}, ErrKeepNothing}, {Keep{Daily: -1, Last: 1}, ErrKeepCount}, {Keep{Yearly: pmemfs.SnapshotsMax}, ErrKeepCount},
		{Keep{Yearly: pmemfs.SnapshotsMax - 1}, nil},
	} {
		if err := c.keep.Validate(); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.keep, err, c.want)
		}
	}
}
