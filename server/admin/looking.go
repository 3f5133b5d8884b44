package admin

import (
	"bytes"
	"context"
	"net/http"
	"time"
)

const (
	// scrapesMost is how many answers to scrapes are made at once.
	scrapesMost = 2
	// turn is how long a scrape waits for its turn, of which a medium that has stopped may keep it.
	turn = 2 * time.Second
)

// looking makes the answers of a handler a few at a time, in the order in which they were asked for. Whoever reads slowly holds an answer that has been
// made, and no place of those who wait. Who has waited so long is to come again.
func looking(h http.Handler, most int, wait time.Duration) http.Handler {
	places := make(chan struct{}, most)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
			http.Error(w, "a request that changes nothing has no body", http.StatusBadRequest)
			return
		}
		if !enter(r.Context(), places, wait) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "as many as can be are being answered: a medium may have stopped", http.StatusServiceUnavailable)
			return
		}
		a := made{header: make(http.Header), status: http.StatusOK}
		func() {
			defer func() { <-places }()
			h.ServeHTTP(&a, r)
		}()
		a.send(w, r)
	})
}

// enter takes a place, and reports whether there was one in time.
func enter(ctx context.Context, places chan struct{}, wait time.Duration) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
	}
	if wait == 0 {
		return false
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case places <- struct{}{}:
		return true
	case <-late.C:
	case <-ctx.Done(): // nobody is there any more
	}
	return false
}

// made is an answer that nobody has read yet.
type made struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *made) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *made) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *made) Write(p []byte) (int, error) { return a.body.Write(p) }

// send has the client read the answer, which counts as the client's until then.
func (a *made) send(w http.ResponseWriter, r *http.Request) {
	if c := connOf(r); c != nil {
		for _, victim := range c.l.hold(c, a.body.Len()) {
			_ = victim.Close() // it is given up, whatever the system says
		}
		defer c.l.hold(c, 0)
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience)) // who does not read is given up
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // whoever is gone is not told
}
