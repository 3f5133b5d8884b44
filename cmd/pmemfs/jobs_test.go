package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
	"pmemfs/server/jobs"
)

// TestJobs scrubs an image and checks a snapshot of it, by this process and by a server; what takes long is seen and ended.
func TestJobs(t *testing.T) {
	image := filepath.Join(t.TempDir(), "fs.img")
	want(t, 0, "mkfs", image, "--size", "16MiB", "--data-checksums")
	want(t, 0, "snapshot", "create", image, "one")
	offline, _ := want(t, 0, "snapshot", "check", image, "one")
	if offline != "one: clean: 1 directory, 0 files, 0 others, 0 B read\n" {
		t.Errorf("by this process: %q", offline)
	}
	for _, args := range [][]string{{"snapshot", "check", image, "none"}, {"snapshot", "check", image}, {"snapshot", "check", image + ".none", "one"}} {
		want(t, 8, args...)
	}
	want(t, 1, "jobs", "list", image)
	s := serve(t, image)
	defer s.stop()
	if online, _ := want(t, 0, "snapshot", "check", image, "one"); online != offline {
		t.Errorf("by the server: %q", online)
	}
	want(t, 8, "snapshot", "check", image, "none")
	var report pmemfs.ScrubReport
	out, _ := want(t, 0, "scrub", image, "--json")
	if err := json.Unmarshal([]byte(out), &report); err != nil || !report.Complete || report.Inodes == 0 {
		t.Errorf("scrub by the server: %s, %v", out, err)
	}
	list := func() (list control.JobsReply) {
		out, _ := want(t, 0, "jobs", "list", image, "--json")
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if l := list(); len(l.Jobs) != 2 || l.Jobs[0].Kind != control.JobSnapshotCheck || l.Jobs[1].Kind != control.JobScrub || l.Jobs[1].State != jobs.Done || len(l.Jobs[1].Result) != 0 {
		t.Errorf("jobs: %+v", l)
	}
	ended := make(chan int)
	go func() {
		status, _, _ := command("scrub", image, "--rate", "1")
		ended <- status
	}()
	for deadline := time.Now().Add(patience); len(list().Jobs) < 3; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the scrub does not begin")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := scrubAnywhere(ctx, controlFlags{}, image, pmemfs.ScrubOptions{Progress: silent("")}); err == nil || !strings.Contains(err.Error(), "goes on") {
		t.Errorf("interrupted while somebody else's scrub is under way: %v", err)
	}
	if l := list(); l.Jobs[2].State != jobs.Running {
		t.Errorf("somebody else's scrub is %s", l.Jobs[2].State)
	}
	for range 2 { // it has the same outcome again
		if out, _ := want(t, 0, "jobs", "cancel", image, "3"); out != "job 3, scrub of "+image+": cancelled\n" {
			t.Errorf("cancelled: %q", out)
		}
	}
	if status := <-ended; status != exitCouldNot {
		t.Errorf("a scrub that was cancelled: status %d", status)
	}
	if out, _ := want(t, 0, "jobs", "list", image); !strings.Contains(out, "cancelled") {
		t.Errorf("jobs: %s", out)
	}
	for _, args := range [][]string{{"jobs", "cancel", image, "99"}, {"jobs", "cancel", image, "0"}, {"jobs", "cancel", image, "x"}, {"jobs", "cancel"}} {
		want(t, 1, args...)
	}
}
