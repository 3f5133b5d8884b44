package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/probe"
)

// HealthTime is how long a round trip may take.
const HealthTime = 5 * time.Second

// Report says how the server is.
type Report struct {
	OK     bool          `json:"ok" doc:"all checks are"`
	State  string        `json:"state" doc:"starting, recovering, serving or stopping"`
	Grace  bool          `json:"grace" doc:"clients are claiming their locks, and new ones wait"`
	Checks []probe.Check `json:"checks"`
}

// serveHealth answers 200 if a round trip has come back.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) {
	report, ok := s.health.do(r.Context(), s.c.Health)
	if !ok {
		return // nobody is there any more
	}
	sendReport(w, &report)
}

// serveReady answers 200 if clients are served. With grace=wait it is not ready before they get new locks.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	report := s.c.Ready()
	if r.URL.Query().Get("grace") == "wait" && report.Grace {
		report.OK = false
	}
	sendReport(w, &report)
}

func sendReport(w http.ResponseWriter, r *Report) {
	if r.Checks == nil {
		r.Checks = []probe.Check{}
	}
	w.Header().Set("Content-Type", "application/json")
	if !r.OK {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r) // whoever is gone is not told
}

// flight carries out one round trip at a time. Whoever asks meanwhile gets the same answer.
type flight struct {
	mu  sync.Mutex // comes last
	now *trip
}

type trip struct {
	done   chan struct{}
	report Report
}

// do returns the outcome of the round trip that is under way, or else of a new one; not ok if ctx ends before.
func (f *flight) do(ctx context.Context, ask func(context.Context) Report) (Report, bool) {
	f.mu.Lock()
	t := f.now
	if t == nil {
		t = &trip{done: make(chan struct{}), report: Report{State: "unknown", Checks: []probe.Check{{Name: "probe", Message: "it panicked: the log says where"}}}}
		f.now = t
		safego.Go("health", func() {
			defer f.end(t)
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), HealthTime)
			defer cancel()
			t.report = ask(ctx)
		})
	}
	f.mu.Unlock()
	select {
	case <-t.done:
		return t.report, true
	case <-ctx.Done():
		return Report{}, false
	}
}

// end makes room for the next trip.
func (f *flight) end(t *trip) {
	f.mu.Lock()
	f.now = nil
	f.mu.Unlock()
	close(t.done)
}
