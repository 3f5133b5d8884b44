package calllog

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"pmemfs/server/traffic"
)

// TestPipe opens a pipe that nobody reads, which keeps nobody waiting, and then one that somebody reads.
func TestPipe(t *testing.T) {
	c := Config{Path: filepath.Join(t.TempDir(), "pipe"), Traffic: traffic.New()}
	if err := syscall.Mkfifo(c.Path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(c); !errors.Is(err, syscall.ENXIO) {
		t.Fatalf("nobody reads it: %v", err)
	}
	reader, err := os.OpenFile(c.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Reopen(); err != nil {
		t.Error(err)
	}
}
