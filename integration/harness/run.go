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
// has ended. It fails the test if it runs for too long.
func Run(t testing.TB, dir string, args ...string) Result {
	t.Helper()
	return run(t, dir, Binary(t), args)
}

// Bench runs the program that measures servers, on the pmemfs that is tested. It fails the test unless that exits with status 0.
func Bench(t testing.TB, dir string, args ...string) Result {
	t.Helper()
	program := BenchServer(t)
	args = append([]string{"--pmemfs", Binary(t)}, args...)
	r := run(t, dir, program, args)
	if r.Status != 0 {
		t.Fatalf("benchserver %q: status %d\n%s%s", args, r.Status, r.Stdout, r.Stderr)
	}
	return r
}

// Patience is what only a hang takes, of a server, a command or a client: the machine may be busy with other things.
const Patience = 3 * time.Minute

func run(t testing.TB, dir, program string, args []string) Result {
	t.Helper()
	name := filepath.Base(program)
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = Environ()
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%s %q: still running after %s\n%s%s", name, args, Patience, &stdout, &stderr)
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
