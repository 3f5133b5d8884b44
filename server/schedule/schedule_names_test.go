package schedule

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestScheduleNames: only a prefix and a time, as they are written, are a name of a schedule.
func TestScheduleNames(t *testing.T) {
	s := Schedule{Prefix: "auto-"}
	zone := time.FixedZone("", 2*60*60)
	if name := s.name(time.Date(2026, 11, 30, 20, 15, 0, 999, zone)); name != "auto-20261130T181500Z" {
		t.Errorf("%q", name)
	}
	if at, ok := s.timeOf("auto-20261130T181500Z"); !ok || !at.Equal(time.Date(2026, 11, 30, 18, 15, 0, 0, time.UTC)) {
		t.Errorf("%v, %v", at, ok)
	}
	for _, name := range []string{
		"", "auto-", "auto-20261130T181500", "auto-20261130T181500.5Z", "auto-20261130T181500z", "auto-20261130T181500Z2", "auto-20261331T181500Z",
		"auto-before-upgrade", "xauto-20261130T181500Z", "auto--20261130T181500Z", "20261130T181500Z", "auto-20261130T181500,5Z", "auto-20261130T246000Z",
	} {
		if _, ok := s.timeOf(name); ok {
			t.Errorf("%q is taken for a name of the schedule", name)
		}
	}
}

// TestScheduleValidate refuses what could not work.
func TestScheduleValidate(t *testing.T) {
	good := Schedule{Prefix: "a-", Every: time.Minute, Keep: Keep{Last: 1}}
	with := func(change func(s *Schedule)) Schedule {
		s := good
		change(&s)
		return s
	}
	for _, c := range []struct {
		list []Schedule
		want error
	}{
		{nil, nil},
		{[]Schedule{good, with(func(s *Schedule) { s.Prefix = "a" })}, nil},
		{[]Schedule{with(func(s *Schedule) { s.Every = 0 })}, ErrEvery},
		{[]Schedule{with(func(s *Schedule) { s.Every = time.Second / 2 })}, ErrEvery},
		{[]Schedule{with(func(s *Schedule) { s.Prefix = "" })}, ErrPrefix},
		{[]Schedule{with(func(s *Schedule) { s.Prefix = "a/" })}, ErrPrefix},
		{[]Schedule{with(func(s *Schedule) { s.Prefix = strings.Repeat("a", 240) })}, ErrPrefix},
		{[]Schedule{with(func(s *Schedule) { s.Keep = Keep{} })}, ErrKeepNothing},
		{[]Schedule{good, with(func(s *Schedule) { s.Every = time.Hour })}, ErrSamePrefix},
		{[]Schedule{good, with(func(s *Schedule) { s.Prefix, s.Keep.Daily = "b", 4094 })}, ErrKeepTotal},
		{[]Schedule{with(func(s *Schedule) { s.Keep.Daily = 4094 })}, nil},
	} {
		if err := Validate(c.list); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%+v: %v, want %v", c.list, err, c.want)
		}
	}
}
