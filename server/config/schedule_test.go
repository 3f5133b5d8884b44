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
	c, err := config.Parse([]byte(`
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
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []schedule.Schedule{
		{Prefix: "auto-", Every: 15 * time.Minute, Keep: schedule.Keep{Hourly: 24, Daily: 7, Weekly: 4}},
		{Prefix: "nightly-", Every: 24 * time.Hour, Keep: schedule.Keep{Last: 2, Monthly: 12, Yearly: 3}},
	}
	if !slices.Equal(c.Snapshots, want) {
		t.Errorf("%+v", c.Snapshots)
	}
}

// TestScheduleMistakes: the message has the line and the key, and says what is wrong.
func TestScheduleMistakes(t *testing.T) {
	const good = "[[snapshots]]\nevery = '15m'\nkeep = {hourly = 24}\n"
	for _, c := range []struct{ text, want string }{
		{"\n[[snapshots]]\nkeep = {last = 1}", "2: snapshots.every: it has no default"},
		{"\n[[snapshots]]\nevery = '15m'", "2: snapshots.keep: it has no default"},
		{good + "[[snapshots]]\nprefix = 'b-'\nevery = '15m'", "4: snapshots.keep: it has no default"},
		{"[[snapshots]]\nevery = 15\nkeep = {last = 1}", "2: snapshots.every: text in quotes"},
		{"[[snapshots]]\nevery = 'daily'\nkeep = {last = 1}", "2: snapshots.every: \"daily\" is no time"},
		{"[[snapshots]]\nevery = '1d'\nkeep = {last = 1}", "2: snapshots.every: \"1d\" is no time"},
		{"[[snapshots]]\nkeep = {last = 1}\nevery = '500ms'", "3: snapshots.every: the time between two snapshots is given in whole seconds"},
		{"[[snapshots]]\nevery = '1500ms'\nkeep = {last = 1}", "2: snapshots.every: the time between two snapshots is given in whole seconds"},
		{"[[snapshots]]\nevery = '0s'\nkeep = {last = 1}", "2: snapshots.every: "},
		{"[[snapshots]]\nevery = '-1h'\nkeep = {last = 1}", "2: snapshots.every: "},
		{"[[snapshots]]\nevery = ''\nkeep = {last = 1}", "2: snapshots.every: "},
		{"[[snapshots]]\nevery = '1h'\nkeep = {}", "3: snapshots.keep: nothing is kept"},
		{"[[snapshots]]\nevery = '1h'\n[snapshots.keep]", "3: snapshots.keep: nothing is kept"},
		{"[[snapshots]]\nevery = '1h'\nkeep = {daily = 0}", "3: snapshots.keep.daily: a number of snapshots to keep is from 1 to 4095"},
		{"[[snapshots]]\nevery = '1h'\nkeep = {daily = -1}", "3: snapshots.keep.daily: a number of snapshots to keep is from 1 to 4095"},
		{"[[snapshots]]\nevery = '1h'\nkeep = {daily = 4096}", "3: snapshots.keep.daily: a number of snapshots to keep is from 1 to 4095"},
		{"[[snapshots]]\nevery = '1h'\nkeep = {daily = '7'}", "3: snapshots.keep: a value of another kind is wanted: a number"},
		{"[[snapshots]]\nevery = '1h'\nkeep = {daily = 1.5}", "3: snapshots.keep: a value of another kind is wanted: a number"},
		{"[[snapshots]]\nevery = '1h'\nkeep = {Daily = 7}", "3: snapshots.keep.Daily: unknown key"},
		{"[[snapshots]]\nevery = '1h'\nkeep = {fortnightly = 7}", "3: snapshots.keep.fortnightly: unknown key"},
		{"[[snapshots]]\nevery = '1h'\n[snapshots.keep]\n\nday = 7", "5: snapshots.keep.day: unknown key"},
		{"[[snapshots]]\nevery = '1h'\nkeep = 7", "3: snapshots.keep: "},
		{"[[snapshots]]\nevery = '1h'\nkeep = {last = 4000, daily = 96}", "3: snapshots.keep: all schedules together keep more than the 4095"},
		{"[[snapshots]]\nprefix = ''\nevery = '1h'\nkeep = {last = 1}", "2: snapshots.prefix: empty"},
		{"[[snapshots]]\nprefix = 7\nevery = '1h'\nkeep = {last = 1}", "2: snapshots.prefix: text in quotes"},
		{"[[snapshots]]\nprefix = 'a b'\nevery = '1h'\nkeep = {last = 1}", "2: snapshots.prefix: a name of a snapshot"},
		{"[[snapshots]]\nprefix = '.auto'\nevery = '1h'\nkeep = {last = 1}", "2: snapshots.prefix: a name of a snapshot"},
		{"[[snapshots]]\nprefix = '" + strings.Repeat("x", 240) + "'\nevery = '1h'\nkeep = {last = 1}", "2: snapshots.prefix: a name of a snapshot"},
		{good + "\n[[snapshots]]\nevery = '1h'\nprefix = 'auto-'\nkeep = {daily = 1}", "7: snapshots.prefix: two schedules have the same prefix: \"auto-\""},
		{good + "\n[[ snapshots ]] # again\nevery = '1h'\nkeep = {daily = 1}", "5: snapshots.prefix: two schedules have the same prefix: \"auto-\""},
		{"[[snapshots]]\nEvery = '1h'\nkeep = {last = 1}", "2: snapshots.Every: unknown key"},
		{"[[snapshots]]\nskip = true", "2: snapshots.skip: unknown key"},
		{"[snapshots]\nevery = '1h'\nkeep = {last = 1}", "1: snapshots: "},
		{"snapshots = 'hidden'", "1: snapshots: "},
	} {
		_, err := config.Parse([]byte(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.90q: %v, want %q", c.text, err, c.want)
		}
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
		c, err := config.Parse([]byte(block))
		if err != nil || len(c.Exports) != exports || len(c.Exports)+len(c.Snapshots) != 2 {
			t.Errorf("%s: %+v, %v", path, c, err)
		}
	}
}
