package config_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pmemfs/server/config"
	"pmemfs/server/schedule"
)

// TestSchedules reads schedules, in both forms that a table may have.
func TestSchedules(t *testing.T) {
	c, err := config.Parse("f", []byte(`
[[snapshots]]
every = "15m"
keep = {hourly = 24, daily = 7, weekly = 4}

[[snapshots]]
prefix = "nightly-"
every = "24h"
[snapshots.keep]
last = 2
monthly = 1_2
yearly = 3
`), none)
	if err != nil {
		t.Fatal(err)
	}
	want := []schedule.Schedule{
		{Prefix: "auto-", Every: 15 * time.Minute, Keep: schedule.Keep{Hourly: 24, Daily: 7, Weekly: 4}},
		{Prefix: "nightly-", Every: 24 * time.Hour, Keep: schedule.Keep{Last: 2, Monthly: 12, Yearly: 3}},
	}
	var got []schedule.Schedule
	for _, s := range c.Images[0].Snapshots {
		got = append(got, s.Schedule)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// TestScheduleDocuments: the documents' files are files.
func TestScheduleDocuments(t *testing.T) {
	for path, exports := range map[string]int{"../../docs/snapshots.md": 0, "../../docs/exports.md": 2} {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, block, _ := strings.Cut(string(page), "```toml\n")
		block, _, _ = strings.Cut(block, "```")
		c, err := config.Parse("f", []byte(block), none)
		if err != nil || len(c.Images[0].Exports) != exports || len(c.Images[0].Exports)+len(c.Images[0].Snapshots) != 2 {
			t.Errorf("%s: %+v, %v", path, c, err)
		}
	}
}
