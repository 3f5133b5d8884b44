package server

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pmemfs/server/schedule"
)

// TestRescheduleReadOnly: an image that cannot be written gets no snapshots, which the log says, and mistakes are refused all the same.
func TestRescheduleReadOnly(t *testing.T) {
	var log bytes.Buffer
	s := &Server{readOnly: true, log: slog.New(slog.NewTextHandler(&log, nil))}
	if err := s.Reschedule(nil); err != nil || log.Len() > 0 {
		t.Errorf("no schedules: %v, %s", err, log.String())
	}
	a := schedule.Schedule{Prefix: "a-", Every: time.Hour, Keep: schedule.Keep{Last: 1}}
	if err := s.Reschedule([]schedule.Schedule{a}); err != nil || !strings.Contains(log.String(), "no snapshots are made") {
		t.Errorf("a schedule: %v, %s", err, log.String())
	}
	if err := s.Reschedule([]schedule.Schedule{a, a}); !errors.Is(err, schedule.ErrSamePrefix) {
		t.Errorf("a mistake: %v", err)
	}
}
