package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"

	"pmemfs/pmemfs/safego"
	"pmemfs/server"
	"pmemfs/server/config"
	"pmemfs/server/control"
	"pmemfs/server/systemd"
)

// errNoExports is why a file that has lost its exports is not taken at its word.
var errNoExports = errors.New("the file names no export any more")

// errNoFile is why nothing is reloaded where the environment and the command line say all.
var errNoFile = errors.New("there is no --config to read anew")

// errStarting is why nothing is reloaded while the server starts.
var errStarting = errors.New("the server is starting: it has read its configuration a moment ago")

// steering has a server go by its configuration.
type steering struct {
	sources
	log *serverLog

	mu      sync.Mutex // one reload after the other
	server  *server.Server
	manager *systemd.Notifier // is told of reloads
	started *config.InForce   // what keys count by that a reload does not apply
	now     *config.InForce
	exports bool // the file names exports
}

// newSteering reads the configuration that a server is to start with.
//
// Errors: those of the sources.
func newSteering(s sources, stderr io.Writer) (*steering, error) {
	file, now, err := s.load()
	if err != nil {
		return nil, err
	}
	return &steering{sources: s, log: newServerLog(stderr, now.Server), started: now, now: now, exports: namesExports(file)}, nil
}

// control is how commands steer.
func (s *steering) control() *control.Steering {
	return &control.Steering{Configuration: s.configuration, Reload: func(context.Context) (control.ReloadReply, error) { return s.reload() }}
}

// steer says which server it is, and who is told of reloads. Before that nothing can be reloaded.
func (s *steering) steer(to *server.Server, manager *systemd.Notifier) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server, s.manager = to, manager
}

// onHangup reads the file anew with each SIGHUP, until the function that it returns has returned. Without a file the signal, which would end the
// process and leave the images as a crash does, is taken note of.
func (s *steering) onHangup(hangups <-chan os.Signal) (stop func()) {
	done := make(chan struct{})
	var wg safego.Group
	wg.Go("reload", func() {
		for {
			select {
			case <-done:
				return
			case <-hangups:
			}
			_, _ = s.reload() // which has logged it
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// reopened goes on with the access log in a new file, and reports whether there is one.
func (s *steering) reopened() bool {
	switch err := s.server.ReopenAccessLog(); {
	case errors.Is(err, server.ErrNoAccessLog):
		return false
	case err != nil:
		s.log.Error("the access log stays in its old file", "error", err)
	default:
		s.log.Info("the access log goes on in a new file")
	}
	return true
}

// reload goes by what the file says now, as far as that can be done, or changes nothing. The log says which. The access log is opened anew in any
// case: whoever has moved it away waits for that.
func (s *steering) reload() (control.ReloadReply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil { // the admin port answers a moment before
		return control.ReloadReply{}, errStarting
	}
	s.manager.Reloading()
	defer func() { s.manager.Reloaded(servingLine(s.server)) }()
	reopened := s.reopened()
	reply, err := s.apply()
	if errors.Is(err, errNoFile) && reopened {
		return reply, nil
	}
	if err != nil {
		s.log.Error("not reloaded: everything stays as it was", "error", err)
		return reply, err
	}
	for _, c := range reply.Restart {
		s.log.Warn("cannot change while serving: counts at the next start", "file", s.file, "image", c.Image, "key", c.Key, "now", c.Now, "next", c.Next)
	}
	for _, over := range reply.Overridden {
		s.log.Info("the file is overridden", "file", s.file, "by", over)
	}
	s.log.Info("configuration reloaded", "file", s.file, "applied", len(reply.Applied), "at_next_start", len(reply.Restart))
	return reply, nil
}

// apply is reload without a log.
func (s *steering) apply() (reply control.ReloadReply, err error) {
	reply.Applied, reply.Restart, reply.Overridden = []control.ConfigurationChange{}, []control.ConfigurationChange{}, []string{}
	if s.file == "" {
		return reply, errNoFile
	}
	file, next, err := s.load()
	if err != nil {
		return reply, err
	}
	if s.exports && !namesExports(file) {
		return reply, errNoExports
	}
	for _, i := range s.server.Images() {
		if to := next.Image(s.now, i.Path()); to != nil {
			if err := to.Wider(i.Exports()); err != nil {
				return reply, err
			}
		}
	}
	c, err := serverConfig(next, silent)
	if err != nil {
		return reply, err
	}
	c.Logger, c.Steering = s.log.Logger, s.control()
	restarts, err := s.server.Reload(c)
	if err != nil {
		return reply, err
	}
	s.log.set(next.Server)
	reply = outcome(s.started, s.now, next, restarts)
	s.now, s.exports = s.now.Reloaded(next), namesExports(file)
	return reply, nil
}

// outcome says what a reload has come to: what differs from before is applied, what differs from the start is not, if a reload does not apply it. The
// values are those that may be shown; the server knows which images come and go, and what it cannot apply of an image.
func outcome(started, before, next *config.InForce, restarts []server.Restart) control.ReloadReply {
	reply := control.ReloadReply{Applied: []control.ConfigurationChange{}, Restart: []control.ConfigurationChange{}, Overridden: append([]string{}, next.Over...)}
	atStart := func(c *config.Change) bool {
		return slices.ContainsFunc(restarts, func(r server.Restart) bool { return r.Image == c.Image && r.Key == c.Name })
	}
	after := before.Reloaded(next)
	for _, c := range before.Changes(after) {
		if c.Live && !atStart(&c) {
			reply.Applied = append(reply.Applied, control.ConfigurationChange{Image: c.Image, Key: c.Name, Now: c.Now, Next: c.Next})
		}
	}
	for _, c := range started.Changes(after) {
		if !c.Live || atStart(&c) {
			reply.Restart = append(reply.Restart, control.ConfigurationChange{Image: c.Image, Key: c.Name, Now: c.Now, Next: c.Next})
		}
	}
	for _, r := range restarts {
		known := slices.ContainsFunc(reply.Restart, func(c control.ConfigurationChange) bool { return c.Image == r.Image && c.Key == r.Key })
		if r.Key == "image" && !known {
			reply.Restart = append(reply.Restart, control.ConfigurationChange{Image: r.Image, Key: r.Key, Now: r.Now, Next: r.Next})
		}
	}
	return reply
}

// configuration is what is in force.
func (s *steering) configuration() control.ConfigurationReply {
	s.mu.Lock()
	defer s.mu.Unlock()
	return describe(s.file, s.now.Since(s.started))
}

// describe is a configuration as commands and clients see it.
func describe(file string, items []config.Item) control.ConfigurationReply {
	reply := control.ConfigurationReply{File: file}
	for _, i := range items {
		reply.Values = append(reply.Values, control.ConfigurationValue{Image: i.Image, Table: i.Table, Of: i.Of, Key: i.Key, Value: i.Value, From: i.From.String(), Live: i.Live})
	}
	return reply
}
