package lossylog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// sink is where a test's log goes: it can stall and fail.
type sink struct {
	mu     sync.Mutex
	text   bytes.Buffer
	fails  bool
	stall  chan struct{} // a write waits until it is closed; nil for none
	writes int
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	stall, fails := s.stall, s.fails
	s.writes++
	s.mu.Unlock()
	if stall != nil {
		<-stall
	}
	if fails {
		return 0, errors.New("gone")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sink) set(stall chan struct{}, fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stall, s.fails = stall, fails
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func text(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }

// newLog returns a log whose clock stands still.
func newLog(s *sink) (*Handler, *slog.Logger, func(time.Duration)) {
	h := New(s, text)
	var mu sync.Mutex
	clock := time.Now()
	h.now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return clock
	}
	return h, slog.New(h), func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		clock = clock.Add(d)
	}
}

// TestRates lets clients cause ever more lines.
func TestRates(t *testing.T) {
	s := new(sink)
	h, log, later := newLog(s)
	for i := range 1000 {
		log.Warn("refused", "client", fmt.Sprintf("10.0.0.1:%d", 1000+i))
	}
	log.Warn("refused", "client", "10.0.0.2:5") // another client
	log.Warn("other", "client", "10.0.0.1:5")   // another cause
	later(3 * time.Second)
	for range 10 {
		log.With("client", "10.0.0.1:7").Warn("refused")
	}
	for i := range 10000 { // many clients
		log.Warn("mount", "client", fmt.Sprintf("10.1.%d.%d:9", i>>8, i&255))
	}
	h.Close()
	got := s.String()
	if n := strings.Count(got, "client=10.0.0.1:"); n != clientBurst+1+3 {
		t.Errorf("%d lines of one client", n)
	}
	if n := strings.Count(got, "msg=mount"); n != causeBurst {
		t.Errorf("%d lines of one cause", n)
	}
	for _, want := range []string{"client=10.0.0.2:5", "msg=other", "left_out_before=990", "cause=mount lines=9900", "cause=refused lines=7"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if h.Lost() != 0 || len(h.limiter.buckets) > keysMax {
		t.Errorf("%d lines lost, %d keys", h.Lost(), len(h.limiter.buckets))
	}
}

// TestStrings logs what clients have made up.
func TestStrings(t *testing.T) {
	s := new(sink)
	h, log, _ := newLog(s)
	log.Warn("refused", "path", strings.Repeat("\x01", 1024), "error", errors.New(strings.Repeat("e", 5000)))
	h.Close()
	if n := len(s.String()); n > 64*4+1024+200 {
		t.Errorf("a line of %d bytes: %.400s", n, s.String())
	}
	if n := strings.Count(s.String(), `\x01`); n != clientMax {
		t.Errorf("%d bytes of a client's string", n)
	}
}

// TestStalls logs while nobody reads, and reads again: whoever logs does not wait, and what was lost is said.
func TestStalls(t *testing.T) {
	s, stall := new(sink), make(chan struct{})
	s.set(stall, false)
	h, log, _ := newLog(s)
	line := strings.Repeat("x", 500)
	for i := range 20000 {
		log.Log(t.Context(), slog.LevelInfo, fmt.Sprint("cause ", i), "text", line)
	}
	if h.Lost() == 0 {
		t.Fatal("nothing is lost although nobody reads")
	}
	h.queue.mu.Lock()
	waiting := len(h.queue.waiting)
	h.queue.mu.Unlock()
	if waiting > queueMax {
		t.Errorf("%d bytes wait", waiting)
	}
	s.set(nil, false)
	close(stall)
	for s.String() == "" {
		time.Sleep(time.Millisecond)
	}
	log.Info("back")
	h.Close()
	if got := s.String(); !strings.Contains(got, "msg=back") || !strings.Contains(got, "lines of the log were lost") {
		t.Errorf("the reader is not told: %d bytes", len(got))
	}
}

// TestStallsAtTheEnd closes a log that nobody reads.
func TestStallsAtTheEnd(t *testing.T) {
	s, stall := new(sink), make(chan struct{})
	defer close(stall)
	s.set(stall, false)
	h, log, _ := newLog(s)
	log.Info("last")
	h.Close() // returns
	log.Info("later")
}

// TestGone writes to a pipe that nobody reads any more.
func TestGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h := New(w, text)
	log := slog.New(h)
	log.Info("first")
	buf := make([]byte, 1000)
	if n, err := r.Read(buf); err != nil || !bytes.Contains(buf[:n], []byte("first")) {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		log.Info("to nobody", "i", i)
	}
	h.Close()
	if h.Lost() < 5 { // and those that say how many were lost
		t.Errorf("%d lines lost, want 5", h.Lost())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
