package safego

import (
	"bytes"
	"context"
	"testing"
	"time"
)

// TestPanics starts a goroutine that panics in each way that there is to start one.
func TestPanics(t *testing.T) {
	told := make(chan Panic, 8)
	SetReport(func(p Panic) { told <- p })
	defer SetReport(nil)
	ctx, cancel := context.WithCancel(context.Background())
	before := Panics()
	var group Group
	bad := func() { panic("bad") }

	Go("go", bad)
	group.Go("group", bad)
	AfterFunc(0, "timer", bad)
	OnEnd(ctx, "end", bad)
	cancel()
	if Run("run", bad) {
		t.Error("Run says that a panic returned")
	}
	group.Wait()
	seen := make(map[string]bool)
	for range 5 {
		p := <-told
		if p.Value != "bad" || !bytes.Contains(p.Stack, []byte("safego_test.go")) {
			t.Errorf("told of %q: %v at %s", p.Name, p.Value, p.Stack)
		}
		seen[p.Name] = true
	}
	if len(seen) != 5 || Panics() != before+5 {
		t.Errorf("told of %v, counted %d", seen, Panics()-before)
	}
}

// TestReportPanics lets the one who is told panic too.
func TestReportPanics(t *testing.T) {
	SetReport(func(Panic) { panic("worse") })
	defer SetReport(nil)
	ended := false
	func() {
		defer func() { ended = true }()
		Run("run", func() { var p *int; *p = 1 })
	}()
	if !ended {
		t.Error("not ended")
	}
}

// TestReturns holds what does not panic to what it is without the package.
func TestReturns(t *testing.T) {
	if !Run("run", func() {}) {
		t.Error("Run says that a return panicked")
	}
	done := make(chan struct{})
	if AfterFunc(time.Hour, "never", func() { close(done) }).Stop(); false {
		<-done
	}
	stop := OnEnd(t.Context(), "never", func() { close(done) })
	if !stop() {
		t.Error("OnEnd cannot be stopped")
	}
	var group Group
	n := 0
	group.Go("one", func() { n++ })
	group.Wait()
	if n != 1 {
		t.Error("Wait did not wait")
	}
}
