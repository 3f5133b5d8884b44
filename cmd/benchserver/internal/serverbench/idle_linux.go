package serverbench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// spareFiles are what a process has open besides its connections.
const spareFiles = 256

// idle opens idle connections to each server in turn and looks at its memory.
func (b *bench) idle(ctx context.Context) error {
	for _, t := range b.targets {
		b.Progress(fmt.Sprintf("%d idle connections to %s", b.Idle, t.name))
		if err := stopped(ctx); err != nil {
			return err
		}
		result := Idle{Server: t.name, Connections: b.Idle}
		if err := result.measure(t.names); err != nil {
			result.Failed = err.Error()
		}
		b.report.Idle = append(b.report.Idle, result)
	}
	return nil
}

// idler is a connection that does nothing of importance.
type idler interface {
	null() error
	close() error
}

// idler connects.
func (s *site) idler() (idler, error) {
	if _, nine := s.c.(*nineClient); nine {
		return dialNine(s.addr, s.export)
	}
	return dial(s.addr)
}

// measure connects, sends one call that does nothing on each connection, and lets the server come to rest before it looks.
func (r *Idle) measure(on *instance) (err error) {
	pid := on.cmd.Process.Pid
	if r.BeforeBytes, err = memoryOf(pid); err != nil {
		return err
	}
	clients := make([]idler, 0, r.Connections)
	defer func() {
		for _, c := range clients {
			err = errors.Join(err, c.close())
		}
	}()
	for i := range r.Connections {
		c, err := on.site.idler()
		if err == nil {
			clients = append(clients, c)
			err = c.null()
		}
		if err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
	}
	time.Sleep(time.Second)
	// The first one has to be served still.
	if err := clients[0].null(); err != nil {
		return fmt.Errorf("the first of %d connections: %w", r.Connections, err)
	}
	r.AfterBytes, err = memoryOf(pid)
	return err
}

// allowFiles raises the limit of open files, for this process and those it starts, if it has to.
func allowFiles(n int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	want := uint64(n + spareFiles)
	if limit.Cur < want {
		limit.Cur, limit.Max = want, max(limit.Max, want)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return fmt.Errorf("%d open files: %w", want, err)
		}
	}
	return nil
}
