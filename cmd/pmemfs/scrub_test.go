package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs"
)

// sumsImage makes an image with checksums of data and a file in it.
func sumsImage(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fs.img")
	want(t, 0, "mkfs", path, "--size", "8MiB", "--data-checksums")
	fs, err := pmemfs.Open(path, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &pmemfs.Cred{}
	a, err := fs.Create(c, nil, fs.Root(), []byte("file"), &pmemfs.CreateOptions{})
	if err == nil {
		_, _, err = fs.Write(c, nil, a.Handle, []byte(strings.Repeat("find me in the image\n", 1000)), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// damageImage changes a byte of an image where a text is, for the last time, or at an offset.
func damageImage(t *testing.T, path, text string, off int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != "" {
		off = strings.LastIndex(string(b), text)
	}
	b[off] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestScrubStatus runs scrub on images in every state and looks at the exit status.
func TestScrubStatus(t *testing.T) {
	path := sumsImage(t)
	if out, _ := want(t, 0, "info", path); !strings.Contains(out, "never") || !strings.Contains(out, "data checksums") {
		t.Errorf("info: %s", out)
	}
	if out, _ := want(t, 0, "scrub", path); !strings.Contains(out, "clean") {
		t.Errorf("scrub: %s", out)
	}
	if out, _ := want(t, 0, "info", path); !strings.Contains(out, ", 0 findings") {
		t.Errorf("info after a scrub: %s", out)
	}
	damageImage(t, path, "", 100)
	if out, _ := want(t, 1, "scrub", path, "--rate", "1GiB"); !strings.Contains(out, "superblock") || !strings.Contains(out, "repaired") {
		t.Errorf("scrub with a damaged superblock: %s", out)
	}
	want(t, 0, "scrub", path)
	want(t, 0, "check", path, "--data")
	damageImage(t, path, "find me", 0)
	want(t, 0, "check", path)
	want(t, 4, "check", path, "--data")
	out, _ := want(t, 4, "scrub", path, "--json")
	var r pmemfs.ScrubReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || !r.Complete || len(r.Findings) != 1 || r.Findings[0].Ino != 17 {
		t.Errorf("scrub --json: %s, %v", out, err)
	}
	want(t, 8, "scrub", path+".missing")
	want(t, 8, "scrub")
	want(t, 8, "scrub", path, "--rate", "fast")
}

// TestScrubInterrupted stops a scrub and goes on.
func TestScrubInterrupted(t *testing.T) {
	path := sumsImage(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs output
	if status := run(ctx, []string{"scrub", path}, &out, &errs); status != 8 || !strings.Contains(errs.String(), "--resume") {
		t.Errorf("interrupted: status %d, %s", status, errs.String())
	}
	if out, _ := want(t, 0, "info", path); !strings.Contains(out, "begun") {
		t.Errorf("info: %s", out)
	}
	out2, _ := want(t, 0, "scrub", path, "--resume", "--json")
	var r pmemfs.ScrubReport
	if err := json.Unmarshal([]byte(out2), &r); err != nil || !r.Resumed || !r.Complete {
		t.Errorf("resumed: %s, %v", out2, err)
	}
}
