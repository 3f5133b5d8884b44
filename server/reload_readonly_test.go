package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pmemfs/server/schedule"
)

// TestReloadReadOnly: an image that cannot be written gets no snapshots, which the log says.
func TestReloadReadOnly(t *testing.T) {
	var log bytes.Buffer
	i := &Image{readOnly: true, log: slog.New(slog.NewTextHandler(&log, nil))}
	if i.reschedule(nil); log.Len() > 0 {
		t.Errorf("no schedules: %s", log.String())
	}
	a := schedule.Schedule{Prefix: "a-", Every: time.Hour, Keep: schedule.Keep{Last: 1}}
	if i.reschedule([]schedule.Schedule{a}); !strings.Contains(log.String(), "no snapshots are made") {
		t.Errorf("a schedule: %s", log.String())
	}
}
