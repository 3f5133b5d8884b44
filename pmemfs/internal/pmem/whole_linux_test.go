package pmem

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	helpers["fill"] = fillOnFull
}

// TestMakeWhole makes files with holes in various places whole: content and size stay, and a second time there is nothing to do.
func TestMakeWhole(t *testing.T) {
	const size = 8 << 20
	data := bytes.Repeat([]byte("data"), 1<<14) // 64 KiB
	for _, at := range [][]int64{nil, {0}, {size - 65536}, {1 << 20, 3 << 20}, {0, 1 << 20, 2 << 20, size - 65536}} {
		path := filepath.Join(t.TempDir(), "image")
		f, err := os.Create(path)
		if err == nil {
			err = f.Truncate(size)
		}
		for _, off := range at {
			if err == nil {
				_, err = f.WriteAt(data, off)
			}
		}
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lack := int64(size - len(at)*len(data))
		r, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := r.Missing(); err != nil || m != (Missing{Holes: lack}) {
			t.Errorf("data at %v: missing %v, %v, want %d bytes of holes", at, m, err, lack)
		}
		if m, err := r.MakeWhole(); err != nil || m.Holes != lack {
			t.Errorf("data at %v: made %v, %v, want %d bytes", at, m, err, lack)
		}
		if m, err := r.MakeWhole(); err != nil || !m.Whole() {
			t.Errorf("data at %v: made %v, %v the second time", at, m, err)
		}
		if !bytes.Equal(want, r.Bytes()) {
			t.Errorf("data at %v: content has changed", at)
		}
		mustClose(t, r)
		checkAllocated(t, path, size)
	}
}

// TestPreallocatedIsWhole: blocks that were allocated and never written are no holes.
func TestPreallocatedIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	if err := CreateFile(path, 4<<20, CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, r)
	if m, err := r.Missing(); err != nil || !m.Whole() {
		t.Errorf("missing %v, %v, want nothing", m, err)
	}
}

// TestMissingOfMemory: memory and devices lack nothing.
func TestMissingOfMemory(t *testing.T) {
	r := memory(t, 1<<20, Volatile)
	if m, err := r.MakeWhole(); err != nil || !m.Whole() {
		t.Errorf("missing %v, %v", m, err)
	}
}

// TestMissingError says what an image lacks in a way that tells what to do.
func TestMissingError(t *testing.T) {
	for want, e := range map[string]*MissingError{
		"image is sparse: 5.0 MiB of its 64.0 GiB have no blocks on the host's disk; the disk has 4.0 KiB left: no space left on device": {
			Missing: Missing{Holes: 5 << 20}, Size: 64 << 30, Free: 4096, err: unix.ENOSPC},
		"image shares blocks with other files: 1.0 GiB of its 1.0 GiB: " + errNoUnshare.Error(): {
			Missing: Missing{Shared: 1 << 30}, Size: 1 << 30, Free: -1, err: errNoUnshare},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if !errors.Is(e, e.err) {
			t.Errorf("%v does not wrap its cause", e)
		}
	}
}

// TestSurveyBound: a file with more holes than are remembered is allocated, and never punched.
func TestSurveyBound(t *testing.T) {
	const size = 3 * (rangesMax + 10)
	s := &survey{blocks: 2 * (rangesMax + 10)}
	for i := range int64(rangesMax + 10) {
		s.hole(Range{3 * i, 1}, size)
	}
	last := s.holes[len(s.holes)-1]
	if len(s.holes) != rangesMax || last.Off+last.Len != size || !s.coarse {
		t.Errorf("%d holes, the last one %v of %d, coarse %v", len(s.holes), last, size, s.coarse)
	}
	if m := s.missing(size); m.Holes != rangesMax+10 {
		t.Errorf("%v missing", m)
	}
}

// TestMakeWholeOnFull needs root or unprivileged user namespaces, and fails without.
func TestMakeWholeOnFull(t *testing.T) {
	runHelper(t, inNamespace(helper(t, "fill", t.TempDir())))
}

// fillOnFull: an image that does not fit is refused and stays as it is; the fault of a store to it is the host's, and over when the host
// has space.
func fillOnFull(dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		return fmt.Errorf("mount a small tmpfs: %w", err)
	}
	path, ballast := filepath.Join(dir, "image"), filepath.Join(dir, "ballast")
	err := errors.Join(os.WriteFile(path, bytes.Repeat([]byte{1}, 8192), 0o600), os.Truncate(path, 800<<10))
	if err != nil {
		return err
	}
	if err := os.WriteFile(ballast, make([]byte, 900<<10), 0o600); err != nil {
		return err
	}
	r, err := Open(path, Options{})
	if err != nil {
		return err
	}
	var missing *MissingError
	if _, err := r.MakeWhole(); !errors.As(err, &missing) || !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "792.0 KiB of its 800.0 KiB") {
		return fmt.Errorf("making an image whole that does not fit: %v", err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Blocks*512 != 8192 {
		return fmt.Errorf("the image has %d bytes of blocks after it was refused, want 8192; %v", st.Blocks*512, err)
	}
	store := func() error { return guarded(r, func() error { r.Zero(0, r.Size()); return nil }) }
	if err := store(); HostReason(err) != ErrHostSpace || !errors.Is(err, ErrHostSpace) {
		return fmt.Errorf("a store that the host has no space for: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		return err
	}
	if err := store(); err != nil {
		return fmt.Errorf("a store when there is space again: %w", err)
	}
	if m, err := r.MakeWhole(); err != nil {
		return fmt.Errorf("making whole what fits: %v, %w", m, err)
	}
	return r.Close()
}

// TestPoisonIsNoFaultOfTheHost: what Poison makes fault is bad memory, on an ordinary file too.
func TestPoisonIsNoFaultOfTheHost(t *testing.T) {
	page := int64(os.Getpagesize())
	r := image(t, 4*page, Options{})
	_, heal, err := r.Poison(page)
	if err != nil {
		t.Fatal(err)
	}
	err = guarded(r, func() error { r.Probe(page, 1); return nil })
	var fault *FaultError
	if !errors.As(err, &fault) || HostReason(err) != nil {
		t.Errorf("%v, want a fault of memory", err)
	}
	if err := heal(); err != nil {
		t.Error(err)
	}
}
