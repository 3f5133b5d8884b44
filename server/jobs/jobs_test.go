package jobs

import (
	"context"
	"errors"
	"testing"

	"pmemfs/pmemfs"
)

// until is work that goes on until it is told to end, or is cancelled.
func until(end <-chan struct{}, begun chan<- struct{}) Work {
	return func(ctx context.Context, progress func(done, total int64)) (any, error) {
		progress(1, 2)
		begun <- struct{}{}
		select {
		case <-end:
			return map[string]int{"found": 3}, nil
		case <-ctx.Done():
			return map[string]int{"found": 1}, ctx.Err()
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOnce starts the same thing twice: there is one job, which tells how far it is and what it found.
func TestOnce(t *testing.T) {
	var l List
	end, begun := make(chan struct{}), make(chan struct{}, 1)
	first, fresh, err := l.Start("scrub", "a.img", "", until(end, begun))
	must(t, err)
	again, second, err := l.Start("scrub", "a.img", "", func(context.Context, func(int64, int64)) (any, error) {
		t.Error("it is done twice")
		return nil, nil
	})
	must(t, err)
	<-begun
	other, _, err := l.Start("scrub", "b.img", "", until(end, begun))
	must(t, err)
	<-begun
	if !fresh || second || first.ID != again.ID || other.ID == first.ID {
		t.Errorf("jobs %d, %d and %d", first.ID, again.ID, other.ID)
	}
	if j, err := l.Get(first.ID); err != nil || j.State != Running || j.Done != 1 || j.Total != 2 {
		t.Errorf("under way: %+v, %v", j, err)
	}
	close(end)
	j, err := l.Wait(t.Context(), first.ID)
	if err != nil || j.State != Done || string(j.Result) != `{"found":3}` || j.EndedNS < j.BeganNS {
		t.Errorf("in the end: %+v, %v", j, err)
	}
	if next, _, err := l.Start("scrub", "a.img", "", until(end, begun)); err != nil || next.ID == first.ID {
		t.Errorf("after the end: %+v, %v", next, err)
	}
	l.Close()
	if _, _, err := l.Start("scrub", "a.img", "", until(end, begun)); !errors.Is(err, pmemfs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestCancel ends a job, once, and what it found until then stays.
func TestCancel(t *testing.T) {
	var l List
	defer l.Close()
	begun := make(chan struct{}, 1)
	j, _, err := l.Start("scrub", "a.img", "", until(nil, begun))
	must(t, err)
	<-begun
	for range 2 {
		if c, err := l.Cancel(t.Context(), j.ID); err != nil || c.State != Cancelled || string(c.Result) != `{"found":1}` || c.Message != "" {
			t.Errorf("cancelled: %+v, %v", c, err)
		}
	}
	if _, err := l.Cancel(t.Context(), 99); !errors.Is(err, pmemfs.ErrNotExist) {
		t.Errorf("no such job: %v", err)
	}
}

// TestFails has jobs that fail, and one with a fault: nobody else is troubled.
func TestFails(t *testing.T) {
	var l List
	defer l.Close()
	j, _, err := l.Start("scrub", "a.img", "", func(context.Context, func(int64, int64)) (any, error) { return nil, pmemfs.ErrIO })
	must(t, err)
	if j, err = l.Wait(t.Context(), j.ID); err != nil || j.State != Failed || j.Message != pmemfs.ErrIO.Error() {
		t.Errorf("%+v, %v", j, err)
	}
	j, _, err = l.Start("scrub", "a.img", "", func(context.Context, func(int64, int64)) (any, error) { panic("fault") })
	must(t, err)
	if j, err = l.Wait(t.Context(), j.ID); err != nil || j.State != Failed {
		t.Errorf("%+v, %v", j, err)
	}
}

// TestBounds runs no more than so many at once, and remembers no more than so many.
func TestBounds(t *testing.T) {
	var l List
	end, begun := make(chan struct{}), make(chan struct{}, running)
	for i := range running {
		_, _, err := l.Start("scrub", string(rune('a'+i)), "", until(end, begun))
		must(t, err)
	}
	if _, _, err := l.Start("scrub", "one more", "", until(end, begun)); !errors.Is(err, pmemfs.ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	close(end)
	l.wg.Wait()
	for range 2 * Remembered {
		j, _, err := l.Start("scrub", "a.img", "", func(context.Context, func(int64, int64)) (any, error) { return nil, nil })
		must(t, err)
		_, err = l.Wait(t.Context(), j.ID)
		must(t, err)
	}
	l.wg.Wait()
	if n := len(l.All()); n != Remembered {
		t.Errorf("%d jobs are remembered", n)
	}
}
