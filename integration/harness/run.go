package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Result is what one finished command left.
type Result struct {
	Status         int
	Stdout, Stderr string
}

// Run runs pmemfs with args in folder dir, without input, and returns when it
// has ended. It fails the test if it runs for over two minutes.
func Run(t testing.TB, dir string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, Binary(t), args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("pmemfs %q: %v", args, err)
	}
	if ctx.Err() != nil {
		t.Fatalf("pmemfs %q: still running after two minutes\n%s%s", args, &stdout, &stderr)
	}
	return Result{Status: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}

// MustRun is Run for a command that has to exit with status 0.
func MustRun(t testing.TB, dir string, args ...string) Result {
	t.Helper()
	r := Run(t, dir, args...)
	if r.Status != 0 {
		t.Fatalf("pmemfs %q: status %d\n%s%s", args, r.Status, r.Stdout, r.Stderr)
	}
	return r
}

// Check fails the test unless `pmemfs check` finds image clean.
func Check(t testing.TB, image string) {
	t.Helper()
	r := Run(t, filepath.Dir(image), "check", image)
	if r.Status == 0 {
		return
	}
	t.Errorf("pmemfs check: status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	if err := keep(image); err != nil {
		t.Errorf("keeping the damaged image: %v", err)
	}
}

// keep moves a damaged image out of the test's folder, which is about to go.
func keep(image string) error {
	kept, err := os.CreateTemp("", "pmemfs-damaged-*.img")
	if err != nil {
		return err
	}
	if err := kept.Close(); err != nil {
		return err
	}
	if err := os.Rename(image, kept.Name()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(os.Stderr, "the damaged image is kept as", kept.Name())
	return err
}
