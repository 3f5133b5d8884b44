package scrub

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/volume"
	"pmemfs/pmemfs/internal/volumetest"
)

// open returns the scrubber of a volume with one file, whose window is empty.
func open(t *testing.T) (*Scrubber, *volume.Volume) {
	t.Helper()
	v := volumetest.New(t, 2048)
	volumetest.File(t, v)
	health := media.New(v)
	if err := errors.Join(health.Open(), v.Journal.Checkpoint()); err != nil {
		t.Fatal(err)
	}
	return New(v, health), v
}

// TestRun scrubs a whole volume, damages a bitmap and an inode, and scrubs it again.
func TestRun(t *testing.T) {
	sc, v := open(t)
	r, err := sc.Run(context.Background(), Options{})
	if err != nil || !r.Complete || len(r.Findings) != 0 || r.Inodes == 0 || r.Bytes == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := v.Journal.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	off, err := v.Inodes.Offset(layout.RootIno)
	if err != nil {
		t.Fatal(err)
	}
	v.Region.Bytes()[off+20] ^= 1
	v.Region.Bytes()[layout.BlockOffset(layout.BitmapBlock(0))+900] ^= 1
	var told []string
	r, err = sc.Run(context.Background(), Options{Found: func(f Finding) { told = append(told, f.Object) }})
	if want := []string{"bitmap of block group 0", "inode 16"}; err != nil || !slices.Equal(told, want) || len(r.Findings) != 2 {
		t.Errorf("found %v (%v), expected %v", told, err, want)
	}
	if st, err := sc.Status(); err != nil || st.Passes != 2 || st.Findings != 2 || st.Running || st.Partial {
		t.Errorf("status %+v, %v", st, err)
	}
}

// TestResume ends a pass at its first step; another one goes on from there.
func TestResume(t *testing.T) {
	sc, _ := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := sc.Run(ctx, Options{})
	if !errors.Is(err, context.Canceled) || r.Complete {
		t.Errorf("%+v, %v", r, err)
	}
	if st, err := sc.Status(); err != nil || !st.Partial {
		t.Errorf("status %+v, %v", st, err)
	}
	if r, err = sc.Run(context.Background(), Options{Resume: true}); err != nil || !r.Resumed || !r.Complete {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestOneAtATime begins a pass within another one.
func TestOneAtATime(t *testing.T) {
	sc, _ := open(t)
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if _, err := sc.Run(context.Background(), Options{}); !errors.Is(err, ErrRunning) {
		t.Error(err)
	}
}

// TestFindingsBounded finds more than a report keeps.
func TestFindingsBounded(t *testing.T) {
	s := &pass{report: &Report{}}
	for range FindingsMax + 5 {
		s.found(Finding{Object: "x"}, errors.New("bad"))
	}
	if r := s.report; len(r.Findings) != FindingsMax || r.Suppressed != 5 || r.Findings[0].Problem != "bad" || s.state.Findings != FindingsMax+5 {
		t.Errorf("%d findings, %d suppressed, %d counted", len(r.Findings), r.Suppressed, s.state.Findings)
	}
}
