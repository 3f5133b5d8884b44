package admin

import (
	"net/http"
	"sync"
	"time"
)

// telling is the time from one warning of wrong tokens to the next.
const telling = time.Minute

// guesses are wrong tokens: many of them are somebody who guesses.
type guesses struct {
	mu   sync.Mutex // comes last
	n    int64      // since the start
	told time.Time  // when the log was
}

// note counts a request without the token, unless it has none or there is none.
func (g *guesses) note(c Config, r *http.Request) {
	if c.Token == "" || r.Header.Get("Authorization") == "" {
		return
	}
	if n, tell := g.count(time.Now()); tell {
		c.Logger.Warn("the admin port was asked with a wrong token", "client", r.RemoteAddr, "count", n)
	}
}

// count counts one, and reports whether the log is to be told.
func (g *guesses) count(now time.Time) (n int64, tell bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
	if g.told.IsZero() || now.Sub(g.told) >= telling {
		g.told, tell = now, true
	}
	return g.n, tell
}
