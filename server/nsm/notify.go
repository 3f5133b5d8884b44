package nsm

import (
	"context"
	"errors"
	"time"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/peer"
	"pmemfs/server/rpc"
)

const (
	tellAtOnce   = 16 // hosts that are told at one time
	retryLongest = 2 * time.Minute
)

// Run tells the hosts of the incarnation before that the server was restarted, again and again until they answer or are given up, and forgets
// hosts without locks. It returns when ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	t := time.NewTicker(m.c.Timing.Tick)
	defer t.Stop()
	for ctx.Err() == nil {
		m.tellDue(ctx)
		m.InGrace() // so that its end is logged when it is due
		m.sweep(time.Now().Add(-m.c.Timing.Idle))
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
}

// Close forgets the hosts that have no locks, when the last call has been answered, so that the next incarnation need not wait for them.
func (m *Monitor) Close() { m.sweep(time.Now()) }

// tellDue tells those hosts that it is time to tell, and waits for their answers.
func (m *Monitor) tellDue(ctx context.Context) {
	if !m.tryState() {
		return
	}
	now := time.Now()
	var due []Host
	m.mu.Lock()
	for h, x := range m.hosts {
		if !x.told && !now.Before(x.next) {
			due = append(due, h)
		}
	}
	m.mu.Unlock()
	slots := make(chan struct{}, tellAtOnce)
	var wg safego.Group
	for _, h := range due {
		slots <- struct{}{}
		wg.Go("nsm notification", func() {
			defer func() { <-slots }()
			m.tell(ctx, h)
		})
	}
	wg.Wait()
}

// tryState reports whether the image has the new state number, and tries once more if it has not.
func (m *Monitor) tryState() bool {
	if m.isSaved() {
		return true
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	err := m.saveState()
	if err != nil {
		m.log.Debug("the image does not take a new state number", "error", err)
	}
	return err == nil
}

// tell tells one host, under the name that this machine has and under the address that the host knows, as clients compare one or
// the other with what they have mounted.
func (m *Monitor) tell(ctx context.Context, h Host) {
	m.mu.Lock()
	x := m.hosts[h]
	if x == nil {
		m.mu.Unlock()
		return
	}
	r := peer.Route{Host: h.Addr, Local: x.local.WithZone(""), Zone: x.local.Zone(), UDP: true}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, m.c.Timing.Answer)
	defer cancel()
	var err error
	names := []string{m.c.Name}
	if r.Local.IsValid() {
		names = append(names, r.Local.String())
	}
	answered := false
	for _, name := range names {
		e := rpc.NewEncoder(nil)
		e.Opaque([]byte(name))
		e.Uint32(m.state)
		_, callErr := m.c.Peers.Call(ctx, r, &rpc.OutCall{Prog: Number, Vers: version, Proc: procNotify, Args: e.Bytes()})
		answered = answered || callErr == nil
		err = errors.Join(err, callErr)
	}
	m.toldOnce(h, answered, err)
}

// toldOnce notes what came of telling a host.
func (m *Monitor) toldOnce(h Host, answered bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.hosts[h]
	switch now := time.Now(); {
	case x == nil:
	case answered:
		x.told = true
		m.log.Info("a client knows of the restart", "client", h.String())
	case now.Sub(m.start) > m.c.Timing.GiveUp:
		x.told = true
		m.log.Warn("a client that had locks does not answer, and is given up", "client", h.String(), "error", err)
	default:
		x.next = now.Add(min(m.c.Timing.Retry<<min(x.tries, 16), retryLongest))
		x.tries++
		m.log.Debug("a client that had locks does not answer", "client", h.String(), "error", err)
	}
}

// sweep forgets hosts that have no locks and have asked for none since a time. One fence for each.
func (m *Monitor) sweep(since time.Time) {
	m.writing.Lock()
	defer m.writing.Unlock()
	var idle []Host
	m.mu.Lock()
	for h, x := range m.hosts {
		if x.saved && x.told && !x.recovering && !x.used.After(since) {
			idle = append(idle, h)
		}
	}
	m.mu.Unlock()
	for _, h := range idle {
		switch {
		case !m.suspend(h, since):
		case m.c.Holds(h):
			m.resume(h, false)
		default:
			if err := m.drop(h, true); err != nil {
				m.log.Warn("a client without locks cannot be forgotten", "client", h.String(), "error", err)
				m.resume(h, true) // not again at once
			}
		}
	}
}

// suspend makes a host, if it has not asked for a lock since, wait for writing before it gets another.
func (m *Monitor) suspend(h Host, since time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.hosts[h]
	if x == nil || x.used.After(since) {
		return false
	}
	x.saved = false
	return true
}

// resume undoes suspend.
func (m *Monitor) resume(h Host, later bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.hosts[h]
	x.saved = true
	if later {
		x.used = time.Now()
	}
}
