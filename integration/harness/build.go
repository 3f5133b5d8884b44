// Package harness builds pmemfs once per test process and runs it the way a
// user does: as a process with an image, a port and signals.
//
// Concurrency: the builders may be called from any goroutine; a Server belongs
// to one test. Durability: Kill ends a server as a crash of the process does,
// without a power cut, so what reached the page cache stays.
package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// BinaryVariable names the environment variable with which a ready binary can
// be tested in place of a fresh build, for instance a release or a -race build.
const BinaryVariable = "TEST_PMEMFS_BINARY"

// builds holds one result per program: a build is done once per process.
var builds = struct {
	sync.Mutex
	dir  string
	done map[string]error
}{done: make(map[string]error)}

// Binary returns the path of a pmemfs built as it is shipped: static.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(BinaryVariable); path != "" {
		return path
	}
	return build(t, "pmemfs", "./cmd/pmemfs")
}

// Guest returns the path of the static program that works in the client kernel.
func Guest(t testing.TB) string {
	t.Helper()
	return build(t, "guest", "./integration/guest")
}

// BenchServer returns the path of the program that measures servers.
func BenchServer(t testing.TB) string {
	t.Helper()
	return build(t, "benchserver", "./cmd/benchserver")
}

// Cleanup removes what was built. TestMain calls it last.
func Cleanup() error {
	builds.Lock()
	defer builds.Unlock()
	err := removeShared()
	if builds.dir != "" {
		err = errors.Join(err, os.RemoveAll(builds.dir))
	}
	return err
}

func build(t testing.TB, name, pkg string) string {
	t.Helper()
	builds.Lock()
	defer builds.Unlock()
	if builds.dir == "" {
		dir, err := os.MkdirTemp("", "pmemfs-build-")
		if err != nil {
			t.Fatal(err)
		}
		builds.dir = dir
	}
	path := filepath.Join(builds.dir, name)
	if _, ok := builds.done[name]; !ok {
		builds.done[name] = compile(t, path, pkg)
	}
	if err := builds.done[name]; err != nil {
		t.Fatal(err)
	}
	return path
}

func compile(t testing.TB, path, pkg string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, pkg)
	cmd.Dir = Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// Root returns the root folder of this module.
func Root(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatalf("go env GOMOD: %v", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}
