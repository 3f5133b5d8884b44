package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"pmemfs/pmemfs/safego"
	"pmemfs/server"
	"pmemfs/server/admin"
	"pmemfs/server/systemd"
)

// startingStep is how often the manager of services is told that a start goes on, and startingMore how long it is to wait then.
const (
	startingStep = 5 * time.Second
	startingMore = 30 * time.Second
	// againAfter is how soon a server that did not answer itself is asked again.
	againAfter = time.Second
)

// supervision tells the manager of services, if there is one, how the server is.
type supervision struct {
	notifier *systemd.Notifier
	log      *slog.Logger
}

// starting asks for more time, however long a recovery takes, until the function that it returns has returned.
func (v *supervision) starting() (done func()) {
	stop := make(chan struct{})
	var wg safego.Group
	wg.Go("start", func() {
		for {
			v.notifier.Starting(startingMore, "opening images")
			select {
			case <-stop:
				return
			case <-time.After(startingStep):
			}
		}
	})
	return func() {
		close(stop)
		wg.Wait()
	}
}

// serving says that clients are served as soon as one has been, gives signs of life until ctx ends, and says that the server is stopping. A
// look that takes too long is followed by another one at once, so that one alone is no reason for a restart.
func (v *supervision) serving(ctx context.Context, s *server.Server) {
	if v.notifier == nil {
		<-ctx.Done()
		return
	}
	defer v.notifier.Stopping()
	every := v.notifier.Watchdog() / 4
	for ready, said := false, false; ctx.Err() == nil; {
		wait := every
		switch r := s.Health(ctx); {
		case !alive(&r):
			wait = againAfter
			if ctx.Err() == nil && !said {
				said = true // once, until it has answered again
				v.log.Error("the server does not answer itself: the manager of services gets no sign of life", "error", whatFails(&r))
			}
		case !ready:
			ready = true
			v.notifier.Ready(servingLine(s))
			fallthrough
		default:
			said = false
			v.notifier.Alive()
		}
		if ready && every == 0 {
			<-ctx.Done()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// servingLine is what the manager shows to people.
func servingLine(s *server.Server) string {
	var paths []string
	for _, i := range s.Images() {
		paths = append(paths, i.Path())
	}
	return fmt.Sprintf("serving %s on %s", strings.Join(paths, ", "), s.Addr())
}

// alive reports whether a restart would be of no use: the server answers, and at least one image does. One of several whose medium has stopped
// is no reason to take the others away.
func alive(r *admin.Report) bool {
	if r.OK {
		return true
	}
	null, root := false, false
	for _, c := range r.Checks {
		null = null || c.OK && strings.HasPrefix(c.Name, "NFS NULL")
		root = root || c.OK && strings.HasPrefix(c.Name, "NFS GETATTR")
	}
	return null && root
}

// whatFails says what is wrong.
func whatFails(r *admin.Report) string {
	var list []string
	for _, c := range r.Checks {
		if !c.OK {
			list = append(list, c.Name+": "+c.Message)
		}
	}
	return strings.Join(list, "; ")
}
